"""The scenarios that a rehearsal plays, and the ways to cause their failures."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.machines import Machine
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.scenarios import scenarios

PACE = 10.0
"""Project default: pace of a rehearsal, in AWS seconds per real second."""
_SUSPENDED = ("node-lost", "proxy-lost")
"""The kinds of failures that are played a second time with a suspended machine."""
_LICENSE_MANAGER_LOST = "license-manager-lost"
"""The kind of failure that is played a second time with a node that stops and starts."""


class Variant(Enum):
    """A way to cause a failure; the value is added to the failure's name in the progress."""

    USUAL = ""
    SUSPENDED = " (SIGSTOP)"
    REBOOTED = " (reboot)"


@dataclass(frozen=True)
class Options:
    """Options of a rehearsal.

    Attributes:
        pace: AWS seconds per real second.
        kinds: the kinds of failures to play; empty for all.
        failures: the failures to play, each once; empty for all.
        first_only: play only the first scenario of each kind.
        with_alarms: let each failure last until its alarms should have arrived.
    """

    pace: float = PACE
    kinds: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    first_only: bool = False
    with_alarms: bool = False


Choice = tuple[Outcome, Situation, Variant]
"""Outcome and situation of a scenario, and the way to cause the situation."""


def chosen_scenarios(result: DrillResult, options: Options) -> Iterator[Choice]:
    """Yield outcome and situation of each scenario to play, and the way to cause the situation."""
    seen: set[str] = set()
    pairs = zip(result.outcomes, scenarios(result.model), strict=True)
    for outcome, (failure, situation) in pairs:
        kind = failure.kind
        if kind == "nothing" or (options.kinds and kind not in options.kinds):
            continue
        if options.failures and failure not in options.failures:
            continue
        is_first = kind not in seen
        seen.add(kind)
        if options.first_only and not is_first:
            continue
        yield outcome, situation, Variant.USUAL
        if not is_first or options.failures:
            continue
        if kind in _SUSPENDED and _shows_hanging(result.model, failure, situation):
            yield outcome, situation, Variant.SUSPENDED
        if kind == _LICENSE_MANAGER_LOST:
            yield _rebooted(result, failure), situation, Variant.REBOOTED


def _shows_hanging(model: Model, failure: Failure, situation: Situation) -> bool:
    """Return whether all health checks of a suspended machine fail, as for a lost machine.

    The operating system of a suspended machine still accepts connections, so a check that only
    connects passes.
    """
    cluster = model.clusters[failure.cluster]
    lost = situation.state_of(cluster.name).lost_machines
    if any(model.machines[key].is_balancer for key in lost):
        return False
    services = [
        group
        for key in cluster.balancers
        for group in (model.target_groups[of] for of in model.balancers[key].target_groups)
        if group.auxiliary_node is None
    ]
    checks = [group.health_check for group in services]
    checks += [
        upstream.health_check
        for key in cluster.proxies
        for upstream in (model.machines[key].upstreams or {}).values()
        if upstream.health_check is not None and lost & {*upstream.nodes}
    ]
    return bool(services) and all(check.is_http for check in checks)


def _rebooted(result: DrillResult, failure: Failure) -> Outcome:
    """Return the outcome if a node stops and starts while its License Manager is lost.

    The node's servers do not start without a licence, so the outcome is that of the node's loss.
    The machine itself runs, so the alarm on lost machines does not arrive; alarms are therefore not
    compared.
    """
    node = first_node(result.model, failure)
    lost = result.by_failure[Failure("node-lost", failure.clusters[0], node.name)]
    name = f"{failure.name}, and {failure.clusters[0]}/{node.name} restarts"
    return replace(lost, failure=replace(failure, name=name), notifications=())


def first_node(model: Model, failure: Failure) -> Machine:
    """Return the first node of the first cluster of a failure."""
    return model.machines[model.clusters[failure.clusters[0]].nodes[0]]
