"""Objects in the deployment bucket, each named by the SHA-256 of its content.

The desired state, an SSM parameter that a deploy writes, names such an object:
`s3://BUCKET/SHA256.EXTENSION`. If the content has another hash, the content is not used: it was
changed in the bucket, truncated during the transfer, or published by an older version of this
project, which used another hash as the name.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hosts.common.errors import UnverifiedError

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.common.aws_cli import AwsCli


def fetch(aws: AwsCli, uri: str, path: Path, *, most_bytes: int) -> None:
    """Fetch an object to a file and verify its hash; if the hash is wrong, remove the file.

    Args:
        aws: the AWS CLI.
        uri: S3 URL of the object.
        path: the file, in a folder that no other user can write.
        most_bytes: maximum size of the object.

    Raises:
        AwsError: The object cannot be fetched.
        UnverifiedError: The object does not match the hash in its name, or is too large.
        OSError: The file cannot be read.
    """
    # Fetch one byte more than allowed, so that an object that is too large is noticed.
    aws.copy_beginning(uri, path, most_bytes + 1)
    problem = _problem(uri, path.read_bytes(), most_bytes)
    if problem:
        path.unlink()
        message = f"{uri} is not used: {problem}"
        raise UnverifiedError(message)


def _problem(uri: str, content: bytes, most_bytes: int) -> str:
    if len(content) > most_bytes:
        return f"the object has more than {most_bytes} bytes"
    digest = hashlib.sha256(content).hexdigest()
    if digest == PurePosixPath(uri).stem:
        return ""
    return (
        f"the SHA-256 of the object's {len(content)} bytes is {digest}, but the object's name is "
        "another hash. The object was changed in the bucket, truncated during the transfer, or "
        "published by an older version of this project. Deploy the stack again. If the message "
        "appears again, compare the object with the asset of the same name in cdk.out"
    )
