"""The comparison of two drills (worse, better or the same), and the option `--no-worse`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill as drill_command
from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.outcome import Failure, Outcome
from tests.drill.sample_templates import (
    FILES,
    Data,
    Templates,
    cluster,
    drill,
    properties,
    two_clusters,
    yaml_templates,
)


def changed(**settings: Any) -> Templates:
    """Return the templates with changed settings of the alarm on the primary's jdbc group."""
    templates = two_clusters()
    properties(templates, "site-a", "NoneHealthy").update(settings)
    return templates


def renamed() -> Templates:
    templates = two_clusters()
    properties(templates, "site-a", "Box1")["Tags"] = [{"Key": "Name", "Value": "other"}]
    properties(templates, "site-a", "P9999")["HealthCheckIntervalSeconds"] = 30
    return templates


def without_alarm() -> Templates:
    templates = two_clusters("alias")
    del templates["site-a"]["Resources"]["NoneHealthy"]
    del templates["site-a"]["Resources"]["Watch"]
    del templates["site-a"]["Outputs"]["Check"]
    return templates


BASE = two_clusters()
WORSE: dict[str, tuple[Templates, Templates, str, str]] = {
    "recovers later": (
        BASE,
        changed(EvaluationPeriods=10),
        "region-lost",
        "new connections: 330 s -> 750 s",
    ),
    "reaches less": (
        {"site-a": cluster("a")},
        {"site-a": cluster("a", nodes="a")},
        "node-lost",
        "9999: unreachable",
    ),
    "moves the site": (BASE, changed(Statistic="Minimum"), "node-lost", "DNS: site-a -> site-b"),
    "never recovers": (
        BASE,
        two_clusters(control="operator"),
        "region-lost",
        "new connections: 330 s -> only after a repair",
    ),
    "loses its alarm": (
        two_clusters("alias"),
        without_alarm(),
        "service-down",
        "no alarm is set off any more (before: NoneHealthy)",
    ),
    "under another name": (BASE, renamed(), "node-lost", "new connections: 20 s -> 70 s"),
}


@pytest.mark.parametrize(("base", "new", "kind", "text"), WORSE.values(), ids=WORSE)
def test_worse_and_the_other_way_round_better(
    base: Templates, new: Templates, kind: str, text: str
) -> None:
    changes = outcome_changes(drill(base), drill(new))
    worse = [one for one in changes if one.failure.kind == kind and text in one.worsenings]
    assert {one.verdict for one in worse} == {"worse"}
    reverse = outcome_changes(drill(new), drill(base))
    improved = [one for one in reverse if one.failure.kind == kind and one.improvements]
    assert improved
    # A failure that no longer triggers a failover may set off fewer alarms; this does not count as
    # worse.
    assert [text for one in improved for text in one.worsenings] == []


def test_a_move_that_serves_what_was_not_served_is_better() -> None:
    changes = outcome_changes(drill(two_clusters(control="operator")), drill(BASE))
    (region,) = [one for one in changes if str(one.failure) == "region-lost site-a eu-west-1"]
    assert (region.verdict, region.worsenings) == ("better", ())
    assert "new connections: only after a repair -> 330 s" in region.improvements


def test_worse_ones_are_first() -> None:
    templates = changed(EvaluationPeriods=10)
    properties(templates, "site-a", "P9999")["HealthCheckTimeoutSeconds"] = 2
    verdicts = [one.verdict for one in outcome_changes(drill(BASE), drill(templates))]
    assert (verdicts[0], verdicts[-1]) == ("worse", "better")
    assert verdicts == sorted(verdicts, key=["worse", "new", "better", "same", "gone"].index)


def test_one_worsening_outweighs_improvements() -> None:
    templates = changed(Statistic="Minimum")
    properties(templates, "site-a", "P9999")["HealthCheckTimeoutSeconds"] = 2
    changes = outcome_changes(drill(BASE), drill(templates))
    (lost,) = [one for one in changes if str(one.failure) == "node-lost site-a Box1"]
    assert lost.verdict == "worse"


def test_a_failure_that_is_new_or_gone() -> None:
    small, large = drill({"site-a": cluster("a")}), drill({"site-a": cluster("a", nodes="abab")})
    grown = {str(one.failure): one for one in outcome_changes(small, large)}
    assert grown["node-lost site-a Box3"].verdict == "new"
    assert grown["nodes-lost site-a Box1 + Box3"].verdict == "better"
    shrunk = {str(one.failure): one for one in outcome_changes(large, small)}
    gone = shrunk["node-lost site-a Box3"]
    assert (gone.verdict, gone.after) == ("gone", None)
    assert list(shrunk)[-1] in {str(one.failure) for one in shrunk.values() if one.after is None}


ALL: Final = Outcome(Failure("node-lost", "site-a", "Box1"))
DEGREES: Final = [
    (replace(ALL, unknown=(9999,)), "9999: possibly unreachable"),
    (replace(ALL, partial=(9999,)), "9999: unreachable for some connections"),
    (replace(ALL, unreachable=(9999,)), "9999: unreachable"),
]
"""Outcomes in which a port is reached less and less, with the text of the report for each of
them."""


@pytest.mark.parametrize("degree", range(3))
def test_each_degree_of_reach_is_worse_than_those_before(degree: int) -> None:
    result = drill({"site-a": cluster("a")})
    worse, text = DEGREES[degree]
    before = replace(result, outcomes=(ALL, *(result.outcomes[:1])))
    for better in (ALL, *(outcome for outcome, _ in DEGREES[:degree])):
        one, other = replace(before, outcomes=(better,)), replace(before, outcomes=(worse,))
        (change,) = outcome_changes(one, other)
        assert (change.verdict, change.worsenings[0]) == ("worse", text)
        (change,) = outcome_changes(other, one)
        port, how = text.split(": ")
        assert (change.verdict, change.improvements[0]) == ("better", f"{port}: no longer {how}")


def test_a_lost_standby_is_worse() -> None:
    templates = two_clusters()
    properties(templates, "site-b", "NoneHealthy")["Threshold"] = 3
    changes = outcome_changes(drill(BASE), drill(templates))
    (nothing,) = [one for one in changes if one.failure.kind == "nothing"]
    assert (nothing.verdict, nothing.worsenings) == (
        "worse",
        ("sql.example.org: no healthy standby",),
    )
    changes = outcome_changes(drill(templates), drill(BASE))
    (nothing,) = [one for one in changes if one.failure.kind == "nothing"]
    assert (nothing.verdict, nothing.improvements) == (
        "better",
        ("sql.example.org: has a healthy standby",),
    )


def test_a_renamed_node_is_compared_with_the_worst_of_its_kind() -> None:
    """The loss of a renamed node counts as new, and not as worse than that of the old node."""
    base, new = two_clusters(), two_clusters()
    for templates, name in ((base, "old"), (new, "new")):
        group = properties(templates, "site-a", "P9999")
        group["Targets"] = group["Targets"][:1]
        properties(templates, "site-a", "Box1")["Tags"] = [{"Key": "Name", "Value": name}]
    changes = outcome_changes(drill(base), drill(new))
    assert {one.verdict for one in changes if one.failure.kind == "node-lost"} == {"new", "gone"}


def test_no_change_is_no_row() -> None:
    assert outcome_changes(drill(BASE), drill(two_clusters())) == ()


@pytest.fixture
def program() -> typer.Typer:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill_command)
    program.callback()(lambda: None)
    return program


def slower() -> Data:
    template = yaml_templates()["site-a"]
    for resource in template["Resources"].values():
        if resource["Type"].endswith("::TargetGroup"):
            resource["Properties"]["UnhealthyThresholdCount"] = 9
    return template


def test_the_gate_exits_with_1_only_if_it_is_asked_for(
    program: typer.Typer, tmp_path: Path
) -> None:
    path = tmp_path / "site"
    path.mkdir()
    (path / "stack.json").write_text(json.dumps(slower()))
    (tmp_path / "stack.json").write_text(json.dumps(yaml_templates()["site-a"]))
    slow, base = str(path / "stack.json"), str(tmp_path / "stack.json")
    run = CliRunner().invoke
    assert run(program, ["drill", slow, "--against", base]).exit_code == exit_codes.DONE
    gated = run(program, ["drill", slow, "--against", base, "--no-worse"])
    assert gated.exit_code == exit_codes.NO
    assert "worse" in gated.output
    assert "new connections: 40 s -> 100 s" in gated.output
    markdown = run(program, ["drill", slow, "--against", base, "--format", "markdown"]).output
    assert "| worse |" in markdown
    report = json.loads(run(program, ["drill", slow, "--against", base, "--format", "json"]).output)
    assert report["changes"]["worse"] == sum(
        one["verdict"] == "worse" for one in report["scenarios"]
    )
    back = run(program, ["drill", base, "--against", slow, "--no-worse"])
    assert back.exit_code == exit_codes.DONE


def test_the_gate_needs_something_to_compare_with(program: typer.Typer) -> None:
    result = CliRunner().invoke(program, ["drill", str(FILES[0]), "--no-worse"])
    assert result.exit_code == exit_codes.USAGE
    assert "--against PATH" in result.output


def test_a_port_that_only_the_new_templates_have_is_not_worse() -> None:
    """A failure makes an added service unreachable.

    No client used the service before, so nothing is worse.
    """
    base, new = (
        drill({"site-a": cluster("a")}),
        drill({"site-a": cluster("a", services=(9999, 9996))}),
    )
    assert [change.worsenings for change in outcome_changes(base, new) if change.worsenings] == []
