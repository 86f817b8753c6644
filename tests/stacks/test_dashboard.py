"""Stack of the dashboard: a body of AWS's structure, and weak references to the other stacks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.environment.test_dashboard import is_a_dashboard, shown
from tests.stacks.topology import rules
from tests.support.assembly import Assembly, synthesise
from tests.support.configurations import changed, loaded, minimal, twins


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assembly, Assembly]:
    """Return the assembly of a site without a dashboard, and of the same site with one."""
    folder = tmp_path_factory.mktemp("dashboard")
    before = synthesise(loaded(folder, twins("7.0")), folder / "before")
    environment = loaded(folder, changed(twins("7.0"), {"dashboard": True}))
    after = synthesise(environment, folder / "after")
    rules.holds(environment.environment, after)
    return before, after


def body(assembly: Assembly) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return the dashboard's body, with a text in place of each reference, and the references."""
    (dashboard,) = assembly.resources("test-dashboard", "AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == "test-dashboard"
    text, references = "", []
    for part in dashboard["DashboardBody"]["Fn::Join"][1]:
        if isinstance(part, str):
            text += part
            continue
        reference = part["Fn::GetStackOutput"]
        references.append((reference["StackName"], reference["Region"], reference["OutputName"]))
        text += f"arn:{reference['OutputName']}"
    return json.loads(text), references


def test_the_body_has_the_structure_that_aws_documents(made: tuple[Assembly, Assembly]) -> None:
    text, references = body(made[1])
    is_a_dashboard(text)
    assert {namespace for _, namespace, _ in shown(text)} == {
        *("AWS/Route53", "AWS/NetworkELB", "AWS/EC2", "Denodo/Failover"),
    }
    for stack, _, output in references:
        assert output in made[1].templates[stack]["Outputs"]
    assert made[1].dependencies["test-dashboard"] >= {"test-main", "test-spare", "test-failover"}


def test_other_stacks_get_only_outputs(made: tuple[Assembly, Assembly]) -> None:
    before, after = made
    assert after.templates.keys() - before.templates.keys() == {"test-dashboard"}
    for stack, template in before.templates.items():
        added = after.templates[stack]["Outputs"].keys() - template["Outputs"].keys()
        form = "Dashboard[A-Za-z0-9]+|(Primary|Secondary)CheckId"
        assert all(re.fullmatch(form, output) for output in added)
        assert added
        outputs = {**after.templates[stack]["Outputs"]}
        for output in added:
            del outputs[output]
        assert {**after.templates[stack], "Outputs": outputs} == template


def test_an_environment_without_failover_has_one_too(tmp_path: Path) -> None:
    environment = loaded(tmp_path, changed(minimal(), {"dashboard": True}))
    assembly = synthesise(environment, tmp_path / "out")
    text, references = body(assembly)
    is_a_dashboard(text)
    assert {stack for stack, _, _ in references} == {"test-main"}
    assert {region for region, _, _ in shown(text)} == {"eu-west-1"}
