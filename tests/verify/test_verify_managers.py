"""License Manager and Solution Manager are verified by their own ping paths."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.verify import manager_probe
from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, StepLog, StepState
from denodo_ha.verify.manager_probe import managers_of, probe_manager
from tests.support.servers.certificates import authority
from tests.support.servers.ports import free_port
from tests.support.servers.scripted import says, scripted
from tests.support.servers.web import Web, web
from tests.verify.sites import LONG_S, one_cluster
from tests.verify.test_verify_command import HOST, run, write_managed

PATHS = ["/pingLicenseManager", "/pingSolutionManager"]


def _verified(folder: Path, port: int, *, tls: bool = False) -> list[StepLog]:
    manager = {"host": HOST, "port": port}
    changes: dict[str, Any] = {
        "license_manager": {**manager, "tls": tls},
        "solution_manager": manager,
    }
    logs = []
    environment = one_cluster(folder, "8.0", changes)
    for each in managers_of(environment, environment.clusters):
        logs.append(StepLog(each.name))
        probe_manager(logs[-1], each, LONG_S)
    return logs


@pytest.mark.parametrize("tls", [False, True])
def test_both_answer(tmp_path: Path, *, tls: bool) -> None:
    with web(Web(), identity=authority().issue("sm") if tls else None) as server:
        logs = _verified(tmp_path, server.port, tls=tls)
    assert [log.state for log in logs] == [StepState.OK, StepState.OK]
    assert [log.subject for log in logs] == ["License Manager", "Solution Manager"]
    # The scheme of the Solution Manager is not known: HTTP is tried first.
    assert server.asked == PATHS
    assert logs[1].steps[0].seen == f"status 200 over {'HTTPS' if tls else 'HTTP'}"


@pytest.mark.parametrize("tls", [False, True])
def test_a_license_manager_with_another_tls_than_configured(tmp_path: Path, *, tls: bool) -> None:
    with web(Web(), identity=authority().issue("sm") if tls else None) as server:
        (step,) = _verified(tmp_path, server.port, tls=not tls)[0].steps
    assert (step.state, step.finding) == (StepState.WRONG, "manager-tls")


@pytest.mark.parametrize("status", [404, 500, 302, 401])
def test_an_error_is_wrong(tmp_path: Path, status: int) -> None:
    with web(Web(status=status)) as server:
        (step,) = _verified(tmp_path, server.port)[0].steps
    assert (step.state, step.finding) == (StepState.WRONG, "manager-status")
    assert step.seen == f"status {status} over HTTP"


def test_a_manager_that_only_nodes_reach_is_a_note(tmp_path: Path) -> None:
    (step,) = _verified(tmp_path, free_port())[0].steps
    assert (step.state, step.finding) == (StepState.NOTE, "manager-unseen")
    with scripted(says(b"not HTTP")) as port:
        (step,) = _verified(tmp_path, port)[1].steps
    assert (step.state, step.finding) == (StepState.NOTE, "manager-unseen")


@pytest.mark.parametrize(
    ("finding", "schemes"),
    [("timeout", 1), ("refused", 1), ("dns-unknown", 1), ("closed", 2), ("not-http", 2)],
)
def test_the_other_scheme_is_tried_only_after_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finding: str, schemes: int
) -> None:
    tried: list[bool] = []

    def refuse(endpoint: Endpoint, *_: object) -> None:
        tried.append(endpoint.tls)
        raise Fault(finding, "seen")

    monkeypatch.setattr(manager_probe, "send_request", refuse)
    (step,) = _verified(tmp_path, 1)[0].steps
    assert step.finding == "manager-unseen"
    # License Manager and Solution Manager are probed, each with HTTP and HTTPS.
    assert len(tried) == 2 * schemes


def test_the_command_asks_for_managers_that_have_a_host(tmp_path: Path) -> None:
    with web(Web()) as service, web(Web(status=503)) as manager:
        options = ("-c", write_managed(tmp_path, service.port, manager.port), "--host", HOST)
        result = run(*options)
        assert result.exit_code == 1
        assert f"License Manager {manager.port}" in result.stdout
        assert "Solution Manager" not in result.stdout
        assert manager.asked == PATHS[:1]
        assert run(*options, "--service", "web").exit_code == 0
        assert manager.asked == PATHS[:1]
