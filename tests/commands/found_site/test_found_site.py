"""`status`, `drain` and `enable` with --live, on a site that was made by hand."""

import json

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import Resolved
from denodo_ha.drill.live.machine_reader import GROUP_TAG
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Run
from tests.commands.found_site.conftest import REGIONS, SITE
from tests.support.assembly import ROOT
from tests.support.found_account import FoundAccount
from tests.support.hand_made_site import RECORD

REGION = REGIONS[0]
NODE = "denodo-node1"
DRAINED = "denodo:drained"
RECORDS = {
    "denodo:drained-from:denodo-jdbc": "9999",
    "denodo:drained-from:denodo-odbc": "9996",
}
LOCK = f"/denodo/_found/{REGION}/.lock"


def changes(found: FoundAccount) -> list[str]:
    return [call.operation for call in found.cloud.calls.changes if call.service != "ssm"]


def documented_actions() -> set[str]:
    """Return the actions of the policy in docs/how-to/drill-what-runs.md."""
    page = (ROOT / "docs/how-to/drill-what-runs.md").read_text(encoding="utf-8")
    policy = json.loads(page.partition("```json")[2].partition("```")[0])
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def test_a_round_trip_leaves_the_registrations_as_they_were(found: FoundAccount, go: Run) -> None:
    before, tags = found.registrations(), found.tags()
    done = go("drain", NODE, "--why", "new disk")
    assert done.exit_code == exit_codes.DONE, done.output
    assert f"{REGION} {NODE} is out of jdbc, odbc; its auxiliary port 19997 stays" in done.output
    node = found.cluster.nodes["node1"]
    left = {arn for arn, targets in before.items() if targets - found.registrations()[arn]}
    assert left == {found.cluster.groups[name] for name in ("jdbc", "odbc")}
    assert (node, 19997) in found.registrations()[found.cluster.groups["node1"]]
    assert found.tags().items() >= RECORDS.items()
    assert "new disk" in found.tags()[DRAINED]
    assert "not recorded" not in done.output
    again = go("drain", NODE)
    assert "was out already" in again.output
    done = go("enable", node)
    assert done.exit_code == exit_codes.DONE, done.output
    assert (found.registrations(), found.tags()) == (before, tags)
    prefixes = {"elbv2": "elasticloadbalancing"}
    calls = [call for call in found.cloud.calls.made if call.changes or call.service == "ssm"]
    actions = {f"{prefixes.get(call.service, call.service)}:{call.operation}" for call in calls}
    assert documented_actions() == actions
    assert not found.cloud.client("ssm", REGION).get_parameters(Names=[LOCK])["Parameters"]


def test_without_permission_to_tag_nothing_is_changed(found: FoundAccount, go: Run) -> None:
    before, tags = found.registrations(), found.tags()
    found.cloud.faults.deny("CreateTags")
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.AWS, done.output
    assert "DeregisterTargets" not in changes(found)
    assert (found.registrations(), found.tags()) == (before, tags)


def test_a_failed_deregistration_is_undone(found: FoundAccount, go: Run) -> None:
    before, tags = found.registrations(), found.tags()
    found.cloud.faults.deny("DeregisterTargets", on=2)
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.AWS, done.output
    assert "The drain was undone" in done.output
    assert (found.registrations(), found.tags()) == (before, tags)


@pytest.mark.parametrize("operation", ["DescribeTargetHealth", "DescribeTargetGroupAttributes"])
def test_a_site_that_cannot_be_read_is_not_changed(
    found: FoundAccount, go: Run, operation: str
) -> None:
    found.cloud.faults.deny(operation)
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.AWS, done.output
    assert f"elasticloadbalancing:{operation} is not permitted" in done.output
    assert changes(found) == []


def test_what_a_drain_refuses(found: FoundAccount, go: Run) -> None:
    """The last healthy node is not drained, and --dry-run changes nothing."""
    done = go("drain", NODE, "--dry-run")
    assert "would leave jdbc, odbc; its connections have 300 s to end" in done.output
    node2 = found.cluster.nodes["node2"]
    found.cloud.targets.states[found.cluster.groups["odbc"], node2] = UNHEALTHY
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert "0 healthy nodes would be left in target group odbc" in done.output
    assert changes(found) == []


def test_the_drain_of_another_operator_counts(found: FoundAccount, go: Run) -> None:
    """node2's auxiliary port is not registered: only its tags show another operator's drain."""
    elb = found.cloud.client("elbv2", REGION)
    node2 = found.cluster.nodes["node2"]
    elb.deregister_targets(
        TargetGroupArn=found.cluster.groups["node2"], Targets=[{"Id": node2, "Port": 29997}]
    )
    assert go("drain", "denodo-node2", "--why", "theirs").exit_code == exit_codes.DONE
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.REFUSED
    assert "theirs" in done.output
    found.cloud.calls.forget()
    done = go("drain", "denodo-node2")
    assert "was out already" in done.output
    assert "theirs" in done.output
    assert changes(found) == []
    assert go("enable", "denodo-node2").exit_code == exit_codes.DONE
    assert (node2, 9999) in found.registrations()[found.cluster.groups["jdbc"]]
    elb.register_targets(
        TargetGroupArn=found.cluster.groups["node2"], Targets=[{"Id": node2, "Port": 29997}]
    )


def test_a_node_with_two_ports_in_a_target_group(
    found: FoundAccount, go: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On AWS an instance is one target for each port, but moto keeps one target for each instance.
    monkeypatch.setattr("moto.elbv2.models.FakeTargetGroup.deregister", lambda *_: None)
    elb, node = found.cloud.client("elbv2", REGION), found.cluster.nodes["node1"]
    jdbc = found.cluster.groups["jdbc"]
    elb.register_targets(TargetGroupArn=jdbc, Targets=[{"Id": node, "Port": 19999}])
    found.cloud.clock.sleep(60)
    before = found.registrations()
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.DONE, done.output
    assert found.tags()["denodo:drained-from:denodo-jdbc"] == "9999 19999"
    assert go("enable", NODE).exit_code == exit_codes.DONE
    assert found.registrations() == before
    found.cloud.targets.deregister(jdbc, [{"Id": node, "Port": 19999}])


def test_enable_needs_a_record(found: FoundAccount, go: Run) -> None:
    """Without a drain tag a node is not drained: tags of an old drain record have no effect."""
    ec2, node = found.cloud.client("ec2", REGION), found.cluster.nodes["node1"]
    stale = "denodo:drained-from:denodo-other"
    ec2.create_tags(Resources=[node], Tags=[{"Key": stale, "Value": "1"}])
    done = go("enable", NODE)
    assert done.exit_code == exit_codes.REFUSED
    assert f"{NODE} has no drain record" in done.output
    assert changes(found) == []
    assert go("drain", NODE).exit_code == exit_codes.DONE
    assert stale not in found.tags()
    ec2.create_tags(Resources=[node], Tags=[{"Key": next(iter(RECORDS)), "Value": "99999"}])
    done = go("enable", NODE)
    assert done.exit_code == exit_codes.REFUSED
    assert f"its tag {next(iter(RECORDS))}=99999 has no ports" in done.output
    ec2.create_tags(Resources=[node], Tags=[{"Key": next(iter(RECORDS)), "Value": "9999"}])
    assert go("enable", NODE).exit_code == exit_codes.DONE


def test_a_node_of_an_auto_scaling_group_is_refused(found: FoundAccount, go: Run) -> None:
    ec2 = found.cloud.client("ec2", REGION)
    node = found.cluster.nodes["node1"]
    ec2.create_tags(Resources=[node], Tags=[{"Key": GROUP_TAG, "Value": "denodo-nodes"}])
    done = go("drain", NODE)
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert f"aws autoscaling enter-standby --instance-ids {node}" in done.output
    assert changes(found) == []
    ec2.delete_tags(Resources=[node], Tags=[{"Key": GROUP_TAG}])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drain", NODE, "--record", RECORD), "only with --live"),
        (("drain", NODE, "--live"), "either --record NAME"),
        (("status", "--live", "-c", "prod"), "--config cannot be given with --live"),
        (
            ("enable", NODE, "--live", "--balancer", "a", "--metadata-ok"),
            "--metadata-ok cannot be used",
        ),
        (("drain", "other", *SITE), "has no node other; its nodes are denodo-node1 (i-"),
        (("drain", NODE, *SITE, "--cluster", "b"), "denodo-nlb, b, has no node denodo-node1"),
    ],
)
def test_options(
    found: FoundAccount, denodo_ha: Run, arguments: tuple[str, ...], message: str
) -> None:
    done = denodo_ha(*arguments)
    assert done.exit_code == exit_codes.USAGE, done.output
    assert message in " ".join(done.output.split())
    assert found.cloud.calls.changes == []


def test_a_record_leads_to_two_regions(
    found: FoundAccount, go: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node name that exists in both regions is refused, with a list of both nodes."""
    site = ("--live", "--region", REGIONS[0], "--region", REGIONS[1], "--record", RECORD)
    done = go("drain", NODE, site=site)
    assert done.exit_code == exit_codes.USAGE, done.output
    assert "several nodes are called denodo-node1" in done.output
    assert f"({found.cluster.nodes['node1']}, eu-west-1)" in done.output
    assert go("drain", NODE, "--cluster", "eu-west-1", site=site).exit_code == exit_codes.DONE
    names = {
        cluster.dns_name: number for number, cluster in enumerate(found.site.clusters.values())
    }
    monkeypatch.setattr(
        dns_answer,
        "lookup",
        lambda name: Resolved(frozenset({name}), frozenset({f"10.0.0.{names.get(name, 1)}"})),
    )
    monkeypatch.setattr(dns_answer.matching_role, "__defaults__", (dns_answer.lookup,))
    status = go("status", "--format", "json", site=site)
    assert status.exit_code == exit_codes.NO, status.output
    report = json.loads(status.output)
    assert report["dns"]["answers"] == "eu-central-1"
    assert [cluster["state"] for cluster in report["clusters"]] == ["healthy", "degraded"]
    (_, cluster) = report["clusters"]
    nodes = {node["name"]: node for node in cluster["nodes"]}
    assert nodes[NODE]["drained"]["why"] == "maintenance"
    assert nodes["denodo-node2"]["zone"] == "eu-west-1b"
    groups = {group["name"]: group for group in cluster["groups"]}
    assert {target["state"] for target in groups["jdbc"]["targets"]} == {"out", "healthy"}
    table = go("status", site=site).output
    assert f"{NODE} is drained" in table
    assert f"{RECORD} leads to eu-central-1, according to this machine's resolver\n" in table
    assert go("enable", NODE).exit_code == exit_codes.DONE
