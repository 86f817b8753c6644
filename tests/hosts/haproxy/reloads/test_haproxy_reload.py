"""Reloads while clients connect: bad files are refused, and drained nodes stay drained."""

from pathlib import Path

import pytest

from denodo_ha.environment.haproxy.config_file import render_config
from hosts.haproxy.draining import drain
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.inspection import status, verify
from hosts.haproxy.reloading import reload
from hosts.haproxy.workers import node_sessions, workers
from tests.hosts.haproxy.clients import Rmi, Web, handshake, handshaken, lives, load, odbc
from tests.hosts.haproxy.running import Running
from tests.hosts.haproxy.stand_ins import Site


def _say(_line: str) -> None:
    """Discard a message (the function `report` of the commands)."""


def _wrong(proxy: Running) -> list[str]:
    return [one.what for one in verify(proxy.haproxy) if not one.right]


def test_a_reload_under_load_fails_nobody(proxy: Running) -> None:
    jdbc, pg = proxy.port("jdbc"), proxy.port("odbc")
    session = Rmi(jdbc)
    with load() as clients:
        for _ in range(3):
            clients.add("jdbc", lambda: handshake(jdbc), pause=0.005)
            browser = Web(proxy.port("web"))
            clients.add("web", browser.get, pause=0.005, then=browser.close)
        clients.add("odbc", lambda: odbc(pg), pause=0.02)
        clients.add("session", session.ask, pause=0.02)
        for _ in range(3):
            clients.wait_for(30, "jdbc")
            clients.wait_for(30, "web")
            before = workers(proxy.haproxy).serving
            reload(proxy.haproxy, None, _say)
            assert workers(proxy.haproxy).serving != before
        clients.wait_for(30, "web")
    assert clients.failed == []
    session.close()


def test_a_reload_keeps_who_is_drained(proxy: Running, tmp_path: Path) -> None:
    drain(proxy.haproxy, "node1", _say, seconds=300, force=False)
    before = proxy.states()
    new = tmp_path / "new.cfg"
    new.write_text(
        render_config(proxy.environment, "main", proxy.host).replace("maxconn 2000", "maxconn 1999")
    )
    reload(proxy.haproxy, new, _say)
    assert proxy.states() == before
    assert before["jdbc/node1"] == "maint"
    assert proxy.haproxy.config.read_text() == new.read_text()
    assert "Maxconn: 1999" in proxy.haproxy.query("show info")
    assert {odbc(proxy.port("odbc")) for _ in range(4)} == {"node2"}


def test_sessions_of_an_old_worker_are_waited_for(proxy: Running) -> None:
    """The drain waits for the old worker's sessions, which the new worker does not count."""
    connections = [handshaken(proxy.port("jdbc")) for _ in range(4)]
    reload(proxy.haproxy, None, _say)
    assert len(workers(proxy.haproxy).old) == 1
    assert node_sessions(proxy.haproxy, "node1") == {"jdbc": 2}
    assert status(proxy.haproxy).sessions["jdbc/node2"] == 2
    with pytest.raises(Failed, match=r"still has 2 sessions \(jdbc 2\)"):
        drain(proxy.haproxy, "node1", _say, seconds=1, force=False)
    assert all(lives(connection) for connection in connections)
    for connection in connections:
        connection.close()
    drain(proxy.haproxy, "node1", _say, seconds=300, force=False)
    proxy.until(lambda: not workers(proxy.haproxy).old)


def test_a_bad_file_is_refused(proxy: Running, tmp_path: Path) -> None:
    before, content = workers(proxy.haproxy), proxy.haproxy.config.read_text()
    bad = tmp_path / "bad.cfg"
    bad.write_text(f"{content}    bogus\n")
    with pytest.raises(Refused, match="unknown keyword 'bogus'"):
        reload(proxy.haproxy, bad, _say)
    assert workers(proxy.haproxy).serving == before.serving
    assert proxy.haproxy.config.read_text() == content
    assert _wrong(proxy) == []


def test_a_file_that_only_warns_is_refused(proxy: Running, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cfg"
    bad.write_text(
        f"{proxy.haproxy.config.read_text()}\nbackend forgotten\n    mode tcp\n    cookie x\n"
    )
    with pytest.raises(Refused, match="WARNING"):
        reload(proxy.haproxy, bad, _say)


def test_a_port_of_somebody_else_is_found_before(
    proxy: Running, site: Site, tmp_path: Path
) -> None:
    """Otherwise the new worker would fail to start, after the old one has closed its ports."""
    before, content = workers(proxy.haproxy), proxy.haproxy.config.read_text()
    bad = tmp_path / "bad.cfg"
    taken = f"{site['node1'].address}:{site.ports.jdbc}"
    bad.write_text(f"{content}\nfrontend x from tcp\n    bind {taken}\n    default_backend jdbc\n")
    with load() as clients:
        clients.add("jdbc", lambda: handshake(proxy.port("jdbc")), pause=0.005)
        with pytest.raises(Refused, match=rf"needs port {site.ports.jdbc} of .*in use"):
            reload(proxy.haproxy, bad, _say)
        clients.wait_for(20, "jdbc")
    assert clients.failed == []
    assert workers(proxy.haproxy).serving == before.serving


def test_a_file_that_does_not_come_up_leaves_the_old_worker(proxy: Running, tmp_path: Path) -> None:
    """HAProxy's check accepts the file; only a worker's start detects the missing folder."""
    before, content = workers(proxy.haproxy), proxy.haproxy.config.read_text()
    bad = tmp_path / "bad.cfg"
    bad.write_text(content.replace("\nglobal\n", "\nglobal\n    stats socket /no/where\n"))
    with load() as clients:
        clients.add("jdbc", lambda: handshake(proxy.port("jdbc")), pause=0.005)
        with pytest.raises(Failed, match=f"worker {before.serving} continues to serve") as failed:
            reload(proxy.haproxy, bad, _say)
        clients.wait_for(20, "jdbc")
        assert "cannot bind" in str(failed.value)
        assert proxy.haproxy.config.read_text() == content
        assert any("the last reload failed" in one for one in _wrong(proxy))
        reload(proxy.haproxy, None, _say)
        clients.wait_for(20, "jdbc")
    assert clients.failed == []
    assert _wrong(proxy) == []


def test_verify_sees_what_a_reload_would_forget(proxy: Running) -> None:
    assert _wrong(proxy) == []
    proxy.haproxy.execute("set server jdbc/node1 state maint")
    found = _wrong(proxy)
    assert "a reload would change the drain or maintenance of jdbc/node1: run `save`" in found
    assert "jdbc/node1 is maint: set by an operator" in " ".join(found)
