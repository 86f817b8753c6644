"""The metrics that a node publishes, with a real readiness endpoint and stand-ins for AWS."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hosts.common.errors import AwsError
from hosts.denodo import installation
from hosts.denodo.commands import main
from hosts.denodo.errors import OK
from hosts.denodo.metrics import node_metrics
from hosts.denodo.readiness import readiness_endpoint
from hosts.denodo.record import Record
from hosts.denodo.system import System
from tests.hosts.denodo import cloud
from tests.hosts.denodo.cloud import LOGIN, Cloud
from tests.hosts.denodo.home import Home
from tests.support.servers.ports import free_port
from tests.support.servers.web import Web, web
from tests.support.waiting import until

NAMESPACE = "Denodo/Nodes/denodo"
NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


@pytest.fixture
def system(home: Home) -> System:
    """Return a machine with three quarters of its memory in use, and a fixed clock."""
    meminfo = home.folder / "proc/meminfo"
    meminfo.parent.mkdir()
    meminfo.write_text("MemTotal: 16000 kB\nMemFree: 100 kB\nMemAvailable: 4000 kB\n")
    return replace(home.system, processes=meminfo.parent, now=lambda: NOW)


@contextmanager
def endpoint(home: Home) -> Iterator[int]:
    """Run the readiness endpoint of a machine."""
    server = readiness_endpoint.server(home.system, 0, "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.close()


def _applied(home: Home, **changes: Any) -> Record:
    record = Record(home.system)
    values = {"metrics": {"namespace": NAMESPACE}, "license_manager": None, **changes}
    record.apply(home.state(**values), "change")
    record.confirm_metadata("alice", "looked")
    return record


def _metrics(system: System) -> dict[str, float]:
    record = Record(system)
    state = record.applied
    assert state is not None
    return dict(node_metrics.metrics(system, state, record))


def _calls(home: Home) -> list[list[str]]:
    return cloud.calls(home.folder)


def test_all_metrics_of_a_node_are_one_call(home: Home, system: System) -> None:
    Cloud(home.folder).answer("put-metric-data", "")
    with web(Web()) as site, endpoint(home) as port:
        services = {"web": {"kind": "web", "port": site.port}}
        _applied(home, ready={"port": port, "services": services})
        node_metrics.publish(system)
    (call,) = _calls(home)
    assert call[:3] == ["cloudwatch", "put-metric-data", f"--namespace={NAMESPACE}"]
    data = json.loads(call[3].removeprefix("--metric-data="))
    named = [{"Name": "Cluster", "Value": "active"}, {"Name": "Node", "Value": "node1"}]
    assert all(item["Dimensions"] == named for item in data)
    values = {item["MetricName"]: item["Value"] for item in data}
    assert 0 < values.pop("DiskUsedPercent") <= 100
    assert values == {
        "DrainedHours": 0,
        "UnreadyServices": 0,
        "ReadinessLosses": 0,
        "ServersRestarted": 0,
        "MemoryUsedPercent": 75,
    }


def test_nothing_is_published_without_the_key(home: Home) -> None:
    Record(home.system).apply(home.state(), "change")
    assert main([*home.arguments, "metrics"]) == OK
    assert _calls(home) == []


def test_a_refused_call_fails_the_unit(home: Home, system: System) -> None:
    _applied(home, ready__port=free_port())
    Cloud(home.folder).fault("put-metric-data", "An error occurred (AccessDenied)")
    with pytest.raises(AwsError, match="put-metric-data"):
        node_metrics.publish(system)


def test_services_that_are_not_ready(home: Home, system: System) -> None:
    closed = {"kind": "tcp", "port": free_port()}
    with web(Web()) as site, endpoint(home) as port:
        services = {"web": {"kind": "web", "port": site.port}, "jdbc": closed, "odbc": closed}
        record = _applied(home, ready={"port": port, "services": services})
        assert _metrics(system)["UnreadyServices"] == 2
        for drain, undrain in (
            (record.drain, record.undrain),
            (record.hold_for_drain, record.release_from_drain),
        ):
            drain("bob", "a promotion")
            later = replace(system, now=lambda: datetime.now(UTC) + timedelta(hours=9))
            metrics = _metrics(later)
            assert metrics["UnreadyServices"] == 0, "an operator has taken it out"
            assert metrics["DrainedHours"] == pytest.approx(9, abs=0.1)
            undrain()
        assert _metrics(system)["DrainedHours"] == 0
    metrics = _metrics(system)
    assert metrics["UnreadyServices"] == 3, "the endpoint does not answer"
    assert "ReadinessLosses" not in metrics


def test_losses_are_those_of_the_endpoint(home: Home, system: System) -> None:
    def unready() -> float:
        return _metrics(system)["UnreadyServices"]

    with pytest.MonkeyPatch.context() as patch, endpoint(home) as port:
        patch.setattr(readiness_endpoint, "KEPT_SECONDS", 0.05)
        with web(Web()) as site:
            service = {"kind": "web", "port": site.port}
            _applied(home, ready={"port": port, "services": {"web": service}})
            assert unready() == 0
        until(lambda: unready() == 1)
        assert _metrics(system)["ReadinessLosses"] == 1


def test_servers_that_the_watchdog_has_started_again(home: Home, system: System) -> None:
    _applied(home, ready__port=free_port())
    earlier = replace(system, now=lambda: NOW - timedelta(minutes=59))
    Record(earlier).revive(["vdp", "web"], last=False)
    assert _metrics(system)["ServersRestarted"] == 2
    assert (
        _metrics(replace(system, now=lambda: NOW + timedelta(minutes=2)))["ServersRestarted"] == 0
    )


def test_the_age_of_the_export(home: Home, system: System) -> None:
    exports = {"bucket": "exports", "prefix": "node1/", "login": LOGIN, "every": 3600}
    _applied(home, ready__port=free_port(), exports=exports)
    at = datetime.now(UTC)
    later = replace(system, now=lambda: at + timedelta(days=4))
    assert _metrics(later)["MetadataExportAgeDays"] == pytest.approx(4, abs=0.1), "since it is set"
    Record(system).export(good=(at + timedelta(days=1)).isoformat(timespec="seconds"))
    assert _metrics(later)["MetadataExportAgeDays"] == pytest.approx(3, abs=0.1)


def test_an_unreachable_license_manager(home: Home, system: System) -> None:
    with web(Web()) as manager:
        address = {"host": "127.0.0.1", "port": manager.port, "tls": False}
        _applied(home, ready__port=free_port(), license_manager=address)
        assert _metrics(system)["LicenseManagerUnreachable"] == 0
    assert _metrics(system)["LicenseManagerUnreachable"] == 1


def test_a_full_disk(home: Home, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"path": "/data", "device": "/dev/sdf"}
    _applied(home, ready__port=free_port(), data_disk=data)
    blocks = (4096, 4096, 1000, 100, 50, 0, 0, 0, 0, 255)
    empty = (4096, 4096, 1000, 1000, 1000, 0, 0, 0, 0, 255)

    def statvfs(path: Path) -> os.statvfs_result:
        return os.statvfs_result(blocks if str(path) == "/data" else empty)

    monkeypatch.setattr(os, "statvfs", statvfs)
    # As in `df`, space that only root can use counts neither as used nor as free.
    assert _metrics(system)["DiskUsedPercent"] == pytest.approx(100 * 900 / 950)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("has_metrics", [False, True])
def test_the_timer_follows_the_state(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, enabled: bool, has_metrics: bool
) -> None:
    calls = tmp_path / "calls"
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if enabled:
        (tmp_path / installation.METRICS_TIMER).touch()
    metrics = {"metrics": {"namespace": NAMESPACE}} if has_metrics else {}
    installation.switch_metrics(home.state(**metrics), tmp_path)
    verb = "enable" if has_metrics else "disable"
    expected = [] if enabled == has_metrics else [f"{verb} --now {installation.METRICS_TIMER}"]
    assert (calls.read_text().splitlines() if calls.exists() else []) == expected


def test_a_timer_that_cannot_be_enabled_is_a_warning(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = home.state(metrics={"namespace": NAMESPACE})
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho no such unit >&2; exit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    for path in (f"{tmp_path}:/bin:/usr/bin", "/nowhere"):
        monkeypatch.setenv("PATH", path)
        installation.switch_metrics(state, tmp_path)
        assert f"{installation.METRICS_TIMER}: systemctl" in capsys.readouterr().out
