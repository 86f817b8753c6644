"""The drill of every example, and of the article's own design."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.drill_run import DrillResult, drill_model, drill_paths
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.loading.loader import load
from tests.support.assembly import ROOT, Assembly, synthesise

AssemblyOf = Callable[[str], Assembly]


def drilled(assembly: Assembly, *drained: tuple[str, str]) -> DrillResult:
    stacks = (SynthesisedStack(name, name, "", found) for name, found in assembly.templates.items())
    model = build_model(tuple(stacks))
    keys = [key for key, one in model.machines.items() if (one.cluster, one.name) in drained]
    assert len(keys) == len(drained)
    return drill_model(model, frozenset(keys))


def broken(found: DrillResult) -> list[str]:
    verdicts = apply_policies(found, max_recovery=None, min_secondary=1)
    return [one.policy.id for one in verdicts if not one.holds]


def test_every_policy_holds_for_every_example(example: str, assembly_of: AssemblyOf) -> None:
    assert broken(drilled(assembly_of(example))) == []


def test_every_cluster_node_and_zone_is_found(example: str, assembly_of: AssemblyOf) -> None:
    environment = load(ROOT / f"config/examples/{example}.yaml").environment
    found = drilled(assembly_of(example)).model
    assert {
        name: {found.machines[key].name: found.machines[key].zone for key in cluster.nodes}
        for name, cluster in found.clusters.items()
    } == {
        name: {node: of.zone for node, of in cluster.nodes.items()}
        for name, cluster in environment.clusters.items()
    }


def test_cookies_are_as_many_nodes_and_one_balancer_more(assembly_of: AssemblyOf) -> None:
    """A lost node is one fewer behind the second balancer, whose loss is that of its services."""
    found = drilled(assembly_of("web-cookies"))
    (inner,) = found.model.clusters["main"].proxies
    lost = found.by_failure[Failure("proxy-lost", "main", found.model.machines[inner].name)]
    assert lost.unreachable == (443,)
    one = found.by_failure[Failure("service-down", "main", "web on node1")]
    assert (one.unreachable, one.partial, one.recovery) == ((), (), 10)
    everywhere = found.by_failure[Failure("service-down", "main", "web on all nodes")]
    assert everywhere.unreachable == (443,)
    node = found.by_failure[Failure("node-lost", "main", "node1")]
    assert (node.unreachable, node.partial, node.recovery) == ((), (), 10)


def test_with_one_of_two_drained_the_site_stays(assembly_of: AssemblyOf) -> None:
    found = drilled(assembly_of("active-passive"), ("active", "node1"))
    (move,) = found.without_failure.dns_changes
    assert (move.after, found.without_failure.unreachable) == ("active", ())
    lost = found.by_failure[Failure("node-lost", "active", "node2")]
    assert [move.after for move in lost.dns_changes] == ["passive"]


def test_the_only_zone_in_service_is_lost(assembly_of: AssemblyOf) -> None:
    """Whether the other zone then reports that nobody is healthy, AWS does not say."""
    found = drilled(assembly_of("active-passive"), ("active", "node1"))
    lost = found.by_failure[Failure("zone-lost", "active", "eu-west-1b")]
    assert lost.unreachable == (9090, 9996, 9999)
    (reading,) = lost.interpretations
    assert "if each zone's HealthyHostCount is of all targets: DNS moves to passive" in reading
    other = found.by_failure[Failure("zone-lost", "active", "eu-west-1a")]
    assert (other.unreachable, other.interpretations) == ((), ())


@pytest.mark.parametrize(("health", "moves"), [("target-health", True), ("auto", False)])
def test_the_articles_own_flaw(tmp_path: Path, health: str, moves: bool) -> None:  # noqa: FBT001 - a case
    """One lost node moves the site, as each has a group of its own, unless health is `auto`."""
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    assert "\nfailover:\n" in text
    file = tmp_path / "environment.yaml"
    lines = [line for line in text.splitlines() if not line.strip().startswith("health:")]
    place = lines.index("failover:") + 1
    file.write_text("\n".join([*lines[:place], f"  health: {health}", *lines[place:]]))
    synthesise(load(file), tmp_path / "out")
    found = drill_paths([tmp_path / "out"])
    for node in ("node1", "node2"):
        assert found.by_failure[Failure("node-lost", "active", node)].moves_site is moves
    assert ("node-moves-site" in broken(found)) is moves


def test_what_the_cli_writes_is_read(tmp_path: Path) -> None:
    """Stacks, their regions and their files come from the assembly's manifest."""
    synthesise(load(ROOT / "config/examples/standalone-failover.yaml"), tmp_path / "out")
    assert json.loads((tmp_path / "out/manifest.json").read_text())["artifacts"]
    found = drill_paths([tmp_path / "out"])
    assert {one.region for one in found.model.clusters.values()} == {"eu-west-1", "eu-central-1"}
    assert found.by_failure[Failure("node-lost", "first", "node1")].recovery == 40
