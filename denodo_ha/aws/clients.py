"""The AWS clients of the commands: one account, any region.

    aws = Aws(profile="production")
    aws.client("elbv2", "eu-west-1").describe_load_balancers()

boto3 finds credentials, profile and `AWS_ENDPOINT_URL` as usual. A command imports boto3 only when
it calls AWS: the import takes 0.2 s of CPU time, and completion and `--help` do not need boto3.
"""

import threading
from collections.abc import Iterable
from copy import copy
from typing import Any, Final

from botocore.exceptions import BotoCoreError, InvalidRegionError

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import WORKERS, first_answer
from denodo_ha.aws.credentials import sign_in
from denodo_ha.aws.error_translation import CALLED, UNANSWERED, translate_error, translated_errors
from denodo_ha.aws.http_session import ATTEMPT_S, bound_session
from denodo_ha.cli.errors import AwsError, UsageError

ATTEMPTS: Final = 4
"""Project default: attempts per call; the SDK's standard mode makes 3."""
MUST_ARRIVE: Final = 10
"""Project default: attempts of the call that sets the failover switch, which must reach AWS."""
CALL_S: Final = 20.0
"""Project default: seconds for all attempts of a call together; the call with `MUST_ARRIVE`
attempts has no such limit. Without the limit, each call to a region that does not answer would take
`ATTEMPTS` times `ATTEMPT_S`."""

_IAM_NAMES = {"elbv2": "elasticloadbalancing", "cloudwatch": "cloudwatch"}
"""IAM prefixes of services whose signing name differs from their IAM prefix."""


class Aws:
    """Creates AWS clients with the credentials of one account.

    Attributes:
        profile: name of the profile, None for the default credentials.
        caller: ARN of the user or role of the credentials; empty until `account` has read it.
    """

    def __init__(self, *, profile: str | None = None, attempts: int = ATTEMPTS) -> None:
        """Load the profile, without calling AWS.

        Raises:
            NoCredentials: The profile does not exist.
        """
        import boto3  # noqa: PLC0415 - slow to import; only to call AWS

        self.profile = profile
        with translated_errors():
            self._session: Any = boto3.Session(profile_name=profile)
        self._attempts = attempts
        # A session must not create two clients at the same time. Threads may share a client.
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._account: str | None = None
        self.caller = ""
        self._signed_in: bool | AwsError = False

    def with_attempts(self, attempts: int) -> "Aws":
        """Return an `Aws` with the same credentials, and with `attempts` attempts for each call."""
        other = copy(self)
        other.__dict__.update(_attempts=attempts, _clients={})
        return other

    @property
    def region(self) -> str | None:
        """Return the region of AWS_REGION, AWS_DEFAULT_REGION or the profile."""
        region: str | None = self._session.region_name
        return region

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the secret key and the session token; support archives must not contain them."""
        with translated_errors():
            credentials = self._session.get_credentials()
            keys = credentials.get_frozen_credentials() if credentials is not None else None
        return tuple(part for part in (keys.secret_key, keys.token) if part) if keys else ()

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service; several threads may use it.

        Args:
            service: boto3's name of the service.
            region: the region.

        Raises:
            UsageError: The region does not exist.
            AwsError: There are no valid credentials.
        """
        with self._lock:
            self._sign_in()
            if (service, region) not in self._clients:
                self._clients[service, region] = self._create(service, region)
            return self._clients[service, region]

    def account(self, regions: Iterable[str]) -> str:
        """Return the account of the credentials; only the first successful call queries AWS.

        Args:
            regions: regions whose STS endpoints are called in parallel; the first answer is used.

        Raises:
            Unreachable: No region answers.
            AwsError: The credentials are not valid.
        """
        if self._account is not None:
            return self._account
        every = tuple(dict.fromkeys(regions))
        if not every:
            raise UsageError(
                "no region is known in which AWS could be called; name a region with --region"
            )

        def ask(region: str) -> tuple[str, str]:
            with translated_errors():
                identity = self.client("sts", region).get_caller_identity()
                return str(identity["Account"]), str(identity.get("Arn", ""))

        self._account, self.caller = first_answer(ask, every)
        return self._account

    def _sign_in(self) -> None:
        """Get the credentials once; if this fails, each later call raises the same error."""
        if isinstance(self._signed_in, AwsError):
            raise self._signed_in
        if self._signed_in:
            return
        try:
            with translated_errors():
                sign_in(self._session._session)  # noqa: SLF001 - boto3 hides botocore's session
        except AwsError as error:
            self._signed_in = error
            raise
        self._signed_in = True

    def _create(self, service: str, region: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - for commands that call AWS

        config = Config(
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            # `http_session` abandons an attempt before these timeouts expire; the timeouts then
            # end the thread of the abandoned attempt.
            connect_timeout=ATTEMPT_S,
            read_timeout=ATTEMPT_S,
            max_pool_connections=WORKERS,
            user_agent_extra="denodo-ha",
        )
        try:
            client = self._session.client(service, region_name=region, config=config)
        except InvalidRegionError:
            message = f"{region!r} is not a region; name a region such as eu-west-1 with --region"
            raise UsageError(message) from None
        except BotoCoreError as error:
            raise translate_error(error) from error
        except ValueError as error:
            # botocore raises ValueError if the value of AWS_ENDPOINT_URL is not a URL.
            message = (
                f"{service} in {region} cannot be called: {error}; check the environment variable "
                "AWS_ENDPOINT_URL"
            )
            raise UsageError(message) from None
        bound_session(client, threading.Semaphore(WORKERS))
        if self._attempts < MUST_ARRIVE:
            _limit_calls(client)
        prefix = _IAM_NAMES.get(service, client.meta.service_model.signing_name)

        def add_origin(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
            # A ClientError does not contain its service and region, so they are added to the
            # answer.
            metadata = parsed.setdefault("ResponseMetadata", {})
            metadata[CALLED] = (prefix, region)
            if UNANSWERED in context:
                metadata[UNANSWERED] = True

        client.meta.events.register("response-received", _note_lost_attempt)
        client.meta.events.register("after-call", add_origin)
        return client


def _limit_calls(client: Any) -> None:
    """Limit each call of a client, with all its attempts, to `CALL_S` seconds."""
    call = client._make_api_call  # noqa: SLF001 - botocore has no setting for the time of a call

    def limited_call(*arguments: Any) -> Any:
        with deadline.limited(CALL_S):
            return call(*arguments)

    client._make_api_call = limited_call  # noqa: SLF001 - botocore has no setting for the time of a call


def _note_lost_attempt(
    response_dict: dict[str, Any] | None, context: dict[str, Any], **_: object
) -> None:
    """Record in a call's context that an attempt got no answer, or a server error."""
    if response_dict is None or response_dict["status_code"] >= 500:
        context[UNANSWERED] = True
