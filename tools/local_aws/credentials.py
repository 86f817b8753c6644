"""Credentials and environment of every process that calls the local AWS.

No AWS setting of the user reaches such a process: no profile, key, endpoint, configuration file
or proxy. Its access key id is an account number, and the local AWS acts for that account.
"""

import os
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from denodo_ha.environment.full_command import make_command
from tools.local_aws import control
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

_REMOVED_PREFIXES = ("AWS_", "CDK_", "AMAZON_")
_SECRET = "local"  # noqa: S105 - a placeholder, valid nowhere
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 2},
    proxies={},
)


@dataclass(frozen=True)
class Access:
    """Access to one account and region of the local AWS.

    Attributes:
        endpoint: URL of the server.
        account: number of the account.
        region: name of the region.
    """

    endpoint: str
    account: str
    region: str

    def settings(self, paths: Paths) -> dict[str, str]:
        """Return the variables that make the CDK CLI, the AWS CLI and SDKs call the local AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The CDK CLI caches in this folder which account an access key belongs to.
            "CDK_HOME": str(paths.home / ".cdk"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def environment(self, paths: Paths) -> dict[str, str]:
        """Return the complete environment of a process that calls the local AWS."""
        kept = {key: value for key, value in os.environ.items() if not _is_removed(key)}
        own = {
            # The CDK's libraries write to the home folder even if CDK_HOME is set.
            "HOME": str(paths.home),
            "TMPDIR": str(paths.temporary),
            "JSII_NODE": str(ROOT / ".venv/node"),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".venv/jsii-cache"),
        }
        return {**kept, **own, **self.settings(paths)}

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return _client(self, service)


@lru_cache(maxsize=64)
def _client(access: Access, service: str) -> Any:
    """Return the client of a service; clients are kept, because making one takes long."""
    return _session().client(
        service,
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.account,
        aws_secret_access_key=_SECRET,
        config=_CONFIG,
    )


@cache
def _session() -> Any:
    """Return the session that all clients share, because each session parses the service models.

    The session reads neither the user's profiles nor configuration files, so a profile that does
    not exist is not an error.
    """
    nothing = (None, None, None, None)
    files = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": files, "credentials_file": files}
    )
    return boto3.Session(botocore_session=core)


def user_variables() -> tuple[str, ...]:
    """Return the variables to unset in the user's shell."""
    return tuple(
        sorted(key for key in os.environ if key.startswith("AWS_"))
        or ("AWS_PROFILE", "AWS_SESSION_TOKEN")
    )


def _is_removed(key: str) -> bool:
    return key.startswith(_REMOVED_PREFIXES) or key.lower().endswith("_proxy")


def require_local_aws(access: Access) -> None:
    """Check that the endpoint is the local AWS before anything is sent to it.

    Raises:
        LocalAwsError: the endpoint is not a local AWS, or does not answer.
    """
    if not access.endpoint.startswith("http://127.0.0.1:"):
        message = (
            f"{access.endpoint} is not on this machine, so it cannot be the local AWS: nothing was "
            "sent to this endpoint"
        )
        raise LocalAwsError(message)
    if control.identity(access.endpoint) is None:
        message = (
            f"the server at {access.endpoint} is not the local AWS, or does not answer: no call of "
            f"AWS was sent to this server. Start the local AWS with `{make_command('local')}`"
        )
        raise LocalAwsError(message)
    try:
        caller: dict[str, str] = access.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        message = (
            f"the local AWS at {access.endpoint} does not say which account the credentials belong "
            f"to (GetCallerIdentity): {error}"
        )
        raise LocalAwsError(message) from None
    if caller["Account"] != access.account:
        message = (
            f"the local AWS at {access.endpoint} assigns the credentials to account "
            f"{caller['Account']} instead of {access.account}: nothing was deployed"
        )
        raise LocalAwsError(message)
