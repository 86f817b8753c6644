"""Logins in Secrets Manager: read, completed with the server's address, and replaced.

A login's value is a JSON object: `username`, `password`, `dbname`, and, as soon as it works,
`host`, `port` and `ca` (the PEM certificates that the server's is checked with). No value is shown
or logged.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import Refused
from denodo_ha.environment.facts.limits import SECRET_BYTES


@dataclass(frozen=True)
class Login:
    """A login.

    Attributes:
        arn: its secret.
        username: the user.
        password: the password, which nothing shows.
        dbname: the database; empty for an administrator's.
        value: the whole value.
    """

    arn: str
    username: str
    password: str = field(repr=False)
    dbname: str = ""
    value: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ca(self) -> str:
        """The certificates that the server's is checked with, empty for none yet."""
        return str(self.value.get("ca", ""))


def read(aws: Aws, region: str, arn: str) -> Login:
    """A login.

    Raises:
        Refused: the secret is not what it should be.
        AwsError: it cannot be read.
    """
    with translated_errors():
        answer = aws.client("secretsmanager", region).get_secret_value(SecretId=arn)
    try:
        value = json.loads(answer["SecretString"])
        return Login(arn, value["username"], value["password"], value.get("dbname", ""), value)
    except (KeyError, TypeError, ValueError):
        message = f"the secret {arn} is not a JSON object with username and password"
        raise Refused(message) from None


def put(aws: Aws, region: str, login: Login, **changes: Any) -> bool:
    """Change what a login's value says; tells whether that was needed.

    Raises:
        Refused: it would be too long.
        AwsError: it cannot be written.
    """
    value = {**login.value, **changes}
    if value == login.value:
        return False
    text = json.dumps(value)
    if len(text.encode()) > SECRET_BYTES.value:
        message = (
            f"the certificates are too long: a secret takes {SECRET_BYTES}; give the bundle of "
            f"{region} alone with --ca"
        )
        raise Refused(message)
    with translated_errors():
        aws.client("secretsmanager", region).put_secret_value(SecretId=login.arn, SecretString=text)
    return True
