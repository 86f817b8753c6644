"""A node fails or hangs: HAProxy notices the failure after two checks, and few clients fail."""

from collections.abc import Iterator

import pytest

from tests.hosts.haproxy.clients import handshake, load, odbc
from tests.hosts.haproxy.running import BALANCER, Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tests.support.configurations import changed

CLIENTS = 6


@pytest.fixture
def soon(site: Site) -> Iterator[Running]:
    """Run HAProxy with checks that soon notice a node without an answer."""
    data = changed(configuration(site.ports), {f"{BALANCER}/haproxy/checks/timeout": 3})
    with running(data) as made:
        yield made


def test_a_killed_node_fails_nobody_who_comes(proxy: Running, site: Site) -> None:
    jdbc, pg = proxy.port("jdbc"), proxy.port("odbc")
    with load() as clients:
        for _ in range(CLIENTS):
            clients.add("jdbc", lambda: handshake(jdbc), pause=0.01)
        clients.add("odbc", lambda: odbc(pg), pause=0.02)
        clients.wait_for(50, "jdbc")
        site["node1"].kill()
        proxy.until(lambda: proxy.states()["jdbc/node1"] == "down")
        clients.wait_for(50, "jdbc")
    # Only the sessions that were open on the node may fail; new clients reach the other node.
    assert len(clients.failed) <= CLIENTS + 1, clients.failed
    assert proxy.statistic("jdbc", "node1", "chkfail") == 2
    assert proxy.statistic("jdbc", "node1", "chkdown") == 1
    assert proxy.statistic("jdbc", "node2", "chkdown") == 0


def test_a_hung_node_is_out_after_two_checks(soon: Running, site: Site) -> None:
    """The node's kernel still accepts connections, so a check that only connects would pass."""
    proxy = soon
    jdbc = proxy.port("jdbc")
    with load() as clients:
        for _ in range(CLIENTS):
            clients.add("jdbc", lambda: handshake(jdbc), pause=0.01)
        clients.wait_for(50, "jdbc")
        site["node1"].hang()
        proxy.until(lambda: proxy.states()["jdbc/node1"] == "down")
        clients.wait_for(50, "jdbc")
        before = len(clients.failed)
        clients.wait_for(50, "jdbc")
        # A client waits for one hung connection at a time, and leastconn prefers the other node, so
        # few clients fail.
        assert before <= 2 * CLIENTS, clients.failed
        assert len(clients.failed) == before
        assert proxy.statistic("jdbc", "node1", "chkfail") == 2
        assert proxy.statistic("web", "node1", "chkdown") == 1
        site["node1"].go_on()
        proxy.until(lambda: proxy.states()["jdbc/node1"] == "up")
        served = proxy.statistic("jdbc", "node1", "stot")
        clients.wait_for(50, "jdbc")
    assert proxy.statistic("jdbc", "node1", "stot") > served
    assert len(clients.failed) == before
