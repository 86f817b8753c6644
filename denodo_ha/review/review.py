"""The review of a change: findings, effects of the deploy, and steps, from two sets of stacks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.model.environment import Acceptance
from denodo_ha.review.changes.access_changes import access_findings
from denodo_ha.review.changes.capacity_changes import capacity_findings
from denodo_ha.review.changes.connection_changes import connection_findings
from denodo_ha.review.changes.haproxy_changes import haproxy_findings
from denodo_ha.review.changes.node_state_changes import node_findings
from denodo_ha.review.changes.outcome_findings import compare_outcomes
from denodo_ha.review.changes.policy_changes import policy_findings
from denodo_ha.review.changes.protection_changes import protection_findings
from denodo_ha.review.changes.replacement_changes import replacement_findings
from denodo_ha.review.changes.stored_data_changes import stored_data_findings
from denodo_ha.review.cost.cost_change import CostChange, cost_change, cost_findings
from denodo_ha.review.cost.price_list import Prices
from denodo_ha.review.finding import Finding, in_order, split_accepted
from denodo_ha.review.next_steps import DeployEffects, Step, deploy_effects, next_steps
from denodo_ha.review.picture.graph import Picture, marked, simplified
from denodo_ha.review.picture.topology import picture_of
from denodo_ha.review.stack_pair import StackPair, pair_stacks


@dataclass(frozen=True)
class Configuration:
    """The parts of the new revision's configuration that a review needs.

    Attributes:
        name: its path or name, as for `-c`.
        accept: the accepted findings by name.
        findings: the names of the loader's warnings and notes.
    """

    name: str = "CONFIG"
    accept: Mapping[str, Acceptance] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """The review of a change.

    Attributes:
        environment: name of the environment.
        findings: the findings that are not accepted, in the order of the page.
        accepted: the findings that `accept` of the configuration silences.
        effects: the effects of the deploy.
        steps: the commands to run, in their order.
        compared: sentences that say which failures and orders of events were compared.
        picture: the topology, with its differences marked; None if there is nothing to draw.
        cost: the monthly cost before and after; None if prices were not given.
    """

    environment: str
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    effects: DeployEffects
    steps: tuple[Step, ...]
    compared: tuple[str, ...] = ()
    picture: Picture | None = None
    cost: CostChange | None = None


def review_stacks(
    base: Sequence[SynthesisedStack],
    new: Sequence[SynthesisedStack],
    configuration: Configuration,
    today: date,
    *,
    prices: Prices | None = None,
    cost_limit: Decimal | None = None,
) -> Review:
    """Return the review of the change between two sets of stacks.

    Args:
        base: the stacks before the change.
        new: the stacks after the change.
        configuration: the configuration of the new revision.
        today: today's date, for acceptances.
        prices: list prices; without them, costs are not compared.
        cost_limit: the rise of the monthly cost, in percent, above which it is a finding; None for
            no finding.
    """
    pairs = pair_stacks(base, new)
    before, after = (build_model(tuple(stacks)) for stacks in (base, new))
    outcomes = compare_outcomes(before, after)
    cost = None if prices is None else cost_change(base, new, prices)
    findings = in_order(
        [
            *outcomes.findings,
            *change_findings(pairs),
            *(cost_findings(cost, cost_limit) if cost else ()),
        ]
    )
    open_findings, accepted = split_accepted(findings, configuration.accept, today)
    effects = deploy_effects(pairs)
    removed = [pair.before for pair in pairs if pair.before is not None and pair.after is None]
    return Review(
        next((pair.environment for pair in pairs if pair.environment), configuration.name),
        open_findings,
        accepted,
        effects,
        next_steps(effects, configuration.name, removed=removed, findings=configuration.findings),
        outcomes.compared,
        _picture(before, after),
        cost,
    )


def _picture(before: Model, after: Model) -> Picture | None:
    """Return the picture after the change; changed parts have a mark if there is a base."""
    if not after.clusters:
        return None
    drawn = simplified(picture_of(after))
    return marked(simplified(picture_of(before)), drawn) if before.clusters else drawn


def change_findings(pairs: Sequence[StackPair]) -> Iterator[Finding]:
    """Yield the findings on the changed templates, except those on outcomes of failures."""
    for pair in pairs:
        yield from capacity_findings(pair)
        yield from replacement_findings(pair)
        yield from access_findings(pair)
        yield from policy_findings(pair)
        yield from protection_findings(pair)
        if pair.is_in_both:
            yield from node_findings(pair)
            yield from haproxy_findings(pair)
            yield from connection_findings(pair)
            yield from stored_data_findings(pair)
