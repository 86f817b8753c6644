"""The drill of every example, and of the design in Denodo's article."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.drill_run import DrillResult, drill_model, drill_paths
from denodo_ha.drill.event_orders import search_orders
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import load
from denodo_ha.failover.practice.expectation import expectation_of
from tests.drill.sample_templates import unknown_policies, violations
from tests.support.assembly import ROOT, Assembly, synthesise
from tools.reference_pages import drill_table, pages

AssemblyOf = Callable[[str], Assembly]

pytestmark = pytest.mark.slow


def model_of(assembly: Assembly) -> Model:
    stacks = [
        SynthesisedStack(name, name, "", template) for name, template in assembly.templates.items()
    ]
    return build_model(tuple(stacks))


def drill(assembly: Assembly, *drained: tuple[str, str]) -> DrillResult:
    model = model_of(assembly)
    keys = [
        key for key, machine in model.machines.items() if (machine.cluster, machine.name) in drained
    ]
    assert len(keys) == len(drained)
    return drill_model(model, frozenset(keys))


def test_every_policy_holds_for_every_example(example: str, assembly_of: AssemblyOf) -> None:
    result = drill(assembly_of(example))
    assert (violations(result), unknown_policies(result)) == ({}, {})
    for search in search_orders(result.model):
        assert (search.complete, search.stories) == (True, ())


def test_a_practice_has_times_for_every_kind_of_record(
    example: str, assembly_of: AssemblyOf
) -> None:
    """The drill computes the times of a practice for each kind of record and of health check."""
    model = model_of(assembly_of(example))
    for name in model.failover_names:
        expected = expectation_of(model, name.name)
        ttl = 60 if name.primary.alias else name.primary.ttl
        for times in (expected.move, expected.back):
            assert times is not None, expected.problem
            assert (times.switch, times.clients) == (120, 120 + ttl)
    assert "no switch" in expectation_of(model, "other.example.com").problem


def test_the_tables_in_documents_are_the_drills(assembly_of: AssemblyOf) -> None:
    environment = load(ROOT / f"config/examples/{drill_table.EXAMPLE}.yaml").environment
    regions = {
        names.cluster_stack(environment.name, name): cluster.region
        for name, cluster in environment.clusters.items()
    }
    stacks = [
        SynthesisedStack(name, regions.get(name, name), "", template)
        for name, template in assembly_of(drill_table.EXAMPLE).templates.items()
    ]
    result = drill_model(build_model(tuple(stacks)))
    for file, text in pages.drill_pages(result):
        assert file.read_text(encoding="utf-8") == text, f"{file} is stale: run `make reference`"


FAILOVER_PAGE = "docs/explanation/failover.md"
FIGURES = [
    (FAILOVER_PAGE, "| `target-health` | interval", [("haproxy", "region-lost")]),
    (FAILOVER_PAGE, "| `endpoint` | interval", [("internet-facing", "region-lost")]),
    (FAILOVER_PAGE, "| `alarm`, no healthy node |", [("active-passive", "nodes-lost")]),
    (FAILOVER_PAGE, "| `alarm`, region or", [("active-passive", "region-lost")]),
    (FAILOVER_PAGE, "| the switch |", [("active-passive", "switch"), ("haproxy", "switch")]),
    (FAILOVER_PAGE, "A zone or node that dies", [("active-passive", "node-lost")]),
    ("docs/how-to/runbooks/README.md", "and a failover takes", [("active-passive", "switch")]),
    ("docs/how-to/runbooks/README.md", "with alias records", [("haproxy", "switch")]),
    (
        "docs/how-to/runbooks/game-day.md",
        "ends with 0",
        [("active-passive", "switch"), ("haproxy", "switch")],
    ),
    ("docs/how-to/haproxy.md", "(two checks of 5 s, and 4 s)", [("active-passive", "node-lost")]),
    ("docs/how-to/haproxy.md", "| 1.1 s |", [("web-cookies", "node-lost")]),
    ("docs/how-to/haproxy-aws.md", "| a HAProxy |", [("haproxy", "proxy-lost")]),
]
"""Figures in documents: the page, the start of the line with the figure, and the examples and
failures whose computed times the figure must have."""


@pytest.mark.parametrize(("document", "text", "sources"), FIGURES)
def test_the_figures_in_documents_are_the_drills(
    document: str, text: str, sources: list[tuple[str, str]], assembly_of: AssemblyOf
) -> None:
    lines = (ROOT / document).read_text().splitlines()
    (line,) = [line for line in lines if text in line]
    for example, kind in sources:
        worst = drill(assembly_of(example)).worst_first
        recovery = next(one.recovery for one in worst if one.failure.kind.startswith(kind))
        assert re.search(rf"\b{recovery} s\b", line), f"{recovery} s in: {line}"


def test_every_cluster_node_and_zone_is_read(example: str, assembly_of: AssemblyOf) -> None:
    environment = load(ROOT / f"config/examples/{example}.yaml").environment
    model = drill(assembly_of(example)).model
    assert {
        name: {model.machines[key].name: model.machines[key].zone for key in cluster.nodes}
        for name, cluster in model.clusters.items()
    } == {
        name: {node: settings.zone for node, settings in cluster.nodes.items()}
        for name, cluster in environment.clusters.items()
    }


def test_sticky_sessions_add_one_balancer_and_no_node(assembly_of: AssemblyOf) -> None:
    """An inner load balancer avoids lost nodes; its own failure makes its services unreachable."""
    result = drill(assembly_of("web-cookies"))
    (inner,) = result.model.clusters["main"].proxies
    name = result.model.machines[inner].name
    lost = result.by_failure[Failure("proxy-lost", "main", name)]
    assert lost.unreachable == (443,)
    everywhere = result.by_failure[Failure("service-down", "main", "web on all nodes")]
    assert everywhere.unreachable == (443,)
    # A running node reports a failed service only after delays; a lost node fails its check at
    # once.
    (delay,) = {
        result.model.machines[key].readiness_delay for key in result.model.clusters["main"].nodes
    }
    for kind, failed, own in (("service-down", "web on node1", delay), ("node-lost", "node1", 0)):
        outcome = result.by_failure[Failure(kind, "main", failed)]
        assert (outcome.unreachable, outcome.partial, outcome.recovery) == ((), (), own + 14)


def test_haproxy_leaves_out_a_node_whose_auxiliary_port_does_not_answer(
    assembly_of: AssemblyOf,
) -> None:
    """HAProxy requests the node's report for jdbc, which needs the auxiliary port."""
    result = drill(assembly_of("haproxy"))
    down = result.by_failure[Failure("auxiliary-down", "active", "19997 of node1")]
    assert (down.unreachable, down.partial, down.moves_site) == ((), (), False)
    (delay,) = {
        result.model.machines[key].readiness_delay for key in result.model.clusters["active"].nodes
    }
    assert down.recovery == delay + 1 * 2 + 2 * 4


def test_each_failure_is_one_scenario(example: str, assembly_of: AssemblyOf) -> None:
    """No failure is listed twice, although several proxies lead to the same nodes."""
    failures = [outcome.failure for outcome in drill(assembly_of(example)).outcomes]
    assert len(failures) == len(set(failures))


def test_with_one_of_two_nodes_drained_losing_the_other_triggers_a_failover(
    assembly_of: AssemblyOf,
) -> None:
    result = drill(assembly_of("active-passive"), ("active", "node1"))
    (change,) = result.without_failure.dns_changes
    assert (change.after, result.without_failure.unreachable) == ("active", ())
    lost = result.by_failure[Failure("node-lost", "active", "node2")]
    assert [change.after for change in lost.dns_changes] == ["passive"]


def test_losing_the_only_zone_in_service_leaves_a_point_open(assembly_of: AssemblyOf) -> None:
    """AWS does not document whether the remaining zone then reports zero healthy targets."""
    result = drill(assembly_of("active-passive"), ("active", "node1"))
    lost = result.by_failure[Failure("zone-lost", "active", "eu-west-1b")]
    assert lost.unreachable == (9090, 9996, 9999)
    (text,) = lost.interpretations
    assert (
        "if instead HealthyHostCount of a zone counts the targets of all zones: "
        "DNS moves to passive" in text
    )
    other = result.by_failure[Failure("zone-lost", "active", "eu-west-1a")]
    assert (other.unreachable, other.interpretations) == ((), ())


@pytest.mark.parametrize(("health", "moves"), [("target-health", True), ("auto", False)])
def test_the_flaw_of_the_articles_design(tmp_path: Path, health: str, moves: bool) -> None:  # noqa: FBT001 - a value of a case
    """Each node has its own target group, so with an alias, one lost node triggers a failover."""
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    assert "\nfailover:\n" in text
    file = tmp_path / "environment.yaml"
    lines = [line for line in text.splitlines() if not line.strip().startswith("health:")]
    start = lines.index("failover:") + 1
    file.write_text("\n".join([*lines[:start], f"  health: {health}", *lines[start:]]))
    synthesise(load(file), tmp_path / "out")
    result = drill_paths([tmp_path / "out"])
    for node in ("node1", "node2"):
        assert result.by_failure[Failure("node-lost", "active", node)].moves_site is moves
    assert ("node-moves-site" in violations(result)) is moves


def test_a_cloud_assembly_tells_stacks_regions_and_files(tmp_path: Path) -> None:
    synthesise(load(ROOT / "config/examples/standalone-failover.yaml"), tmp_path / "out")
    assert json.loads((tmp_path / "out/manifest.json").read_text())["artifacts"]
    result = drill_paths([tmp_path / "out"])
    regions = {cluster.region for cluster in result.model.clusters.values()}
    assert regions == {"eu-west-1", "eu-central-1"}
    assert result.by_failure[Failure("node-lost", "first", "node1")].recovery == 50
