"""Errors of botocore become errors of the project with a remedy."""

import ast
import json
from collections.abc import Callable, Iterator

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import CALLED, translate_error, translated_errors
from denodo_ha.cli.errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    Refused,
    RequestRejected,
    Throttled,
    Unreachable,
    UnreadableAnswer,
)
from tests.support.assembly import ROOT


def answered(code: str, message: str = "said AWS", *, status: int = 400) -> boto.ClientError:
    where = {CALLED: ("elasticloadbalancing", "eu-west-1"), "HTTPStatusCode": status}
    return boto.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": where},
        "DescribeTargetHealth",
    )


CALL = "elasticloadbalancing:DescribeTargetHealth"


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (boto.NoCredentialsError(), NoCredentials, "--profile"),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), NoCredentials, "--profile"),
        (boto.ProfileNotFound(profile="nix"), NoCredentials, "aws configure list-profiles"),
        (boto.NoRegionError(), AwsError, "--region"),
        (
            boto.SSOTokenLoadError(error_msg="old", profile_name="x"),
            ExpiredCredentials,
            "aws sso login",
        ),
        (boto.UnauthorizedSSOTokenError(), ExpiredCredentials, "aws sso login"),
        (boto.EndpointConnectionError(endpoint_url="https://x"), Unreachable, "AWS_ENDPOINT_URL"),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), Unreachable, "health.aws.amazon.com"),
        (boto.ReadTimeoutError(endpoint_url="https://x"), Unreachable, "health.aws.amazon.com"),
        (boto.ParamValidationError(report="x"), AwsError, "x"),
        (answered("ExpiredToken", status=403), ExpiredCredentials, "aws sso login"),
        (answered("RequestExpired"), ExpiredCredentials, "aws sso login"),
        (answered("InvalidClientTokenId", status=403), ExpiredCredentials, "aws sso login"),
        (answered("AccessDenied", status=403), AccessDenied, f"allow {CALL}"),
        (answered("UnauthorizedOperation", status=403), AccessDenied, f"allow {CALL}"),
        (answered("Throttling"), Throttled, "wait a minute"),
        (answered("RequestLimitExceeded", status=503), Throttled, "wait a minute"),
        (answered("TargetGroupNotFound"), NotFound, "--region"),
        (answered("InvalidInstanceID.NotFound"), NotFound, "--region"),
        (answered("NoSuchHostedZone", status=404), NotFound, "--region"),
        (answered("ValidationError", "Stack with id x does not exist"), NotFound, "--region"),
        (answered("InternalFailure", status=500), Unreachable, "health.aws.amazon.com"),
        (answered("Odd", status=503), Unreachable, "health.aws.amazon.com"),
        (answered("ValidationError"), RequestRejected, "said AWS"),
        (answered("DuplicateListener"), RequestRejected, CALL),
    ],
)
def test_each_kind_has_its_error_and_remedy(
    error: Exception, kind: type[AwsError], remedy: str
) -> None:
    ours = translate_error(error)
    assert type(ours) is kind
    assert remedy in str(ours)
    assert "\n" not in str(ours)


def test_answers_name_call_and_region() -> None:
    assert f"{CALL} in eu-west-1" in str(translate_error(answered("Throttling")))


def test_the_action_is_the_one_that_aws_names() -> None:
    said = "User: x is not authorized to perform: iam:PassRole on resource: y"
    assert "allow iam:PassRole," in str(translate_error(answered("AccessDenied", said)))


def test_a_long_message_is_one_line() -> None:
    assert "one two" in str(translate_error(answered("Odd", "one\n  two")))


def test_what_is_no_error_of_aws_passes() -> None:
    with pytest.raises(AssertionError), translated_errors():
        raise AssertionError
    with pytest.raises(Refused), translated_errors():
        raise Refused


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (KeyError("Parameter"), UnreadableAnswer, "network and proxies"),
        (IndexError("list index out of range"), UnreadableAnswer, "network and proxies"),
        (ResponseParserError("<html>"), UnreadableAnswer, "network and proxies"),
        (json.JSONDecodeError("no", "<html>", 0), NoCredentials, "credential_process"),
        (FileNotFoundError(2, "No such file", "/token"), NoCredentials, "TOKEN_FILE"),
        (EOFError(), NoCredentials, "MFA code"),
        (OSError("network is down"), Unreachable, "network"),
        (answered("TooManyUpdates"), Throttled, "wait a minute"),
        (
            answered("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now"),
            ExpiredCredentials,
            "set the clock",
        ),
        (answered("RequestTimeTooSkewed", status=403), ExpiredCredentials, "set the clock"),
        (
            answered("InvalidSignatureException", "Signature not yet current: 20260101T000000Z"),
            ExpiredCredentials,
            "set the clock",
        ),
    ],
)
def test_every_error_of_a_call_is_of_one_hierarchy(
    error: Exception, kind: type[AwsError], remedy: str
) -> None:
    with pytest.raises(AwsError, match=remedy) as caught, translated_errors():
        raise error
    assert type(caught.value) is kind


@translated_errors()
def _decorated() -> None:
    raise boto.NoRegionError


def test_works_as_a_decorator() -> None:
    with pytest.raises(AwsError, match="--region"):
        _decorated()


def test_a_real_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server listens on the port, so the client itself raises the error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    aws = Aws(attempts=1)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"), translated_errors():
        aws.client("elbv2", "eu-west-1").describe_load_balancers()


def _nodes(root: ast.AST, leave_out: Callable[[ast.AST], bool]) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(root):
        if not leave_out(child):
            yield child
            yield from _nodes(child, leave_out)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.Lambda)


def _translates(node: ast.AST) -> bool:
    """Return whether a `with` or `try` block translates a missing key, or handles a KeyError."""
    if isinstance(node, ast.With):
        return any("translated_errors" in ast.dump(item) for item in node.items)
    return isinstance(node, ast.Try) and any(
        "KeyError" in ast.dump(handler.type) for handler in node.handlers if handler.type
    )


def _read_outside(source: str) -> Iterator[str]:
    """Yield each key of an AWS answer that is read outside of the block that made the call."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        answers = {
            target.id
            for block in _nodes(function, _is_function)
            if isinstance(block, ast.With) and _translates(block)
            for statement in _nodes(block, _is_function)
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for target in ast.walk(statement)
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
        }
        for node in _nodes(function, lambda node: _is_function(node) or _translates(node)):
            match node:
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str())):
                    if name in answers:
                        yield f"{function.name}: {ast.unparse(node)}"
                case _:
                    pass


def test_answers_are_read_where_a_missing_key_is_translated() -> None:
    """Outside of `translated_errors`, a missing key of an answer would be an internal error."""
    sample = """
def read(client):
    with translated_errors():
        answer = client.describe()
        first = answer["Inside"]
    return answer["Outside"]
"""
    assert list(_read_outside(sample)) == ["read: answer['Outside']"]
    found = {
        str(file.relative_to(ROOT)): keys
        for file in (ROOT / "denodo_ha").rglob("*.py")
        if (keys := list(_read_outside(file.read_text(encoding="utf-8"))))
    }
    assert found == {}
