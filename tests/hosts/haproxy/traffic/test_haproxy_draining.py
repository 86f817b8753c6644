"""Nodes are drained and enabled while clients connect, and no client fails."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hosts.haproxy import enabling
from hosts.haproxy.draining import drain
from hosts.haproxy.enabling import enable
from hosts.haproxy.errors import Failed, Refused, UsageError
from hosts.haproxy.server_state_file import admin_states
from hosts.haproxy.servers import servers
from tests.hosts.haproxy.clients import Load, Rmi, Web, handshaken, lives, load, odbc, rmi_once
from tests.hosts.haproxy.running import Running
from tests.hosts.haproxy.stand_ins import Site

SERVICES = ("jdbc", "odbc", "web")


def _say(_line: str) -> None:
    """Discard a message (the function `report` of the commands)."""


def _out(proxy: Running, node: str = "node1", seconds: float = 300) -> None:
    drain(proxy.haproxy, node, _say, seconds=seconds, force=False)


def _back(proxy: Running, node: str = "node1", seconds: float = 300) -> None:
    enable(proxy.haproxy, node, _say, seconds=seconds)


def _of(proxy: Running, node: str = "node1") -> dict[str, str]:
    states = proxy.states()
    return {service: states[f"{service}/{node}"] for service in SERVICES}


def _everybody(proxy: Running, clients: Load) -> None:
    """Start clients of every service."""
    jdbc, pg = proxy.port("jdbc"), proxy.port("odbc")
    for _ in range(2):
        clients.add("jdbc", rmi_once(jdbc), pause=0.02)
        browser = Web(proxy.port("web"))
        clients.add("web", browser.get, pause=0.005, then=browser.close)
    clients.add("odbc", lambda: odbc(pg), pause=0.02)


def test_rolling_restart_under_load_fails_nobody(proxy: Running, site: Site) -> None:
    with load() as clients:
        _everybody(proxy, clients)
        clients.wait_for(10, "jdbc")
        for name in site.nodes:
            _out(proxy, name)
            assert set(_of(proxy, name).values()) == {"maint"}
            site[name].kill()
            clients.wait_for(10, "jdbc")
            site[name].start()
            _back(proxy, name)
            assert set(_of(proxy, name).values()) == {"up"}
            clients.wait_for(10, "jdbc")
    assert clients.failed == []
    for kind in SERVICES:
        assert {f"{kind} node1", f"{kind} node2"} <= set(clients.done), clients.done


def test_a_drained_node_keeps_its_sessions_until_they_end(proxy: Running, site: Site) -> None:
    sessions = [Rmi(proxy.port("jdbc")) for _ in range(4)]
    mine = [one for one in sessions if one.node == "node1"]
    assert mine
    # A client that the registry redirected just before the drain keeps its connection.
    kept_open = handshaken(site.ports.auxiliary["node1"])
    with load() as clients:
        # The clients send requests at intervals, each over a new connection to the auxiliary port.
        for session in sessions:
            clients.add(f"of-{session.node}", session.ask, pause=0.05)
        waited = threading.Thread(target=_out, args=(proxy,))
        waited.start()
        proxy.until(lambda: _of(proxy)["jdbc"] == "drain")
        new = {rmi_once(proxy.port("jdbc"))() for _ in range(6)}
        clients.wait_for(20, "of-node1")
        assert waited.is_alive()
        assert _of(proxy) == {"jdbc": "drain", "odbc": "drain", "web": "maint"}
        assert proxy.states()["auxiliary.node1/node1"] == "up"
        assert lives(kept_open)
    kept_open.close()
    waited.join(timeout=300)
    assert not waited.is_alive()
    assert new == {"node2"}
    assert clients.failed == []
    assert set(_of(proxy).values()) == {"maint"}
    for session in sessions:
        session.close()


def test_what_is_drained_twice_is_drained(proxy: Running) -> None:
    _out(proxy)
    once = proxy.states()
    _out(proxy)
    assert proxy.states() == once
    _back(proxy)
    _back(proxy)
    assert set(_of(proxy).values()) == {"up"}
    assert set(admin_states(proxy.haproxy).values()) == {0}


def test_the_last_usable_node_stays(proxy: Running, site: Site) -> None:
    site["node2"].kill()
    proxy.until(lambda: set(_of(proxy, "node2").values()) == {"down"})
    before = proxy.states()
    with pytest.raises(Refused, match="no other node would serve jdbc"):
        _out(proxy)
    assert proxy.states() == before
    drain(proxy.haproxy, "node1", _say, seconds=None, force=True)
    assert _of(proxy)["jdbc"] == "drain"


def test_two_who_drain_at_once_leave_a_node(proxy: Running) -> None:
    failed: list[str] = []

    def out(node: str) -> None:
        try:
            _out(proxy, node)
        except Refused as refused:
            failed.append(str(refused))

    both = [threading.Thread(target=out, args=(node,)) for node in ("node1", "node2")]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=300)
    assert len(failed) == 1
    assert sorted({_of(proxy, node)["jdbc"] for node in ("node1", "node2")}) == ["maint", "up"]


def test_an_unknown_node_is_named(proxy: Running) -> None:
    with pytest.raises(UsageError, match="no node node3; its nodes are node1, node2"):
        _out(proxy, "node3")


def test_sessions_that_do_not_end_are_said(proxy: Running, site: Site) -> None:
    session = Rmi(proxy.port("jdbc"))
    # Each request has its own connection. On a slow machine, possibly no connection is open at the
    # last poll, so this connection stays open.
    kept_open = handshaken(site.ports.auxiliary[session.node])
    with load() as clients:
        clients.add("it", session.ask)
        with pytest.raises(Failed, match=rf"still has \d+ sessions? \(auxiliary.{session.node}"):
            _out(proxy, session.node, 1)
        assert _of(proxy, session.node)["jdbc"] == "drain"
        _back(proxy, session.node)
    assert clients.failed == []
    kept_open.close()
    session.close()


def test_who_thinks_better_of_it_cuts_nobody(proxy: Running) -> None:
    sessions = [handshaken(proxy.port("jdbc")) for _ in range(4)]
    with pytest.raises(Failed, match=r"still has 2 sessions \(jdbc 2\)"):
        _out(proxy, "node1", 1)
    _back(proxy)
    assert set(_of(proxy).values()) == {"up"}
    assert all(lives(session) for session in sessions)
    for session in sessions:
        session.close()


def test_a_node_that_does_not_answer_is_not_brought_back(
    proxy: Running, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this test's clock, the time limit expires once each service's check has failed."""
    _out(proxy)
    site["node1"].kill()

    def seconds() -> float:
        checks = [server.last_check for server in servers(proxy.haproxy) if not server.auxiliary]
        return 60.0 * sum(check.startswith("L4CON") for check in checks)

    monkeypatch.setattr(enabling, "time", SimpleNamespace(monotonic=seconds, sleep=time.sleep))
    with pytest.raises(Failed, match=r"did not pass a check within 170 s, .*jdbc/node1 \(L4CON"):
        _back(proxy, "node1", 170)
    assert set(_of(proxy).values()) == {"maint"}
    assert admin_states(proxy.haproxy)["jdbc/node1"] == 1


def test_it_never_serves_before_a_check(proxy: Running, site: Site) -> None:
    """HAProxy alone would count a node as up as soon as the node leaves maintenance."""
    _out(proxy)
    site["node1"].hang()
    before = proxy.statistic("jdbc", "node1", "stot")
    with load() as clients:
        clients.add("jdbc", rmi_once(proxy.port("jdbc")))
        back = threading.Thread(target=_back, args=(proxy,))
        back.start()
        clients.wait_for(20, "jdbc")
        assert back.is_alive()
        assert proxy.statistic("jdbc", "node1", "stot") == before
        site["node1"].go_on()
        back.join(timeout=300)
        proxy.until(lambda: proxy.statistic("jdbc", "node1", "stot") > before)
    assert clients.failed == []
    assert not back.is_alive()


def test_what_cannot_be_kept_is_said(proxy: Running, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    object.__setattr__(proxy.haproxy, "state", folder / "missing" / "server-state")
    with pytest.raises(Refused, match="cannot be written"):
        _out(proxy)
    assert set(_of(proxy).values()) == {"up"}
