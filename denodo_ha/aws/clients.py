"""The clients that commands talk to AWS with: one account, any region.

    aws = Aws(profile="production")
    aws.client("elbv2", "eu-west-1").describe_load_balancers()

Credentials, profile and `AWS_ENDPOINT_URL` are found as boto3 finds them.
"""

import threading
from collections.abc import Iterable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, InvalidRegionError

from denodo_ha.aws.error_translation import CALLED, translate_error, translated_errors
from denodo_ha.cli.errors import Unreachable, UsageError

ATTEMPTS: Final = 10
"""Ours: how often a call is tried in all; the SDK's standard mode tries 3 times."""
CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
WORKERS: Final = 8
"""Ours: how many calls are made at once; AWS throttles each account and region."""

_IAM_NAMES = {"elbv2": "elasticloadbalancing", "cloudwatch": "cloudwatch"}
"""Services that IAM calls otherwise than what signs their calls, or than boto3 does."""


class Aws:
    """AWS with the credentials of one account.

    Attributes:
        profile: name of the profile, None for the default credentials.
    """

    def __init__(self, *, profile: str | None = None, attempts: int = ATTEMPTS) -> None:
        """Find the credentials; nothing is called yet.

        Raises:
            NoCredentials: there is no such profile.
        """
        self.profile = profile
        with translated_errors():
            self._session: Any = boto3.Session(profile_name=profile)
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=WORKERS,
            user_agent_extra="denodo-ha",
        )
        # A session must not make two clients at once; clients themselves may be shared.
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._account: str | None = None

    @property
    def region(self) -> str | None:
        """The region of AWS_REGION, AWS_DEFAULT_REGION or the profile."""
        region: str | None = self._session.region_name
        return region

    def client(self, service: str, region: str) -> Any:
        """The client of a service, made once; may be used by several threads.

        Args:
            service: boto3's name of the service.
            region: the region.

        Raises:
            UsageError: there is no such region.
        """
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._made(service, region)
            return self._clients[service, region]

    def account(self, regions: Iterable[str]) -> str:
        """The account of the credentials, asked once.

        Args:
            regions: regions to ask in, so that the loss of one stops nobody.

        Raises:
            Unreachable: no region answers.
            AwsError: the credentials cannot be used.
        """
        lost: Unreachable | None = None
        for region in dict.fromkeys(regions):
            if self._account is None:
                try:
                    with translated_errors():
                        caller = self.client("sts", region).get_caller_identity()
                    self._account = str(caller["Account"])
                except Unreachable as error:
                    lost = error
        if self._account is None:
            raise lost or UsageError("no region to ask for the account; name one with --region")
        return self._account

    def _made(self, service: str, region: str) -> Any:
        try:
            client = self._session.client(service, region_name=region, config=self._config)
        except InvalidRegionError:
            message = f"{region!r} is no region; name one such as eu-west-1 with --region"
            raise UsageError(message) from None
        except BotoCoreError as error:
            raise translate_error(error) from error
        prefix = _IAM_NAMES.get(service, client.meta.service_model.signing_name)

        def note(parsed: dict[str, Any], **_: object) -> None:
            # An error does not say by itself which service and region it is of.
            parsed.setdefault("ResponseMetadata", {})[CALLED] = (prefix, region)

        client.meta.events.register("after-call", note)
        return client
