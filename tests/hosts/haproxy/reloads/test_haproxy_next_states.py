"""After a reload, servers have the new file's settings, and keep check results and drains."""

import os
import select
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hosts.haproxy import next_states
from hosts.haproxy.draining import drain
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.reloading import prepare_start
from hosts.haproxy.trial import trial
from tests.hosts.haproxy.clients import load
from tests.hosts.haproxy.ports import PROXY
from tests.hosts.haproxy.programs import PROGRAMS
from tests.hosts.haproxy.web_site import WebSite, nodes, started, web_site
from tests.support.servers.ports import free_ports

ONE, TWO, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
OLD, NEW, OTHER = free_ports(3)
BEFORE = (
    f"server node1 {ONE}:{OLD} cookie a",
    f"server node2 {TWO}:{OLD} cookie b",
)
"""Servers in the file before each change: two nodes that serve."""
CHANGES = {
    "port": ("AT:OLD", "AT:NEW"),
    "address": (f"{ONE}:OLD", f"{TWO}:OLD"),
    "checkport": ("AT:OLD", "AT:OLD port NEW"),
    "checkaddress": ("AT:OLD", f"AT:OLD addr {ONE}"),
    "weight": ("AT:OLD weight 3", "AT:OLD weight 7"),
    "tls": ("AT:OLD", "AT:OLD ssl verify none check-ssl"),
    "clear": ("AT:OLD ssl verify none check-ssl", "AT:OLD"),
    "hostname": ("AT:OLD", "localhost:OLD"),
    "otherhost": ("localhost:OLD", "AT:OLD"),
    "unchecked": ("AT:OLD", "AT:OLD no-check"),
    "checked": ("AT:OLD no-check", "AT:OLD"),
    "disabled": ("AT:OLD", "AT:OLD disabled"),
    "added": ("", "AT:OLD"),
    "uncheckedname": ("", "localhost:OLD no-check init-addr libc,none"),
    "follows": ("AT:OLD", "AT:OLD no-check track web/same"),
    "removed": ("AT:OLD", ""),
    "same": ("AT:OLD", "AT:OLD"),
}
"""A server for each kind of change: address and options before and after the change."""


def _lines(which: int, suffix: str = "") -> list[str]:
    texts = {name: change[which] for name, change in CHANGES.items()}
    return [
        f"server {name}{suffix} {text}".replace("AT", ONE)
        .replace("OLD", str(OLD))
        .replace("NEW", str(NEW))
        for name, text in texts.items()
        if text
    ]


@pytest.fixture(params=PROGRAMS)
def site(request: pytest.FixtureRequest) -> Iterator[WebSite]:
    """Return a HAProxy that is not started, once for each installed version."""
    with web_site(request.param) as made:
        yield made


@pytest.fixture
def serving(site: WebSite) -> Iterator[WebSite]:
    """Return a running HAProxy whose nodes serve on three ports each."""
    site.write(*BEFORE)
    prepare_start(site.haproxy, site.said.append)
    with nodes(ONE, TWO, THREE, ports=(OLD, NEW, OTHER)), started(site):
        site.until(lambda: set(site.states().values()) == {"up"})
        yield site


def _drain(site: WebSite, node: str) -> None:
    drain(site.haproxy, node, site.said.append, seconds=300, force=False)


def test_the_file_wins_over_the_saved_state(serving: WebSite) -> None:
    serving.reload(*_lines(0), *_lines(0, "-drain"), *_lines(0, "-maint"))
    assert serving.differences() == {}
    for id_ in serving.states():
        name = id_.rpartition("-")[2]
        if name in ("drain", "maint"):
            serving.haproxy.execute(f"set server {id_} state {name}")
    # The new file also lists the servers in another order.
    serving.reload(*_lines(1, "-maint"), *_lines(1, "-drain"), *_lines(1))
    assert serving.differences() == {}
    states = serving.states()
    for id_, state in states.items():
        order = id_.rpartition("-")[2]
        if not id_.startswith(("web/disabled", "web/added", "web/uncheckedname")) and order in (
            "drain",
            "maint",
        ):
            assert state.split(",")[0] == order, id_
    assert {states["web/disabled"], states["web/disabled-drain"]} == {"maint"}
    assert {states[f"web/{name}"] for name in ("same", "unchecked", "uncheckedname")} == {"up"}
    serving.until(lambda: serving.states()["web/follows"] == "up")


def test_a_changed_port_arrives_and_no_client_fails(serving: WebSite) -> None:
    assert serving.visit().endswith(f":{OLD}")
    with load() as clients:
        clients.add("web", serving.visit, pause=0.005)
        clients.wait_for(20, "web")
        serving.reload(*(line.replace(str(OLD), str(NEW)) for line in BEFORE))
        clients.wait_for(20, "web")
    assert clients.failed == []
    assert serving.visit().endswith(f":{NEW}")
    assert serving.wrong() == []


def test_verify_compares_what_runs_with_the_file(serving: WebSite) -> None:
    assert serving.wrong() == []
    serving.write(BEFORE[0].replace(str(OLD), str(NEW)), f"server node9 {THREE}:{OLD}")
    found = "\n".join(serving.wrong())
    assert (
        f"web/node1 differs from {serving.haproxy.config} (port {OLD}, in the file {NEW})" in found
    )
    assert "web/node9 differs from" in found
    assert "web/node2 differs from" in found
    assert "the file lacks this server" in found
    serving.write(*BEFORE)
    serving.haproxy.execute("set server web/node1 weight 3")
    serving.haproxy.query(f"set server web/node2 addr {THREE} port {OTHER}")
    found = "\n".join(serving.wrong())
    assert f"address {THREE}, in the file {TWO}; port {OTHER}, in the file {OLD}" in found


def test_commands_at_run_time_do_not_outlive_a_reload(serving: WebSite) -> None:
    serving.haproxy.query(f"set server web/node2 addr {THREE} port {OTHER}")
    serving.haproxy.execute("set server web/node1 weight 3")
    serving.reload(*BEFORE)
    assert serving.differences() == {}
    assert serving.wrong() == []


def test_a_restart_takes_the_file_s_port_and_keeps_the_drain(site: WebSite) -> None:
    site.write(*BEFORE)
    with nodes(ONE, TWO, ports=(OLD, NEW)):
        with started(site):
            site.until(lambda: set(site.states().values()) == {"up"})
            _drain(site, "node1")
        site.write(*(line.replace(str(OLD), str(NEW)) for line in BEFORE))
        prepare_start(site.haproxy, site.said.append)
        with started(site):
            assert site.differences() == {}
            site.until(lambda: site.states() == {"web/node1": "maint", "web/node2": "up"})
            assert site.visit() == f"{TWO}:{NEW}"


def test_a_new_server_does_not_serve_before_its_checks(serving: WebSite) -> None:
    with nodes("127.0.0.5", ports=(OLD,)) as more, load() as clients:
        node = more["127.0.0.5"]
        node.ready = False
        for _ in range(4):
            clients.add("web", serving.visit, pause=0.002)
        clients.wait_for(50, "web")
        serving.reload(*BEFORE, f"server node3 {node.address}:{OLD}")
        clients.wait_for(100, "web")
        assert serving.states()["web/node3"] == "down"
        assert node.requests == {}
        node.ready = True
        serving.until(lambda: serving.states()["web/node3"] == "up")
        clients.wait_for(100, "web")
    assert clients.failed == []
    assert node.unready == 0
    assert node.requests[OLD] > 0
    assert (
        "web/node3: the server is new; the server is down until it passes its checks"
        in serving.said
    )


def test_a_first_start_serves_from_checked_nodes_only(site: WebSite) -> None:
    site.write(*BEFORE)
    with nodes(ONE, TWO, ports=(OLD,)) as made:
        made[ONE].ready = False
        prepare_start(site.haproxy, site.said.append)
        with started(site):
            assert site.states()["web/node1"] == "down"
            site.until(lambda: site.states()["web/node2"] == "up")
            assert {site.visit() for _ in range(5)} == {f"{TWO}:{OLD}"}
        assert made[ONE].unready == 0


def test_a_dead_server_does_not_serve_after_a_reload_and_the_others_do(serving: WebSite) -> None:
    """Without saved states, all servers would begin as up, even the dead one, or all as down."""
    dead = f"server node3 127.0.0.9:{OLD}"
    serving.reload(*BEFORE, dead)
    assert serving.states() == {"web/node1": "up", "web/node2": "up", "web/node3": "down"}
    with load() as clients:
        clients.add("web", serving.visit, pause=0.005)
        clients.wait_for(10, "web")
        serving.reload(*BEFORE, dead)
        assert serving.states() == {"web/node1": "up", "web/node2": "up", "web/node3": "down"}
        clients.wait_for(10, "web")
    assert clients.failed == []


def test_another_check_decides_anew(serving: WebSite) -> None:
    """Node 1 fails the new check; with its saved state, node 1 would serve until two failures."""
    serving.reload(f"{BEFORE[0]} port 1", BEFORE[1])
    assert serving.states() == {"web/node1": "down", "web/node2": "up"}
    assert (
        "web/node1: check port none, in the file 1; the server is down until it passes its checks"
        in serving.said
    )


def test_other_lines_of_the_check_decide_anew(serving: WebSite) -> None:
    serving.reload(*BEFORE, "http-check expect status 418")
    assert serving.states() == {"web/node1": "down", "web/node2": "down"}


def test_a_file_that_loads_no_states_is_refused_while_a_node_is_drained(
    serving: WebSite,
) -> None:
    serving.reload(*BEFORE, state="")
    assert "a reload would put drained nodes of web back into service" in "".join(serving.wrong())
    serving.reload(*BEFORE)
    assert serving.wrong() == []
    _drain(serving, "node1")
    content, state = serving.haproxy.config.read_text(), serving.haproxy.state.read_text()
    with pytest.raises(Refused, match=r"put web/node1 back into service.*nothing was changed"):
        serving.reload(*BEFORE, state="")
    assert serving.haproxy.config.read_text() == content
    assert serving.haproxy.state.read_text() == state
    assert serving.states()["web/node1"] == "maint"


def test_a_weight_of_zero_remains_as_a_drain_does(serving: WebSite) -> None:
    serving.haproxy.execute("set server web/node1 weight 0")
    assert serving.states()["web/node1"] == "drain"
    serving.reload(*BEFORE)
    assert serving.states() == {"web/node1": "drain", "web/node2": "up"}


def test_a_trial_leaves_nothing_behind(serving: WebSite, tmp_path: Path) -> None:
    before = {path.name for path in serving.haproxy.run.iterdir()}
    assert serving.wrong() == []
    assert {path.name for path in serving.haproxy.run.iterdir()} == before
    assert not list(tmp_path.parent.glob("hx-*"))


_EVERYTHING = """\
global
    daemon
    master-worker
    {user}
    pidfile {folder}/pid
    stats socket {folder}/admin.sock mode 600 level admin
    log 127.0.0.1:{port} local0
peers both
    bind 127.0.0.1:{port}
    server here
    server there 127.0.0.9:{port}
userlist people
    user admin insecure-password x
log-forward logs
    bind 127.0.0.1:{port}
    log 127.0.0.1 local0
program other
    command touch {folder}/started
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen statistics
    bind 127.0.0.1:{port}
    stats enable
    server s1 127.0.0.9:1 check port 2 weight 3
backend web
    stick-table type ip size 1k expire 1h peers both
    default-server port 7 weight 4
    server-template t 2 127.0.0.9:80 check
.if defined(NO_SUCH_VARIABLE)
    server none 127.0.0.9:1
.endif
    server "quoted" 127.0.0.9:"${{NO_SUCH_VARIABLE-81}}"
"""


@pytest.mark.parametrize("user", ["", "user no-such-user"])
def test_a_trial_takes_nothing_of_the_running_haproxy(
    site: WebSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """The trial opens none of the file's ports and sockets, and does not need root."""
    if user:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with socket.create_server((PROXY, 0)) as taken:
        text = _EVERYTHING.format(port=taken.getsockname()[1], folder=tmp_path, user=user)
        rows = next_states.file_rows(site.haproxy, site.haproxy.config, text.encode())
    columns = ("srv_port", "srv_check_port", "srv_iweight")
    assert {next_states.key(row): tuple(row[column] for column in columns) for row in rows} == {
        "statistics/s1": ("1", "2", "3"),
        "web/t1": ("80", "7", "4"),
        "web/t2": ("80", "7", "4"),
        "web/quoted": ("81", "7", "4"),
    }
    assert list(tmp_path.iterdir()) == []


def test_a_trial_waits_for_the_next_command(site: WebSite) -> None:
    """HAProxy closes an idle connection after the file's `stats timeout`, or after 10 s."""
    content = b"global\n    stats timeout 100ms\nbackend a\n    server one 127.0.0.9:80\n"
    with trial(site.haproxy, site.haproxy.config, content) as running:
        closed, _, _ = select.select([running.connection], [], [], 1)
        assert closed == []
        assert len(running.states()) == 1


def test_a_file_that_haproxy_cannot_run_is_said(site: WebSite) -> None:
    with pytest.raises(Failed, match=r"(?s)in a trial:.*ALERT.*unknown keyword 'bogus'"):
        next_states.file_rows(site.haproxy, site.haproxy.config, b"backend a\n    bogus\n")
    silent = replace(site.haproxy, program="true")
    with pytest.raises(Failed, match="in a trial"):
        next_states.file_rows(silent, site.haproxy.config, b"backend a\n")
