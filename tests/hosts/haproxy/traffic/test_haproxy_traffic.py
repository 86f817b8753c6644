"""Clients connect through HAProxy, with the generated file, to real servers of every kind."""

import http.client
import socket
import threading

from tests.hosts.haproxy.clients import Rmi, Web, odbc, rmi_once, visit
from tests.hosts.haproxy.ports import PROXY
from tests.hosts.haproxy.running import Running
from tests.hosts.haproxy.stand_ins import Site

BOTH = {"node1", "node2"}


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(PROXY, port, timeout=120)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _health(proxy: Running, path: str) -> int:
    port = proxy.environment.clusters["main"].balancer.proxy.health_port
    return _get(port, path)[0]


def test_both_nodes_get_clients_of_every_kind(proxy: Running) -> None:
    assert {odbc(proxy.port("odbc")) for _ in range(6)} == BOTH
    assert {visit(proxy.port("web")) for _ in range(6)} == BOTH
    assert {rmi_once(proxy.port("jdbc"))() for _ in range(8)} == BOTH


def test_a_session_goes_on_to_the_node_that_answered_it(proxy: Running) -> None:
    """If both nodes shared an auxiliary port, half of the sessions would reach the wrong node."""
    sessions = [Rmi(proxy.port("jdbc")) for _ in range(6)]
    before = proxy.statistic("auxiliary.node1", "node1", "stot")
    for session in sessions:
        assert {session.ask() for _ in range(3)} == {session.node}
    assert {session.node for session in sessions} == BOTH
    assert proxy.statistic("auxiliary.node1", "node1", "stot") > before
    for session in sessions:
        session.close()


def test_a_browser_stays_on_its_node(proxy: Running) -> None:
    browsers = [Web(proxy.port("web")) for _ in range(6)]
    first = [browser.get() for browser in browsers]
    told = browsers[0].headers["set-cookie"]
    assert set(first) == BOTH
    for _ in range(3):
        assert [browser.get() for browser in browsers] == first
        # Each browser opens a new connection and keeps its cookies.
        for browser in browsers:
            browser.close()
    assert "HttpOnly" in told
    assert "SameSite=Lax" in told
    assert browsers[0].headers.get("set-cookie") is None
    for browser in browsers:
        browser.close()


def test_the_cookie_stays_between_browser_and_balancer(proxy: Running, site: Site) -> None:
    """The node gets the client's address, but neither HAProxy's cookie nor forged headers."""
    site["node1"].kill()
    port = site.ports.web
    seen: list[str] = []
    with socket.create_server((site["node1"].address, port)) as server:
        server.settimeout(120)

        def answer() -> None:
            while not seen:
                connection, _ = server.accept()
                with connection:
                    said = connection.recv(4000).decode()
                    if "/name" in said:
                        seen.append(said)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        # On a slow machine, checks may have marked the node down before this server listened.
        proxy.until(lambda: proxy.states()["web/node1"] == "up")
        client = http.client.HTTPConnection(PROXY, proxy.port("web"), timeout=120)
        forged = {
            "Cookie": "denodo-web=node1; mine=1",
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Proto": "https",
        }
        client.request("GET", "/name", headers=forged)
        assert client.getresponse().status == 200
        client.close()
        thread.join(timeout=120)
    heads = dict(line.lower().split(": ", 1) for line in seen[0].splitlines()[1:] if line)
    assert heads["cookie"] == "mine=1"
    assert heads["x-forwarded-for"] == PROXY
    assert heads["x-forwarded-proto"] == "http"


def test_health_says_whether_a_node_is_usable(proxy: Running, site: Site) -> None:
    assert [_health(proxy, path) for path in ("/health", "/health/jdbc", "/health/web")] == [
        200
    ] * 3
    # A deploy creates the target group of a new service before HAProxy loads the file with this
    # service, so HAProxy reports unknown services as healthy.
    assert _health(proxy, "/health/new") == 200
    assert _health(proxy, "/") == 404
    for node in site.nodes.values():
        node.kill()
    proxy.until(lambda: _health(proxy, "/health") == 503)
    assert _health(proxy, "/health/jdbc") == 503
    assert _health(proxy, "/health/new") == 503


def test_metrics_are_for_prometheus(proxy: Running) -> None:
    port = proxy.environment.clusters["main"].balancer.proxy.metrics_port
    status, told = _get(port, "/metrics")
    assert status == 200
    assert 'haproxy_server_status{proxy="jdbc",server="node1",state="UP"} 1' in told
    assert _get(port, "/")[0] == 404
