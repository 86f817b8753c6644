"""Application Load Balancers: requests, cookies, and a Network Load Balancer in front."""

import http.client
import http.server
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.living import balancing
from tests.local_aws.living.balancing import (
    TIMEOUT_S,
    ZONES,
    Control,
    balancer,
    expect,
    listener,
    table,
)
from tests.support.servers.certificates import Authority

_COOKIES = {
    "stickiness.enabled": "true",
    "stickiness.type": "lb_cookie",
    "stickiness.lb_cookie.duration_seconds": "86400",
}


class WebNode(http.server.ThreadingHTTPServer):
    """A web server that answers with its name and with the request that it has received."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), _Handler)

    def target(self, state: str = "healthy", zone: str = "a", **changes: Any) -> Any:
        endpoint = list(self.server_address[:2])
        return balancing.target(self.name, state, zone, **{"endpoint": endpoint, **changes})


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, WebNode)
        length = int(self.headers.get("Content-Length", 0))
        answer = {
            "node": self.server.name,
            "peer": self.client_address[0],
            "headers": dict(self.headers.items()),
            "body": self.rfile.read(length).decode(),
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        if self.path == "/sign-in":
            self.send_header("Set-Cookie", "JSESSIONID=1; Path=/")
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (content[:5], content[5:]):
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: Any) -> None:
        """Discard the message."""


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    with balancing.running() as result:
        yield result


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[WebNode, WebNode]]:
    first, second = WebNode("node1"), WebNode("node2")
    with balancing.serving(first, second):
        yield first, second


@pytest.fixture
def port() -> int:
    return balancing.port()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    result = http.client.HTTPConnection(ZONES["a"], port, timeout=TIMEOUT_S)
    yield result
    result.close()


def alb(port: int, *targets: balancing.Document, **changes: Any) -> balancing.Document:
    """Return an Application Load Balancer with a listener of HTTP."""
    settings = {"protocol": "HTTP", "group_protocol": "HTTP", **changes}
    return balancer(listener(port, *targets, **settings), kind="application")


def get(
    connection: http.client.HTTPConnection, path: str = "/", **headers: str
) -> tuple[int, Any, list[str]]:
    """Return status, content and cookies of an answer."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    cookies = response.headers.get_all("Set-Cookie") or []
    content = json.loads(body) if body.startswith(b"{") else body.decode()
    return response.status, content, cookies


def test_requests_of_one_connection_go_to_all_healthy_targets(
    control: Control,
    nodes: tuple[WebNode, WebNode],
    port: int,
    connection: http.client.HTTPConnection,
) -> None:
    targets = [node.target() for node in nodes]
    control.apply(table(alb(port, *targets)))
    names = [get(connection)[1]["node"] for _ in range(4)]
    assert sorted(names) == ["node1", "node1", "node2", "node2"]
    control.apply(table(alb(port, nodes[0].target("unhealthy"), targets[1])))
    assert {get(connection)[1]["node"] for _ in range(4)} == {"node2"}
    unhealthy = [node.target("unhealthy") for node in nodes]
    control.apply(table(alb(port, *unhealthy)))
    assert {get(connection)[1]["node"] for _ in range(4)} == {"node1", "node2"}, "fails open"


def test_the_target_is_told_of_the_client(
    control: Control,
    nodes: tuple[WebNode, WebNode],
    port: int,
    connection: http.client.HTTPConnection,
) -> None:
    control.apply(table(alb(port, nodes[0].target())))
    _, content, _ = get(connection, **{"X-Forwarded-For": "192.0.2.7", "bad_name": "1"})
    assert content["peer"] == ZONES["a"]
    headers = content["headers"]
    assert headers["X-Forwarded-For"] == "192.0.2.7, 127.0.0.1"
    assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == ("http", str(port))
    assert "bad_name" not in headers, "invalid headers are dropped"


def test_bodies_pass_in_both_directions(
    control: Control,
    nodes: tuple[WebNode, WebNode],
    port: int,
    connection: http.client.HTTPConnection,
) -> None:
    control.apply(table(alb(port, nodes[0].target())))
    connection.request("POST", "/chunked", body="x" * 200_000)
    response = connection.getresponse()
    assert len(json.loads(response.read())["body"]) == 200_000
    assert get(connection)[0] == 200, "the connection stays open"


class TestCookies:
    @pytest.fixture(autouse=True)
    def _cookies(self, control: Control, nodes: tuple[WebNode, WebNode], port: int) -> None:
        """Turn on stickiness, by which a load balancer's cookie keeps a client on its target."""
        targets = [node.target() for node in nodes]
        control.apply(table(alb(port, *targets, attributes=_COOKIES)))

    def test_the_load_balancers_cookie_keeps_the_target(
        self,
        control: Control,
        nodes: tuple[WebNode, WebNode],
        port: int,
        connection: http.client.HTTPConnection,
    ) -> None:
        _, content, cookies = get(connection)
        first, own = content["node"], cookies[0].partition(";")[0]
        assert [item.partition("=")[0] for item in cookies] == ["AWSALB", "AWSALBCORS"]
        again = {get(connection, Cookie=f"a=b; {own}")[1]["node"] for _ in range(4)}
        assert again == {first}
        # The clients of an unhealthy target get another target.
        states = [node.target("unhealthy" if node.name == first else "healthy") for node in nodes]
        control.apply(table(alb(port, *states, attributes=_COOKIES)))
        _, content, cookies = get(connection, Cookie=own)
        assert content["node"] != first
        assert cookies[0].partition(";")[0].partition("-")[2] != own.partition("-")[2]

    def test_a_cookie_expires(self, connection: http.client.HTTPConnection) -> None:
        token = get(connection)[2][0].partition(";")[0].partition("-")[2]
        names = {get(connection, Cookie=f"AWSALB=1-{token}")[1]["node"] for _ in range(4)}
        assert names == {"node1", "node2"}, "the cookie was made in 1970"

    def test_a_cookie_of_the_application_is_followed(
        self,
        control: Control,
        nodes: tuple[WebNode, WebNode],
        port: int,
        connection: http.client.HTTPConnection,
    ) -> None:
        attributes = {
            "stickiness.enabled": "true",
            "stickiness.type": "app_cookie",
            "stickiness.app_cookie.cookie_name": "JSESSIONID",
            "stickiness.app_cookie.duration_seconds": "86400",
        }
        targets = [node.target() for node in nodes]
        control.apply(table(alb(port, *targets, attributes=attributes)))
        assert get(connection)[2] == []
        _, content, cookies = get(connection, "/sign-in")
        (own,) = (item.partition(";")[0] for item in cookies if item.startswith("AWSALBAPP"))
        names = {get(connection, Cookie=own)[1]["node"] for _ in range(4)}
        assert names == {content["node"]}


def test_answers_of_the_load_balancer_itself(
    control: Control, nodes: tuple[WebNode, WebNode], port: int
) -> None:
    closed = ["127.0.0.1", balancing.port()]
    silent = nodes[0].target(cut=True)
    cases = (((), 503), ((nodes[0].target(endpoint=closed),), 502), ((silent,), 504))
    for targets, status in cases:
        control.apply(table(alb(port, *targets)))
        connection = http.client.HTTPConnection(ZONES["a"], port, timeout=TIMEOUT_S)
        assert get(connection)[0] == status
        connection.close()


def test_what_is_not_http_gets_400(
    control: Control, nodes: tuple[WebNode, WebNode], port: int
) -> None:
    control.apply(table(alb(port, nodes[0].target())))
    with socket.create_connection((ZONES["a"], port), TIMEOUT_S) as connection:
        connection.sendall(b"\x00\x01\x02\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_network_load_balancer_in_front_keeps_the_client_address(
    control: Control, nodes: tuple[WebNode, WebNode], port: int, tmp_path: Path
) -> None:
    """TLS ends at the Application Load Balancer, which admits only the Network Load Balancer."""
    authority = Authority("tests")
    identity = authority.issue("denodo.example.com")
    files = [tmp_path / "chain.pem", tmp_path / "key.pem"]
    for file, content in zip(files, (identity.chain, identity.key), strict=True):
        file.write_bytes(content)
    own_zone = {
        zone: [address.replace("127.0.0", "127.0.1"), port] for zone, address in ZONES.items()
    }
    behind = listener(
        port,
        nodes[0].target(),
        arn="behind",
        protocol="HTTPS",
        group_protocol="HTTP",
        certificate=[str(file) for file in files],
        attributes=_COOKIES,
        bind=own_zone,
    )
    target = balancing.target("alb", zone=None, port=port, address="10.0.0.8", groups=["sg-alb"])
    front = listener(port, target, arn="front", group_type="alb")
    rules = {
        "sg-balancer": balancing.OPEN,
        "sg-node": balancing.OPEN,
        "sg-alb": {**balancing.OPEN, "ingress": [balancing.rule(port, group="sg-balancer")]},
    }
    application = balancer(behind, kind="application", arn="alb", groups=["sg-alb"])
    control.apply(table(application, balancer(front), rules=rules))
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with (
        socket.create_connection((ZONES["a"], port), source_address=("127.0.9.1", 0)) as plain,
        context.wrap_socket(plain, server_hostname="denodo.example.com") as secure,
    ):
        connection = http.client.HTTPConnection("denodo.example.com")
        connection.sock = secure
        status, content, cookies = get(connection)
    assert status == 200
    assert content["headers"]["X-Forwarded-For"] == "127.0.9.1"
    assert content["headers"]["X-Forwarded-Proto"] == "https"
    assert "; Secure" in cookies[1]
    host, _ = own_zone["a"]
    expect((str(host), port), "silent")  # the inner load balancer admits no client directly
