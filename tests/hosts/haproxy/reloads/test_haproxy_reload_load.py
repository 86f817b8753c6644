"""Reloads under the load of docs/how-to/haproxy.md: 3,200 connections, 400 new ones a second."""

from collections.abc import Callable, Iterator

import pytest

from hosts.haproxy.draining import drain
from hosts.haproxy.reloading import prepare_start
from tests.hosts.haproxy.programs import PROGRAMS
from tests.hosts.haproxy.web_site import WebSite, nodes, started, web_site
from tests.support.servers.ports import free_ports
from tools.bench import load

pytestmark = pytest.mark.long

ONE, TWO, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
OLD, NEW = free_ports(2)
BEFORE = (f"server node1 {ONE}:{OLD}", f"server node2 {TWO}:{OLD}")
AFTER = (f"server node1 {ONE}:{NEW}", f"server node2 {TWO}:{NEW}")
TOTAL, RATE = 3200, 400


def _a_port_changes_and_a_server_is_new(site: WebSite) -> None:
    site.reload(*AFTER, f"server node3 {THREE}:{OLD}")


def _a_server_is_drained(site: WebSite) -> None:
    drain(site.haproxy, "node1", site.said.append, seconds=60, force=False)
    site.made[ONE].ready = False
    site.reload(*BEFORE)


@pytest.fixture(params=PROGRAMS)
def serving(request: pytest.FixtureRequest) -> Iterator[WebSite]:
    """Run HAProxy with two ready nodes; a third node runs but is not in the file yet."""
    with web_site(request.param) as site:
        site.write(*BEFORE)
        prepare_start(site.haproxy, site.said.append)
        with nodes(ONE, TWO, THREE, ports=(OLD, NEW)) as made, started(site):
            site.made = made
            made[THREE].ready = False
            site.until(lambda: set(site.states().values()) == {"up"})
            yield site


@pytest.mark.parametrize("event", [_a_port_changes_and_a_server_is_new, _a_server_is_drained])
def test_no_connection_fails_and_none_reaches_a_node_that_is_not_ready(
    serving: WebSite, event: Callable[[WebSite], None]
) -> None:
    outcome = load.connections(
        serving.port,
        total=TOTAL,
        rate=RATE,
        event=lambda: event(serving),
        after=TOTAL // 4,
        request=load.WEB,
        patience=60,
    )
    assert outcome.failed == []
    made = serving.made.values()
    assert [node.unready for node in made] == [0, 0, 0]
    assert sum(sum(node.requests.values()) for node in made) == TOTAL
    assert serving.differences() == {}
