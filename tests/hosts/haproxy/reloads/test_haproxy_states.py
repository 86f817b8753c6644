"""The program's server states agree with the behaviour of a real HAProxy."""

import http.client
import re
from collections.abc import Iterator
from itertools import product

import pytest

from hosts.haproxy import next_states
from hosts.haproxy.draining import drain
from hosts.haproxy.enabling import enable
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.reloading import prepare_start
from hosts.haproxy.servers import Operational, Server, parse_statistics, servers
from tests.hosts.haproxy.ports import PROXY
from tests.hosts.haproxy.programs import PROGRAMS
from tests.hosts.haproxy.web_site import WebSite, nodes, started, web_site
from tests.support.servers.ports import free_port

ONE, TWO = "127.0.0.2", "127.0.0.3"
PORT = free_port()

STATES = list(product(Operational, (0, 1, 4, 5, 8, 12), (0, 1)))
"""Operational state, administrative state (bits; 4: `disabled` in the file) and weight. HAProxy
refuses other combinations of these bits (src/server_state.c, srv_state_srv_update)."""
STATUS = {
    "maint": ("MAINT", "MAINT (via one/tracked)", "MAINT (resolution)"),
    "no address": ("MAINT (resolution)",),
    "down": ("DOWN",),
    "drain": ("DRAIN", "no check", "NOLB"),  # HAProxy shows `no check` also with weight 0
    "drain, down": ("DOWN", "MAINT (resolution)"),
    "stopping": ("NOLB",),
    "up": ("UP", "no check"),
}
"""The status in HAProxy's statistics for each state (src/stats.c, srv_hlt_st)."""


@pytest.fixture(params=PROGRAMS)
def site(request: pytest.FixtureRequest) -> Iterator[WebSite]:
    """Return a HAProxy that is not started, once for each installed version."""
    with web_site(request.param) as made:
        yield made


def _name(operational: int, admin: int, weight: int) -> str:
    return f"s{operational}-{admin}-{weight}"


def _backends() -> str:
    """Return a backend for each of `STATES`, and backends for states that only HAProxy sets."""
    lines = ["frontend each", "    bind FRONT", "    use_backend %[path,field(2,/)]"]
    for state in STATES:
        disabled = " disabled" if state[1] & 4 else ""
        lines += [f"backend {_name(*state)}", f"    server node {ONE}:{PORT}{disabled}"]
    lines += ["backend one", f"    server tracked {ONE}:{PORT} check inter 1h"]
    lines += ["backend follows", f"    server node {ONE}:{PORT} track one/tracked"]
    lines += ["backend nowhere", f"    server node no.such.name.invalid:{PORT} init-addr none"]
    return "\n".join(lines)


def _serves(port: int, backend: str) -> bool:
    connection = http.client.HTTPConnection(PROXY, port, timeout=120)
    try:
        connection.request("GET", f"/{backend}")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def _require_truth(site: WebSite, port: int) -> dict[str, Server]:
    """Compare each state with HAProxy's own statistics, and with a client's result."""
    rows = parse_statistics(site.haproxy.query("show stat"))
    status = {f"{row['pxname']}/{row['svname']}": row["status"] for row in rows}
    every = {server.id: server for server in servers(site.haproxy)}
    for id_, server in every.items():
        if server.backend == "web":
            continue  # skipped: a server's checks run, so its state may change between the queries
        # Remove the count of checks from a status such as `UP 1/2` (one of two checks has failed).
        assert re.sub(r" \d+/\d+$", "", status[id_]) in STATUS[server.state], (
            id_,
            server,
            status[id_],
        )
        assert _serves(port, server.backend) == server.usable, (id_, server)
    return every


def test_every_state_is_the_one_that_haproxy_acts_by(site: WebSite) -> None:
    port = free_port()
    more = _backends().replace("FRONT", f"{PROXY}:{port}")
    site.write(f"server node1 {ONE}:{PORT}", more=more)
    rows = next_states.file_rows(
        site.haproxy, site.haproxy.config, site.haproxy.config.read_bytes()
    )
    by_name = {row["be_name"]: row for row in rows}
    for state in STATES:
        names = ("srv_op_state", "srv_admin_state", "srv_uweight")
        by_name[_name(*state)].update(zip(names, map(str, map(int, state)), strict=True))
    site.haproxy.state.write_bytes(next_states.text(rows))
    with nodes(ONE, ports=(PORT,)), started(site):
        every = _require_truth(site, port)
        for state in STATES:
            found = every[f"{_name(*state)}/node"]
            # Skip servers with the bits 1 (maintenance) or 4 (`disabled`): HAProxy itself changes
            # their operational state.
            if not state[1] & 5:
                # Without `slowstart`, a starting server is running at once.
                starts = state[0] == Operational.STARTING
                expected = Operational.RUNNING if starts else state[0]
                assert found.operational == expected, (state, found)
        assert {server.state for server in every.values()} == {*STATUS} - {"no address"} | {
            "no address"
        }
        for order in ("drain", "maint", "ready"):
            for backend in ("one/tracked", "nowhere/node"):
                site.haproxy.execute(f"set server {backend} state {order}")
            _require_truth(site, port)
        for state in STATES:
            site.haproxy.execute(f"set server {_name(*state)}/node state ready")
        every = _require_truth(site, port)
        assert every[f"{_name(2, 5, 1)}/node"].state == "up"


def test_a_server_in_slow_start_is_up_and_the_last_one_stays(site: WebSite) -> None:
    slow = "slowstart 60s"
    site.write(f"server node1 {ONE}:{PORT} {slow}", f"server node2 {TWO}:{PORT} {slow}")
    prepare_start(site.haproxy, site.said.append)
    with nodes(ONE, TWO, ports=(PORT,)) as made, started(site):
        made[TWO].ready = False
        site.until(lambda: site.states() == {"web/node1": "up", "web/node2": "down"})
        (starting,) = [server for server in servers(site.haproxy) if server.usable]
        assert starting.operational == Operational.STARTING
        with pytest.raises(Refused, match="no other node would serve web"):
            drain(site.haproxy, "node1", site.said.append, seconds=1, force=False)
        assert site.visit()


def test_a_node_that_wants_no_new_sessions_is_stopping(site: WebSite) -> None:
    """With `disable-on-404`, a node that answers checks with 404 is stopping; `enable` waits."""
    check = "http-check disable-on-404"
    site.write(f"server node1 {ONE}:{PORT}", f"server node2 {TWO}:{PORT}", check)
    prepare_start(site.haproxy, site.said.append)
    with nodes(ONE, TWO, ports=(PORT,)) as made, started(site):
        site.until(lambda: set(site.states().values()) == {"up"})
        made[TWO].status = 404
        site.until(lambda: site.states()["web/node2"] == "stopping")
        with pytest.raises(Refused, match="no other node would serve web"):
            drain(site.haproxy, "node1", site.said.append, seconds=1, force=False)
        assert "web/node2 is stopping: L7OKC" in "".join(site.wrong())
        drain(site.haproxy, "node2", site.said.append, seconds=300, force=False)
        with pytest.raises(Failed, match="did not pass a check"):
            enable(site.haproxy, "node2", site.said.append, seconds=2)
        made[TWO].status = None
        enable(site.haproxy, "node2", site.said.append, seconds=300)
        assert site.states()["web/node2"] == "up"


def test_a_server_that_is_disabled_in_the_file_can_be_enabled(site: WebSite) -> None:
    lines = (f"server node1 {ONE}:{PORT}", f"server node2 {TWO}:{PORT} disabled")
    site.write(*lines)
    prepare_start(site.haproxy, site.said.append)
    with nodes(ONE, TWO, ports=(PORT,)), started(site):
        site.until(lambda: site.states() == {"web/node1": "up", "web/node2": "maint"})
        enable(site.haproxy, "node2", site.said.append, seconds=300)
        assert site.states() == {"web/node1": "up", "web/node2": "up"}
        site.reload(*lines)
        assert site.states() == {"web/node1": "up", "web/node2": "up"}
        drain(site.haproxy, "node1", site.said.append, seconds=300, force=False)
