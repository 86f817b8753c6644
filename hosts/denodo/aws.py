"""What the program asks AWS, through the image's own `aws` command and its instance role.

This is the only module that knows how. No secret is an argument, is logged or is written here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hosts.denodo.errors import ImageError, NodeError, StateError
from hosts.denodo.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.denodo.state import Signal
    from hosts.denodo.system import System

_SECONDS = 60
_COPY_SECONDS = 600
_ID_LENGTH = 64


class NoAnswerError(NodeError):
    """AWS did not do what it was asked for."""


def parameter(system: System, name: str) -> str:
    """The text of a parameter.

    Raises:
        StateError: it cannot be read.
    """
    try:
        answer = _json(system, "ssm", "get-parameter", f"--name={name}")
    except NoAnswerError as wrong:
        message = f"the parameter {name} cannot be read: {wrong}"
        raise StateError(message) from None
    return str(answer["Parameter"]["Value"])


def secret(system: System, arn: str, version: str = "") -> str:
    """The text of a secret, or of one version of it.

    Raises:
        NoAnswerError: it cannot be read.
    """
    one = [f"--version-id={version}"] if version else []
    answer = _json(system, "secretsmanager", "get-secret-value", f"--secret-id={arn}", *one)
    return str(answer["SecretString"])


def fetch(system: System, uri: str, path: Path) -> None:
    """Copy an object of S3 to a file.

    Raises:
        NoAnswerError: it cannot be copied.
    """
    _ask(system, "s3", "cp", "--no-progress", uri, str(path), seconds=_COPY_SECONDS)


def put(system: System, bucket: str, key: str, path: Path) -> str:
    """Put a file into a versioned bucket, whole or not at all; gives its version.

    Raises:
        NoAnswerError: it cannot be put there.
    """
    answer = _json(
        system,
        *("s3api", "put-object", f"--bucket={bucket}", f"--key={key}", f"--body={path}"),
        seconds=_COPY_SECONDS,
    )
    return str(answer.get("VersionId", ""))


def get(system: System, bucket: str, key: str, path: Path, version: str = "") -> bool:
    """Copy an object, or one version of it, to a file; tells whether there is one.

    Raises:
        NoAnswerError: it cannot be copied.
    """
    one = [f"--version-id={version}"] if version else []
    try:
        _ask(
            system,
            *("s3api", "get-object", f"--bucket={bucket}", f"--key={key}", *one, str(path)),
            seconds=_COPY_SECONDS,
        )
    except NoAnswerError as wrong:
        if "(NoSuchKey)" in str(wrong):
            return False
        raise
    return True


def signal(system: System, to: Signal, *, success: bool, message: str) -> None:
    """Tell CloudFormation that the node is there, or why not.

    A signal has no place for a reason, but CloudFormation shows its id in the stack's events.

    Raises:
        NoAnswerError: CloudFormation does not take it.
    """
    _ask(
        system,
        "cloudformation",
        "signal-resource",
        f"--stack-name={to.stack}",
        f"--logical-resource-id={to.resource}",
        f"--unique-id={' '.join(message.split())[:_ID_LENGTH]}",
        f"--status={'SUCCESS' if success else 'FAILURE'}",
    )


def _json(system: System, *arguments: str, seconds: float = _SECONDS) -> dict[str, Any]:
    answer = json.loads(_ask(system, *arguments, "--output", "json", seconds=seconds))
    assert isinstance(answer, dict)
    return answer


def _ask(system: System, *arguments: str, seconds: float = _SECONDS) -> str:
    try:
        result = run([system.aws, *arguments], seconds=seconds)
    except OSError as wrong:
        message = f"the AWS CLI ({system.aws}) cannot be run: {wrong.strerror}; install it"
        raise ImageError(message) from None
    if not result.ended_well:
        # Of what it printed only the errors: an answer may hold a secret.
        what = " ".join(arguments[:2])
        reason = result.errors.strip() or f"status {result.status}"
        message = f"aws {what}: {reason}"
        raise NoAnswerError(message)
    return result.output
