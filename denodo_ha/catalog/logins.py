"""Database logins in Secrets Manager: read and update them.

The value of a login's secret is a JSON object with `username`, `password` and `dbname`. As soon as
the login works, the object also has `host`, `port` and `ca` (the PEM certificates that verify the
server's certificate). No value is printed or logged.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import named_effect, translated_errors
from denodo_ha.cli.errors import Refused
from denodo_ha.environment.facts.limits import SECRET_BYTES
from denodo_ha.environment.loading.bounded_document import parse_json_answer


@dataclass(frozen=True)
class Login:
    """A database login.

    Attributes:
        arn: ARN of its secret.
        username: name of the user.
        password: password of the user, left out of `repr`.
        dbname: name of the database; empty for an administrator.
        value: the whole value of the secret.
    """

    arn: str
    username: str
    password: str = field(repr=False)
    dbname: str = ""
    value: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ca(self) -> str:
        """Return the certificates that verify the server's certificate; empty if not yet set."""
        return str(self.value.get("ca", ""))


def read_login(aws: Aws, region: str, arn: str) -> Login:
    """Read a login.

    Raises:
        Refused: The secret's value is not that of a login.
        AwsError: The secret cannot be read.
    """
    with translated_errors():
        answer = aws.client("secretsmanager", region).get_secret_value(SecretId=arn)
    try:
        value = parse_json_answer(answer["SecretString"])
        return Login(arn, value["username"], value["password"], value.get("dbname", ""), value)
    except (KeyError, TypeError, ValueError):
        message = (
            f"the secret {arn} is not a JSON object with username and password; restore its "
            "previous version in Secrets Manager"
        )
        raise Refused(message) from None


def update_login(aws: Aws, region: str, login: Login, **changes: Any) -> bool:
    """Change keys of a login's value; return False if no key would change.

    Raises:
        Refused: The value would be too long for a secret.
        AwsError: The secret cannot be written.
    """
    value = {**login.value, **changes}
    if value == login.value:
        return False
    text = json.dumps(value)
    if len(text.encode()) > SECRET_BYTES.value:
        message = (
            f"the CA certificates are too long for the secret: the limit is {SECRET_BYTES}; give "
            f"only the bundle of {region} with --ca"
        )
        raise Refused(message)
    effect = (
        f"the secret {login.arn} may have the new value: run the same command again; if the "
        "command refuses because nodes use a user that the secret does not name, roll these nodes "
        "first"
    )
    with named_effect(effect), translated_errors():
        aws.client("secretsmanager", region).put_secret_value(SecretId=login.arn, SecretString=text)
    return True
