"""How a documented rule is written down: a function with an id, a sentence and its source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, ParamSpec, TypeVar

from denodo_ha.drill.model import Minimum
from denodo_ha.environment.facts.limits import DATABASE_FAILOVER_S

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """A documented rule.

    Attributes:
        id: its name.
        sentence: what it says.
        source: publisher and title of the page that says so.
        apply: the rule itself.
    """

    id: str
    sentence: str
    source: str
    apply: Callable[..., Any]


RULES: Final[dict[str, Rule]] = {}
"""Every rule by its id."""


def rule(id_: str, sentence: str, source: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Write a function into the book; the function itself stays as it is."""

    def written(apply: Callable[P, T]) -> Callable[P, T]:
        RULES[id_] = Rule(id_, sentence, source, apply)
        return apply

    return written


# REMOVED

_GROUP_HEALTH: Final = "AWS, Target group health (Network Load Balancers)"
_CHECKS: Final = "AWS, Health checks for Network Load Balancer target groups"
_CROSS_ZONE: Final = "AWS, Cross-zone load balancing for target groups"
_ALIAS: Final = "AWS, Amazon Route 53 API, AliasTarget, EvaluateTargetHealth"
_RECORD: Final = "AWS, Amazon Route 53 API, ResourceRecordSet"
_CONFIG: Final = "AWS, Amazon Route 53 API, HealthCheckConfig"
_METRICS: Final = "AWS, CloudWatch metrics for your Network Load Balancer"
_ALARMS: Final = "AWS, Using Amazon CloudWatch alarms"

Role = Literal["PRIMARY", "SECONDARY"]


class AlarmState(Enum):
    """What a CloudWatch alarm says."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT = "INSUFFICIENT_DATA"


@rule(
    "below-minimum",
    "A threshold is breached when the healthy targets fall below the count or the percentage; "
    "`off` is never breached.",
    _GROUP_HEALTH,
)
def below(minimum: Minimum, *, healthy: int, registered: int) -> bool:
    """Whether so many healthy targets of so many are too few."""
    by_count = minimum.count is not None and healthy < minimum.count
    share = minimum.percentage
    return by_count or (share is not None and healthy * 100 < share * registered)


@rule(
    "cross-zone",
    "With cross-zone on, an address passes connections to the targets of all zones, else to those "
    "of its own zone; a target in a zone that the balancer lacks is not used.",
    _CROSS_ZONE,
)
def eligible(
    zones: Sequence[str | None], *, at: str, enabled: Sequence[str], cross_zone: bool
) -> list[int]:
    """The places of the targets that the address of a zone passes connections to.

    Args:
        zones: every target's zone, None where it is not known.
        at: the zone of the address.
        enabled: the balancer's zones.
        cross_zone: whether it is on.
    """
    return [
        number
        for number, zone in enumerate(zones)
        if zone is None or (zone in enabled and (cross_zone or zone == at))
    ]


@rule(
    "fail-open",
    "With fewer healthy targets than the routing threshold, all targets get connections, "
    "unhealthy ones too.",
    _GROUP_HEALTH,
)
def routed(minimum: Minimum, health: Sequence[bool]) -> list[int]:
    """The places of the targets that get connections, of those that may."""
    healthy = [number for number, well in enumerate(health) if well]
    if below(minimum, healthy=len(healthy), registered=len(health)) or not healthy:
        return list(range(len(health)))
    return healthy


@rule(
    "zone-in-dns",
    "A zone's address is in the balancer's DNS while every target group has enough healthy targets "
    "for that zone; an empty group has not.",
    _GROUP_HEALTH,
)
def zone_is_healthy(groups: Sequence[tuple[Minimum, int, int]]) -> bool:
    """Whether a zone is healthy.

    Args:
        groups: for each group its DNS threshold, and of the targets that the zone's address passes
            connections to, how many are healthy and how many there are.
    """
    return not any(
        below(minimum, healthy=healthy, registered=registered)
        for minimum, healthy, registered in groups
    )


@rule(
    "dns-fails-open",
    "When no zone is healthy, the addresses of all zones are in DNS.",
    _CHECKS,
)
def in_dns(zones: Mapping[str, bool]) -> list[str]:
    """The zones whose addresses clients get."""
    healthy = [zone for zone, well in zones.items() if well]
    return healthy or list(zones)


@rule(
    "alias-health",
    "A balancer that an alias evaluates is healthy while every target group has a healthy target; "
    "a group without targets is unhealthy.",
    _ALIAS,
)
def balancer_is_healthy(groups: Sequence[int]) -> bool:
    """Whether Route 53 takes a balancer as healthy, by the healthy targets of each group."""
    return bool(groups) and all(healthy > 0 for healthy in groups)


@rule(
    "statistic",
    "An alarm's statistic is taken over what was reported in a period; each zone reports for "
    "itself, and only for groups with registered targets.",
    _METRICS,
)
def statistic(name: str, values: Sequence[float]) -> float | None:
    """The statistic of a period's values; None without any, or for one that Route 53 refuses."""
    if not values:
        return None
    known = {
        "Maximum": max(values),
        "Minimum": min(values),
        "Sum": sum(values),
        "Average": sum(values) / len(values),
        "SampleCount": float(len(values)),
    }
    return known.get(name)


@rule(
    "alarm-state",
    "An alarm compares the statistic with its threshold; without data it does what "
    "TreatMissingData says.",
    _ALARMS,
)
def alarm_state(operator: str, threshold: float, value: float | None, missing: str) -> AlarmState:
    """The state of an alarm whose value has lasted for all its periods."""
    if value is None:
        return {
            "breaching": AlarmState.ALARM,
            "notBreaching": AlarmState.OK,
        }.get(missing, AlarmState.INSUFFICIENT)
    breached = {
        "LessThanThreshold": value < threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
        "GreaterThanThreshold": value > threshold,
        "GreaterThanOrEqualToThreshold": value >= threshold,
    }.get(operator, False)
    return AlarmState.ALARM if breached else AlarmState.OK


@rule(
    "metric-check",
    "A metric check is healthy while its alarm is OK and unhealthy in ALARM; with insufficient "
    "data its setting counts, and LastKnownStatus is healthy before there is any.",
    _CONFIG,
)
def metric_check(state: AlarmState, insufficient: str, *, last: bool | None) -> bool:
    """Whether a check on an alarm is healthy, with what it last was."""
    if state is AlarmState.INSUFFICIENT:
        return {"Healthy": True, "Unhealthy": False}.get(insufficient, last is not False)
    return state is AlarmState.OK


@rule(
    "calculated-check",
    "A calculated check is healthy while at least HealthThreshold of its children are: with 0 "
    "always, with more than there are never.",
    _CONFIG,
)
def calculated(children: Sequence[bool], needed: int) -> bool:
    """Whether a calculated check is healthy."""
    return sum(children) >= needed


@rule(
    "check-status",
    "An inverted check has the opposite status; a disabled one is healthy, whatever it would say, "
    "and inverting it then turns that round.",
    _CONFIG,
)
def status(*, measured: bool, inverted: bool, disabled: bool) -> bool:
    """A check's status, from what it measures."""
    return (measured or disabled) != inverted


@rule(
    "record-health",
    "A record is healthy while its health check is, and for an alias that evaluates its target "
    "also the target; a record with neither always is.",
    "AWS, How Amazon Route 53 chooses records when health checking is configured",
)
def record_is_healthy(*, check: bool | None, target: bool | None) -> bool:
    """Whether a record is healthy; None for what it does not have."""
    return check is not False and target is not False


@rule(
    "failover",
    "Route 53 answers PRIMARY while it is healthy, else SECONDARY while that is healthy, and "
    "PRIMARY when neither is.",
    f"{_RECORD}, Failover",
)
def answers(*, primary: bool, secondary: bool) -> Role:
    """The record that Route 53 answers with."""
    return "SECONDARY" if secondary and not primary else "PRIMARY"


@rule(
    "private-endpoint",
    "Route 53's checkers are outside the VPC, and reach no private address.",
    "AWS, Configuring failover in a private hosted zone",
)
def endpoint_is_reached(*, private: bool, answering: bool) -> bool:
    """Whether an endpoint check gets an answer."""
    return answering and not private


@rule(
    "database-failover",
    "A Multi-AZ DB instance is taken over by its standby in another zone, typically within 60 to "
    "120 s; one without a standby is not.",
    DATABASE_FAILOVER_S.source,
)
def database_failover(*, multi_az: bool) -> int | None:
    """Seconds until a database answers again that has lost its instance; None: not by itself."""
    return DATABASE_FAILOVER_S.high if multi_az else None
