"""The drill finds each planted flaw at the failure that shows it, and nothing without the flaw."""

import copy
from collections.abc import Callable

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.outcome import Outcome
from denodo_ha.drill.reading.model_builder import build_model
from tests.local_aws.rehearsal.flaws import EXAMPLE, FLAWS, Effect, Flaw, Templates
from tests.support.assembly import Assembly

AssemblyOf = Callable[[str], Assembly]
_REGIONS = {"denodo70-active": "eu-west-1"}
_BESIDES = "eu-central-1"

pytestmark = pytest.mark.slow


def drill(templates: Templates) -> DrillResult:
    stacks = [
        SynthesisedStack(name, _REGIONS.get(name, _BESIDES), "", template)
        for name, template in templates.items()
    ]
    return drill_model(build_model(tuple(stacks)))


@pytest.fixture(scope="session")
def sound(assembly_of: AssemblyOf) -> DrillResult:
    """The drill of the example without a flaw."""
    return drill(assembly_of(EXAMPLE).templates)


def effect(result: DrillResult, outcome: Outcome) -> Effect:
    """Return what clients see in the end, according to the drill."""
    sides = [change.after for change in outcome.dns_changes]
    before = [change.after for change in result.without_failure.dns_changes]
    (side,) = sides or before
    return Effect(side, outcome.unreachable, outcome.partial)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.name)
def test_the_drill_finds_the_flaw(flaw: Flaw, assembly_of: AssemblyOf, sound: DrillResult) -> None:
    templates = copy.deepcopy(assembly_of(EXAMPLE).templates)
    flaw.plant(templates)
    flawed = drill(templates)
    assert effect(flawed, flawed.without_failure) == Effect("active"), "the flaw is latent"
    outcomes = [result.by_failure[flaw.failure] for result in (flawed, sound)]
    seen = [effect(result, of) for result, of in zip((flawed, sound), outcomes, strict=True)]
    assert seen == [flaw.effect, flaw.without]
    recoveries = [outcome.recovery for outcome in outcomes]
    if flaw.slower:
        assert None not in recoveries
        slow, fast = (recovery or 0 for recovery in recoveries)
        assert slow > 2 * fast
    elif flaw.effect.side == flaw.without.side:
        assert recoveries[0] is None
