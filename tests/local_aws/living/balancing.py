"""The process of the load balancers, with targets and clients on this machine.

The tests write the forwarding table themselves, in place of the server of the local AWS. So each
test's table has exactly the settings that the tested page of AWS describes.
"""

import http.server
import json
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlparse

from tests.support.assembly import ROOT
from tests.support.servers.ports import free_ports

Document = dict[str, Any]
Endpoint = tuple[str, int]

TIMEOUT_S = 60.0
SILENCE_S = 0.4
"""Seconds without an answer after which a test that expects a dropped flow counts the flow as
dropped.
"""

ZONES = {"a": "127.0.0.11", "b": "127.0.0.12"}
"""Addresses of the load balancer in each zone on this machine; on AWS, they are 10.0.0.9 and
10.0.1.9."""
EVERYONE = {"protocol": "-1", "from": None, "to": None, "cidrs": ["0.0.0.0/0"], "groups": []}
OPEN = {"ingress": [EVERYONE], "egress": [EVERYONE]}


def rule(port: int, *, cidr: str = "", group: str = "") -> Document:
    """Return a rule of a security group for one TCP port."""
    cidrs, groups = [cidr] if cidr else [], [group] if group else []
    return {"protocol": "tcp", "from": port, "to": port, "cidrs": cidrs, "groups": groups}


class Control:
    """Simulated control API of the local AWS: publishes forwarding tables, takes flow reports."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._document: Document = {"version": "0", **table()}
        self._asked_after = ""
        self.reports: list[dict[str, dict[str, int]]] = []
        control = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                (after,) = parse_qs(urlparse(self.path).query).get("after", [""])
                self._answer(control.newer_than(after))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                control.reports.append(json.loads(body))
                self._answer({})

            def _answer(self, content: Document) -> None:
                # The process under test may be stopped while the process waits for a table.
                with suppress(OSError):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_arguments: Any) -> None:
                """Discard the message."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def newer_than(self, version: str) -> Document:
        """Return the forwarding table once its version is not `version`, or after `TIMEOUT_S`."""
        with self._changed:
            self._asked_after = version
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._document["version"] != version, TIMEOUT_S)
            return self._document

    def apply(self, document: Document) -> None:
        """Publish a forwarding table; wait until the process under test has applied the table."""
        with self._changed:
            version = str(int(self._document["version"]) + 1)
            self._document = {"version": version, **document}
            self._changed.notify_all()
            applied = self._changed.wait_for(lambda: self._asked_after == version, TIMEOUT_S)
            assert applied, "the table was not applied"

    def counted(self, balancer: str, metric: str) -> int:
        """Return the sum of a metric in all reports of a load balancer so far."""
        return sum(report.get(balancer, {}).get(metric, 0) for report in self.reports)


@contextmanager
def running() -> Iterator[Control]:
    """Run the load balancers' process until the block ends."""
    control = Control()
    thread = threading.Thread(target=control.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    endpoint = f"http://127.0.0.1:{control.server.server_port}"
    command = [sys.executable, "-m", "tools.local_aws.living.balancer", endpoint]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)
    try:
        control.apply(table())
        yield control
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
        control.server.shutdown()
        thread.join(TIMEOUT_S)
        control.server.server_close()


def table(*balancers: Document, **changes: Any) -> Document:
    """Return a forwarding table of load balancers with their target groups; `changes` set keys."""
    document: Document = {
        "pace": 100.0,
        "balancers": list(balancers),
        "target_groups": {},
        "rules": {"sg-balancer": OPEN, "sg-node": OPEN},
        "sources": {},
    }
    for balancer in balancers:
        document["target_groups"] |= balancer.pop("target_groups")
    return {**document, **changes}


def balancer(*listeners: Document, kind: str = "network", **changes: Any) -> Document:
    """Return a load balancer in two zones, with the listeners and each listener's target group."""
    groups = {item["arn"]: item.pop("group") for item in listeners}
    document = {
        "arn": "nlb" if kind == "network" else "alb",
        "kind": kind,
        "groups": ["sg-balancer"],
        "cross_zone": True,
        "idle_timeout": 6000.0,
        "drops_invalid_headers": True,
        "zones": {
            zone: {"address": f"10.0.{index}.9", "cut": False, "shifted": False}
            for index, zone in enumerate(ZONES)
        },
        "listeners": list(listeners),
        "target_groups": {f"group-{arn}": group for arn, group in groups.items()},
    }
    return {**document, **changes}


def listener(
    port: int, *targets: Document, attributes: Document | None = None, **changes: Any
) -> Document:
    """Return a listener on a port of this machine, with a target group of its own."""
    arn = changes.pop("arn", f"listener-{port}")
    group = {
        "protocol": changes.pop("group_protocol", "TCP"),
        "type": changes.pop("group_type", "instance"),
        "attributes": {
            "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
            "target_health_state.unhealthy.connection_termination.enabled": "true",
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
            **(attributes or {}),
        },
        "targets": list(targets),
    }
    document = {
        "arn": arn,
        "port": port,
        "protocol": "TCP",
        "idle_timeout": 6000.0,
        "alpn": [],
        "certificate": None,
        "target_groups": [f"group-{arn}"],
        "bind": {zone: [address, port] for zone, address in ZONES.items()},
        "group": group,
    }
    return {**document, **changes}


def target(name: str, state: str = "healthy", zone: str | None = "a", **changes: Any) -> Document:
    """Return a target on which nothing runs."""
    return {
        "id": name,
        "port": 9999,
        "zone": zone,
        "state": state,
        "address": f"10.0.0.1{name[-1]}",
        "groups": ["sg-node"],
        "endpoint": None,
        "cut": False,
        **changes,
    }


class Node(socketserver.ThreadingTCPServer):
    """A server that sends its name and its client's address, and then echoes each line.

    Attributes:
        name: the name.
        address: the address on AWS.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, name: str, context: ssl.SSLContext | None = None) -> None:
        self.name, self.address = name, target(name)["address"]
        super().__init__(("127.0.0.1", 0), _Conversation)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def target(self, state: str = "healthy", zone: str = "a", **changes: Any) -> Document:
        """Return the node as a target in a forwarding table."""
        endpoint = list(self.server_address[:2])
        return target(self.name, state, zone, **{"endpoint": endpoint, **changes})


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Node)
        self.wfile.write(f"{self.server.name} {self.client_address[0]}\n".encode())
        with suppress(OSError):
            while line := self.rfile.readline():
                if line == b"reset\n":
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    return
                self.wfile.write(line)
            self.wfile.write(b"end\n")


@contextmanager
def serving(*servers: socketserver.BaseServer) -> Iterator[None]:
    """Run servers until the block ends."""
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join(TIMEOUT_S)
            server.server_close()


class Client:
    """A client's connection through a load balancer.

    Attributes:
        node: name of the node that answers.
        seen: the client's address as the node sees it.
    """

    def __init__(self, endpoint: Endpoint, *, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(endpoint, TIMEOUT_S, source_address=(source, 0))
        self._file = self._socket.makefile("rb")
        self.node, self.seen = self.line().split()

    def line(self) -> str:
        """Return the next line that the node sends."""
        line = self._file.readline()
        if not line:
            raise ConnectionAbortedError
        return line.decode().rstrip("\n")

    def ask(self, text: str) -> str:
        """Send a line; return the line that comes back, which a node sends unchanged."""
        self.send(text)
        return self.line()

    def send(self, text: str) -> None:
        """Send a line."""
        self._socket.sendall(f"{text}\n".encode())

    def end_sending(self) -> None:
        """End the client's direction of the connection; the client can still receive."""
        self._socket.shutdown(socket.SHUT_WR)

    def is_silent(self) -> bool:
        """Return whether no data arrives within `SILENCE_S`."""
        self._socket.settimeout(SILENCE_S)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(TIMEOUT_S)
        return False

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def nodes_reached(endpoint: Endpoint, count: int = 20, *, source: str = "127.0.0.1") -> set[str]:
    """Make `count` new connections, and return the nodes that answered."""
    reached = set()
    for _ in range(count):
        with Client(endpoint, source=source) as client:
            reached.add(client.node)
    return reached


def expect(endpoint: Endpoint, expected: str, *, source: str = "127.0.0.1") -> None:
    """Check the outcome of a new connection; where silence is expected, wait only `SILENCE_S`."""
    patience = SILENCE_S if expected == "silent" else TIMEOUT_S
    assert outcome(endpoint, source=source, patience=patience) == expected


def outcome(endpoint: Endpoint, *, source: str = "127.0.0.1", patience: float = SILENCE_S) -> str:
    """Return the outcome of a new connection: the node's name, refused, reset, or silent.

    The default patience is for callers that repeat the call until a condition holds.
    """
    with socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(patience)
        try:
            connection.connect(endpoint)
            answer = connection.recv(100)
        except TimeoutError:
            return "silent"
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        return answer.decode().partition(" ")[0] or "closed"


def port() -> int:
    """Return a free port."""
    (result,) = free_ports(1)
    return result
