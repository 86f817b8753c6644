"""The search of all orders of failures and repairs finds planted flaws, each by a short order."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill as drill_command
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.event_orders import (
    PROPERTIES,
    OrdersResult,
    Story,
    _Search,
    in_every_interpretation,
    search_orders,
)
from denodo_ha.drill.policies import POLICY_IDS
from tests.drill.sample_templates import (
    FILES,
    SERVES,
    Data,
    Health,
    Templates,
    check,
    metric_check,
    model,
    properties,
    ref,
    resource,
    two_clusters,
    with_proxies,
)

pytestmark = pytest.mark.slow


def search(templates: Templates, depth: int | None = None) -> OrdersResult:
    (result,) = search_orders(model(templates), depth)
    return result


def written(templates: Templates, folder: Path) -> list[str]:
    """Write templates to files, and return their paths."""
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
    return [str(folder / f"{name}.json") for name in templates]


def config(templates: Templates, stack: str, id_: str) -> Data:
    settings: Data = properties(templates, stack, id_)["HealthCheckConfig"]
    return settings


@pytest.mark.parametrize("health", ["alias", "alarm", "endpoint", "ip"])
def test_sound_templates_hold_completely(health: Health) -> None:
    result = search(two_clusters(health))
    assert (result.complete, result.stories) == (True, ())


Flaw = Callable[[Templates], Any]


def _with(stack: str, id_: str, **settings: Any) -> Flaw:
    return lambda templates: properties(templates, stack, id_).update(settings)


def _check_with(stack: str, id_: str, **settings: Any) -> Flaw:
    return lambda templates: config(templates, stack, id_).update(settings)


def _no_check(id_: str) -> Flaw:
    return lambda templates: properties(templates, "names", id_).pop("HealthCheckId")


def _no_evaluation(id_: str) -> Flaw:
    def apply(templates: Templates) -> None:
        properties(templates, "names", id_)["AliasTarget"]["EvaluateTargetHealth"] = False

    return apply


def _swapped_targets(templates: Templates) -> None:
    first, second = (properties(templates, "names", id_) for id_ in ("First", "Second"))
    first["HealthCheckId"], second["HealthCheckId"] = (
        second["HealthCheckId"],
        first["HealthCheckId"],
    )


def _own_alarm_in_the_other_region(templates: Templates) -> None:
    """Make the secondary's record use the health check of the primary's alarm."""
    properties(templates, "names", "Second")["HealthCheckId"] = {
        "Fn::GetStackOutput": {"StackName": "site-a", "OutputName": "Check"}
    }


def _per_node_groups(templates: Templates) -> None:
    """Add a target group for each node, as in Denodo's article: an alias needs all groups."""
    for stack in ("site-a", "site-b"):
        resources = templates[stack]["Resources"]
        for number, box in enumerate(("Box1", "Box2"), 1):
            group = json.loads(json.dumps(resources["P9999"]))
            group["Properties"]["Targets"] = [{"Id": ref(box), "Port": 20000 + number}]
            resources[f"Own{number}"] = group
            of_listener = json.loads(json.dumps(resources["P9999In"]))
            of_listener["Properties"]["Port"] = 20000 + number
            of_listener["Properties"]["DefaultActions"][0]["TargetGroupArn"] = ref(f"Own{number}")
            resources[f"Own{number}In"] = of_listener


def _unwatched_secondary(templates: Templates) -> None:
    templates["names"]["Resources"]["Always"] = check(
        Type="CALCULATED", ChildHealthChecks=[ref("LeverCheck")], HealthThreshold=0
    )
    properties(templates, "names", "Second")["HealthCheckId"] = ref("Always")


def _one_of_two(templates: Templates) -> None:
    config(templates, "names", "Both")["HealthThreshold"] = 1


def _sticky_data(side: str) -> Flaw:
    return _check_with(f"site-{side}", "Watch", InsufficientDataHealthStatus="LastKnownStatus")


def _alarm_without_memory(templates: Templates) -> None:
    templates["names"]["Resources"]["LeverCheck"] = metric_check("Lever", "us-east-1", "Healthy")


FLAWS: dict[str, tuple[Health, Flaw, str]] = {
    "primary watched for missing data only": (
        "alarm",
        _with("site-a", "NoneHealthy", Threshold=0),
        "answers-dead-side",
    ),
    "secondary watched for missing data only": (
        "alarm",
        _with("site-b", "NoneHealthy", Threshold=0),
        "answers-dead-side",
    ),
    "alarm on any unhealthy node of the secondary": (
        "alarm",
        _with("site-b", "NoneHealthy", Threshold=2),
        "answers-dead-side",
    ),
    "wrong operator": (
        "alarm",
        _with("site-a", "NoneHealthy", ComparisonOperator="GreaterThanThreshold"),
        "answers-dead-side",
    ),
    "missing data of the primary count as healthy": (
        "alarm",
        _check_with("site-a", "Watch", InsufficientDataHealthStatus="Healthy"),
        "answers-dead-side",
    ),
    "missing data of the secondary count as healthy": (
        "alarm",
        _check_with("site-b", "Watch", InsufficientDataHealthStatus="Healthy"),
        "answers-dead-side",
    ),
    "the primary's last status is kept": ("alarm", _sticky_data("a"), "answers-dead-side"),
    "the secondary's last status is kept": ("alarm", _sticky_data("b"), "remembers"),
    "primary's check inverted": (
        "alarm",
        _check_with("site-a", "Watch", Inverted=True),
        "answers-dead-side",
    ),
    "primary's check disabled": (
        "alarm",
        _check_with("site-a", "Watch", Disabled=True),
        "answers-dead-side",
    ),
    "secondary's check disabled": (
        "alarm",
        _check_with("site-b", "Watch", Disabled=True),
        "answers-dead-side",
    ),
    "primary needs one of two": ("alarm", _one_of_two, "answers-dead-side"),
    "secondary without a check": ("alarm", _no_check("Second"), "answers-dead-side"),
    "secondary's check is always healthy": ("alarm", _unwatched_secondary, "answers-dead-side"),
    "checks swapped": ("alarm", _swapped_targets, "answers-dead-side"),
    "secondary with the primary's check": (
        "alarm",
        _own_alarm_in_the_other_region,
        "answers-dead-side",
    ),
    "secondary's alias evaluates nothing": ("alias", _no_evaluation("Second"), "answers-dead-side"),
    "a target group for each node": ("alias", _per_node_groups, "answers-dead-side"),
    "endpoint check of another port": (
        "endpoint",
        _check_with("names", "Probeb", Port=1),
        "answers-dead-side",
    ),
    "endpoint check of a TLS listener": (
        "endpoint",
        _with("site-a", "P9999In", Protocol="TLS"),
        "answers-dead-side",
    ),
    "alarm that ignores missing data": (
        "alarm",
        _with("site-a", "NoneHealthy", TreatMissingData="ignore"),
        "remembers",
    ),
    "switch that forgets": ("alarm", _alarm_without_memory, "remembers"),
}


@pytest.mark.parametrize(("health", "flaw", "of_property"), FLAWS.values(), ids=FLAWS)
def test_a_planted_flaw_is_found(health: Health, flaw: Flaw, of_property: str) -> None:
    templates = two_clusters(health)
    flaw(templates)
    assert of_property in {story.property for story in search(templates).stories}


def test_a_violation_is_told_as_the_shortest_order() -> None:
    """The shortest order: a Region is lost, then a node of the other cluster is lost.

    DNS then answers with the lost cluster.
    """
    templates = two_clusters("alias")
    _per_node_groups(templates)
    (story,) = [one for one in search(templates).stories if one.property == "answers-dead-side"]
    assert len(story.steps) == 3
    assert story.steps[0] == "at the start DNS answers site-a"
    assert story.steps[-1].endswith("DNS answers site-a")


def test_no_order_is_longer_than_the_depth() -> None:
    templates = two_clusters("alarm")
    sizes = [search(templates, depth).states for depth in (1, 2, 3)]
    assert all(less < more for less, more in pairwise(sizes))
    assert not search(templates, 2).complete
    templates = two_clusters("alias")
    _per_node_groups(templates)
    assert "answers-dead-side" not in {one.property for one in search(templates, 1).stories}


def test_many_nodes_are_one_and_all_others() -> None:
    result = search(two_clusters("alias", nodes="ababab"))
    assert "all nodes of site-a except Box1 lost" in result.failures
    assert (result.complete, result.stories) == (True, ())


def test_a_switch_that_is_put_back_without_a_datapoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Search, "_put_back", lambda _, state: state.last_statuses)
    stories = {story.property: story for story in search(two_clusters("alarm"), 3).stories}
    assert stories["does-not-return"].steps == (
        "at the start DNS answers site-a",
        "switch thrown: DNS answers site-b",
        "switch put back: DNS answers site-b",
    )


def test_checks_that_change_without_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = cycle([True, False])
    key = "names/LeverCheck"
    monkeypatch.setattr(_Search, "_present_statuses", lambda _, __: {key: next(statuses)})
    assert "oscillates" in {one.property for one in search(two_clusters("alarm"), 1).stories}


def test_failures_are_named() -> None:
    assert search(two_clusters("alarm"), 1).failures == (
        "node site-a/Box1 lost",
        "node site-a/Box2 lost",
        "balancer Front of site-a lost",
        "node site-b/Box1 lost",
        "node site-b/Box2 lost",
        "balancer Front of site-b lost",
        "region of site-a lost",
        "region of site-b lost",
        "metrics of site-a missing",
        "metrics of site-b missing",
    )


def test_orders_start_with_what_is_drained() -> None:
    templates = two_clusters("alarm")
    FLAWS["primary watched for missing data only"][1](templates)
    drained = ClusterState(drained_nodes=frozenset({"site-a/Box1"}))
    (result,) = search_orders(model(templates), None, Situation((("site-a", drained),)))
    (story,) = result.stories
    assert story.steps[1:] == ("node site-a/Box2 lost: DNS answers site-a",)
    assert len(search(templates).stories[0].steps) == 3


def test_what_a_template_does_not_tell_leaves_the_properties_unknown(
    program: typer.Typer, tmp_path: Path
) -> None:
    templates = two_clusters("alias")
    templates["names"]["Resources"]["Hidden"] = resource("AWS::CloudFormation::Macro")
    templates["names"]["Transform"] = "Own"
    result = search(templates)
    assert (result.word, result.stories) == ("unknown", ())
    arguments = ["drill", *written(templates, tmp_path), "--orders"]
    for policy in POLICY_IDS:
        arguments += ["--ignore", policy]
    run = CliRunner().invoke(program, arguments)
    assert run.exit_code == exit_codes.USAGE
    assert "no property is known to be broken" in run.output


def test_proxies_break_as_nodes_do() -> None:
    templates = with_proxies(SERVES)
    check_of_proxies = {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/ready/jdbc"}
    properties(templates, "site-a", "P9999").update(check_of_proxies)
    result = search(templates, 2)
    assert {"proxy site-a/Proxies-1 lost", "proxy site-a/Proxies-2 lost"} <= set(result.failures)
    assert result.stories == ()


def test_a_region_is_lost_with_both_sides() -> None:
    of_templates = model(two_clusters("alarm"))
    clusters = {
        name: replace(cluster, region="eu-west-1")
        for name, cluster in of_templates.clusters.items()
    }
    (result,) = search_orders(replace(of_templates, clusters=clusters))
    regions = [failure for failure in result.failures if failure.startswith("region")]
    assert regions == ["region of site-a and site-b lost"]


def test_every_property_that_some_interpretation_breaks_is_told_by_its_shortest_order() -> None:
    def found(*, complete: bool, **steps: int) -> OrdersResult:
        stories = [Story(key, "name", ("event",) * length, 1) for key, length in steps.items()]
        return OrdersResult("name", len(steps), 1, complete, (), tuple(stories))

    merged = in_every_interpretation(
        [found(complete=True, one=3), found(complete=False, one=2, other=4)]
    )
    assert {story.property: len(story.steps) for story in merged.stories} == {"one": 2, "other": 4}
    assert (merged.states, merged.complete) == (2, False)


@pytest.fixture
def program() -> typer.Typer:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill_command)
    program.callback()(lambda: None)
    return program


def test_the_command_tells_the_search_in_every_format(program: typer.Typer) -> None:
    arguments = ["drill", *map(str, FILES), "--orders"]
    run = CliRunner().invoke
    result = run(program, arguments)
    assert result.exit_code == exit_codes.DONE
    assert "states searched completely; all 4 properties hold" in result.output
    report = json.loads(run(program, [*arguments, "--format", "json"]).output)
    (orders,) = report["orders"]
    assert (orders["complete"], orders["violations"]) == (True, [])
    partial = run(program, [*arguments, "--orders-depth", "1"])
    assert "up to 1 events" in partial.output
    refused = run(program, [*arguments, "--against", str(FILES[0])])
    assert refused.exit_code == exit_codes.USAGE


def test_the_command_exits_with_1_and_tells_the_order(program: typer.Typer, tmp_path: Path) -> None:
    templates = two_clusters("alias")
    _no_evaluation("Second")(templates)
    result = CliRunner().invoke(program, ["drill", *written(templates, tmp_path), "--orders"])
    assert result.exit_code == exit_codes.NO
    assert PROPERTIES["answers-dead-side"] in result.output
    assert "0. at the start DNS answers site-a" in result.output
