"""IAM policies of a cluster behind HAProxy: they allow the commands' calls on this cluster only."""

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.cli import exit_codes
from denodo_ha.environment import names
from tests.commands.account.calls import Answer, Call, Fault, answer
from tests.commands.account.cloud import Cloud
from tests.environment.rule_cases.haproxy import adopted
from tests.support.assembly import ROOT, Template, synthesise
from tests.support.configurations import Data, changed, loaded

EXAMPLE = ROOT / "config/examples/haproxy.yaml"
OPERATOR, MANAGER = names.NODE_OPERATOR_POLICY_ARN, names.SOLUTION_MANAGER_POLICY_ARN
MANAGED = {"solution_manager": {"cidrs": ["10.0.9.0/24"], "host": "sm.example.com"}}
IAM = {"elbv2": "elasticloadbalancing"}
OF_OTHERS = {
    *("elasticloadbalancing:DescribeLoadBalancers", "ec2:CreateSnapshot", "ec2:DescribeSnapshots"),
}
"""Actions that the policies allow for `denodo-ha status` and `rollout --snapshot`; the commands
tested in this module do not need them."""
UNASKED = "sts:GetCallerIdentity"
"""A call that needs no permission (AWS, GetCallerIdentity)."""


def statements(template: Template, output: str) -> dict[str, dict[str, Any]]:
    (name,) = template["Outputs"][output]["Value"].values()
    properties = template["Resources"][name]["Properties"]
    assert not properties.keys() & {"Users", "Groups", "Roles", "ManagedPolicyName"}
    statements_by_sid = {
        statement["Sid"]: statement for statement in properties["PolicyDocument"]["Statement"]
    }
    assert all(one["Effect"] == "Allow" for one in statements_by_sid.values())
    return statements_by_sid


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(statements_by_sid: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {action for one in statements_by_sid.values() for action in several(one["Action"])}


class Agents:
    """Two HAProxy instances and the nodes behind them, as Systems Manager lists them."""

    def __init__(self, cloud: Cloud, cluster: str) -> None:
        self.cloud, self.cluster, self.stack = cloud, cluster, cloud.stack(cluster)
        self._sent: dict[str, str] = {}
        self._applied: set[str] = set()
        cloud.faults.add(Fault(lambda _: True, self._answer))

    def _answer(self, call: Call) -> Answer | None:
        parameters: Any = call.parameters
        fleet = "tag:aws:autoscaling:groupName"
        if call.operation == "DescribeInstances" and parameters["Filters"][0]["Name"] == fleet:
            instances = [{"InstanceId": id_} for id_ in ("i-a", "i-b")]
            return answer({"Reservations": [{"Instances": instances}]})
        if call.operation == "SendCommand":
            command = f"{len(self._sent):036d}"
            proxied = parameters["DocumentName"] != self.stack.outputs[names.NODE_DOCUMENT]
            say = self._haproxy if proxied else self._node
            self._sent[command] = say(
                parameters["Parameters"]["Action"][0], parameters["InstanceIds"][0]
            )
            return answer({"Command": {"CommandId": command}})
        if call.operation == "GetCommandInvocation":
            sent = self._sent[parameters["CommandId"]]
            done = {"Status": "Success", "ResponseCode": 0, "StandardOutputContent": sent}
            return answer(done)
        return None

    def _haproxy(self, action: str, _: str) -> str:
        nodes = self.cloud.nodes(self.cluster)
        servers = [{"backend": "jdbc", "node": node, "usable": True} for node in nodes]
        return json.dumps({"servers": servers}) if action == "status" else "done"

    def _node(self, action: str, id_: str) -> str:
        (node,) = (name for name, node in self.cloud.nodes(self.cluster).items() if node == id_)
        if action == "apply":
            self._applied.add(node)
        name = names.node_parameter(self.cloud.environment.name, self.cluster, node)
        parameter = self.cloud.client("ssm", self.stack.region).get_parameter(Name=name)
        state = {"state": json.loads(parameter["Parameter"]["Value"])}
        applied = state if node in self._applied else None
        return json.dumps({"applied": applied, "metadata_confirmed": True, "services": []})


@pytest.fixture
def cloud(clouds: Callable[..., Cloud], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = clouds("haproxy", "active")
    for clock in (
        "drain.command.real_clock",
        "haproxy.command.RealClock",
        "rollout.roll_command.RealClock",
    ):
        monkeypatch.setattr(f"denodo_ha.{clock}", lambda: made.clock)
    return made


def admits(statements_by_sid: Mapping[str, Any], call: Call, agents: Agents) -> bool:
    """Return whether any statement allows the action of a call on the call's resource."""
    resources = [
        _filled(one, agents.stack.physical_ids)
        for statement in statements_by_sid.values()
        if _action(call) in several(statement["Action"])
        for one in several(statement["Resource"])
    ]
    named = [
        f"arn:aws:ssm:{call.region}:{agents.stack.account}:{kind}{call.parameters[key]}"
        for key, kind in (("DocumentName", "document/"), ("Name", "parameter"))
        if call.service == "ssm" and key in call.parameters
    ]
    return bool(resources) and all(
        any(fnmatchcase(name, resource) for resource in resources) for name in named
    )


def _action(call: Call) -> str:
    return f"{IAM.get(call.service, call.service)}:{call.operation}"


def _filled(resource: Any, names: Mapping[str, str]) -> str:
    """Return a resource ARN with the physical names of the referenced resources."""
    if isinstance(resource, str):
        return resource
    (_, parts) = resource["Fn::Join"]
    refs = {"AWS::Partition": "aws", **names}
    return "".join(part if isinstance(part, str) else refs[part["Ref"]] for part in parts)


@pytest.mark.parametrize(
    ("output", "commands"),
    [
        (MANAGER, ("drain node1 --why promotion", "enable node1")),
        (OPERATOR, ("drain node1", "enable node1", "haproxy apply", "roll")),
    ],
)
def test_allows_what_the_commands_call_and_no_more(
    cloud: Cloud, denodo_ha: Callable[..., Result], output: str, commands: tuple[str, ...]
) -> None:
    agents = Agents(cloud, "active")
    found = statements(agents.stack.template, output)
    for command in commands:
        done = denodo_ha(*command.split(), "--cluster", "active", "-c", str(EXAMPLE))
        assert done.exit_code == exit_codes.DONE, done.output
    # The Solution Manager has no permission to hold a node's watchdog, so its drains print a
    # warning.
    holds = agents.stack.outputs[names.NODE_DOCUMENT] if output == MANAGER else ""
    made = [
        call
        for call in cloud.calls.made
        if _action(call) != UNASKED and call.parameters.get("DocumentName") != holds
    ]
    assert [call for call in made if not admits(found, call, agents)] == []
    assert {_action(call) for call in made} == actions(found) - OF_OTHERS


def test_the_solution_manager_applies_no_file(
    cloud: Cloud, denodo_ha: Callable[..., Result]
) -> None:
    agents = Agents(cloud, "active")
    denodo_ha("haproxy", "apply", "--cluster", "active", "-c", str(EXAMPLE))
    (first, _) = cloud.calls.of("SendCommand")
    assert admits(statements(agents.stack.template, OPERATOR), first, agents)
    assert not admits(statements(agents.stack.template, MANAGER), first, agents)


@pytest.mark.parametrize("output", [OPERATOR, MANAGER])
def test_haproxys_documents_run_on_this_clusters_haproxies(cloud: Cloud, output: str) -> None:
    stack = cloud.stack("active")
    found = statements(stack.template, output)
    tags = {"environment": "denodo70ha", "cluster": "active", "balancer": "haproxy"}
    assert found["OnTheHaproxies"]["Condition"]["StringEquals"] == {
        f"ssm:resourceTag/denodo:{key}": value for key, value in tags.items()
    }
    (fleet,) = (
        resource["Properties"]
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::AutoScaling::AutoScalingGroup"
    )
    launched = {tag["Key"]: tag["Value"] for tag in fleet["Tags"] if tag["PropagateAtLaunch"]}
    assert {f"denodo:{key}": value for key, value in tags.items()}.items() <= launched.items()
    assert not {one for one in actions(found) if one.endswith("registerTargets")}
    for one in found.values():
        if one["Resource"] == "*":
            assert "aws:RequestedRegion" in one["Condition"]["StringEquals"]


def template(folder: Path, data: Data) -> Template:
    folder.mkdir()
    return synthesise(loaded(folder, data), folder / "out").templates["test-main"]


@pytest.mark.slow
def test_without_programs_on_nodes_haproxys_operators_have_a_policy(tmp_path: Path) -> None:
    data = changed(adopted(), {"clusters/main/nodes/node1/address": "10.0.0.11", **MANAGED})
    bare = template(tmp_path / "bare", changed(data, {"denodo/program": False}))
    whole = template(tmp_path / "whole", data)
    # The policy is the same as with node programs, so it stays attached to its principals.
    assert bare["Outputs"][OPERATOR] == whole["Outputs"][OPERATOR]
    found = statements(bare, OPERATOR)
    assert not found.keys() & {"RunTheDocument", "OnTheNodes", "SeeDesiredStates"}
    assert "ssm:GetParameter" in several(found["HoldTheLock"]["Action"])
    for output in (OPERATOR, MANAGER):
        existing = statements(bare, output)["MarkExistingNodes"]["Resource"]
        assert "i-0123456789abcdef0" in str(existing)
