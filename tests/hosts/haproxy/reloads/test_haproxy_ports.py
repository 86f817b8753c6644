"""A new file may use HAProxy's own ports; ports of other processes are refused beforehand."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from denodo_ha.environment.haproxy.config_file import render_config
from hosts.haproxy.errors import Refused
from hosts.haproxy.listening_ports import Endpoint, endpoints
from hosts.haproxy.reloading import prepare_start, reload
from tests.hosts.haproxy.clients import load
from tests.hosts.haproxy.programs import PROGRAMS
from tests.hosts.haproxy.running import BALANCER, Running, configuration
from tests.hosts.haproxy.stand_ins import Site
from tests.hosts.haproxy.web_site import WebSite, nodes, started, web_site
from tests.support.configurations import Data, changed, loaded
from tests.support.servers.ports import free_port

NODE = "127.0.0.2"
PORT = free_port()


@pytest.fixture(params=PROGRAMS)
def serving(request: pytest.FixtureRequest) -> Iterator[WebSite]:
    """Run HAProxy with one node, once for each installed version."""
    with web_site(request.param) as site:
        site.write(f"server node1 {NODE}:{PORT}")
        prepare_start(site.haproxy, site.said.append)
        with nodes(NODE, ports=(PORT,)), started(site):
            site.until(lambda: site.states() == {"web/node1": "up"})
            yield site


def test_the_address_of_a_port_changes_and_no_client_fails(serving: WebSite) -> None:
    port = serving.port
    binds = [f":{port}", f"127.0.0.1:{port}", f"*:{port}", f"127.0.0.1:{port},127.0.0.5:{port}"]
    with load() as clients:
        clients.add("web", serving.visit, pause=0.005)
        for bind in binds:
            clients.wait_for(10, "web")
            serving.reload(f"server node1 {NODE}:{PORT}", bind=bind)
            assert serving.wrong() == []
        clients.wait_for(10, "web")
    assert clients.failed == []


def test_a_port_of_another_process_is_refused(serving: WebSite) -> None:
    """HAProxy itself uses the same port at another address; the conflict must still be found."""
    content = serving.haproxy.config.read_text()
    with socket.create_server(("127.0.0.5", serving.port)):
        for bind in (f"127.0.0.5:{serving.port}", f":{serving.port}"):
            with pytest.raises(
                Refused, match=rf"needs port {serving.port}.*Address already in use"
            ):
                serving.reload(f"server node1 {NODE}:{PORT}", bind=bind)
        serving.reload(
            f"server node1 {NODE}:{PORT}", bind=f"127.0.0.1:{serving.port},127.0.0.6:{serving.port}"
        )
        serving.reload(f"server node1 {NODE}:{PORT}")
    assert serving.haproxy.config.read_text() == content


def test_all_ports_that_are_not_free_are_named_at_once(serving: WebSite) -> None:
    first, second = free_port(), free_port()
    more = f"frontend more\n    bind 127.0.0.1:{first}\n    bind 203.0.113.1:{second}\n"
    with socket.create_server(("127.0.0.1", first)), pytest.raises(Refused) as refused:
        serving.reload(f"server node1 {NODE}:{PORT}", more=more)
    assert f"port {first} of 127.0.0.1: Address already in use" in str(refused.value)
    assert f"port {second} of 203.0.113.1: Cannot assign requested address" in str(refused.value)


def test_metrics_clients_can_be_turned_on_and_off(
    proxy: Running, site: Site, tmp_path: Path
) -> None:
    metrics = proxy.environment.clusters["main"].balancer.proxy.metrics_port
    new = tmp_path / "new.cfg"
    before = proxy.haproxy.config.read_text()
    own = f"{BALANCER}/haproxy"
    changes: Data = {f"{own}/metrics_port": metrics, f"{own}/metrics_clients": ["127.0.0.0/8"]}
    data = changed(configuration(site.ports), changes)
    environment = loaded(tmp_path, data, deploying=False).environment
    new.write_text(render_config(environment, "main", proxy.host))
    assert f"bind :{metrics}" in new.read_text()
    reload(proxy.haproxy, new, lambda _line: None)
    assert _status("127.0.0.9", metrics) == 200
    new.write_text(before)
    reload(proxy.haproxy, new, lambda _line: None)
    assert _status("127.0.0.1", metrics) == 200


def _status(address: str, port: int) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=120)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bind :80", {("", 80)}),
        ("bind *:80 ssl crt x", {("", 80)}),
        ("bind 0.0.0.0:80", {("", 80)}),
        ("bind 10.0.0.1:80,10.0.0.2:81", {("10.0.0.1", 80), ("10.0.0.2", 81)}),
        ("bind :::80", {("", 80)}),
        ("bind [::1]:80", {("::1", 80)}),
        ("bind ipv4@10.0.0.1:80", {("10.0.0.1", 80)}),
        ("bind 10.0.0.1:80-82", {("10.0.0.1", 80), ("10.0.0.1", 81), ("10.0.0.1", 82)}),
        ("bind /run/x.sock", set()),
        ("bind abns@x", set()),
        ("# bind :80", set()),
    ],
)
def test_endpoints_of_a_line(line: str, expected: set[tuple[str, int]]) -> None:
    assert endpoints(f"frontend x\n    {line}\n".encode()) == {Endpoint(*pair) for pair in expected}
