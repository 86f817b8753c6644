"""The command `denodo-ha drill`: its output in every format, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill
from denodo_ha.drill.event_orders import PROPERTIES
from denodo_ha.drill.policies import POLICY_IDS
from denodo_ha.drill.reading.resource_reader import INSTANCE, TARGET_GROUP
from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS, FAILURE_SENTENCES
from tests.drill.sample_templates import FILES, Templates, properties, two_clusters, yaml_templates

INFINITE = f"{{Type: {TARGET_GROUP}, Properties: {{Port: .inf}}}}"
PATHS = [str(file) for file in FILES]


@pytest.fixture
def program() -> typer.Typer:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill)
    program.callback()(lambda: None)
    return program


def run(program: typer.Typer, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(program, ["drill", *arguments])


def run_json(program: typer.Typer, *arguments: str) -> Any:
    return json.loads(run(program, *arguments, "--format", "json").output)


def write(folder: Path, templates: Templates) -> list[str]:
    """Write templates as files, and return their paths."""
    paths = []
    for name, template in templates.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(template))
        paths.append(str(file))
    return paths


@pytest.fixture
def flawed(tmp_path: Path) -> list[str]:
    """Write templates in which one lost node triggers a site failover; return their paths."""
    templates = yaml_templates()
    properties(templates, "site-a", "NoneHealthy")["Statistic"] = "Minimum"
    return write(tmp_path, templates)


def test_exit_code_0_if_all_policies_hold(program: typer.Typer) -> None:
    result = run(program, *PATHS)
    assert result.exit_code == exit_codes.DONE
    assert "site-a -> site-b" in result.output
    assert "broken" not in result.output
    assert "not measurements" in " ".join(result.output.split())


def test_exit_code_1_and_the_violations_if_a_policy_is_broken(
    program: typer.Typer, flawed: list[str]
) -> None:
    result = run(program, *flawed)
    assert result.exit_code == exit_codes.NO
    assert "broken" in result.output
    assert "- node-lost site-a left" in result.output


def test_a_policy_can_be_ignored(program: typer.Typer, flawed: list[str]) -> None:
    result = run(program, *flawed, "--ignore", "node-moves-site")
    assert result.exit_code == exit_codes.DONE
    wrong = run(program, *PATHS, "--ignore", "nonsense")
    assert wrong.exit_code == exit_codes.USAGE
    assert "the policies are: nothing-failed" in " ".join(wrong.output.split())


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--max-recovery", "330"), exit_codes.DONE),
        (("--max-recovery", "329"), exit_codes.NO),
        (("--min-secondary", "2"), exit_codes.DONE),
        (("--min-secondary", "3"), exit_codes.NO),
        (("--drained", "site-b/left"), exit_codes.DONE),
        (("--drained", "site-b/left", "--min-secondary", "2"), exit_codes.NO),
        (("--drained", "site-b/none"), exit_codes.USAGE),
    ],
)
def test_options(program: typer.Typer, options: tuple[str, ...], code: int) -> None:
    assert run(program, *PATHS, *options).exit_code == code


def test_losing_the_last_node_in_service_triggers_a_failover(program: typer.Typer) -> None:
    """No policy is broken: by draining one node, the operator chose to depend on the other."""
    report = run_json(program, *PATHS, "--drained", "site-a/left")
    lost = {
        scenario["failure"]["name"]: scenario["moves_site"]
        for scenario in report["scenarios"]
        if (scenario["failure"]["kind"], scenario["failure"]["cluster"]) == ("node-lost", "site-a")
    }
    assert lost == {"left": False, "right": True}
    assert [cluster["drained"] for cluster in report["clusters"]] == [["left"], []]
    result = run(program, *PATHS, "--drained", "site-a/left")
    assert result.exit_code == exit_codes.DONE
    assert "drained: site-a/left" in result.output
    assert "only right is in service" in result.output


SCENARIO_KEYS = {"failure", "moves_site", "unreachable", "recovery_seconds", "terms", "readings"}


def test_json_has_the_keys_that_programs_depend_on(program: typer.Typer) -> None:
    report = run_json(program, *PATHS)
    assert report["measured"] is False
    for scenario in report["scenarios"]:
        assert set(scenario) >= SCENARIO_KEYS
        assert set(scenario["failure"]) == {"kind", "cluster", "name"}
        recovery = scenario["recovery_seconds"]
        if recovery is not None:
            assert recovery == sum(term["seconds"] for term in scenario["terms"])
    for policy in report["policies"]:
        assert set(policy) >= {"id", "holds", "broken_by"}
        assert policy["holds"] == (policy["broken_by"] == policy["unknown"] == [])


def test_every_kind_of_failure_that_applies_is_played(program: typer.Typer) -> None:
    scenarios = run_json(program, *PATHS)["scenarios"]
    kinds = [scenario["failure"]["kind"] for scenario in scenarios]
    # These kinds of failures do not apply: the templates have, for example, no proxy and no switch.
    absent = {"proxy-lost", "database-failed", "switch-thrown", "zone-shifted"}
    absent |= {"license-manager-lost"}
    assert set(kinds) == set(FAILURE_KINDS) - absent
    assert kinds.count("nodes-lost") == 4 * 3 / 2


def test_the_page_has_every_kind_policy_and_property() -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/drill.md").read_text()
    names = {*FAILURE_KINDS, *POLICY_IDS, *PROPERTIES} - {"nothing"}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_every_kind_of_failure_has_a_sentence() -> None:
    assert FAILURE_SENTENCES.keys() == FAILURE_KINDS.keys()


def test_the_worst_failure_is_first(program: typer.Typer) -> None:
    scenarios = run_json(program, *PATHS)["scenarios"]
    assert scenarios[0]["unreachable"]
    assert scenarios[-1]["recovery_seconds"] == 0


def test_markdown_is_one_table_of_failures_and_one_of_policies(
    program: typer.Typer, flawed: list[str]
) -> None:
    lines = run(program, *flawed, "--format", "markdown").output.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {8, 4}
    assert any(line.startswith("| `node-moves-site` | **broken** |") for line in lines)


def test_against_shows_only_what_changed(program: typer.Typer, tmp_path: Path) -> None:
    # The only difference is a tag, which has no effect on failures.
    templates = yaml_templates()
    properties(templates, "site-a", "Front")["Tags"] = [{"Key": "x", "Value": "y"}]
    (base,) = write(tmp_path, {"site-a": templates["site-a"]})
    assert run_json(program, PATHS[0], "--against", base)["scenarios"] == []
    result = run(program, PATHS[0], "--against", base)
    assert result.exit_code == exit_codes.DONE
    assert "Every failure has the same outcome as before." in result.output


def test_against_shows_the_outcome_before_and_now(program: typer.Typer, tmp_path: Path) -> None:
    templates = yaml_templates()
    del templates["site-a"]["Resources"]["RightIn"]
    (base,) = write(tmp_path, {"site-a": templates["site-a"]})
    report = run_json(program, PATHS[0], "--against", base)
    by_kind = {scenario["failure"]["kind"]: scenario for scenario in report["scenarios"]}
    nothing = by_kind["nothing"]
    assert (nothing["partial"], nothing["before"]["partial"]) == ([], [9999])
    held = {policy["id"]: (policy["held_before"], policy["holds"]) for policy in report["policies"]}
    assert held["nothing-failed"] == (False, True)
    output = run(program, PATHS[0], "--against", base).output
    assert output.index("Before") < output.index("Now")


def test_against_shows_failures_that_no_longer_exist_and_new_ones(
    program: typer.Typer, tmp_path: Path
) -> None:
    (base,) = write(tmp_path, {"site-a": two_clusters("alarm")["site-a"]})
    scenarios = run_json(program, PATHS[0], "--against", base)["scenarios"]
    by_name = {
        scenario["failure"]["name"]: scenario
        for scenario in scenarios
        if scenario["failure"]["kind"] == "node-lost"
    }
    assert set(by_name) == {"left", "right", "Box1", "Box2"}
    assert (by_name["Box1"]["gone"], by_name["Box1"]["verdict"]) == (True, "gone")
    assert by_name["Box1"]["before"]["recovery_seconds"] == 20
    assert by_name["left"]["before"] is None


def test_a_drained_node_that_the_base_lacks_is_ignored_there(
    program: typer.Typer, tmp_path: Path
) -> None:
    (base,) = write(tmp_path, {"site-a": two_clusters("alarm")["site-a"]})
    result = run(program, PATHS[0], "--against", base, "--drained", "site-a/left")
    assert result.exit_code in (exit_codes.DONE, exit_codes.NO)


def test_a_path_that_is_not_a_template_is_a_usage_error(
    program: typer.Typer, tmp_path: Path
) -> None:
    result = run(program, str(tmp_path / "none.yaml"))
    assert result.exit_code == exit_codes.USAGE
    assert "Traceback" not in result.output
    no_cluster = tmp_path / "empty.yaml"
    no_cluster.write_text("Resources: {}")
    assert "none of these templates has a load balancer" in run(program, str(no_cluster)).output
    no_type = tmp_path / "list.yaml"
    no_type.write_text("Resources: {Node: {Type: [AWS::EC2::Instance]}}")
    output = " ".join(run(program, str(no_type)).output.split())
    assert "list/Node may contain balancers, nodes, records or checks" in output
    assert "the Type of this resource is not a text" in output


@pytest.mark.parametrize(
    ("template", "output"),
    [
        (
            "Resources: {Node: &n {Type: AWS::EC2::Instance, Properties: {A: *n}}}",
            "the zone of Node",
        ),
        (
            f"Resources: {{Net: {{Type: {INSTANCE}}}, Group: {INFINITE}}}",
            "t/Group depends on the value of Port",
        ),
    ],
)
def test_values_that_have_no_meaning_are_unknown(
    program: typer.Typer, tmp_path: Path, template: str, output: str
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(template)
    result = run(program, str(file))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert output in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {
                "Group": {
                    "Type": "AWS::AutoScaling::AutoScalingGroup",
                    "Properties": {"DesiredCapacity": 10**9},
                }
            },
            "t/Group has 1000000000 instances",
        ),
        (
            {"Fn::ForEach::A": ["X", ["a"] * 4000, {"N${X}": {"Type": "T", "A": ["x"] * 1000}}]},
            "the loops (Fn::ForEach) of this template make more than 1000000 values",
        ),
    ],
)
def test_templates_that_multiply_are_refused(
    program: typer.Typer, tmp_path: Path, resources: dict[str, Any], message: str
) -> None:
    result = run(program, *write(tmp_path, {"t": {"Resources": resources}}))
    assert result.exit_code == exit_codes.USAGE
    assert message in " ".join(result.output.split())
