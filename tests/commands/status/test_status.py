"""`denodo-ha status`: the reported state and the exit code."""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.cli import exit_codes, process
from denodo_ha.environment.loading.loader import load
from denodo_ha.status import command
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud, deployed_cloud
from tests.commands.account.route53 import Route53
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Run
from tests.support.assembly import ROOT, Template

TemplatesOf = Callable[[Path], Mapping[str, Template]]
TIMEOUT = ("unhealthy", "Target.Timeout", "")
MARK = [{"Key": "denodo:drained", "Value": "2026-01-01T00:00:00Z ann@desk new disk"}]


@pytest.fixture(scope="module")
def shared(templates_of: TemplatesOf) -> Iterator[Cloud]:
    """Deploy the active-passive example once for all tests; each test undoes its changes."""
    file = ROOT / "config/examples/active-passive.yaml"
    with deployed_cloud(load(file).environment, templates_of(file)) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(command, "real_clock", lambda: shared.clock)
    caller, stacks = shared.caller, list(shared.stacks.all)
    before = [stack.status for stack in stacks]
    yield shared
    shared.caller, shared.stacks.all = caller, stacks
    for stack, was in zip(stacks, before, strict=True):
        stack.status = was
    shared.faults.heal()
    shared.calls.forget()
    shared.targets.states.clear()
    shared.put_in("active", "node1")
    client = shared.client("ec2", "eu-west-1")
    client.delete_tags(
        Resources=[shared.nodes("active")["node1"]], Tags=[{"Key": "denodo:drained"}]
    )
    shared.clock.sleep(60)


@pytest.fixture
def world(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Route53:
    world = Route53(cloud)
    world.begin(monkeypatch)
    return world


@pytest.fixture
def go(world: Route53, denodo_ha: Run) -> Run:
    """Return a function that runs `denodo-ha status`, by default without querying nodes."""

    def go(*arguments: str, ask: bool = False) -> Result:
        asked = () if ask else ("--no-ask",)
        done = denodo_ha("status", "-c", "active-passive", *asked, *arguments)
        assert "Traceback" not in done.output
        assert "fault of denodo-ha" not in done.output
        assert world.cloud.calls.changes == [] or ask
        return done

    return go


def said(done: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def cluster(done: Result, name: str = "active") -> dict[str, Any]:
    (match,) = [cluster for cluster in said(done)["clusters"] if cluster["name"] == name]
    return dict(match)


def mark(cloud: Cloud, node: str = "node1") -> None:
    id_ = cloud.nodes("active")[node]
    cloud.client("ec2", "eu-west-1").create_tags(Resources=[id_], Tags=MARK)


def test_all_is_well(cloud: Cloud, go: Run) -> None:
    done = go()
    assert done.exit_code == exit_codes.DONE, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("denodo70 is healthy, ")
    assert "denodo.example.com leads to active, according to " in done.stdout
    assert not [line for line in lines if line.startswith("!")]
    assert done.stdout.count(" is active") == 2
    calls = Counter(call.operation for call in cloud.calls.made)
    groups = [arn for name in ("active", "passive") for arn in cloud.groups(name).values()]
    # The health of each target group is read once, although two parts of the output need it.
    assert calls["DescribeTargetHealth"] == len(groups) == 10
    assert calls["DescribeInstances"] == 2


def test_json_says_all_of_it(cloud: Cloud, go: Run) -> None:
    done = go("--format", "json")
    active = cluster(done)
    assert (said(done)["state"], active["state"], active["problems"]) == (
        "healthy",
        "healthy",
        [],
    )
    assert active["stack_status"] == "CREATE_COMPLETE"
    assert active["balancer"]["state"] == "active"
    assert [node["name"] for node in active["nodes"]] == ["node1", "node2"]
    assert {node["instance"] for node in active["nodes"]} == set(cloud.nodes("active").values())
    assert [(one["name"], one["kind"], one["port"]) for one in active["groups"]] == [
        ("jdbc", "service", 9999),
        ("odbc", "service", 9996),
        ("web", "service", 9090),
        ("node1", "auxiliary", 19997),
        ("node2", "auxiliary", 29997),
    ]
    assert {target["state"] for one in active["groups"] for target in one["targets"]} == {"healthy"}
    assert said(done)["dns"]["answers"] == "active"


def test_one_sick_service_is_degraded_and_says_why(cloud: Cloud, go: Run) -> None:
    cloud.become("active", "node1", TIMEOUT, "odbc")
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "! active: odbc: node1 unhealthy: its health check times out" in done.stdout


def test_drained_since_when_by_whom_and_why(cloud: Cloud, go: Run) -> None:
    cloud.take_out("active", "node1", "jdbc", "odbc", "web")
    mark(cloud)
    leaving = "node1 is being drained since 2026-01-01 00:00 UTC by ann@desk: new disk"
    assert leaving in go().stdout
    cloud.clock.sleep(400)
    done = go("--format", "json")
    assert done.exit_code == exit_codes.NO
    assert cluster(done)["problems"] == [
        "node1 is drained since 2026-01-01 00:00 UTC by ann@desk: new disk"
    ]
    assert cluster(done)["nodes"][0]["drained"] == {
        "since": "2026-01-01T00:00:00+00:00",
        "who": "ann@desk",
        "why": "new disk",
    }
    assert cluster(done)["groups"][3]["targets"][0]["state"] == "healthy"


def test_marked_and_put_back_by_a_deploy(cloud: Cloud, go: Run) -> None:
    mark(cloud)
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "node1 has a drain tag" in done.stdout
    assert "a deploy or a manual change put the node back" in done.stdout


def test_out_without_a_mark(cloud: Cloud, go: Run) -> None:
    cloud.take_out("active", "node1", "odbc")
    cloud.clock.sleep(400)
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "node1 is out of odbc without a drain tag" in done.stdout
    assert (
        "`denodo-ha enable node1 --cluster active -c active-passive` brings it back" in done.stdout
    )


def test_down_where_dns_leads_is_down(cloud: Cloud, go: Run) -> None:
    for node in ("node1", "node2"):
        cloud.become("active", node, UNHEALTHY, "jdbc")
    done = go()
    assert done.exit_code == exit_codes.DOWN
    assert "! active: jdbc: no healthy node, so its clients are not served" in done.stdout
    assert "active is down" in done.stdout


def test_failed_over_is_degraded(cloud: Cloud, world: Route53, go: Run) -> None:
    world.down.add("active")
    for node in ("node1", "node2"):
        cloud.become("active", node, UNHEALTHY, "jdbc")
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "leads to passive" in done.stdout


def test_a_service_of_nobody_is_degraded_while_jdbc_serves(cloud: Cloud, go: Run) -> None:
    for node in ("node1", "node2"):
        cloud.become("active", node, UNHEALTHY, "web")
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "! active: web: no healthy node" in done.stdout


def test_a_lost_region_hides_nothing_else(cloud: Cloud, go: Run) -> None:
    cloud.faults.lose("eu-central-1")
    done = go("--format", "json")
    assert done.exit_code == exit_codes.NO
    assert cluster(done, "passive")["state"] == "unknown"
    assert "AWS does not answer" in cluster(done, "passive")["problems"][0]
    assert cluster(done)["state"] == "healthy"


def test_nothing_is_known(cloud: Cloud, go: Run) -> None:
    cloud.faults.throttle("DescribeStacks")
    assert go().exit_code == exit_codes.AWS


@pytest.mark.parametrize("operation", ["DescribeStacks", "DescribeTargetHealth", "GetHealthCheck"])
def test_expired_credentials_end_it(cloud: Cloud, go: Run, operation: str) -> None:
    cloud.faults.expire(operation)
    done = go()
    assert done.exit_code in {exit_codes.AWS, exit_codes.DONE}
    # GetHealthCheck does not fail: the simulated Route 53 answers it, and checks no credentials.
    assert (done.exit_code == exit_codes.AWS) == (operation != "GetHealthCheck")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("DescribeTargetHealth", "the health of the targets is unknown"),
        ("DescribeInstances", "the state of the cluster's instances is unknown"),
    ],
)
def test_what_may_not_be_asked_is_said(
    cloud: Cloud, go: Run, operation: str, expected: str
) -> None:
    cloud.faults.deny(operation, on=1)
    done = go()
    assert done.exit_code == exit_codes.NO
    assert expected in done.stdout


def test_a_balancer_that_may_not_be_asked_is_unknown(cloud: Cloud, go: Run) -> None:
    cloud.faults.deny("DescribeLoadBalancers")
    done = go("--format", "json")
    assert done.exit_code == exit_codes.NO
    problems = [text for one in json.loads(done.stdout)["clusters"] for text in one["problems"]]
    assert any("its load balancer is unknown: the credentials may not" in text for text in problems)
    done = go("--format", "json", "--accept-unknown", "balancer")
    assert done.exit_code == exit_codes.DONE
    assert cluster(done)["balancer"]["state"] == "unknown"


def test_an_unknown_failover_is_never_healthy(cloud: Cloud, go: Run) -> None:
    for operation in ("ListResourceRecordSets", "GetHealthCheck", "GetHealthCheckStatus"):
        cloud.faults.deny(operation)
        done = go()
        assert done.exit_code == exit_codes.NO
        assert done.stdout.startswith("denodo70 is degraded")
        assert "unknown" in done.stdout
        done = go("--format", "json", "--accept-unknown", "dns")
        assert (done.exit_code, json.loads(done.stdout)["state"]) == (exit_codes.DONE, "healthy")
        cloud.faults.heal()


def test_calls_grow_with_clusters_and_groups(cloud: Cloud, go: Run) -> None:
    cloud.calls.forget()
    go("--no-ask")
    groups = sum(len(cloud.groups(name)) for name in ("active", "passive"))
    made = Counter(call.operation for call in cloud.calls.made)
    assert made["DescribeTargetHealth"] == groups
    per_cluster = ("DescribeStacks", "GetTemplate", "DescribeInstances", "DescribeLoadBalancers")
    assert {name: made[name] for name in per_cluster} == dict.fromkeys(per_cluster, 2)
    # `status` of both clusters makes at most as many calls as `status` of one cluster and `status`
    # of the other one together.
    single = Counter[str]()
    for region in ("eu-west-1", "eu-central-1"):
        cloud.calls.forget()
        go("--no-ask", "--region", region)
        single += Counter(call.operation for call in cloud.calls.made)
    assert made <= single


def test_a_deploy_that_goes_on_and_one_that_failed(cloud: Cloud, go: Run) -> None:
    cloud.stack("active").status = "UPDATE_IN_PROGRESS"
    done = go()
    assert done.exit_code == exit_codes.DONE
    assert "- active: a deploy of the cluster's stack is running: UPDATE_IN_PROGRESS" in (
        done.stdout
    )
    cloud.stack("active").status = "UPDATE_ROLLBACK_FAILED"
    assert go().exit_code == exit_codes.NO


def test_another_account_is_said_and_does_not_count(cloud: Cloud, go: Run) -> None:
    cloud.caller = "999999999999"
    done = go()
    assert done.exit_code == exit_codes.AWS
    assert "- active: the stack is in account 111122223333" in done.stdout


def test_not_deployed_yet(cloud: Cloud, go: Run) -> None:
    message = "Stack with id denodo70-passive does not exist"
    cloud.faults.answer("ValidationError", message, "DescribeStacks", region="eu-central-1")
    done = go()
    assert done.exit_code == exit_codes.NO
    assert "! passive: denodo70-passive is not deployed in eu-central-1" in done.stdout


def test_nodes_say_version_and_readiness(cloud: Cloud, world: Route53, go: Run) -> None:
    assert world.cloud is cloud
    agents = Agents(cloud, "active")
    agents.nodes["node2"].unready = {"odbc": "refused"}
    agents.nodes["node1"].applied = {**agents.desired("node1"), "jvm": {"vdp": "-Xmx1m"}}
    done = go("--region", "eu-west-1", "--format", "json", ask=True)
    one, two = cluster(done)["nodes"]
    assert (one["version"], one["waits"], one["source"]) == ("01234567", True, "node")
    assert two["unready"] == {"odbc": "refused"}
    assert "node2 reports that odbc is not ready: refused" in cluster(done)["problems"]
    assert any(
        note.startswith("node1: a new desired state is not applied yet")
        for note in cluster(done)["notes"]
    )
    # Queries change nothing except that they send an SSM command.
    assert {call.operation for call in cloud.calls.changes} == {"SendCommand"}


@pytest.mark.parametrize("fault", ["deny", "miss", "throttle"])
def test_nodes_that_cannot_be_asked_are_as_their_targets_say(
    cloud: Cloud, go: Run, fault: str
) -> None:
    cloud.become("active", "node1", TIMEOUT, "odbc")
    arguments = {"code": "InvalidInstanceId"} if fault == "miss" else {}
    getattr(cloud.faults, fault)("SendCommand", **arguments)
    done = go("--format", "json", ask=True)
    assert done.exit_code == exit_codes.NO
    node = cluster(done)["nodes"][0]
    assert (node["source"], node["unready"]) == (
        "targets",
        {"odbc": "its health check times out"},
    )
    assert any("could not be queried" in note for note in cluster(done)["notes"])


def test_what_a_node_warns_about_is_a_note(cloud: Cloud, go: Run) -> None:
    agents = Agents(cloud, "active")
    refused = {"program": "s3://bucket/1.zip", "reason": "its SHA-256 differs", "at": "2026-11-26"}
    agents.nodes["node1"].more = {"warnings": ["a warning"], "program_refused": refused}
    done = go("--format", "json", "--region", "eu-west-1", ask=True)
    assert done.exit_code == exit_codes.DONE
    notes = cluster(done)["notes"]
    assert "node1: a warning" in notes
    assert [note for note in notes if "s3://bucket/1.zip since 2026-11-26: its SHA-256" in note]


def test_a_node_that_does_not_answer_holds_nobody_up(cloud: Cloud, go: Run) -> None:
    agents = Agents(cloud, "active")
    agents.slow = True
    before = cloud.clock.monotonic()
    done = go("--region", "eu-west-1", ask=True)
    assert done.exit_code == exit_codes.DONE
    assert "Systems Manager did not report the end within" in done.stdout
    assert cloud.clock.monotonic() - before < 100


def test_watch_looks_again_until_ctrl_c(cloud: Cloud, go: Run) -> None:
    now = cloud.clock.monotonic()
    cloud.clock.at(now + 7, lambda: cloud.become("active", "node1", TIMEOUT, "odbc"))
    cloud.clock.at(now + 12, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    done = go("--watch")
    assert done.exit_code == exit_codes.NO
    assert done.stdout.count("denodo70 is ") == 3


def test_an_odd_template_hides_no_other_cluster(cloud: Cloud, go: Run) -> None:
    stack = cloud.stack("active")
    template, stack.template = stack.template, copy.deepcopy(stack.template)
    for resource in stack.template["Resources"].values():
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::TargetGroup":
            resource["Properties"]["Targets"] = {"Fn::If": ["Large", [], []]}
    try:
        done = go("--format", "json")
    finally:
        stack.template = template
    assert cluster(done)["state"] == "unknown"
    (problem,) = cluster(done)["problems"]
    assert problem.startswith("denodo70-active: the list of targets of target group ")
    assert cluster(done, "passive")["state"] == "healthy"


def test_watch_ends_with_its_reader(cloud: Cloud, go: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "stdout_error", BrokenPipeError)
    cloud.become("active", "node1", TIMEOUT, "odbc")
    done = go("--watch")
    assert done.exit_code == exit_codes.NO
    assert done.stdout.count("denodo70 is ") == 1


def test_found_by_tags(cloud: Cloud, world: Route53, denodo_ha: Run) -> None:
    assert world.cloud is cloud
    regions = ("--region", "eu-west-1", "--region", "eu-central-1")
    done = denodo_ha("status", "--environment", "denodo70", *regions, "--no-ask")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "leads to active" in done.stdout
