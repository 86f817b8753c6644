"""HAProxy on its host: socket permissions, PROXY protocol, DNS, readiness, stickiness."""

import grp
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.haproxy.config_file import RMI_HELLO, render_config
from hosts.haproxy.errors import NoAnswer
from hosts.haproxy.inspection import verify
from hosts.haproxy.runtime_api import LocalHaproxy
from tests.hosts.haproxy.clients import handshake, rmi_once
from tests.hosts.haproxy.ports import NODES, PROXY
from tests.hosts.haproxy.running import BALANCER, Running, configuration, running
from tests.hosts.haproxy.servers import dns, web
from tests.hosts.haproxy.stand_ins import Site
from tests.support.configurations import Data, changed, minimal
from tests.support.servers.ports import free_port
from tests.support.servers.scripted import scripted

_ASK = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as one:
    one.connect(sys.argv[1])
"""


def test_sockets_are_for_their_group(proxy: Running) -> None:
    for name in ("admin", "monitor", "master"):
        found = (proxy.folder / f"{name}.sock").stat()
        assert oct(found.st_mode & 0o777) == "0o660"
        assert grp.getgrgid(found.st_gid).gr_name == proxy.host.group


def test_a_stranger_cannot_write_the_socket(proxy: Running) -> None:
    """With mode 666, as in Denodo's article, any local user could redirect all traffic."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    proxy.folder.chmod(0o755)
    for name in ("admin", "monitor", "master"):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _ASK, str(proxy.folder / f"{name}.sock")],
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert b"PermissionError" in done.stderr


def test_the_monitor_s_socket_changes_nothing(proxy: Running) -> None:
    link = proxy.folder / "monitor"
    link.mkdir()
    (link / "admin.sock").symlink_to(proxy.folder / "monitor.sock")
    monitor = LocalHaproxy(link, proxy.haproxy.state, proxy.haproxy.config)
    assert "jdbc,node1" in monitor.query("show stat")
    with pytest.raises(NoAnswer, match="Permission denied"):
        monitor.execute("set server jdbc/node1 state maint")
    assert proxy.states()["jdbc/node1"] == "up"


def test_an_absent_haproxy_is_said(proxy: Running) -> None:
    proxy.stop()
    with pytest.raises(NoAnswer, match=r"no HAProxy answers at .*admin.sock: see `systemctl"):
        proxy.haproxy.query("show info")


def test_only_a_balancer_in_front_gets_in_by_the_proxy_protocol(site: Site) -> None:
    hello = bytes.fromhex(RMI_HELLO)
    with running(configuration(site.ports), behind_proxy=True) as proxy:
        port = proxy.port("jdbc")
        with socket.create_connection((PROXY, port), 120) as bare:
            bare.sendall(hello)
            with suppress(ConnectionResetError):
                assert bare.recv(1) == b""
        # PROXY protocol, version 2: TCP over IPv4, from 10.9.8.7:1234 to the load balancer.
        head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
        ends = socket.inet_aton("10.9.8.7") + socket.inet_aton(PROXY) + b"\x04\xd2\x27\x0f"
        with socket.create_connection((PROXY, port), 120) as told:
            told.sendall(head + ends + hello)
            assert told.recv(1) == b"\x4e"
        proxy.until(lambda: "10.9.8.7:1234 [" in proxy.log)
        # A load balancer in front of HAProxy sends a PROXY header with health checks, too.
        health = proxy.environment.clusters["main"].balancer.proxy.health_port
        with socket.create_connection((PROXY, health), 120) as check:
            check.sendall(head + ends + b"GET /health HTTP/1.0\r\n\r\n")
            assert check.recv(12) == b"HTTP/1.1 200"


def test_sticky_keeps_all_of_a_client_on_one_node(site: Site) -> None:
    """Stickiness is required if several connections to one port form one session."""
    ports = site.ports
    data = changed(configuration(ports), {"services/jdbc/sticky": True})
    with running(data) as proxy:
        assert len({rmi_once(proxy.port("jdbc"))() for _ in range(4)}) == 1
        before = {node: proxy.statistic("jdbc", node, "stot") for node in NODES}
        for last in range(10, 40):
            source = (f"127.0.1.{last}", 0)
            with socket.create_connection(
                (PROXY, proxy.port("jdbc")), 120, source_address=source
            ) as client:
                client.sendall(bytes.fromhex(RMI_HELLO))
                assert client.recv(1) == b"\x4e"
        for node in NODES:
            assert proxy.statistic("jdbc", node, "stot") > before[node]


@contextmanager
def _ready(unready: set[str]) -> Iterator[None]:
    """Run a readiness endpoint on each node; nodes in `unready` answer 503."""
    with ExitStack() as stack:
        for name, address in NODES.items():

            def answer(path: str, name: str = name) -> tuple[int, str]:
                known = path in ("/ready/jdbc", "/ready/odbc", "/ready/web")
                return (200 if known and name not in unready else 503), ""

            stack.enter_context(web(address, READY_PORT, answer))
        yield


def test_a_node_that_is_not_ready_is_out(site: Site) -> None:
    """The node answers clients, but may have an empty catalog or a promotion in progress."""
    unready: set[str] = set()
    data = changed(configuration(site.ports), {f"{BALANCER}/haproxy/checks/ready": True})
    with _ready(unready), running(data) as proxy:
        proxy.until(lambda: proxy.statistic("jdbc", "node1", "check_duration") >= 0)
        unready.add("node1")
        for service in ("jdbc", "odbc", "web"):
            proxy.until(lambda service=service: proxy.states()[f"{service}/node1"] == "down")  # type: ignore[misc]  # mypy infers no type of a lambda with a default
            assert proxy.states()[f"{service}/node2"] == "up"
        unready.clear()
        proxy.until(lambda: "down" not in proxy.states().values())


def _answers_its_own_clients(connection: socket.socket) -> None:
    """Answer like the JDBC port of 8.0 and later: clients send first, and do not speak JRMP."""
    hello = connection.recv(29)
    while hello and not hello.startswith(b"asyncrmi"):
        hello = connection.recv(29)
    connection.sendall(hello)


def _jdbc(version: str, node_port: int, checks: Data) -> Data:
    return changed(
        minimal(version),
        {
            "denodo/program": False,
            f"{BALANCER}/kind": "haproxy",
            f"{BALANCER}/haproxy": {
                "hosts": dict(NODES),
                "health_port": free_port(),
                "metrics_port": free_port(),
                "maxconn": 2000,
                "checks": checks,
            },
            "services": {"jdbc": {"port": free_port(), "node_port": node_port}},
        },
    )


@pytest.mark.parametrize("version", ["8.0", "9.0"])
def test_jdbc_without_java_rmi_is_connected_to(version: str) -> None:
    """The check only connects. A check by JRMP would mark all servers of 8.0 and later as down."""
    node_port = free_port()
    with ExitStack() as stack:
        for address in NODES.values():
            stack.enter_context(scripted(_answers_its_own_clients, host=address, port=node_port))
        proxy = stack.enter_context(running(_jdbc(version, node_port, {"timeout": 30})))
        proxy.until(lambda: proxy.statistic("jdbc", "node1", "check_duration") >= 0)
        assert set(proxy.states().values()) == {"up"}
        assert RMI_HELLO not in proxy.haproxy.config.read_text()


def test_jdbc_without_java_rmi_is_asked_for_its_readiness() -> None:
    node_port, unready = free_port(), {"node2"}
    with ExitStack() as stack:
        stack.enter_context(_ready(unready))
        for address in NODES.values():
            stack.enter_context(scripted(_answers_its_own_clients, host=address, port=node_port))
        data = _jdbc("8.0", node_port, {"ready": True, "timeout": 30})
        proxy = stack.enter_context(running(data, started=False))
        proxy.start(awaited=False)
        proxy.until(lambda: proxy.states() == {"jdbc/node1": "up", "jdbc/node2": "down"})
        unready.clear()
        proxy.until(lambda: set(proxy.states().values()) == {"up"})


def test_a_node_that_gets_another_address_is_followed(site: Site) -> None:
    """A replaced node gets a new address; HAProxy follows the DNS name without a reload."""
    names = {f"{name}.main.test.internal": address for name, address in NODES.items()}
    data = changed(configuration(site.ports), {f"{BALANCER}/haproxy/hosts": {}})
    with dns(PROXY, names) as port, running(data, started=False) as proxy:
        written = render_config(proxy.environment, "main", proxy.host)
        assert written.count("    parse-resolv-conf\n") == 1
        asks = f"    nameserver here {PROXY}:{port}\n    hold valid 1s\n    timeout resolve 1s\n"
        ours = written.replace("    parse-resolv-conf\n    hold valid 10s\n", asks)
        # HAProxy must not resolve the names with this machine's DNS at its start.
        proxy.start(ours.replace("init-addr last,libc,none", "init-addr none"))
        names["node2.main.test.internal"] = NODES["node1"]
        proxy.until(lambda: proxy.haproxy.query("show servers conn").count(NODES["node2"]) == 0)
        site["node2"].kill()
        for _ in range(4):
            handshake(proxy.port("jdbc"))
        # A node stays in service if its name disappears from DNS: only the checks decide.
        names.clear()
        before = proxy.haproxy.query("show resolvers")
        proxy.until(lambda: proxy.haproxy.query("show resolvers") != before)
        handshake(proxy.port("jdbc"))
        assert set(proxy.states().values()) <= {"up"}


def test_too_few_open_files_are_said(proxy: Running) -> None:
    assert [one.what for one in verify(proxy.haproxy) if not one.right] == []
    told = [one.what for one in verify(proxy.haproxy) if "open files" in one.what]
    assert told[0].endswith("open files are enough for 2000 connections")
