"""Saved server states are merged with the file's servers; the lines of a check are found."""

import pytest

from hosts.haproxy.check_lines import check_lines
from hosts.haproxy.errors import UsageError
from hosts.haproxy.machines import machine, servers_of
from hosts.haproxy.next_states import (
    NextStates,
    Row,
    as_they_are,
    differences,
    merged,
    orders,
    text,
)
from hosts.haproxy.servers import Admin, Operational, Server, parse_states
from tests.hosts.haproxy.played_haproxy import GOOD

ROW = {
    **parse_states(GOOD["show servers state"])[0],
    "srv_op_state": "2",
    "srv_addr": "10.0.0.1",
    "srv_port": "9999",
    "tracked": "",
    "srv_check_status": "9",
    "srv_check_result": "3",
    "srv_check_health": "4",
    "srv_uweight": "1",
    "srv_iweight": "1",
    "srv_check_state": "6",
}
"""Saved state of a server that has a check and is up."""


def _row(**changes: str) -> Row:
    return {**ROW, **{f"srv_{name}": value for name, value in changes.items()}}


def _one(before: Row | None, row: Row, *, same_check: bool = True) -> Row:
    states = merged([row], [] if before is None else [before], lambda _id: same_check)
    return states.rows[0]


UP, DOWN = "2", "0"


@pytest.mark.parametrize(
    ("before", "row", "expected"),
    [
        # An unchanged server keeps its state.
        (_row(op_state="0"), _row(), {"op_state": DOWN}),
        (_row(op_state="3"), _row(), {"op_state": "3"}),
        (_row(), _row(op_state="0"), {"op_state": UP, "check_status": "9", "check_health": "4"}),
        # A new server, or one with a changed endpoint, is down until it passes its checks.
        (None, _row(), {"op_state": DOWN, "check_status": "1", "check_health": "0"}),
        (_row(port="1"), _row(), {"op_state": DOWN, "port": "9999", "check_result": "0"}),
        (_row(addr="10.0.0.2"), _row(), {"op_state": DOWN, "addr": "10.0.0.1"}),
        (_row(check_port="1"), _row(), {"op_state": DOWN}),
        (_row(check_addr="10.0.0.9"), _row(), {"op_state": DOWN}),
        (_row(use_ssl="1"), _row(), {"op_state": DOWN}),
        (_row(fqdn="a"), _row(fqdn="b"), {"op_state": DOWN, "fqdn": "b"}),
        # A server without a check is up, since there is no check that could bring the server up.
        (None, _row(check_state="0", op_state="0"), {"op_state": UP}),
        (_row(port="1"), _row(check_state="0"), {"op_state": UP}),
        (_row(op_state="0"), _row(check_state="0"), {"op_state": UP}),
        (_row(check_state="0"), _row(), {"op_state": DOWN}),
        # A server with a host name keeps the address that was resolved last.
        (_row(fqdn="a", addr="10.9.9.9"), _row(fqdn="a"), {"op_state": UP, "addr": "10.9.9.9"}),
        # Checks that an operator has disabled remain disabled.
        (_row(check_state="2", op_state="0"), _row(), {"op_state": DOWN, "check_state": "2"}),
        # States set by operators are kept; for states set in files, only the new file counts.
        (_row(admin_state="1"), _row(), {"admin_state": "1"}),
        (_row(admin_state="8"), _row(), {"admin_state": "8"}),
        (_row(admin_state="8", port="1"), _row(), {"admin_state": "8", "op_state": DOWN}),
        (_row(admin_state="9"), _row(), {"admin_state": "1"}),
        (_row(admin_state="50"), _row(), {"admin_state": "0"}),
        (_row(admin_state="64"), _row(), {"admin_state": "0"}),
        (_row(admin_state="5"), _row(), {"admin_state": "0", "op_state": DOWN}),
        (_row(admin_state="12"), _row(), {"admin_state": "8"}),
        (_row(), _row(admin_state="5"), {"admin_state": "5"}),
        (_row(admin_state="4"), _row(admin_state="5"), {"admin_state": "4", "op_state": UP}),
        # The weight in the file is used, except if an operator has set a weight of 0.
        (_row(uweight="7"), _row(), {"uweight": "1", "iweight": "1"}),
        (_row(uweight="0"), _row(), {"uweight": "0", "iweight": "1"}),
        (_row(iweight="5", uweight="5"), _row(), {"uweight": "5", "iweight": "5", "op_state": UP}),
    ],
)
def test_a_row(before: Row | None, row: Row, expected: dict[str, str]) -> None:
    found = _one(before, row)
    assert {name: found[f"srv_{name}"] for name in expected} == expected


def test_another_check_decides_anew() -> None:
    assert _one(ROW, ROW, same_check=False)["srv_op_state"] == DOWN
    unchecked = _row(check_state="0")
    assert _one(unchecked, unchecked, same_check=False)["srv_op_state"] == UP


def test_dns_has_the_name_and_the_port_of_a_record() -> None:
    record = {**_row(fqdn="-", port="0", addr="-"), "srvrecord": "_vdp._tcp.example.com"}
    running = {**record, **_row(fqdn="n1.example.com", port="9999", op_state="0")}
    running["srvrecord"] = record["srvrecord"]
    assert differences([record], [running]) == {}
    assert merged([record], [running], lambda _id: True).changed == {}
    assert merged([{**record, "srvrecord": "_b"}], [running], lambda _id: True).changed


def test_a_server_that_follows_another_one_has_its_state() -> None:
    leader, follower = ROW, {**_row(name="f", check_state="0"), "tracked": "jdbc/node1"}
    for state in (UP, DOWN):
        before = [{**leader, "srv_op_state": state}, {**follower, "srv_op_state": UP}]
        rows = merged([leader, follower], before, lambda _id: True).rows
        assert [row["srv_op_state"] for row in rows] == [state, state]


def test_results_of_checks_are_those_of_changed_servers_only() -> None:
    old, new = _row(op_state="0"), _row(name="new")
    states = merged([old, new], [old], lambda _id: True)
    assert states.changed == {"jdbc/new": "the server is new"}
    assert states.starting_down() == ["jdbc/new"]
    results = NextStates([_row(), _row(name="new", check_status="7")], states.changed)
    rows = states.with_results(results).rows
    assert [(row["srv_op_state"], row["srv_check_status"]) for row in rows] == [
        (DOWN, "9"),
        (UP, "7"),
    ]
    maint = merged([_row(admin_state="5")], [], lambda _id: True)
    assert maint.starting_down() == []
    assert (maint.orders, orders([_row(admin_state="44")])) == (
        {"jdbc/node1": 1},
        {"jdbc/node1": 8},
    )


def test_differences_name_what_differs() -> None:
    before = [_row(port="1", use_ssl="1", check_port="7"), _row(name="gone")]
    file = [_row(iweight="3", check_addr="10.0.0.3"), _row(name="new")]
    assert differences(file, before) == {
        "jdbc/node1": (
            "port 1, in the file 9999; check port 7, in the file none; check address none, in the"
            " file 10.0.0.3; TLS on, in the file off; weight 1, in the file 3"
        ),
        "jdbc/new": "HAProxy lacks this server",
        "jdbc/gone": "the file lacks this server",
    }


def test_the_state_file_has_the_columns_that_haproxy_needs() -> None:
    content = as_they_are([_row(admin_state="105")]).decode()
    (row,) = parse_states(content)
    assert row["srv_admin_state"] == "1"
    assert "srv_use_ssl" not in row
    assert len(row) == 20
    assert text([]).decode().splitlines()[0] == "1"


def _lines(config: str) -> dict[str, tuple[str, ...]]:
    return check_lines(config.encode())


_CONFIG = """\
defaults
    timeout check 1s
defaults named
    option httpchk
frontend in
    timeout check 9s
backend a
    balance roundrobin
    tcp-check connect   # a comment
    server n1 10.0.0.1:1 check weight 3 cookie c backup
    server n2 10.0.0.2:1 check
listen b from named
    server n1 10.0.0.1:2 check
backend c
    no option tcp-check
    server n1 10.0.0.1:3
"""


def test_the_lines_of_a_check_with_those_that_it_inherits() -> None:
    assert _lines(_CONFIG) == {
        "a/n1": ("option httpchk", "tcp-check connect", "server n1 10.0.0.1:1 check"),
        "a/n2": ("option httpchk", "tcp-check connect", "server n2 10.0.0.2:1 check"),
        "b/n1": ("option httpchk", "server n1 10.0.0.1:2 check"),
        "c/n1": ("option httpchk", "no option tcp-check", "server n1 10.0.0.1:3"),
    }
    first = _CONFIG.replace("backend a", "backend a from named").replace(
        "defaults named", "cache x"
    )
    assert _lines(first)["c/n1"][0] == "timeout check 1s"
    assert _lines(first)["a/n1"][0] == "tcp-check connect"
    inherits = _CONFIG.replace("defaults named", "defaults named from base")
    inherits = inherits.replace("defaults\n", "defaults base\n", 1)
    assert _lines(inherits)["b/n1"][:2] == ("timeout check 1s", "option httpchk")


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("balance roundrobin", "balance leastconn", True),
        ("weight 3 cookie c backup", "weight 9 cookie d maxconn 4 slowstart 3s", True),
        ("tcp-check connect", "tcp-check  connect", True),
        ("# a comment", "", True),
        ("tcp-check connect", "tcp-check connect port 3", False),
        ("tcp-check connect", "default-server fall 9", False),
        ("tcp-check connect", "http-check send meth GET", False),
        ("tcp-check connect", "external-check path x", False),
        ("tcp-check connect", "timeout connect 5s", False),
        ("option httpchk", "option httpchk GET /x", False),
        ("10.0.0.1:1 check", "10.0.0.1:1 check inter 9s", False),
    ],
)
def test_a_check_is_the_same_if_its_lines_are(old: str, new: str, *, same: bool) -> None:
    changed = _CONFIG.replace(old, new)
    assert changed != _CONFIG
    assert (_lines(changed)["a/n1"] == _lines(_CONFIG)["a/n1"]) is same


def _server(id_: str, address: str, host: str = "-") -> Server:
    backend, _, node = id_.partition("/")
    return Server(
        backend=backend,
        node=node,
        address=address,
        host=host,
        http=False,
        operational=Operational.RUNNING,
        admin=Admin(0),
        checked=True,
        passed=True,
        weight=1,
        sessions=0,
        last_check="",
    )


EVERY = (
    _server("jdbc/j1", "10.0.0.1"),
    _server("jdbc/j2", "10.0.0.2"),
    _server("odbc/o1", "10.0.0.1"),
    _server("odbc/j2", "10.0.0.2"),
    _server("web/w", "10.0.0.1"),
    _server("web/v", "10.0.0.1"),
    _server("far/x", "-", "x.example.com"),
    _server("lost/x", "10.0.0.7", "x.example.com"),
    _server("lost/y", "-", "y.example.com"),
    _server("none/z", "-"),
    _server("twice/j1", "10.0.0.3"),
)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("o1", {"jdbc/j1", "odbc/o1", "web/w", "web/v"}),
        ("jdbc/j1", {"jdbc/j1", "odbc/o1", "web/w", "web/v"}),
        ("w", {"jdbc/j1", "odbc/o1", "web/w"}),
        ("j2", {"jdbc/j2", "odbc/j2"}),
        ("x", {"far/x", "lost/x"}),
        ("y", {"lost/y"}),
        ("z", {"none/z"}),
        ("twice/j1", {"twice/j1"}),
    ],
)
def test_the_servers_of_a_machine(name: str, ids: set[str]) -> None:
    assert {server.id for server in servers_of(EVERY, name)} == ids


def test_the_machine_in_an_old_worker_has_its_address() -> None:
    own = machine(EVERY, "w")
    old = (_server("web/renamed", "10.0.0.1"), _server("web/v", "10.0.0.1"), _server("web/w", "-"))
    assert [own.has(server, old) for server in old] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("j1", r"several machines \(jdbc/j1 at 10.0.0.1, twice/j1 at 10.0.0.3\).*as jdbc/j1"),
        ("k", "no node k; its nodes are j1, j2, o1, v, w, x, y, z"),
    ],
)
def test_a_name_that_is_no_machine(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        servers_of(EVERY, name)
