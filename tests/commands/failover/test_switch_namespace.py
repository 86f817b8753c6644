"""The switch's namespace: commands use the deployed namespace, and `plan` checks a change.

The tests share one cloud, whose switch has a different namespace than the example.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from denodo_ha.cli import exit_codes
from denodo_ha.environment.loading.loader import load
from tests.commands.account.calls import Fault, error
from tests.commands.account.cloud import Cloud, deployed_cloud
from tests.commands.account.route53 import Route53
from tests.support.assembly import ROOT, Template

Go = Callable[..., Result]
TemplatesOf = Callable[[Path], Mapping[str, Template]]
OWN, SHARED = "Ops/denodo70", "Denodo/Failover"
EXAMPLE = ROOT / "config/examples/active-passive.yaml"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a copy of the active-passive example with another switch namespace; return the copy."""
    data = YAML(typ="safe").load(EXAMPLE.read_text())
    data["failover"]["switch_namespace"] = OWN
    file = tmp_path_factory.mktemp("own") / "own.yaml"
    file.write_text(json.dumps(data))
    return file


@pytest.fixture(scope="module")
def shared_cloud(own: Path, templates_of: TemplatesOf) -> Iterator[Cloud]:
    with deployed_cloud(load(own).environment, templates_of(own)) as cloud:
        yield cloud


@pytest.fixture
def world(shared_cloud: Cloud) -> Iterator[Route53]:
    yield Route53(shared_cloud)
    shared_cloud.faults.heal()
    shared_cloud.calls.made.clear()


@pytest.fixture
def go(denodo_ha: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Go:
    """Return a function that runs `denodo-ha …`."""

    def go(world: Route53, *arguments: str) -> Result:
        world.begin(monkeypatch)
        return denodo_ha(*arguments)

    return go


def namespaces(world: Route53) -> list[str]:
    """Return the namespaces of the datapoints that commands have put."""
    changes = world.cloud.calls.changes
    return [one.parameters["Namespace"] for one in changes if one.operation == "PutMetricData"]


def test_the_stack_names_the_namespace(own: Path, templates_of: TemplatesOf) -> None:
    changed = templates_of(own)["denodo70-failover"]
    example = templates_of(EXAMPLE)["denodo70-failover"]
    assert changed["Outputs"]["SwitchNamespace"]["Value"] == OWN
    assert "SwitchNamespace" not in example["Outputs"]
    for template, namespace in ((changed, OWN), (example, SHARED)):
        namespaces = [
            resource["Properties"]["Namespace"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::CloudWatch::Alarm"
        ]
        # The stack has two alarms on the switch's metric: one that Route 53's health check follows,
        # and one that notifies operators.
        assert namespaces == [namespace, namespace]
        (statement,) = [
            statement
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::ManagedPolicy"
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
            if statement["Action"] == "cloudwatch:PutMetricData"
        ]
        assert statement["Condition"]["StringEquals"]["cloudwatch:namespace"] == namespace


@pytest.mark.parametrize("named", ["own", "example", "environment"])
def test_moves_in_the_deployed_namespace(world: Route53, go: Go, own: Path, named: str) -> None:
    """Commands use the deployed namespace: the configuration file may differ from the stack."""
    options = {
        "own": ("-c", str(own)),
        "example": ("-c", str(EXAMPLE)),
        "environment": ("--environment", "denodo70", "--region", "eu-central-1"),
    }[named]
    done = go(world, "failover", "to", "passive", *options)
    assert done.exit_code == exit_codes.DONE, done.output
    assert namespaces(world) == [OWN]
    assert f"in namespace {OWN}, eu-central-1" in done.stderr
    assert world.answered == "passive"
    shown = go(world, "failover", "status", *options, "--format", "json")
    assert json.loads(shown.stdout)["switch"] == {
        "region": "eu-central-1",
        "namespace": OWN,
        "at": "passive",
    }


def test_the_configuration_s_namespace_remains_if_the_stack_cannot_be_read(
    world: Route53, go: Go, own: Path
) -> None:
    answer = error("ServiceUnavailable", "try later", 503)
    world.cloud.faults.add(Fault(lambda call: call.service == "cloudformation", lambda _: answer))
    done = go(world, "failover", "to", "passive", "-c", str(own))
    assert done.exit_code == exit_codes.DONE, done.output
    assert namespaces(world) == [OWN]
    assert "warning: stack denodo70-failover cannot be read" in done.stderr
    assert f"the namespace of the switch's metric in the configuration, {OWN};" in done.stderr


def write_assembly(folder: Path, templates: Mapping[str, Template]) -> Path:
    artifacts = {}
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": name, "templateFile": f"{name}.json"},
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


@pytest.fixture
def planned(tmp_path: Path, own: Path, templates_of: TemplatesOf) -> Path:
    """Return an assembly whose deploy moves the switch from its own namespace to the example's."""
    templates = copy.deepcopy(dict(templates_of(own)))
    templates["denodo70-failover"] = templates_of(EXAMPLE)["denodo70-failover"]
    return write_assembly(tmp_path, templates)


def test_plan_tells_of_the_change_while_the_switch_is_at_the_primary(
    world: Route53, go: Go, planned: Path
) -> None:
    done = go(world, "plan", str(planned), "-c", str(EXAMPLE))
    assert done.exit_code == exit_codes.DONE, done.output
    assert f"changes from namespace {OWN} to {SHARED}" in done.stdout
    assert world.cloud.calls.changes == []


def test_plan_refuses_the_change_while_the_switch_is_thrown(
    world: Route53, go: Go, own: Path, planned: Path
) -> None:
    assert go(world, "failover", "to", "passive", "-c", str(own)).exit_code == exit_codes.DONE
    done = go(world, "plan", str(planned), "-c", str(EXAMPLE))
    assert done.exit_code == exit_codes.REFUSED
    assert "while the switch is set to passive" in done.stderr
    assert f"`denodo-ha failover back -c {EXAMPLE}`" in done.stderr


def test_plan_refuses_the_change_while_the_switch_is_unknown(
    world: Route53, go: Go, planned: Path
) -> None:
    world.cloud.faults.throttle("GetHealthCheck")
    done = go(world, "plan", str(planned), "-c", str(EXAMPLE))
    assert done.exit_code == exit_codes.REFUSED
    assert "while the switch is unknown" in done.stderr


def test_plan_says_nothing_without_a_change(
    world: Route53, go: Go, own: Path, tmp_path: Path, templates_of: TemplatesOf
) -> None:
    folder = str(write_assembly(tmp_path, templates_of(own)))
    for compared in ((folder, folder), (folder, "-c", str(own))):
        done = go(world, "plan", *compared)
        assert done.exit_code == exit_codes.DONE, done.output
        assert "namespace" not in done.output
