"""The environment of every process that talks to the local AWS, and the check before it does.

Nothing of the user's AWS settings reaches such a process: no profile, no key, no endpoint, no
configuration file and no proxy. Its own key is an account number, which the local AWS takes
for that account.
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.local_aws import control
from tools.local_aws.paths import ROOT, Place
from tools.local_aws.problem import LocalError

_UNWANTED = ("AWS_", "CDK_", "AMAZON_")
_SECRET = "local"  # noqa: S105 - it opens nothing
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 2},
    proxies={},
)


@dataclass(frozen=True)
class Access:
    """How to reach the local AWS as an account.

    Attributes:
        endpoint: its address.
        account: the account to be.
        region: the region to be in.
    """

    endpoint: str
    account: str
    region: str

    def settings(self, place: Place) -> dict[str, str]:
        """What sends the CDK CLI, the AWS CLI and the SDKs to the local AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The CLI remembers in there to which account a key belongs.
            "CDK_HOME": str(place.home / ".cdk"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def environment(self, place: Place) -> dict[str, str]:
        """The whole environment of a process."""
        kept = {key: value for key, value in os.environ.items() if not _is_unwanted(key)}
        ours = {
            # The CDK's libraries write to the home folder whatever CDK_HOME says.
            "HOME": str(place.home),
            "JSII_NODE": str(ROOT / ".venv/node"),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".venv/jsii-cache"),
        }
        return {**kept, **ours, **self.settings(place)}

    def client(self, service: str) -> Any:
        """A client of a service."""
        return _session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.account,
            aws_secret_access_key=_SECRET,
            config=_CONFIG,
        )


@cache
def _session() -> Any:
    """One session for all clients, since each would read the services' descriptions anew.

    It looks neither at the user's profiles nor at their files, and so does not mind a profile
    that does not exist.
    """
    nothing = (None, None, None, None)
    files = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": files, "credentials_file": files}
    )
    return boto3.Session(botocore_session=core)


def unset() -> tuple[str, ...]:
    """What of the user's shell would lead elsewhere."""
    return tuple(
        sorted(key for key in os.environ if key.startswith("AWS_"))
        or ("AWS_PROFILE", "AWS_SESSION_TOKEN")
    )


def _is_unwanted(key: str) -> bool:
    return key.startswith(_UNWANTED) or key.lower().endswith("_proxy")


def prove(access: Access) -> None:
    """Make sure that the endpoint is the local AWS before anything is sent there.

    Raises:
        LocalError: somebody else answers, or nobody.
    """
    if not access.endpoint.startswith("http://127.0.0.1:"):
        message = f"{access.endpoint} is not on this machine: nothing was sent there"
        raise LocalError(message)
    if control.identity(access.endpoint) is None:
        message = (
            f"what answers at {access.endpoint} is not the local AWS: nothing was sent there. "
            "Start it with `make local`"
        )
        raise LocalError(message)
    try:
        caller: dict[str, str] = access.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        message = f"the local AWS at {access.endpoint} does not say who we are: {error}"
        raise LocalError(message) from None
    if caller["Account"] != access.account:
        message = (
            f"{access.endpoint} takes us for account {caller['Account']} and not for "
            f"{access.account}: nothing was deployed there"
        )
        raise LocalError(message)
