"""Logs in stacks: the log group outlives the stack, and machines write only their own streams."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.plan import node_changes
from tests.environment.rule_cases.haproxy import deployed
from tests.stacks.topology import rules
from tests.support.assembly import Assembly, Template, synthesise
from tests.support.configurations import ACCOUNT, changed, loaded, minimal

KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11112222-3333-4444-5555-666677778888"
STACK = "test-main"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assembly, Assembly]:
    """Return the assembly of a cluster without logs, and of the same cluster with logs."""
    folder = tmp_path_factory.mktemp("logs")
    logs = {"retention_days": 90, "kms_key": {"eu-west-1": KEY}, "statements": True}
    with_logs = loaded(folder, changed(minimal(), {"logs": logs}))
    after = synthesise(with_logs, folder / "after")
    rules.holds(with_logs.environment, after)
    return synthesise(loaded(folder, minimal()), folder / "before"), after


def _templates(made: tuple[Assembly, Assembly]) -> tuple[Template, Template]:
    before, after = made
    return before.templates[STACK], after.templates[STACK]


def test_the_log_group_is_kept_and_its_events_expire(made: tuple[Assembly, Assembly]) -> None:
    before, after = _templates(made)
    assert after["Resources"].keys() - before["Resources"].keys() == {"Logs"}
    group = after["Resources"]["Logs"]
    # Not RetainExceptOnCreate: CloudFormation would remove the logs of a failed first deployment.
    assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert group["Properties"]["RetentionInDays"] == 90
    assert group["Properties"]["KmsKeyId"] == KEY
    assert "LogGroupName" not in group["Properties"]


def test_only_permissions_and_desired_states_change(made: tuple[Assembly, Assembly]) -> None:
    before, after = _templates(made)
    assert node_changes.touched(node_changes.changes(before, after)).keys() <= {"node1", "node2"}
    different = {
        resource["Type"]
        for id_, resource in before["Resources"].items()
        if after["Resources"][id_] != resource
    }
    assert different == {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::SSM::Parameter"}
    assert after["Outputs"] == before["Outputs"]


def test_the_desired_state_names_the_group(made: tuple[Assembly, Assembly]) -> None:
    _, after = _templates(made)
    states: list[Any] = [
        resource["Properties"]["Value"]["Fn::Join"][1]
        for resource in after["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter"
    ]
    assert len(states) == 2
    for parts in states:
        at = parts.index({"Ref": "Logs"})
        assert parts[at - 1].endswith('"logs":{"group":"')
        assert parts[at + 1].startswith('","statements":true}')


def test_haproxy_instances_get_the_group_too(tmp_path: Path) -> None:
    environment = loaded(tmp_path, changed(deployed("8.0"), {"logs": True}))
    assembly = synthesise(environment, tmp_path / "out")
    rules.holds(environment.environment, assembly)
    (state,) = [
        parameter["Value"]["Fn::Join"][1]
        for parameter in assembly.resources(STACK, "AWS::SSM::Parameter").values()
        if parameter["Name"].endswith("/haproxy/state")
    ]
    at = state.index({"Ref": "Logs"})
    assert state[at - 1].endswith('"logs":{"group":"')


def test_the_group_of_each_region_may_have_a_key(tmp_path: Path) -> None:
    environment = loaded(tmp_path, changed(minimal(), {"logs": True})).environment
    assert environment.logs is not None
    assert (environment.logs.retention_days, environment.logs.kms_key) == (30, None)
    assert loaded(tmp_path, changed(minimal(), {"logs": False})).environment.logs is None
