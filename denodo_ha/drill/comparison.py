"""The difference between the drills of two sets of templates, judged failure by failure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.engine.aws_rules import AlarmState
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.scenarios import scenarios

ChangeVerdict = Literal["worse", "new", "better", "same", "gone"]
_ORDER: Final[tuple[ChangeVerdict, ...]] = ("worse", "new", "better", "same", "gone")


@dataclass(frozen=True)
class OutcomeChange:
    """A failure whose outcome or alarms differ between the base templates and the new templates.

    Attributes:
        failure: the failure.
        before: its outcome with the base templates; None if these templates lack the failed part.
        after: its outcome with the new templates; None if these templates lack the failed part.
        worsenings: what is worse than before, with the numbers.
        improvements: what is better than before, with the numbers.
    """

    failure: Failure
    before: Outcome | None
    after: Outcome | None
    worsenings: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()

    @property
    def verdict(self) -> ChangeVerdict:
        """Verdict on the changed outcome of a failure: one worsening outweighs all improvements."""
        if self.worsenings:
            return "worse"
        if self.after is None:
            return "gone"
        if self.improvements:
            return "better"
        return "same" if self.before is not None else "new"


def outcome_changes(base: DrillResult, new: DrillResult) -> tuple[OutcomeChange, ...]:
    """Return the changed outcomes by verdict, worse outcomes first, then by severity."""
    changes = _changes(base, new)
    return tuple(sorted(changes, key=lambda change: _ORDER.index(change.verdict)))


def _changes(base: DrillResult, new: DrillResult) -> Iterator[OutcomeChange]:
    alarms_before, alarms_after = raised_alarms(base), raised_alarms(new)
    added = _client_ports(new.model) - _client_ports(base.model)
    for outcome in new.worst_first:
        failure = outcome.failure
        before = base.by_failure.get(failure)
        compared = before or _worst_of_kind(base, failure)
        worsenings: list[str] = []
        improvements: list[str] = []
        if compared is not None:
            worsenings += _worsenings(compared, _of_other_ports(outcome, added))
            improvements += _improvements(compared, outcome)
            lost = alarms_before[compared.failure] and not alarms_after[failure]
            if lost and not _harms_less(compared, outcome):
                names = _names(alarms_before[compared.failure])
                worsenings.append(f"no alarm is set off any more (before: {names})")
            if alarms_after[failure] and not alarms_before[compared.failure]:
                improvements.append(f"sets off the alarm {_names(alarms_after[failure])}")
        if before != outcome or worsenings or improvements:
            yield OutcomeChange(failure, before, outcome, tuple(worsenings), tuple(improvements))
    for outcome in base.worst_first:
        if outcome.failure not in new.by_failure:
            yield OutcomeChange(outcome.failure, outcome, None)


def _client_ports(model: Model) -> set[int]:
    listeners = {
        listener.port for balancer in model.balancers.values() for listener in balancer.listeners
    }
    return listeners | {port for cluster in model.clusters.values() for port in cluster.ports}


def _of_other_ports(outcome: Outcome, added: set[int]) -> Outcome:
    """Return an outcome without the ports that only the new templates have.

    Such a port is not counted as a loss: before the change, no client could reach it either.
    """
    return replace(
        outcome,
        unreachable=tuple(port for port in outcome.unreachable if port not in added),
        partial=tuple(port for port in outcome.partial if port not in added),
        unknown=tuple(port for port in outcome.unknown if port not in added),
        interrupted=tuple(port for port in outcome.interrupted if port not in added),
    )


def _worst_of_kind(base: DrillResult, failure: Failure) -> Outcome | None:
    """Return the base's worst outcome of failures with the given failure's kind and clusters.

    A failure that only the new templates have, such as that of a renamed node, is compared with
    this outcome. None if the base has no such failure.
    """
    same_kind = (
        outcome
        for outcome in base.outcomes
        if (outcome.failure.kind, outcome.failure.cluster) == (failure.kind, failure.cluster)
    )
    return max(same_kind, key=lambda outcome: outcome.severity, default=None)


def _worsenings(before: Outcome, after: Outcome) -> Iterator[str]:
    """Yield a text for each aspect in which the second outcome is worse than the first."""
    if _seconds(after) > _seconds(before):
        yield _recoveries(before, after)
    for how, ports in _more_ports(before, after):
        yield f"{ports}: {how}"
    if _moves_without_need(before, after):
        moved = (change for change in after.dns_changes if change.before != change.after)
        yield ", ".join(f"DNS: {change.before} -> {change.after}" for change in moved)
    for name in _lost_standbys(before, after):
        yield f"{name}: no healthy standby"


def _improvements(before: Outcome, after: Outcome) -> Iterator[str]:
    """Yield a text for each aspect in which the second outcome is better than the first."""
    if _seconds(after) < _seconds(before):
        yield _recoveries(before, after)
    for how, ports in _more_ports(after, before):
        yield f"{ports}: no longer {how}"
    if _moves_without_need(after, before):
        yield "DNS does not fail over"
    for name in _lost_standbys(after, before):
        yield f"{name}: has a healthy standby"


def _harms_less(before: Outcome, after: Outcome) -> bool:
    """Return whether a failure does less harm after the change: to ports, or to the DNS answer.

    If the failure does less harm, an alarm that the failure no longer sets off is not a worsening.
    """
    return any(_more_ports(after, before)) or (before.moves_site and not after.moves_site)


def _recoveries(before: Outcome, after: Outcome) -> str:
    return f"new connections: {_recovery(before)} -> {_recovery(after)}"


def _more_ports(less: Outcome, more: Outcome) -> Iterator[tuple[str, str]]:
    """Yield each loss, such as `unreachable`, with the ports that only the second outcome has."""
    for how, ports_of in (
        ("unreachable", lambda outcome: _without(outcome, 0)),
        ("unreachable for some connections", lambda outcome: _without(outcome, 1)),
        ("possibly unreachable", lambda outcome: _without(outcome, 2)),
        ("interrupted by the failover of a database", lambda outcome: set(outcome.interrupted)),
    ):
        ports = sorted(ports_of(more) - ports_of(less))
        if ports:
            yield how, ", ".join(map(str, ports))


def _moves_without_need(before: Outcome, after: Outcome) -> bool:
    """Return whether DNS fails over in the second outcome although no failover is needed.

    The first outcome shows that no failover is needed: DNS does not fail over, and the ports are
    served again without a repair.
    """
    served = before.recovery is not None and not before.unreachable
    return after.moves_site and not before.moves_site and served


def _lost_standbys(before: Outcome, after: Outcome) -> list[str]:
    """Return the failover names whose standby is healthy before the change, but not after."""
    if before.moves_site or after.moves_site:
        return []
    healthy = {change.name for change in before.dns_changes if change.standby}
    return [
        change.name for change in after.dns_changes if change.name in healthy and not change.standby
    ]


def _without(outcome: Outcome, level: int) -> set[int]:
    """Return the ports that an outcome affects, up to a level.

    Level 0: unreachable ports. Level 1: also partially reachable ports. Level 2: also ports whose
    reach is unknown.
    """
    levels = (outcome.unreachable, outcome.partial, outcome.unknown)
    return {port for ports in levels[: level + 1] for port in ports}


def _seconds(outcome: Outcome) -> float:
    return float("inf") if outcome.recovery is None else outcome.recovery


def _recovery(outcome: Outcome) -> str:
    return "only after a repair" if outcome.recovery is None else f"{outcome.recovery} s"


def _names(alarms: frozenset[str]) -> str:
    return ", ".join(sorted(alarms))


def raised_alarms(result: DrillResult) -> Mapping[Failure, frozenset[str]]:
    """Return the names of the alarms that each failure raises, except alarms of switches."""
    model = result.model
    engine = Engine(model, result.start)

    def raised(situation: Situation) -> frozenset[Key]:
        health = engine.health(situation)
        return frozenset(
            alarm.key
            for alarm in model.alarms.values()
            if not alarm.switch and health.alarm(alarm) is AlarmState.ALARM
        )

    at_start = raised(engine.start)
    return {
        failure: frozenset(
            model.alarms[key].name for key in raised(engine.start | situation) - at_start
        )
        for failure, situation in scenarios(model)
    }
