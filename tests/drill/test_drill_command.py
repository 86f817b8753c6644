"""The command: what it prints, for whom, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill
from tests.drill.handmade import TEMPLATES, Data, site, written

FILES = [str(TEMPLATES / f"{name}.yaml") for name in ("site-a", "site-b", "names")]


@pytest.fixture
def program() -> typer.Typer:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill)
    program.callback()(lambda: None)
    return program


def run(program: typer.Typer, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["drill", *arguments])


def flawed(folder: Path, templates: dict[str, Data]) -> list[str]:
    """The templates as files."""
    paths = []
    for name, template in templates.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(template))
        paths.append(str(file))
    return paths


@pytest.fixture
def minimum(tmp_path: Path) -> list[str]:
    templates = written()
    alarm = templates["site-a"]["Resources"]["NobodyLeft"]["Properties"]
    alarm["Statistic"] = "Minimum"
    return flawed(tmp_path, templates)


def test_it_holds(program: typer.Typer) -> None:
    result = run(program, *FILES)
    assert result.exit_code == exit_codes.DONE
    assert "site-a -> site-b" in result.output
    assert "broken" not in result.output
    assert "not measured" in result.output


def test_a_broken_policy_ends_with_1_and_says_what_broke_it(
    program: typer.Typer, minimum: list[str]
) -> None:
    result = run(program, *minimum)
    assert result.exit_code == exit_codes.NO
    assert "broken" in result.output
    assert "- node-lost site-a left" in result.output


def test_a_policy_can_be_left_out(program: typer.Typer, minimum: list[str]) -> None:
    result = run(program, *minimum, "--ignore", "node-moves-site")
    assert result.exit_code == exit_codes.DONE
    assert run(program, *FILES, "--ignore", "nonsense").exit_code == exit_codes.USAGE


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--max-recovery", "300"), exit_codes.DONE),
        (("--max-recovery", "299"), exit_codes.NO),
        (("--min-secondary", "2"), exit_codes.DONE),
        (("--min-secondary", "3"), exit_codes.NO),
        (("--drained", "site-b/left"), exit_codes.DONE),
        (("--drained", "site-b/left", "--min-secondary", "2"), exit_codes.NO),
        (("--drained", "site-b/nobody"), exit_codes.USAGE),
    ],
)
def test_options(program: typer.Typer, options: tuple[str, ...], code: int) -> None:
    assert run(program, *FILES, *options).exit_code == code


def test_the_last_node_in_service_is_the_cluster(program: typer.Typer) -> None:
    """With one of two drained the other is the last, and losing it moves the site."""
    result = run(program, *FILES, "--drained", "site-a/left", "--format", "json")
    lost = {
        one["failure"]["name"]: one["moves_site"]
        for one in json.loads(result.output)["scenarios"]
        if (one["failure"]["kind"], one["failure"]["cluster"]) == ("node-lost", "site-a")
    }
    assert lost == {"left": False, "right": True}


def test_the_site_stays_while_one_of_two_is_drained(program: typer.Typer) -> None:
    result = run(program, *FILES, "--drained", "site-a/left")
    assert result.exit_code == exit_codes.DONE
    assert "drained: site-a/left" in result.output
    assert "only right is left in service" in result.output


SCENARIO = {"failure", "moves_site", "unreachable", "recovery_seconds", "terms", "readings"}


def test_json_has_the_form_that_machines_rely_on(program: typer.Typer) -> None:
    data = json.loads(run(program, *FILES, "--format", "json").output)
    assert data["measured"] is False
    for one in data["scenarios"]:
        assert set(one) >= SCENARIO
        assert set(one["failure"]) == {"kind", "cluster", "name"}
        recovery = one["recovery_seconds"]
        if recovery is not None:
            assert recovery == sum(term["seconds"] for term in one["terms"])
    for policy in data["policies"]:
        assert set(policy) >= {"id", "holds", "broken_by"}
        assert policy["holds"] == (policy["broken_by"] == [])


KINDS = {
    *("nothing", "node-lost", "node-not-ready", "node-drained", "service-down", "auxiliary-down"),
    *("zone-lost", "balancer-lost", "region-lost", "check-unhealthy", "missing-data"),
    "nodes-lost",
}


def test_every_kind_of_failure_is_played(program: typer.Typer) -> None:
    data = json.loads(run(program, *FILES, "--format", "json").output)
    assert {one["failure"]["kind"] for one in data["scenarios"]} == KINDS
    pairs = [one for one in data["scenarios"] if one["failure"]["kind"] == "nodes-lost"]
    assert len(pairs) == 4 * 3 / 2


def test_the_worst_is_first(program: typer.Typer) -> None:
    shown = json.loads(run(program, *FILES, "--format", "json").output)["scenarios"]
    assert shown[0]["moves_site"]
    assert shown[-1]["recovery_seconds"] == 0


def test_markdown_is_one_table_of_failures_and_one_of_policies(
    program: typer.Typer, minimum: list[str]
) -> None:
    lines = run(program, *minimum, "--format", "markdown").output.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {6, 4}
    assert any(line.startswith("| `node-moves-site` | **broken** |") for line in lines)


def test_against_shows_only_what_changed(program: typer.Typer, minimum: list[str]) -> None:
    base = minimum[0]
    # The primary alone: another alarm, another address of the balancer.
    result = run(program, FILES[0], "--against", base, "--format", "json")
    assert result.exit_code == exit_codes.DONE
    assert json.loads(result.output)["scenarios"] == []
    text = run(program, FILES[0], "--against", base).output
    assert "Every failure does what it did before." in text


def test_against_another_shape(program: typer.Typer, tmp_path: Path) -> None:
    templates = written()
    del templates["site-a"]["Resources"]["RightIn"]
    (base,) = flawed(tmp_path, {"site-a": templates["site-a"]})
    data: Any = json.loads(run(program, FILES[0], "--against", base, "--format", "json").output)
    changed = {one["failure"]["kind"] for one in data["scenarios"] if not one.get("gone")}
    assert "nothing" in changed
    nothing = next(one for one in data["scenarios"] if one["failure"]["kind"] == "nothing")
    assert (nothing["partial"], nothing["before"]["partial"]) == ([], [9999])
    held = {one["id"]: (one["held_before"], one["holds"]) for one in data["policies"]}
    assert held["nothing-failed"] == (False, True)
    text = run(program, FILES[0], "--against", base).output
    assert "Before" in text
    assert "Now" in text


def test_a_drained_node_that_the_base_lacks_is_left_out_there(
    program: typer.Typer, tmp_path: Path
) -> None:
    (base,) = flawed(tmp_path, {"site-a": site("alarm")["site-a"]})
    result = run(program, FILES[0], "--against", base, "--drained", "site-a/left")
    assert result.exit_code in (exit_codes.DONE, exit_codes.NO)


def test_a_path_that_is_no_template_is_wrong_usage(program: typer.Typer, tmp_path: Path) -> None:
    result = run(program, str(tmp_path / "nothing.yaml"))
    assert result.exit_code == exit_codes.USAGE
    assert "Traceback" not in result.output
