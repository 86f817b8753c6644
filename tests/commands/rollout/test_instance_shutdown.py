"""`denodo-ha rollout` stops Denodo before EC2 stops the instance, and may create a snapshot."""

from collections.abc import Callable
from typing import Any

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import AccessDenied, Failed, Refused
from denodo_ha.environment import names
from tests.commands.account.calls import Answer, Call, Fault, answer
from tests.commands.conftest import Run
from tests.commands.rollout.pinned_site import CLUSTER, NEW, OLD, KilledError, Site
from tests.commands.rollout.test_roll import rolling

NODES = ["node1", "node2", "node3"]


def _snapshots(site: Site) -> list[dict[str, Any]]:
    """Return the snapshots that the command made: moto has some from the start."""
    client = site.cloud.client("ec2", site.cloud.stack(CLUSTER).region)
    snapshots = client.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    return [each for each in snapshots if each["Description"].startswith("denodo-ha")]


def _root_volume(site: Site, node: str) -> str:
    client = site.cloud.client("ec2", site.cloud.stack(CLUSTER).region)
    id_ = site.cloud.nodes(CLUSTER)[node]
    (reservation,) = client.describe_instances(InstanceIds=[id_])["Reservations"]
    (instance,) = reservation["Instances"]
    (volume,) = [
        mapping["Ebs"]["VolumeId"]
        for mapping in instance["BlockDeviceMappings"]
        if mapping["DeviceName"] == instance["RootDeviceName"]
    ]
    return str(volume)


def _actions(site: Site) -> list[str]:
    return [
        call.parameters["Parameters"]["Action"][0]
        for call in site.cloud.calls.made
        if call.operation == "SendCommand"
    ]


def _remove_actions(site: Site) -> None:
    """Give the cluster the SSM document of an earlier version, without `stop` and `start`."""
    for resource in site.cloud.stack(CLUSTER).template["Resources"].values():
        if resource["Type"] == "AWS::SSM::Document":
            action = resource["Properties"]["Content"]["parameters"]["Action"]
            action["allowedValues"] = ["apply", "check", "status", "drain", "undrain"]


@pytest.mark.parametrize("setting", [(OLD, NEW), ("m7i.xlarge", "m7i.2xlarge")])
def test_denodo_is_stopped_before_the_deploy(site: Site, setting: tuple[str, str]) -> None:
    site.ask_for(*setting)
    running: list[list[str]] = []
    site.cdk.before = lambda: running.append(
        [name for name, node in site.agents.nodes.items() if node.running]
    )
    assert site.rolling().roll_out() == NODES
    assert running == [[other for other in NODES if other != node] for node in NODES]
    # The time limit of `stop` is the default of `stop_limit` (900 s) and the 360 s that the systemd
    # unit adds.
    assert [node.stops for node in site.agents.nodes.values()] == [[900 + 360]] * 3
    site.is_well()


def test_a_correction_of_a_pin_stops_nothing(site: Site) -> None:
    site.pins.write_text(site.pins.read_text().replace(", first_boot: 2", "", 1))
    assert site.rolling().roll_out() == ["node1"]
    assert "stop" not in _actions(site)


def test_a_document_of_an_earlier_version_gets_only_actions_that_it_has(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.ask_for(OLD, NEW)
    _remove_actions(site)
    assert site.rolling().roll_out() == NODES
    assert not {"stop", "start"} & {*_actions(site)}
    output = " ".join(capsys.readouterr().err.split())
    assert "Denodo on node1 was not stopped (the cluster's SSM document is of an earlier" in output


def test_an_action_that_a_document_lacks_is_refused_with_the_way_on(site: Site) -> None:
    """The refusal names the missing action of the deployed SSM document, and a deploy as remedy."""
    _remove_actions(site)
    with pytest.raises(Refused, match=r"does not have the action accept-readiness.*deploy"):
        rolling(site.cloud, accept_readiness=True).roll()
    assert site.agents.most_out == 0


def test_a_node_that_does_not_stop_is_moved_nevertheless(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.ask_for(OLD, NEW)
    site.agents.nodes["node1"].stop_outcome = 8
    assert site.rolling().roll_out() == NODES
    assert "node1 was not stopped (the servers do not stop" in " ".join(
        capsys.readouterr().err.split()
    )
    site.is_well()


def test_denodo_is_started_again_after_a_deploy_that_rolls_back(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.cdk.fails = "`cdk deploy` failed with status 1"
    with pytest.raises(Failed, match="node1 is back in service"):
        site.rolling().roll_out()
    assert site.agents.nodes["node1"].running
    site.is_well()


def test_denodo_is_started_again_if_the_configuration_is_changed_back(site: Site) -> None:
    """A rollout is killed after it has stopped Denodo; then the node needs no change any more."""

    def kill() -> None:
        raise KilledError

    site.ask_for(OLD, NEW)
    site.cdk.before = kill
    with pytest.raises(KilledError):
        site.rolling().roll_out()
    assert not site.agents.nodes["node1"].running
    site.cdk.before = lambda: None
    site.ask_for(NEW, OLD)
    site.pins.write_text(site.pins.read_text().replace(NEW, OLD))
    assert site.rolling(take_over=True).roll_out() == ["node1"]
    site.is_well()


def test_a_snapshot_of_the_stopped_node(site: Site) -> None:
    site.ask_for(OLD, NEW)
    volumes = [_root_volume(site, node) for node in NODES]
    assert site.rolling(snapshot=True).roll_out() == NODES
    snapshots = {snapshot["VolumeId"]: snapshot for snapshot in _snapshots(site)}
    assert [*snapshots] == volumes
    tags = {tag["Key"]: tag["Value"] for tag in snapshots[volumes[0]]["Tags"]}
    assert tags[names.ENVIRONMENT_TAG] == "denodo80"
    assert (tags[names.CLUSTER_TAG], tags[names.NODE_TAG]) == (CLUSTER, "node1")
    made = [(call.operation, call.parameters) for call in site.cloud.calls.made]
    created = next(
        position
        for position, (operation, parameters) in enumerate(made)
        if operation == "CreateSnapshot" and not parameters.get("DryRun")
    )
    stopped = next(
        position
        for position, (operation, parameters) in enumerate(made)
        if operation == "SendCommand" and parameters["Parameters"]["Action"] == ["stop"]
    )
    assert stopped < created
    site.is_well()


def test_without_the_option_there_is_no_snapshot(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.rolling().roll_out()
    assert _snapshots(site) == []


def test_a_continued_run_finds_the_snapshot_of_the_killed_one(site: Site) -> None:
    site.ask_for(OLD, NEW)

    def kill() -> None:
        raise KilledError

    site.cdk.before = kill
    with pytest.raises(KilledError):
        site.rolling(snapshot=True).roll_out()
    site.cdk.before = lambda: None
    assert site.rolling(take_over=True, snapshot=True).roll_out() == NODES
    assert len(_snapshots(site)) == 3


def test_a_missing_permission_is_found_before_a_node_is_out(site: Site) -> None:
    site.ask_for(OLD, NEW)
    site.cloud.faults.deny("CreateSnapshot")
    with pytest.raises(AccessDenied, match="ec2:CreateSnapshot"):
        site.rolling(snapshot=True).roll_out()
    assert (site.agents.most_out, site.marked()) == (0, set())
    assert "stop" not in _actions(site)


def _describe(state: str) -> Callable[[Call], Answer | None]:
    def describe(call: Call) -> Answer | None:
        if "SnapshotIds" not in call.parameters:
            return None
        return answer({"Snapshots": [{"State": state, "Progress": "7%"}]})

    return describe


@pytest.mark.parametrize(
    ("state", "message"),
    [("error", "ended with the state error"), ("pending", "is not complete after 14400 s")],
)
def test_a_snapshot_that_fails_leaves_the_node_as_it_was(
    site: Site, state: str, message: str
) -> None:
    site.ask_for(OLD, NEW)
    fault = Fault(lambda call: call.operation == "DescribeSnapshots", _describe(state))
    site.cloud.faults.add(fault)
    with pytest.raises(Failed, match=f"{message}.*node1 is back in service"):
        site.rolling(snapshot=True).roll_out()
    assert site.cdk.deploys == []
    assert set(site.images().values()) == {OLD}
    assert site.agents.nodes["node1"].running
    site.is_well()


def test_the_option_of_the_command(site: Site, denodo_ha: Run) -> None:
    done = denodo_ha("rollout", "-c", str(site.file), "--snapshot", "--dry-run")
    assert done.exit_code == exit_codes.DONE, done.output
