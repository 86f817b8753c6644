"""Translation of botocore's errors into the errors of `denodo_ha.cli.errors`.

    with translated_errors():
        client.describe_target_health(TargetGroupArn=arn)

raises `NotFound` if the target group does not exist, `Throttled` if AWS throttles the call, and so
on. Read the answer inside the `with` block: if an expected key is missing, the block raises
`UnreadableAnswer`. `denodo_ha.cli.main` translates the errors that a command has not translated.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto

from denodo_ha.cli import process
from denodo_ha.cli.errors import (
    AccessDenied,
    AwsError,
    CommandError,
    ExpiredCredentials,
    Interrupted,
    NoCredentials,
    NotFound,
    RequestRejected,
    Throttled,
    Unreachable,
    UnreadableAnswer,
)

CALLED = "DenodoHaWhere"
"""Key in a response's metadata under which `denodo_ha.aws.clients` stores service and region."""
UNANSWERED = "DenodoHaUnanswered"
"""Key in a response's metadata that `denodo_ha.aws.clients` sets if an attempt got no answer."""

_EXPIRED = {
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken", "AuthFailure"),
    *("SignatureDoesNotMatch", "InvalidAccessKeyId", "MissingAuthenticationToken"),
    *("IncompleteSignature", "NotSignedUp", "InvalidSignatureException"),
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
    "TooManyUpdates",
}
"""Error codes on which AWS SDKs retry (AWS, SDKs and Tools Reference Guide, Retry behavior), and
throttling codes of single services, such as TooManyUpdates (AWS, Systems Manager API,
PutParameter)."""
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture"}
_SKEWED_REASON = re.compile(
    r"signature expired|not yet current|difference between the request time", re.IGNORECASE
)
"""Messages that show that the local clock is wrong, from errors whose code has several causes, such
as SignatureDoesNotMatch (AWS, IAM User Guide, Troubleshoot Signature Version 4 signed requests)."""
_MISSING = re.compile(
    r"NotFound|NoSuch|NotExist|InvalidTarget\Z|InvalidInstanceId\Z|InvalidInstanceID"
)
_DOES_NOT_EXIST = re.compile(r"does not exist|not found", re.IGNORECASE)
_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")
_UNAVAILABLE = {"ServiceUnavailable", "InternalFailure", "InternalError", "ServiceException"}

_FILES = (FileNotFoundError, PermissionError, IsADirectoryError)
"""Errors that reading a credentials file raises, such as the file of a web identity token."""
_ANSWER_ERRORS = (LookupError, TypeError, AttributeError, ValueError)
"""Errors that code raises when an answer of AWS lacks an expected key or value."""

_NEW_CREDENTIALS = (
    "get new credentials (for example with `aws sso login`, with your --profile), and run the "
    "command again"
)

_WITHOUT_RESPONSE: tuple[tuple[tuple[type[Exception], ...], type[AwsError], str, str], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError),
        NoCredentials,
        "no AWS credentials",
        "give a profile with --profile or AWS_PROFILE, or sign in",
    ),
    (
        (boto.ProfileNotFound,),
        NoCredentials,
        "no AWS credentials",
        "`aws configure list-profiles` lists the existing profiles",
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
        "AWS could not be called",
        "give a region with --region or AWS_REGION",
    ),
    (
        (boto.ConnectionError, boto.HTTPClientError),
        Unreachable,
        "AWS does not answer",
        (
            "check that this machine reaches the endpoint (network, proxy, AWS_ENDPOINT_URL), and "
            "the region's state at https://health.aws.amazon.com"
        ),
    ),
)
"""Errors without a response of AWS: botocore's classes, `AwsError` class, message, what to do."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate every error of an AWS call into `AwsError`; also usable as a decorator."""
    try:
        yield
    except CommandError:
        raise
    except (boto.BotoCoreError, boto.ClientError, OSError, EOFError, *_answer_errors()) as error:
        raise translate_error(error) from error


@contextmanager
def named_effect(effect: str) -> Iterator[None]:
    """Add to an error what may have changed, if a call in a block has no answer or is interrupted.

        with named_effect("the shift may be active: `denodo-ha shift` shows it"):
            client.start_zonal_shift(...)

    Operations on nodes do not need this function: their errors end with the state in which the
    cluster remains (`denodo_ha.deployed.rotation.operation`).

    Args:
        effect: what may have changed, and how to see it or to continue.

    Raises:
        Interrupted: Ctrl-C or a signal.
    """
    process.set_state_left(effect)
    try:
        yield
    except KeyboardInterrupt:
        message = f"interrupted; {effect}"
        raise Interrupted(message) from None
    except AwsError as error:
        if not error.may_take_effect:
            raise
        message = f"{error}. But {effect}"
        raise type(error)(message) from error


def _answer_errors() -> tuple[type[Exception], ...]:
    # Import botocore only after an error: the import loads the SDK's HTTP client.
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - slow to import

    return (*_ANSWER_ERRORS, ResponseParserError)


def translate_error(error: Exception) -> AwsError:
    """Return the `AwsError` for an error of an AWS call; the message says what to do."""
    if isinstance(error, boto.ClientError):
        translated = _translate_response(error)
        if UNANSWERED in error.response.get("ResponseMetadata", {}):
            translated.may_take_effect = True
        return translated
    for kinds, kind, begin, remedy in _WITHOUT_RESPONSE:
        if isinstance(error, kinds):
            return kind(f"{begin}: {_line(str(error)).rstrip('.')}; {remedy}")
    if isinstance(error, boto.BotoCoreError):
        return AwsError(f"AWS could not be called: {_line(str(error))}")
    if isinstance(error, json.JSONDecodeError | EOFError | OSError):
        return _translate_credentials(error)
    return UnreadableAnswer(
        f"AWS's answer cannot be read ({type(error).__name__}: {_line(str(error))}); check the "
        "network and proxies on the way to AWS, and run the command again"
    )


def _translate_credentials(error: Exception) -> AwsError:
    """Return the `AwsError` for an error of a credentials program, file or MFA prompt."""
    if isinstance(error, EOFError):
        return NoCredentials(
            "the profile asks for an MFA code, and there is no terminal on which to type the code; "
            "sign in first, and give the temporary credentials in AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        )
    if isinstance(error, _FILES):
        return NoCredentials(
            f"the AWS credentials cannot be read: {_line(str(error))}; check the environment "
            "variable AWS_WEB_IDENTITY_TOKEN_FILE and the profile"
        )
    if isinstance(error, OSError):
        return Unreachable(f"AWS does not answer: {_line(str(error))}; check the network")
    return NoCredentials(
        f"the output of the profile's credential_process is not JSON: {_line(str(error))}; run "
        "the program that credential_process names, to see its output"
    )


def _translate_response(error: boto.ClientError) -> AwsError:
    """Return the `AwsError` for an error response of AWS."""
    answer: dict[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    reason = _line(str(answer.get("Error", {}).get("Message", ""))) or "no reason given"
    metadata = answer.get("ResponseMetadata", {})
    service, region = metadata.get(CALLED, ("", ""))
    call = f"{service}:{error.operation_name}" if service else error.operation_name
    where = f"{call} in {region}" if region else call
    if code in _EXPIRED | _SKEWED:
        if code in _SKEWED or _SKEWED_REASON.search(reason):
            problem = (
                "this machine's clock differs from AWS's by minutes, so AWS does not accept its "
                f"calls: {reason} ({code}); set the clock (`timedatectl` shows the time), and run "
                "the command again"
            )
        else:
            problem = f"AWS does not accept the credentials: {reason} ({code}); {_NEW_CREDENTIALS}"
        return ExpiredCredentials(problem)
    if code in _DENIED:
        match = _ACTION.search(reason)
        action = match[1] if match else call
        return AccessDenied(
            f"the credentials may not call {where}: {reason} ({code}); allow {action}, or name "
            "another profile with --profile"
        )
    if code in _THROTTLED:
        return Throttled(
            f"AWS throttles {where}, after several attempts: {reason} ({code}); wait a minute, "
            "and run the command again"
        )
    if _MISSING.search(code) or (code == "ValidationError" and _DOES_NOT_EXIST.search(reason)):
        return NotFound(
            f"{where} did not find the resource: {reason} ({code}); the resource was deleted or "
            "replaced meanwhile, or is in another account or region: check --profile and --region"
        )
    if code in _UNAVAILABLE or int(metadata.get("HTTPStatusCode", 0)) >= 500:
        return Unreachable(
            f"AWS could not answer {where}: {reason} ({code}); check the region's state at "
            "https://health.aws.amazon.com, and run the command again"
        )
    return RequestRejected(f"AWS does not accept the call {where}: {reason} ({code})")


def _line(text: str) -> str:
    """Return the text with all white space replaced by single spaces."""
    return " ".join(text.split())
