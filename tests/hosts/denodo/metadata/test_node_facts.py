"""Facts about a node, from files or a server's answer; without file or answer: unknown."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from hosts.denodo.metadata import node_facts
from hosts.denodo.state import LicenseManager, Service, State
from tests.hosts.denodo.home import Home
from tests.support.servers.certificates import authority
from tests.support.servers.ports import free_ports
from tests.support.servers.web import Web, web


def state(home: Home, **changes: Any) -> State:
    return replace(home.state(), license_manager=None, services={}, **changes)


def facts(home: Home, **changes: Any) -> dict[str, Any]:
    return node_facts.facts(home.system, replace(state(home), **changes))


def test_the_encryption_key_has_a_fingerprint(home: Home) -> None:
    assert facts(home)["encryption_key"] == ""
    (home.path / "conf/denodo-key.keystore").write_bytes(b"key")
    assert facts(home)["encryption_key"] == hashlib.sha256(b"key").hexdigest()


def test_drivers_and_extensions_are_listed(home: Home) -> None:
    folder = home.path / "lib-external/jdbc-drivers/oracle-21c"
    folder.mkdir(parents=True)
    (folder / "ojdbc.jar").write_bytes(b"driver")
    (folder / "readme.txt").write_text("text")
    files = facts(home)["files"]
    assert {
        "folder": "lib-external/jdbc-drivers/oracle-21c",
        "file": "ojdbc.jar",
        "sha256": hashlib.sha256(b"driver").hexdigest(),
    } in files
    assert any(file["folder"] == "lib/scheduler-extensions" for file in files)
    assert "readme.txt" not in str(files)
    assert facts(home)["files"] == files


def test_an_endless_list_is_unknown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_facts, "MOST_FILES", 2)
    assert "files" not in facts(home)


def test_the_license_manager_s_answer(home: Home) -> None:
    (port,) = free_ports(1)
    assert facts(home)["license_manager"] is None
    answer = facts(home, license_manager=LicenseManager("127.0.0.1", port))["license_manager"]
    assert (answer["host"], answer["port"], answer["answered"]) == ("127.0.0.1", port, False)
    assert "refused" in answer["reason"]


def test_served_certificates(home: Home) -> None:
    identity = authority().issue("node1.example", ends=90)
    with web(Web(), identity=identity) as server:
        port = server.port
        (certificate,) = facts(home, services={"web": Service("web", port, tls=True)})[
            "certificates"
        ]
    assert (certificate["subject"], certificate["where"]) == ("node1.example", f"web, port {port}")
    assert certificate["not_after"].endswith("+00:00")


def test_a_port_that_does_not_answer_leaves_certificates_unknown(home: Home) -> None:
    (port,) = free_ports(1)
    assert "certificates" not in facts(home, services={"web": Service("web", port, tls=True)})
    assert facts(home, services={"vdp": Service("vdp", port)})["certificates"] == []
