"""The drill's search of every order of events agrees with Spin's search of a second model."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.event_orders import OrdersResult, search_orders
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import load
from tests.drill.sample_templates import REGIONS, Health, two_clusters
from tests.drill.second_model.promela_model import promela
from tests.drill.second_model.spin import SpinResult, search
from tests.drill.second_model.template_facts import FactsReader, Template
from tests.drill.test_drill_event_orders import FLAWS, Flaw
from tests.support.assembly import ROOT, Assembly

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("spin") and shutil.which("gcc")),
        reason="needs `apt-get install spin gcc`",
    ),
]

_SAMPLE_REGIONS = {"site-a": REGIONS["a"], "site-b": REGIONS["b"], "names": REGIONS["b"]}


def both(
    templates: Mapping[str, Template], regions: Mapping[str, str], folder: Path
) -> tuple[OrdersResult, SpinResult]:
    """Return the results of the searches of all event orders: the drill's, and Spin's."""
    stacks = (
        SynthesisedStack(name, regions[name], "", dict(template))
        for name, template in templates.items()
    )
    (of_drill,) = search_orders(build_model(tuple(stacks)))
    program = promela(FactsReader(templates, regions).facts())
    return of_drill, search(program, folder)


@pytest.mark.parametrize("example", ["active-passive", "internet-facing", "standalone-failover"])
def test_an_example_has_the_same_states_and_verdicts(
    example: str, assembly_of: Callable[[str], Assembly], tmp_path: Path
) -> None:
    environment = load(ROOT / f"config/examples/{example}.yaml").environment
    templates = dict(assembly_of(example).templates)
    # The dashboard's stack contains no resource that can fail.
    templates.pop(names.dashboard_stack(environment.name), None)
    failover = environment.failover
    assert failover is not None
    regions = {
        f"{environment.name}-{name}": cluster.region
        for name, cluster in environment.clusters.items()
    }
    regions[f"{environment.name}-failover"] = environment.clusters[failover.secondary].region
    of_drill, of_spin = both(templates, regions, tmp_path)
    assert (of_drill.stories, of_spin.broken) == ((), frozenset())
    assert (of_drill.complete, of_drill.states) == (True, of_spin.states)


@pytest.mark.parametrize(("health", "flaw"), [row[:2] for row in FLAWS.values()], ids=FLAWS)
def test_a_planted_flaw_has_the_same_verdicts(health: Health, flaw: Flaw, tmp_path: Path) -> None:
    templates = two_clusters(health)
    flaw(templates)
    of_drill, of_spin = both(templates, _SAMPLE_REGIONS, tmp_path)
    assert {story.property for story in of_drill.stories} == of_spin.broken != frozenset()
