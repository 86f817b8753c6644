"""The AWS clients of the commands: one account, any region.

    aws = Aws(profile="production")
    aws.client("elbv2", "eu-west-1").describe_load_balancers()

boto3 finds credentials, profile and `AWS_ENDPOINT_URL` as usual. It is imported when a command
calls AWS and not before: importing it takes 0.2 s of CPU, which completion and `--help` do not
need.
"""

import threading
from collections.abc import Iterable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, InvalidRegionError

from denodo_ha.aws.error_translation import CALLED, translate_error, translated_errors
from denodo_ha.cli.errors import Unreachable, UsageError

ATTEMPTS: Final = 10
"""Ours: attempts of a call; the SDK's standard mode makes 3."""
CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
WORKERS: Final = 8
"""Ours: calls at the same time; AWS throttles each account and region."""

_IAM_NAMES = {"elbv2": "elasticloadbalancing", "cloudwatch": "cloudwatch"}
"""IAM prefixes of services whose signing name differs from their IAM prefix."""


class Aws:
    """AWS, called with the credentials of one account.

    Attributes:
        profile: name of the profile, None for the default credentials.
    """

    def __init__(self, *, profile: str | None = None, attempts: int = ATTEMPTS) -> None:
        """Load the profile, without calling AWS.

        Raises:
            NoCredentials: The profile does not exist.
        """
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

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
        # A session must not create two clients at once; clients can be shared by threads.
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._account: str | None = None

    @property
    def region(self) -> str | None:
        """Return the region of AWS_REGION, AWS_DEFAULT_REGION or the profile."""
        region: str | None = self._session.region_name
        return region

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service; several threads may use it.

        Args:
            service: boto3's name of the service.
            region: the region.

        Raises:
            UsageError: The region does not exist.
        """
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._create(service, region)
            return self._clients[service, region]

    def account(self, regions: Iterable[str]) -> str:
        """Return the account of the credentials; AWS is called once.

        Args:
            regions: regions whose STS endpoint is called, in turn until a region answers.

        Raises:
            Unreachable: No region answers.
            AwsError: The credentials are not valid.
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
            raise lost or UsageError(
                "there is no region in which AWS could be called; give one with --region"
            )
        return self._account

    def _create(self, service: str, region: str) -> Any:
        try:
            client = self._session.client(service, region_name=region, config=self._config)
        except InvalidRegionError:
            message = f"{region!r} is not a region; give one such as eu-west-1 with --region"
            raise UsageError(message) from None
        except BotoCoreError as error:
            raise translate_error(error) from error
        prefix = _IAM_NAMES.get(service, client.meta.service_model.signing_name)

        def add_origin(parsed: dict[str, Any], **_: object) -> None:
            # A ClientError does not name its service and region.
            parsed.setdefault("ResponseMetadata", {})[CALLED] = (prefix, region)

        client.meta.events.register("after-call", add_origin)
        return client
