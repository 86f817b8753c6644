"""The terms of the sum: how long a step takes at worst, by what is documented."""

from collections.abc import Sequence
from dataclasses import dataclass

from denodo_ha.drill.model import Alarm, HealthCheck, Probe, Record
from denodo_ha.environment.facts.limits import ALARM_LAG_S, BALANCER_ALIAS_TTL_S


@dataclass(frozen=True)
class Term:
    """One step, in words and seconds."""

    what: str
    seconds: int


def total(terms: Sequence[Term]) -> int:
    """The sum of some terms."""
    return sum(term.seconds for term in terms)


def detection(probe: Probe) -> Term:
    """Until a target group's check has taken a target out."""
    return Term(f"target check, {probe.interval} s x {probe.unhealthy}", probe.down)


def recovery(probe: Probe) -> Term:
    """Until a target group's check has brought a target back."""
    return Term(f"target check, {probe.interval} s x {probe.healthy}", probe.up)


def address() -> Term:
    """Until clients have forgotten an address that has left the balancer's DNS."""
    return Term("TTL of the balancer's name", BALANCER_ALIAS_TTL_S)


def alarm(found: Alarm) -> tuple[Term, ...]:
    """Until an alarm on a balancer's metric has changed its state."""
    return (
        Term("until its minute begins", found.period),
        Term(f"alarm, {found.period} s x {found.periods}", found.period * found.periods),
        Term("metric late", ALARM_LAG_S),
    )


def switch(found: Alarm) -> tuple[Term, ...]:
    """Until an alarm on a datapoint that somebody put has changed its state."""
    seconds = found.period * found.periods
    return (
        Term(f"switch's alarm, {found.period} s x {found.periods}", seconds),
        Term("metric late", ALARM_LAG_S),
    )


def endpoint(check: HealthCheck) -> Term:
    """Until an endpoint check has changed its status."""
    return Term(
        f"endpoint check, {check.interval} s x {check.failures}", check.interval * check.failures
    )


def record(found: Record) -> Term:
    """Until clients have forgotten a record."""
    if found.alias:
        return Term("TTL of the alias", BALANCER_ALIAS_TTL_S)
    return Term("TTL", found.ttl)
