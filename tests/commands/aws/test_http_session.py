"""Calls of real clients through a proxy that causes faults: they end with the deadline."""

import http.server
import threading
import time
from collections.abc import Iterator
from threading import Semaphore
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse

from denodo_ha.aws import clients, deadline, http_session
from denodo_ha.aws.clients import MUST_ARRIVE, Aws
from denodo_ha.aws.concurrency import first_answer, map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.http_session import BoundSession, UnreadableAnswerError
from denodo_ha.cli.errors import NotFound, Throttled, Unreachable, UnreadableAnswer
from tests.support.servers.fault_proxy import Fault, FaultProxy, Rule

pytestmark = pytest.mark.usefixtures("running_deadlines")

_ACCOUNT = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>"
    b"</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
    b"</GetCallerIdentityResponse>"
)


class _Aws(http.server.BaseHTTPRequestHandler):
    """Simulated AWS endpoint that answers every call as STS and SSM do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        json_call = "X-Amz-Target" in self.headers
        body = b'{"Command": {"CommandId": "c1"}}' if json_call else _ACCOUNT
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1" if json_call else "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log message."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Aws)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with FaultProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy
        proxy.heal()
    server.shutdown()
    server.server_close()


def account(aws: Aws, region: str = "eu-west-1") -> str:
    with translated_errors():
        return str(aws.client("sts", region).get_caller_identity()["Account"])


def test_a_region_that_hangs_ends_with_the_deadline(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.HANG, region="eu-west-1"))
    aws = Aws()
    # Create a client before the deadline starts: the first client of a process reads the
    # descriptions of its service, which takes long.
    aws.client("sts", "eu-west-1")
    with deadline.limited(2), pytest.raises(Unreachable):
        account(aws)
    # The first attempt used up the deadline, so no further attempt was sent.
    assert len(proxy.calls) == 1
    assert account(aws, "eu-central-1") == "111122223333"


def test_a_call_without_a_deadline_ends_too(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call without a deadline is attempted once; a `MUST_ARRIVE` call is repeated."""
    aws = Aws()
    # Read the descriptions of the service before the measurement.
    aws.client("sts", "eu-west-1")
    monkeypatch.setattr(clients, "CALL_S", 1.0)
    monkeypatch.setattr(http_session, "ATTEMPT_S", 1.0)
    proxy.add(Rule(Fault.HANG, on=1), Rule(Fault.HANG, on=2))
    with pytest.raises(Unreachable):
        account(aws)
    assert len(proxy.calls) == 1
    # Shorten only the first two calls' attempts: the third call must have time for its answer.
    proxy.on_call = lambda _: monkeypatch.setattr(http_session, "ATTEMPT_S", 60.0)
    assert account(Aws(attempts=MUST_ARRIVE)) == "111122223333"
    assert len(proxy.calls) == 3


def test_the_answer_of_a_rest_service_is_read(proxy: FaultProxy) -> None:
    client = Aws().client("arc-zonal-shift", "eu-west-1")
    assert client.list_zonal_shifts()["items"] == []
    proxy.add(Rule(Fault.HTML, on=1))
    assert client.list_zonal_shifts()["items"] == []
    assert len(proxy.calls) == 3


def test_an_expired_deadline_sends_nothing(proxy: FaultProxy) -> None:
    with deadline.limited(0), pytest.raises(Unreachable, match="no time was left to call") as error:
        account(Aws())
    assert proxy.calls == []
    assert "or this machine is too busy" in str(error.value)
    assert "the load of this machine" in str(error.value)


def test_threads_have_the_deadline_of_their_caller(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.HANG))
    aws = Aws()
    with deadline.limited(0.5), pytest.raises(Unreachable):
        map_concurrently(lambda region: account(aws, region), ["eu-west-1", "eu-central-1"])


def test_the_first_answer_does_not_wait_for_a_lost_region(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.HANG, region="eu-west-1"))
    assert Aws().account(["eu-west-1", "eu-central-1"]) == "111122223333"


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.CUT, Fault.REFUSE, Fault.UNAVAILABLE])
def test_an_answer_that_is_not_aws_s_is_asked_for_again(proxy: FaultProxy, fault: Fault) -> None:
    proxy.add(Rule(fault, on=1))
    assert account(Aws()) == "111122223333"
    assert len(proxy.calls) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [(Fault.HTML, "begins with '<!doctype html>"), (Fault.CUT, "the answer is cut after")],
)
def test_an_answer_that_stays_wrong_is_named(proxy: FaultProxy, fault: Fault, said: str) -> None:
    proxy.add(Rule(fault))
    with pytest.raises(Unreachable, match=said):
        account(Aws(attempts=1))


def test_an_answer_that_names_no_request_is_not_aws_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """EC2 confirms a change with a request id only: an answer without the id is not from AWS."""
    for content, readable in (
        (b"<DeleteTagsResponse><requestId>1</requestId></DeleteTagsResponse>", True),
        (b"<DeleteTagsResponse/>", False),
    ):
        response = AWSResponse("", 200, {}, None)
        monkeypatch.setattr(type(response), "content", content)
        request = AWSRequest(
            "POST", "https://ec2", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        session = BoundSession(SimpleNamespace(send=lambda _, one=response: one), Semaphore())
        if readable:
            assert session.send(request) is response
        else:
            with pytest.raises(UnreadableAnswerError, match="begins with '<DeleteTags"):
                session.send(request)


def test_an_answer_without_its_keys_is_unreadable(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.EMPTY))
    with pytest.raises(UnreadableAnswer, match="KeyError"):
        account(Aws(attempts=1))


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.HTML, Fault.CUT])
def test_a_command_is_not_sent_twice(proxy: FaultProxy, fault: Fault) -> None:
    proxy.add(Rule(fault, operation="SendCommand", on=1))
    client = Aws().client("ssm", "eu-west-1")
    with (
        pytest.raises(Unreachable, match="the instance may run the Systems Manager command"),
        translated_errors(),
    ):
        client.send_command(DocumentName="d", InstanceIds=["i-0123456789abcdef0"])
    assert len(proxy.calls) == 1


@pytest.mark.parametrize("before", [None, Fault.LOST, Fault.UNAVAILABLE])
def test_a_refusal_tells_of_an_earlier_attempt_without_an_answer(
    proxy: FaultProxy, before: Fault | None
) -> None:
    """AWS may have carried out the earlier attempt, so the refusal does not mean "not done"."""
    if before is not None:
        proxy.add(Rule(before, on=1))
    proxy.add(Rule(Fault.THROTTLED, since=1 if before is None else 2))
    with pytest.raises(Throttled) as refusal:
        account(Aws(attempts=2))
    assert len(proxy.calls) == 2
    assert refusal.value.may_take_effect is (before is not None)


class TestFirstAnswer:
    """The first result without an error, else the most specific error."""

    def test_an_error_does_not_hide_a_result(self) -> None:
        def ask(item: int) -> int:
            if item == 0:
                raise NotFound
            time.sleep(0.05)
            return item

        assert first_answer(ask, [0, 1]) == 1

    def test_missing_everywhere_is_missing(self) -> None:
        def ask(item: int) -> int:
            raise NotFound if item else Unreachable

        with pytest.raises(Unreachable):
            first_answer(ask, [0, 1])
        with pytest.raises(NotFound):
            first_answer(ask, [1, 2])


def test_an_inner_deadline_does_not_outlast_an_outer_one() -> None:
    with deadline.limited(1), deadline.limited(100):
        assert deadline.left(50) <= 1
        with deadline.extended(100):
            assert deadline.left(50) == 50
    assert deadline.left(50) == 50
