"""botocore's errors as ours, each with what to do about it.

    with told():
        client.describe_target_health(TargetGroupArn=arn)

raises `NotFound` when the group is gone, `Throttled` when AWS has had enough, and so on. What a
command does not wrap is translated when it leaves the command (`denodo_ha.cli.main`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto

from denodo_ha.cli.errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    RequestRejected,
    Throttled,
    Unreachable,
)

CALLED = "DenodoHaWhere"
"""Key of an answer's metadata under which `denodo_ha.aws.clients` notes service and region."""

_EXPIRED = {
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken", "AuthFailure"),
    *("SignatureDoesNotMatch", "InvalidAccessKeyId", "MissingAuthenticationToken"),
    *("IncompleteSignature", "NotSignedUp"),
}
_DENIED = {
    *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"),
    *("AuthorizationError", "OptInRequired", "Client.UnauthorizedOperation"),
}
_THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
    *("RequestThrottledException", "RequestLimitExceeded", "TooManyRequestsException"),
    *("BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete", "SlowDown"),
    *("TransactionInProgressException", "EC2ThrottledException", "ThrottlingError"),
}
"""Codes of the AWS SDKs' common retry behaviour (AWS, SDKs and Tools Reference Guide, Retry
behavior), with those of single services."""
_MISSING = re.compile(
    r"NotFound|NoSuch|NotExist|InvalidTarget$|InvalidInstanceId$|InvalidInstanceID"
)
_DOES_NOT_EXIST = re.compile(r"does not exist|not found", re.IGNORECASE)
_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")
_UNAVAILABLE = {"ServiceUnavailable", "InternalFailure", "InternalError", "ServiceException"}

_NEW_CREDENTIALS = (
    "get new ones (such as `aws sso login`, with --profile if you use one), and run it again"
)

_UNANSWERED: tuple[tuple[tuple[type[Exception], ...], type[AwsError], str, str], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError),
        NoCredentials,
        "no AWS credentials",
        "name a profile with --profile or AWS_PROFILE, or sign in",
    ),
    (
        (boto.ProfileNotFound,),
        NoCredentials,
        "no AWS credentials",
        "`aws configure list-profiles` lists the profiles that there are",
    ),
    (
        (
            boto.SSOError,
            boto.LoginError,
            boto.TokenRetrievalError,
            boto.CredentialRetrievalError,
        ),
        ExpiredCredentials,
        "the AWS credentials cannot be used",
        _NEW_CREDENTIALS,
    ),
    (
        (boto.NoRegionError,),
        AwsError,
        "AWS could not be asked",
        "name a region with --region or AWS_REGION",
    ),
    (
        (boto.ConnectionError, boto.HTTPClientError),
        Unreachable,
        "AWS does not answer",
        (
            "see whether this machine reaches the endpoint (network, proxy, AWS_ENDPOINT_URL), and "
            "the region's state at https://health.aws.amazon.com"
        ),
    ),
)
"""What fails before AWS answers: errors, ours, how the message begins, and what to do."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate what the block raises of botocore into `AwsError`; works as a decorator too."""
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError) as error:
        raise translate_error(error) from error


def translate_error(error: Exception) -> AwsError:
    """The error that says the same as one of botocore, and what to do."""
    if isinstance(error, boto.ClientError):
        return _answered(error)
    for kinds, kind, begin, remedy in _UNANSWERED:
        if isinstance(error, kinds):
            return kind(f"{begin}: {_line(str(error)).rstrip('.')}; {remedy}")
    return AwsError(f"AWS could not be asked: {_line(str(error))}")


def _answered(error: boto.ClientError) -> AwsError:
    """What AWS itself answered."""
    answer: dict[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    said = _line(str(answer.get("Error", {}).get("Message", ""))) or "no reason given"
    metadata = answer.get("ResponseMetadata", {})
    service, region = metadata.get(CALLED, ("", ""))
    call = f"{service}:{error.operation_name}" if service else error.operation_name
    asked = f"{call} in {region}" if region else call
    if code in _EXPIRED:
        return ExpiredCredentials(
            f"AWS does not accept the credentials: {said} ({code}); {_NEW_CREDENTIALS}"
        )
    if code in _DENIED:
        found = _ACTION.search(said)
        action = found[1] if found else call
        return AccessDenied(
            f"the credentials may not call {asked}: {said} ({code}); allow {action}, or name "
            "another profile with --profile"
        )
    if code in _THROTTLED:
        return Throttled(
            f"AWS throttles {asked}, also after several tries: {said} ({code}); wait a minute, "
            "and run it again"
        )
    if _MISSING.search(code) or (code == "ValidationError" and _DOES_NOT_EXIST.search(said)):
        return NotFound(
            f"{asked} does not find what was asked for: {said} ({code}); it was deleted or "
            "replaced meanwhile, or another account or region is meant: see --profile and --region"
        )
    if code in _UNAVAILABLE or int(metadata.get("HTTPStatusCode", 0)) >= 500:
        return Unreachable(
            f"AWS cannot answer {asked}: {said} ({code}); see the region's state at "
            "https://health.aws.amazon.com, and run it again"
        )
    return RequestRejected(f"AWS does not accept {asked}: {said} ({code})")


def _line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())
