"""Deploy every example with the real CDK CLI, and destroy it.

The deployed environment is read back from the APIs and compared with the configuration.
"""

import itertools
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.errors import AwsError
from denodo_ha.cli.main import build_program
from denodo_ha.drill.drill_run import DrillResult, drill_model, drill_paths
from denodo_ha.drill.live.aws_calls import read_only_policy
from denodo_ha.drill.live.drift import model_differences
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import (
    LiveDrill,
    configured_site,
    drill_live,
)
from denodo_ha.drill.live.live_site import build_live_model
from denodo_ha.drill.live.site_reader import read_live_site
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan, node_metadata
from tests.drill.live.test_partial_permissions import BY_ACTION, NOT_HERE, broken, is_unknown
from tests.drill.sample_templates import unknown_policies
from tests.e2e import demands
from tests.e2e.deployment import Data, Deployment
from tests.e2e.sabotages import SABOTAGES, led_elsewhere
from tests.environment.test_dashboard import is_a_dashboard
from tests.support import local_aws_server
from tests.support.assembly import EXAMPLES
from tests.support.recorded_calls import RecordedCalls

_SMALLEST = "active-active"
_KINDS = (_SMALLEST, "standalone-failover", "haproxy", "shared-catalog")
"""Examples of different kinds: nodes in target groups, a single node without a load balancer,
HAProxy instances, a database.
"""
_REVERTED = (_SMALLEST, "standalone-failover", "haproxy")
"""Examples whose update fails: a new node in target groups, a changed single node, and a new node
in HAProxy's configuration. A database is in a stack that such an update does not change.
"""
_OBSERVED = "internet-facing"
"""Example with a dashboard and with logs."""
_SABOTAGED = "active-passive"
"""Example whose deployment a test alters, to show that `demands` detects deviations."""
_MORE = ("active-passive", "internet-facing", "web-cookies")
"""Examples with more features of load balancers: auxiliary ports; public addresses and TLS; an
inner load balancer.
"""


@pytest.fixture(params=[file.stem for file in EXAMPLES], scope="module")
def example(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def deployment(example: str, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Deploy an example once; the tests then change this deployment one after another."""
    deployment = Deployment.of_example(example, tmp_path_factory.mktemp(example))
    deployment.prepare()
    deployment.deploy()
    return deployment


def test_is_deployed_as_demanded(deployment: Deployment) -> None:
    demands.hold(deployment.topology())


@pytest.mark.parametrize("example", [_SABOTAGED], indirect=True, scope="module")
@pytest.mark.parametrize("deviation", SABOTAGES)
def test_the_demands_detect_each_kind_of_deviation(deployment: Deployment, deviation: str) -> None:
    cluster = deployment.topology().clusters["active"]
    with SABOTAGES[deviation](cluster), pytest.raises((AssertionError, KeyError)):
        demands.hold(deployment.topology())


@pytest.mark.parametrize("example", [_SABOTAGED], indirect=True, scope="module")
def test_the_demands_detect_a_record_that_leads_elsewhere(deployment: Deployment) -> None:
    with led_elsewhere(deployment.topology()), pytest.raises(AssertionError):
        demands.hold(deployment.topology())
    demands.hold(deployment.topology())


@pytest.mark.parametrize("example", [_SABOTAGED, "adopted"], indirect=True, scope="module")
def test_has_no_difference_then(deployment: Deployment) -> None:
    """`cdk diff` compares only templates: examples with created and adopted nodes suffice."""
    differs, output = deployment.diff()
    assert not differs, output


def _located(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> tuple[SiteLocator, tuple[str, ...]]:
    """Let boto3 in this process call a deployment's account; return site locator and regions."""
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    return configured_site(str(deployment.out.parent / "environment.yaml"), None)


def _live_drill(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> LiveDrill:
    """Return the drill of a deployment's live resources."""
    locator, regions = _located(deployment, monkeypatch)
    return drill_live(profile=None, regions=regions, locator=locator)


def _compared(result: DrillResult) -> object:
    """Return model, scenarios, notifications and verdicts of a drill, to compare two drills."""
    verdicts = apply_policies(result, max_recovery=None, min_secondary=1)
    return (
        replace(result.model, notes=()),
        [(one, one.notifications) for one in result.outcomes],
        [(one.policy.id, one.word) for one in verdicts],
    )


def test_the_drill_of_what_runs_is_that_of_the_templates(
    example: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare outcomes for some examples only, since outcomes depend on the model alone."""
    locator, regions = _located(deployment, monkeypatch)
    site = read_live_site(Aws(), regions, locator)
    live, base = build_live_model(site), build_model(read_stacks([deployment.out]))
    assert replace(live, notes=()) == replace(base, notes=())
    assert model_differences(base, live) == ()
    assert (site.unread, site.notes) == ((), ())
    if example in _KINDS:
        assert _compared(drill_model(live)) == _compared(drill_model(base))


@pytest.mark.parametrize("example", [_SMALLEST], indirect=True, scope="module")
def test_a_drained_node_is_drained_from_the_beginning(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drain a node as `denodo-ha drain` does: out of the shared target groups, with the tag."""
    (cluster,) = deployment.topology().clusters.values()
    node = cluster.nodes["node1"]
    client = {name: deployment.access.client(name) for name in ("elbv2", "ec2")}
    balancer = cluster.balancer
    assert balancer is not None
    registered = [
        (listener.group.arn, [{"Id": node.instance_id, "Port": target.port}])
        for listener in balancer.listeners
        for target in listener.group.targets
        if target.instance_id == node.instance_id
    ]
    tag = {"Key": names.DRAINED_TAG, "Value": "2026-01-01T00:00:00+00:00 ann disk"}
    client["ec2"].create_tags(Resources=[node.instance_id], Tags=[tag])
    for arn, targets in registered:
        client["elbv2"].deregister_targets(TargetGroupArn=arn, Targets=targets)
    try:
        live = _live_drill(deployment, monkeypatch)
    finally:
        for arn, targets in registered:
            client["elbv2"].register_targets(TargetGroupArn=arn, Targets=targets)
        client["ec2"].delete_tags(Resources=[node.instance_id], Tags=[tag])
    base = drill_paths([deployment.out], ["main/node1"])
    assert len(registered) >= 3
    assert live.result.drained == base.drained
    assert _compared(live.result) == _compared(base)


@pytest.mark.parametrize("example", ["haproxy", "web-cookies"], indirect=True, scope="module")
def test_what_may_not_be_read_of_own_stacks_is_unknown(
    example: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If AWS denies or throttles a call, each policy that needs the call's answer is unknown."""
    calls = RecordedCalls(monkeypatch)
    with calls.counted() as made:
        of_all = broken(_live_drill(deployment, monkeypatch).result)
    actions = {action for action, _ in made} - {"sts:GetCallerIdentity"}
    assert actions <= {*read_only_policy()["Statement"][0]["Action"]}
    of_example = {"web-cookies": {"elasticloadbalancing:DescribeRules"}}
    more = {"cloudwatch:DescribeAlarms", "ec2:DescribeInstances"}
    denied = actions & of_example.get(example, NOT_HERE | more)
    assert denied
    codes = {"AccessDenied": "{} is not permitted", "Throttling": "AWS throttles {}"}
    for action, code in itertools.product(
        sorted(denied - {"cloudformation:DescribeStacks"}), codes
    ):
        text = codes[code].format(action)
        with calls.without(action, code):
            try:
                result = _live_drill(deployment, monkeypatch).result
            except AwsError as error:
                assert text in str(error)  # noqa: PT017 - the site is not found
                continue
        assert any(text in note for note in result.model.notes)
        assert is_unknown(result, BY_ACTION[action])
        assert broken(result) <= of_all
        assert not any("no longer exists" in note for note in result.model.notes)
        if action == "cloudformation:GetTemplate":
            # Without the templates, the drill does not know which names fail over.
            assert {"dead-site", "node-moves-site"} <= unknown_policies(result).keys()
    with (
        calls.without("cloudformation:DescribeStacks"),
        pytest.raises(AwsError, match="cloudformation:DescribeStacks is not permitted"),
    ):
        _live_drill(deployment, monkeypatch)


@pytest.mark.parametrize("example", [_OBSERVED], indirect=True, scope="module")
def test_the_dashboard_shows_what_is_deployed(deployment: Deployment) -> None:
    """Weak references to both regions are resolved, and the body has AWS's structure."""
    environment = deployment.loaded.environment
    assert environment.failover is not None
    region = failover_plan.stack_region(environment, environment.failover)
    client = replace(deployment.access, region=region).client("cloudwatch")
    name = names.dashboard_stack(environment.name)
    body = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])
    is_a_dashboard(body)
    text = json.dumps(body)
    for cluster in deployment.topology().clusters.values():
        assert all(node.instance_id in text for node in cluster.nodes.values())


@pytest.mark.parametrize("example", _KINDS, indirect=True, scope="module")
def test_a_second_deploy_changes_nothing(deployment: Deployment) -> None:
    output = deployment.deploy()
    clusters = deployment.loaded.environment.clusters
    stacks = len(clusters) + sum(node_metadata.has_stack(item) for item in clusters.values())
    stacks += deployment.loaded.environment.failover is not None
    assert output.count("(no changes)") == stacks


@pytest.mark.parametrize("example", [*_KINDS, *_MORE], indirect=True, scope="module")
def test_changes_are_seen_and_made_around_the_balancer(
    example: str, deployment: Deployment
) -> None:
    """Change a port, add a node, remove a service: load balancer and nodes are kept.

    `tests/stacks/test_changes.py` checks which resources each of these changes updates. `cdk diff`
    is run for one example only, since it compares templates whatever the example is.
    """
    before = _identities(deployment)
    deployment.change(_move_odbc, _add_a_node, _drop_web)
    if example == _SMALLEST:
        differs, output = deployment.diff()
        assert differs, output
    deployment.deploy()
    demands.hold(deployment.topology())
    assert before.items() <= _identities(deployment).items()


@pytest.mark.parametrize("example", _REVERTED, indirect=True, scope="module")
def test_an_update_that_fails_goes_back(example: str, deployment: Deployment) -> None:
    """Deploy a node with a missing image: the stack is rolled back."""
    before = _identities(deployment)
    with deployment.tried(_break):
        failed = deployment.try_to_deploy()
        assert failed.returncode == 1
        assert "InvalidAMIID.NotFound" in failed.stdout + failed.stderr
    demands.hold(deployment.topology())
    assert _identities(deployment) == before
    if example == _SMALLEST:
        differs, output = deployment.diff()
        assert not differs, output


def test_destroy_leaves_nothing(deployment: Deployment) -> None:
    if any(
        node_metadata.creates_database(item)
        for item in deployment.loaded.environment.clusters.values()
    ):
        refused = deployment.cdk("destroy", "--all", "--force")
        assert "Cannot delete protected DB Instance" in refused.stdout + refused.stderr
        assert any("databases" in key for key in deployment.left())
        deployment.unprotect()
    deployment.destroy()
    assert deployment.left() == {}


@pytest.mark.parametrize("example", [_OBSERVED], indirect=True, scope="module")
def test_logs_outlive_the_stacks(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log group is kept, and `denodo-ha logs` finds the group by the beginning of its name."""
    name, cluster = next(iter(deployment.loaded.environment.clusters.items()))
    client = replace(deployment.access, region=cluster.region).client("logs")
    prefix = names.log_group_prefix(deployment.loaded.environment.name, name)
    (group,) = client.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    assert group["retentionInDays"] == 30
    where = {"logGroupName": group["logGroupName"], "logStreamName": "node1/program/i-1"}
    client.create_log_stream(**where)
    event = {"timestamp": int(time.time() * 1000), "message": "the last words of node1"}
    client.put_log_events(**where, logEvents=[event])
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    file = str(deployment.out.parent / "environment.yaml")
    arguments = ["logs", "node1", "-c", file, "--cluster", name]
    done = CliRunner().invoke(build_program(COMMANDS), arguments)
    assert done.exit_code == exit_codes.DONE, done.output
    assert done.stdout.endswith("program: the last words of node1\n")


def _identities(deployment: Deployment) -> dict[str, str]:
    """Return the ids that a change must keep: load balancers and nodes."""
    result = {}
    for name, cluster in deployment.topology().clusters.items():
        if cluster.balancer is not None:
            result[name] = cluster.balancer.arn
        for node in cluster.nodes.values():
            result[f"{name} {node.name}"] = node.instance_id
    return result


def _move_odbc(data: Data) -> None:
    """Change the port of odbc."""
    odbc = data["services"]["odbc"]
    if isinstance(odbc, dict):
        odbc["port"] += 7
    else:
        data["services"]["odbc"] = odbc + 7


def _drop_web(data: Data) -> None:
    del data["services"]["web"]


def _add_a_node(data: Data) -> None:
    """Add a node to every cluster that can have one more."""
    for cluster in data["clusters"].values():
        if cluster["balancer"]["kind"] != "none":
            cluster["nodes"]["extra"] = _node(data, cluster)


def _break(data: Data) -> None:
    """Add a node with a missing image, or change the only node's image."""
    cluster = next(iter(data["clusters"].values()))
    wrong = {"image": "ami-0bad0bad0bad0bad0"}
    if cluster["balancer"]["kind"] == "none":
        next(iter(cluster["nodes"].values()))["instance"] = wrong
    else:
        cluster["nodes"]["broken"] = {**_node(data, cluster), "instance": wrong}


def _node(data: Data, cluster: dict[str, Any]) -> Data:
    node: Data = {"zone": next(iter(cluster["network"]["zones"]))}
    if isinstance(cluster["network"]["zones"], list):
        node = {"zone": cluster["network"]["zones"][0]}
    if data["denodo"]["version"] == "7.0":
        node["auxiliary_port"] = 49000 + len(cluster["nodes"])
    return node
