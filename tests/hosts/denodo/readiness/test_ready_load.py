"""The readiness endpoint with many, slow or hostile clients, and without file descriptors."""

import json
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from hosts.denodo.apply import apply
from hosts.denodo.readiness import http_event_loop, probes, readiness_endpoint
from hosts.denodo.readiness.http_event_loop import HttpEventLoop, Limits
from hosts.denodo.readiness.http_messages import Response
from hosts.denodo.record import Record
from tests.hosts.denodo.home import Home
from tests.support.assembly import ROOT

_PATIENCE = 60.0
_REQUEST = b"GET /ready/jdbc HTTP/1.1\r\nHost: node\r\n\r\n"
_READY = Response(200, {"ready": True})


def _never(_target: str) -> Response:
    return Response(503, {"ready": False}, settled=False)


@contextmanager
def _serving(
    answer: Callable[[str], Response] = lambda _: _READY,
    *,
    limits: Limits | None = None,
    patience: float = _PATIENCE,
) -> Iterator[HttpEventLoop]:
    loop = HttpEventLoop(("", 0), lambda: answer, lambda: patience, limits)
    with loop, _running(loop):
        yield loop


@contextmanager
def _running(loop: HttpEventLoop) -> Iterator[None]:
    thread = threading.Thread(target=loop.serve_forever)
    thread.start()
    try:
        yield
    finally:
        loop.shutdown()
        thread.join()


def _connect(port: int, source: str = "127.0.0.1", sends: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), _PATIENCE, (source, 0))
    client.sendall(sends)
    return client


def _received(client: socket.socket) -> bytes:
    """Return everything that a server sends until the connection closes."""
    content = b""
    with suppress(ConnectionError):
        while chunk := client.recv(4096):
            content += chunk
    return content


def _get(port: int, source: str = "127.0.0.1", request: bytes = _REQUEST) -> bytes:
    with _connect(port, source, request) as client:
        return _received(client)


def test_probes_at_once_wait_in_the_backlog() -> None:
    """With a listen backlog of 5, most of the concurrent probes would be repeated or time out."""
    with ExitStack() as stack:
        loop = stack.enter_context(HttpEventLoop(("", 0), lambda: lambda _: _READY, lambda: 0.0))
        clients = [stack.enter_context(_connect(loop.server_port)) for _ in range(100)]
        for client in clients:
            client.sendall(_REQUEST)
        stack.enter_context(_running(loop))
        assert all(_received(client).startswith(b"HTTP/1.0 200 ") for client in clients)


def test_slow_connections_of_one_address_leave_room_for_others() -> None:
    limits = Limits(connections=40, per_address=8)
    with ExitStack() as stack:
        loop = stack.enter_context(_serving(limits=limits))
        slow = [
            stack.enter_context(_connect(loop.server_port, "127.0.0.2", b"GET /ready"))
            for _ in range(30)
        ]
        assert _get(loop.server_port, "127.0.0.3").startswith(b"HTTP/1.0 200 ")
        assert _get(loop.server_port, "127.0.0.2").startswith(b"HTTP/1.0 200 ")
        for client in slow[:22]:
            assert _received(client) == b""
        slow[-1].sendall(b"/jdbc HTTP/1.1\r\n\r\n")
        assert _received(slow[-1]).startswith(b"HTTP/1.0 200 ")


def test_the_address_with_the_most_connections_pays_for_a_full_server() -> None:
    limits = Limits(connections=12, per_address=8)
    with ExitStack() as stack:
        loop = stack.enter_context(_serving(limits=limits))
        many = [
            stack.enter_context(_connect(loop.server_port, "127.0.0.2", b"GET /")) for _ in range(8)
        ]
        few = [
            stack.enter_context(_connect(loop.server_port, f"127.0.0.{last}", b"GET /"))
            for last in range(10, 14)
        ]
        assert _get(loop.server_port, "127.0.0.3").startswith(b"HTTP/1.0 200 ")
        assert _received(many[0]) == b""
        for client in few:
            client.sendall(b"ready HTTP/1.1\r\n\r\n")
            assert _received(client).startswith(b"HTTP/1.0 200 ")


def test_a_request_that_waits_is_not_closed_for_slow_ones() -> None:
    with ExitStack() as stack:
        settled = threading.Event()
        loop = stack.enter_context(
            _serving(
                lambda _: _READY if settled.is_set() else _never(""),
                limits=Limits(connections=40, per_address=4),
            )
        )
        waiting = stack.enter_context(_connect(loop.server_port, sends=_REQUEST))
        slow = [stack.enter_context(_connect(loop.server_port, sends=b"G")) for _ in range(9)]
        assert [_received(client) for client in slow[:5]] == [b""] * 5
        settled.set()
        loop.wake()
        assert _received(waiting).startswith(b"HTTP/1.0 200 ")


def test_dripping_does_not_extend_the_time_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a byte extended the time, a client could send a byte each 5 s, up to 64 KiB a line."""
    monkeypatch.setattr(http_event_loop, "_REQUEST_SECONDS", 0.5)
    with _serving() as loop, _connect(loop.server_port, sends=b"GET /ready") as client:
        client.settimeout(0.02)
        drips = 0
        closed = False
        while not closed and drips < 6000:
            drips += 1
            try:
                client.sendall(b"y")
                closed = client.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed = True
    assert closed


def test_a_client_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_event_loop, "_SEND_SECONDS", 0.5)
    monkeypatch.setattr(http_event_loop, "_REQUEST_SECONDS", 1.0)
    with (
        _serving(lambda _: Response(200, {"reason": "x" * 2**24})) as loop,
        _connect(loop.server_port, sends=_REQUEST) as client,
    ):
        assert client.recv(13) == b"HTTP/1.0 200 "
        with _connect(loop.server_port, sends=b"GET / HTTP/1.1\r\n") as other:
            assert _received(other) == b""  # closed after 1 s, when the 0.5 s of `client` are over
        assert len(_received(client)) < 2**24


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_REQUEST, b"HTTP/1.0 200 "),
        (b"GET /ready\n\n", b'{"ready": true}\n'),
        (b"GET /ready HTTP/1.0\n\n", b"HTTP/1.0 200 "),
        (b"POST /ready HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789", b"HTTP/1.0 501 "),
        (b"HEAD /ready HTTP/1.1\r\n\r\n", b"HTTP/1.0 501 "),
        (b"GET /ready HTTP/9.1\r\n\r\n", b"<!DOCTYPE HTML>"),
        (b"GET /ready and more HTTP/1.1\r\n\r\n", b"HTTP/1.0 400 "),
        (b"GET /ready HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", b"HTTP/1.0 431 "),
        (b"GET /" + b"x" * 8192, b"HTTP/1.0 431 "),
        (_REQUEST + b"x" * 30_000, b"HTTP/1.0 200 "),
        (b"\r\n", b""),
    ],
)
def test_answers_to_unusual_requests(request_: bytes, status: bytes) -> None:
    with _serving() as loop:
        content = _get(loop.server_port, request=request_)
    assert content.startswith(status)
    assert bool(content) == bool(status)


def test_a_client_that_has_closed_its_side_is_answered() -> None:
    with _serving() as loop, _connect(loop.server_port, sends=b"GET /ready HTTP/1.1\r\n") as client:
        client.shutdown(socket.SHUT_WR)
        assert _received(client).startswith(b"HTTP/1.0 200 ")


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of the number of events in each round of the event loop."""
    counts: list[int] = []

    class Counting(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            events = super().select(timeout)
            counts.append(len(events))
            return events

    monkeypatch.setattr(selectors, "DefaultSelector", Counting)
    return counts


def test_a_client_that_leaves_while_it_waits_costs_no_rounds(rounds: list[int]) -> None:
    with _serving(_never, patience=0.5) as loop:
        _connect(loop.server_port, sends=_REQUEST).close()
        assert _get(loop.server_port).startswith(b"HTTP/1.0 503 ")
    assert len(rounds) < 20


def test_an_error_ends_neither_the_server_nor_other_answers() -> None:
    def answer(target: str) -> Response:
        if target == "/ready/broken":
            message = "broken"
            raise ValueError(message)
        return _READY

    with _serving(answer) as loop:
        broken = _get(loop.server_port, request=b"GET /ready/broken HTTP/1.1\r\n\r\n")
        assert broken.startswith(b"HTTP/1.0 500 ")
        assert _get(loop.server_port).startswith(b"HTTP/1.0 200 ")


@contextmanager
def _no_files(*, except_for: int = 0) -> Iterator[None]:
    """Use up this process's file descriptors except `except_for` of them, until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(0))
        for _ in range(except_for):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_file_descriptors_old_connections_end_and_new_ones_are_served() -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(12)]
        loop = HttpEventLoop(("", 0), lambda: lambda _: _READY, lambda: 0.0)
        stack.enter_context(loop)
        stack.enter_context(_no_files(except_for=4))
        stack.enter_context(_running(loop))
        for client in clients:
            client.settimeout(_PATIENCE)
            client.connect(("127.0.0.1", loop.server_port))
            client.sendall(b"GET /ready")
        clients[-1].sendall(b"/jdbc HTTP/1.1\r\n\r\n")
        assert _received(clients[-1]).startswith(b"HTTP/1.0 200 ")
        assert _received(clients[0]) == b""


def test_without_any_file_descriptor_the_server_pauses(rounds: list[int]) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(socket.socket())
        client.settimeout(_PATIENCE)
        loop = HttpEventLoop(("", 0), lambda: lambda _: _READY, lambda: 0.0)
        stack.enter_context(loop)
        stack.enter_context(_running(loop))
        with _no_files():
            client.connect(("127.0.0.1", loop.server_port))
            client.sendall(_REQUEST)
            client.settimeout(0.8)
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.settimeout(_PATIENCE)
        assert _received(client).startswith(b"HTTP/1.0 200 ")
    assert len(rounds) < 20


def test_the_limits_follow_the_files_that_the_process_may_open() -> None:
    assert Limits().within(524_288) == Limits(connections=2048, per_address=512)
    assert Limits().within(1024) == Limits(connections=896, per_address=448)
    assert Limits().within(64) == Limits(connections=4, per_address=2)


def test_the_program_raises_its_limit_of_open_files() -> None:
    code = (
        "import resource\n"
        "from hosts.denodo.readiness.http_event_loop import raise_file_limit\n"
        "raise_file_limit()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    shell = 'ulimit -Sn 100 && ulimit -Hn 300 && exec "$0" -c "$1"'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, code],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=_PATIENCE,
        text=True,
    )
    assert done.stdout.split() == ["300", "300"]


def test_many_requests_for_hung_servers_share_one_thread(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that wait for a hung server add at most one thread to the process."""
    services = {"flight": {"kind": "tcp", "port": home.ports["vdp"]}}
    apply(home.system, home.state(servers=["vdp"], ready__services=services))
    Record(home.system).confirm_metadata("alice", "looked")
    hung = threading.Event()
    silent = probes.Failure("hung", silent=True)
    monkeypatch.setattr(
        probes, "failure", lambda *_, **__: None if hung.wait(_PATIENCE) else silent
    )
    monkeypatch.setattr(readiness_endpoint, "PATIENCE_SECONDS", _PATIENCE)
    request = b"GET /ready/flight HTTP/1.1\r\n\r\n"
    with ExitStack() as stack:
        loop = stack.enter_context(readiness_endpoint.server(home.system, 0))
        stack.enter_context(_running(loop))
        before = threading.active_count()
        clients = [
            stack.enter_context(_connect(loop.server_port, sends=request)) for _ in range(100)
        ]
        # This request needs no probe: its answer shows that the event loop has read all earlier
        # requests.
        assert _get(loop.server_port, request=b"GET / HTTP/1.1\r\n\r\n")
        assert threading.active_count() <= before + 1
        hung.set()
        answers = {_received(client).split(b"\r\n\r\n")[1] for client in clients}
    assert [json.loads(answer)["ready"] for answer in answers] == [True]


def test_a_thread_that_cannot_be_started_is_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = {"flight": {"kind": "tcp", "port": home.ports["vdp"]}}
    apply(home.system, home.state(servers=["vdp"], ready__services=services))
    Record(home.system).confirm_metadata("alice", "looked")
    readiness = readiness_endpoint.Readiness(home.system, patience=0.0)

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        answer = readiness.of("flight")
        assert answer is not None
        assert answer.reason == "the server did not answer"
    patient = readiness_endpoint.Readiness(home.system, patience=_PATIENCE)
    answer = patient.of("flight")
    assert answer is not None
    assert answer.ready


_SERVER = """
import sys
from pathlib import Path
from hosts.denodo.readiness import readiness_endpoint
from hosts.denodo.system import System
with readiness_endpoint.server(System(folder=Path(sys.argv[1])), 0) as endpoint:
    print(endpoint.server_port, flush=True)
    endpoint.serve_forever()
"""


@pytest.mark.long
def test_thousands_of_slow_connections_and_parallel_probes(tmp_path: Path) -> None:
    """Server and clients are separate processes, and `/ready` works without a Denodo server."""
    http_event_loop.raise_file_limit()
    with ExitStack() as stack:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(server)
        stack.callback(server.kill)
        assert server.stdout
        server.stdout.readline()
        port = int(server.stdout.readline())
        slow = [_connect(port, "127.0.0.2", b"GET /ready") for _ in range(1500)]
        for client in slow:
            stack.enter_context(client)
        fast = [_connect(port, f"127.0.1.{1 + last % 200}") for last in range(1000)]
        for client in fast:
            stack.enter_context(client)
        for client in fast:
            client.sendall(_REQUEST)
        assert all(_received(client).startswith(b"HTTP/1.0 503 ") for client in fast)
        status = Path(f"/proc/{server.pid}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines())
        assert values["Threads"].strip() == "1"
        assert int(values["VmHWM"].split()[0]) < 60_000
        assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) < 512 + 1000 + 20
