"""End-to-end tests of `replace`, with the real CDK CLI and node programs.

There is a cluster of Denodo 7.0 behind a Network Load Balancer, and a single public node.

Each test terminates an instance by a call to EC2, as an operator or a failure of the host does.
`test_proxied` replaces a node behind HAProxy.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws import ssm_command
from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed import instances
from denodo_ha.deployed.rotation import rotation, target_group_rotation
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import load
from denodo_ha.rollout import replace_command
from tests.e2e.deployment import Data, Deployment
from tests.e2e.nodes import Machine
from tests.e2e.replacing import Replacing, ReplacingDirectly
from tests.hosts.denodo.home import Home
from tests.support import local_aws_server
from tools.local_aws import control

pytestmark = pytest.mark.long

BALANCED, SINGLE, LOST = "active", "solo", "node1"
STACK = names.cluster_stack("denodo70", BALANCED)
_PACE = 40.0
NO_CAPACITY = (
    "We currently do not have sufficient m7i.xlarge capacity in the Availability Zone you "
    "requested (eu-west-1a). You can currently get m7i.xlarge capacity by not specifying an "
    "Availability Zone in your request or choosing eu-west-1b, eu-west-1c."
)

Run = Callable[..., Result]
Machines = dict[str, dict[str, Machine]]


class KilledError(BaseException):
    """Stands for a kill of the process: no handler of a command catches this exception."""


def clusters(data: Data) -> None:
    """Change the example: keep one cluster behind a load balancer, and add a single public node."""
    del data["clusters"]["passive"], data["failover"]
    balanced = data["clusters"][BALANCED]
    balanced["balancer"]["deregistration_delay"] = 60
    data["clusters"][SINGLE] = {
        **{key: balanced[key] for key in ("account", "region", "instance")},
        "network": {
            "vpc": "vpc-0123456789abcdef0",
            "zones": {"eu-west-1a": {"nodes": "subnet-03333333333333333"}},
        },
        "nodes": {LOST: {"zone": "eu-west-1a", "auxiliary_port": 19997}},
        "balancer": {
            "kind": "none",
            "scheme": "internet-facing",
            "clients": ["198.51.100.0/24"],
        },
    }


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        folder = tmp_path_factory.mktemp("replaced")
        with local_aws_server.paced(_PACE):
            made = Deployment.of_example("active-passive", folder, clusters)
            made.prepare()
            made.deploy_through_api()
            yield made


@pytest.fixture(scope="module")
def machines(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    made: Machines = {}
    with ExitStack() as stack:
        for cluster, settings in deployment.topology().clusters.items():
            made[cluster] = {}
            for name, node in settings.nodes.items():
                machine = Machine(
                    Home(tmp_path_factory.mktemp(f"{cluster}-{name}"), "7.0"),
                    deployment.access,
                    instance_id=node.instance_id,
                    parameter=names.node_parameter("denodo70", cluster, name),
                )
                stack.callback(machine.end)
                machine.begin()
                made[cluster][name] = machine
        yield made


@pytest.fixture
def run(deployment: Deployment, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, as an operator of the deployment."""
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    for module, name in (
        (ssm_command, "EVERY_S"),
        (ssm_command, "HASTE_S"),
        (rotation, "EVERY_S"),
        (target_group_rotation, "VISIBLE_EVERY_S"),
        (instances, "VISIBLE_EVERY_S"),
    ):
        # `rotation` waits longer, since each of its looks at a node starts the node program.
        monkeypatch.setattr(module, name, 0.4 if module is rotation else 0.1)

    def run(*words: str, cluster: str, cdk: type[Replacing] = ReplacingDirectly) -> Result:
        """Run a command for one cluster; `status` shows all clusters."""
        monkeypatch.setattr(
            replace_command,
            "Cdk",
            lambda _profile: cdk(
                deployment=deployment, machines=machines[cluster], cluster=cluster
            ),
        )
        only = [] if words[0] == "status" else ["--cluster", cluster]
        waits = ["--timeout", "600"] if words[0] in {"roll", "rollout", "replace"} else []
        arguments = [*words, *only, *waits, "-c", file(deployment)]
        return CliRunner().invoke(build_program(COMMANDS), arguments)

    return run


class Dying(ReplacingDirectly):
    """Stand-in for the CDK CLI: after a deploy, its caller ends as if it were killed."""

    def deploy(self, out: Any, stack: str, clock: Any) -> None:
        super().deploy(out, stack, clock)
        raise KilledError


def file(deployment: Deployment) -> str:
    return str(deployment.out.parent / "environment.yaml")


def terminate(deployment: Deployment, machine: Machine) -> str:
    deployment.access.client("ec2").terminate_instances(InstanceIds=[machine.instance_id])
    return machine.instance_id


def addresses(deployment: Deployment, cluster: str) -> dict[str, str]:
    """Return the address in the DNS record of each node, by the node's name."""
    client = deployment.access.client("route53")
    (zone,) = [
        zone["Id"]
        for zone in client.list_hosted_zones()["HostedZones"]
        if zone["Name"] == f"{cluster}.denodo70.internal."
    ]
    records = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        record["Name"].split(".")[0]: record["ResourceRecords"][0]["Value"]
        for record in records
        if record["Type"] == "A"
    }


def test_a_lost_node_of_7_0_behind_a_load_balancer(
    deployment: Deployment, machines: Machines, run: Run
) -> None:
    assert run("pin", cluster=BALANCED).exit_code == exit_codes.DONE
    before = deployment.topology().clusters[BALANCED]
    old = terminate(deployment, machines[BALANCED][LOST])
    status = run("status", "--format", "json", "--no-ask", cluster=BALANCED)
    described = {each["name"]: each for each in json.loads(status.stdout)["clusters"]}
    problems = described[BALANCED]["problems"]
    assert any(f"denodo-ha replace {LOST}" in problem for problem in problems), problems
    for words in ("roll",), ("rollout",):
        refused = run(*words, cluster=BALANCED)
        assert (refused.exit_code, f"denodo-ha replace {LOST}" in refused.stderr) == (3, True)
    machines[BALANCED]["node2"].license(answers=False)
    refused = run("replace", LOST, cluster=BALANCED)
    assert refused.exit_code == exit_codes.REFUSED, refused.output
    assert "node2: the License Manager does not answer" in refused.stderr
    machines[BALANCED]["node2"].license(answers=True)
    no_capacity_leaves_the_old_pin(deployment, run)
    with pytest.raises(KilledError):
        run("replace", LOST, cluster=BALANCED, cdk=Dying)
    done = run("replace", LOST, "--take-over", cluster=BALANCED)
    assert done.exit_code == exit_codes.FAILED, done.output
    assert f"denodo-ha enable {LOST} --metadata-ok" in done.stderr
    new = machines[BALANCED][LOST].instance_id
    assert new != old
    machines[BALANCED][LOST].confirm()
    done = run("replace", LOST, cluster=BALANCED)
    assert done.exit_code == exit_codes.DONE, done.output
    assert machines[BALANCED][LOST].instance_id == new
    after = deployment.topology().clusters[BALANCED]
    assert before.balancer is not None
    assert after.balancer is not None
    groups = {listener.port: listener.group for listener in after.balancer.listeners}
    assert {listener.port: listener.group.arn for listener in before.balancer.listeners} == {
        port: group.arn for port, group in groups.items()
    }
    assert {target.instance_id for target in groups[19997].targets} == {new}
    for group in groups.values():
        states = {t.node: t.state for t in group.targets if t.state != "draining"}
        assert set(states.values()) == {"healthy"}
    assert after.balancer.dns_name == before.balancer.dns_name
    assert addresses(deployment, BALANCED)[LOST] == after.nodes[LOST].private_ip
    pin = load(deployment.out.parent / "environment.yaml").pins.of(BALANCED, LOST)
    assert pin is not None
    assert (pin.generation, pin.replacing) == (2, None)


def no_capacity_leaves_the_old_pin(deployment: Deployment, run: Run) -> None:
    resources = deployment.access.client("cloudformation").list_stack_resources(StackName=STACK)
    first = next(
        resource["LogicalResourceId"]
        for resource in resources["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::EC2::Instance"
        and LOST in resource["LogicalResourceId"]
    )
    where = {"account": deployment.access.account, "region": deployment.access.region}
    fault = {
        **where,
        "resources": [f"{first}G2"],
        "error": {"code": "InsufficientInstanceCapacity", "message": NO_CAPACITY},
    }
    endpoint, pins = local_aws_server.endpoint(), deployment.out.parent / "environment.pins.yaml"
    before = pins.read_text()
    control.call(endpoint, f"faults/{STACK}", fault, method="PUT")
    done = run("replace", LOST, cluster=BALANCED, cdk=Replacing)
    control.call(endpoint, f"faults/{STACK}", {**where, "resources": []}, method="PUT")
    assert done.exit_code == exit_codes.FAILED, done.output
    assert "no capacity for m7i.xlarge" in done.stderr
    assert "zone to one of eu-west-1b, eu-west-1c" in done.stderr
    assert pins.read_text() == before


def test_a_single_node_keeps_its_address(
    deployment: Deployment, machines: Machines, run: Run
) -> None:
    assert run("pin", cluster=SINGLE).exit_code == exit_codes.DONE
    (before,) = deployment.topology().clusters[SINGLE].nodes.values()
    old = terminate(deployment, machines[SINGLE][LOST])
    done = run("replace", LOST, cluster=SINGLE)
    assert done.exit_code == exit_codes.FAILED, done.output
    machines[SINGLE][LOST].confirm()
    done = run("replace", LOST, cluster=SINGLE)
    assert done.exit_code == exit_codes.DONE, done.output
    (after,) = deployment.topology().clusters[SINGLE].nodes.values()
    assert after.instance_id != old
    assert after.public_ip == before.public_ip
    assert addresses(deployment, SINGLE)[LOST] == after.private_ip
    status = run("status", "--no-ask", "--format", "json", cluster=SINGLE)
    described = {each["name"]: each for each in json.loads(status.stdout)["clusters"]}
    assert described[SINGLE]["problems"] == []


def test_a_single_node_that_runs(deployment: Deployment, machines: Machines, run: Run) -> None:
    """The new instance takes the address from the old instance, which still runs."""
    (before,) = deployment.topology().clusters[SINGLE].nodes.values()
    refused = run("replace", LOST, "--even-if-running", cluster=SINGLE)
    assert (refused.exit_code, "--minimum 0" in refused.stderr) == (exit_codes.REFUSED, True)
    arguments = ("--even-if-running", "--minimum", "0")
    done = run("replace", LOST, *arguments, cluster=SINGLE, cdk=Replacing)
    assert done.exit_code == exit_codes.FAILED, done.output
    assert "--metadata-ok" in done.stderr
    machines[SINGLE][LOST].confirm()
    assert run("replace", LOST, *arguments, cluster=SINGLE).exit_code == exit_codes.DONE
    (after,) = deployment.topology().clusters[SINGLE].nodes.values()
    assert (after.instance_id != before.instance_id, after.public_ip) == (True, before.public_ip)
