"""The rules that AWS documents, each a function with an id, a sentence and its source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, ParamSpec, TypeVar

from denodo_ha.drill.model.balancers import HealthThreshold
from denodo_ha.environment.facts.limits import DATABASE_FAILOVER_S

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """A documented rule.

    Attributes:
        id: name of the rule.
        sentence: the rule in words.
        source: publisher and title of the page that documents the rule.
        apply: the function that applies the rule.
    """

    id: str
    sentence: str
    source: str
    apply: Callable[..., Any]


RULES: Final[dict[str, Rule]] = {}
"""All rules by id."""


def rule(id_: str, sentence: str, source: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Register the decorated function as a rule, and return it unchanged."""

    def registered(apply: Callable[P, T]) -> Callable[P, T]:
        RULES[id_] = Rule(id_, sentence, source, apply)
        return apply

    return registered


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
    """The state of a CloudWatch alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT = "INSUFFICIENT_DATA"


@rule(
    "below-minimum",
    "A threshold is breached when the number of healthy targets falls below its count or "
    "percentage; the threshold `off` is never breached.",
    _GROUP_HEALTH,
)
def below(threshold: HealthThreshold, *, healthy: int, registered: int) -> bool:
    """Return whether the number or percentage of healthy targets is below a threshold."""
    by_count = threshold.count is not None and healthy < threshold.count
    share = threshold.percentage
    return by_count or (share is not None and healthy * 100 < share * registered)


@rule(
    "cross-zone",
    "With cross-zone load balancing, an address passes connections to the targets of all zones, "
    "without it only to the targets of its own zone; a target in a zone that is not enabled for "
    "the balancer gets no connections.",
    _CROSS_ZONE,
)
def eligible(
    zones: Sequence[str | None], *, at: str, enabled: Sequence[str], cross_zone: bool
) -> list[int]:
    """Return the indices of the targets that the balancer's address in the zone `at` can use.

    Args:
        zones: the zone of each target, None where it is not known.
        at: the zone of the address.
        enabled: the balancer's zones.
        cross_zone: whether cross-zone load balancing is on.
    """
    return [
        index
        for index, zone in enumerate(zones)
        if zone is None or (zone in enabled and (cross_zone or zone == at))
    ]


@rule(
    "fail-open",
    "With fewer healthy targets than the routing threshold, all targets get connections, including "
    "unhealthy targets.",
    _GROUP_HEALTH,
)
def routed(threshold: HealthThreshold, health: Sequence[bool]) -> list[int]:
    """Return the indices of the targets that get connections, given the health of each target."""
    healthy = [index for index, is_healthy in enumerate(health) if is_healthy]
    if below(threshold, healthy=len(healthy), registered=len(health)) or not healthy:
        return list(range(len(health)))
    return healthy


@rule(
    "zone-in-dns",
    "A zone's address is in the balancer's DNS while every target group has enough healthy targets "
    "for that zone; an empty target group never has enough.",
    _GROUP_HEALTH,
)
def zone_is_healthy(groups: Sequence[tuple[HealthThreshold, int, int]]) -> bool:
    """Return whether a zone is healthy.

    Args:
        groups: for each target group, its DNS threshold, then the number of healthy targets and
            the number of all targets to which the zone's address passes connections.
    """
    return not any(
        below(threshold, healthy=healthy, registered=registered)
        for threshold, healthy, registered in groups
    )


@rule(
    "dns-fails-open",
    "When no zone is healthy, the addresses of all zones are in DNS.",
    _CHECKS,
)
def in_dns(zones: Mapping[str, bool]) -> list[str]:
    """Return the zones whose addresses are in DNS, given the health of each zone."""
    healthy = [zone for zone, is_healthy in zones.items() if is_healthy]
    return healthy or list(zones)


@rule(
    "alias-health",
    "A balancer that an alias evaluates is healthy while every target group has a healthy target; "
    "a group without targets is unhealthy.",
    _ALIAS,
)
def balancer_is_healthy(groups: Sequence[int]) -> bool:
    """Return whether Route 53 considers a balancer healthy.

    Args:
        groups: the number of healthy targets of each target group.
    """
    return bool(groups) and all(healthy > 0 for healthy in groups)


@rule(
    "statistic",
    "An alarm's statistic is computed from the values that were reported in a period; each zone "
    "reports its own value, and only for target groups with registered targets.",
    _METRICS,
)
def statistic(name: str, values: Sequence[float]) -> float | None:
    """Return a statistic of the values in a period.

    None if there are no values or if Route 53 does not support the statistic.
    """
    if not values:
        return None
    statistics = {
        "Maximum": max(values),
        "Minimum": min(values),
        "Sum": sum(values),
        "Average": sum(values) / len(values),
        "SampleCount": float(len(values)),
    }
    return statistics.get(name)


@rule(
    "alarm-state",
    "An alarm compares the statistic with its threshold; without data, TreatMissingData decides "
    "the alarm's state.",
    _ALARMS,
)
def alarm_state(operator: str, threshold: float, value: float | None, missing: str) -> AlarmState:
    """Return the state of an alarm if its metric had the same value in all evaluated periods."""
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
    "A health check on an alarm is healthy while the alarm is OK, and unhealthy while the alarm is "
    "in ALARM; with insufficient data, InsufficientDataHealthStatus decides, and LastKnownStatus "
    "means healthy until there is a first status.",
    _CONFIG,
)
def metric_check(state: AlarmState, insufficient: str, *, last: bool | None) -> bool:
    """Return whether a health check on an alarm is healthy.

    Args:
        state: the state of the alarm.
        insufficient: the setting InsufficientDataHealthStatus.
        last: the last status with data, None if there was none.
    """
    if state is AlarmState.INSUFFICIENT:
        return {"Healthy": True, "Unhealthy": False}.get(insufficient, last is not False)
    return state is AlarmState.OK


@rule(
    "calculated-check",
    "A calculated check is healthy while at least HealthThreshold of its child checks are healthy: "
    "with HealthThreshold 0 always, and with more than the number of child checks never.",
    _CONFIG,
)
def calculated(children: Sequence[bool], needed: int) -> bool:
    """Return whether a calculated health check is healthy, given its child checks' status."""
    return sum(children) >= needed


@rule(
    "check-status",
    "An inverted check has the opposite status; a disabled check is healthy whatever it measures, "
    "and a check that is disabled and inverted is unhealthy.",
    _CONFIG,
)
def status(*, measured: bool, inverted: bool, disabled: bool) -> bool:
    """Return a check's status: the measured status, changed by Inverted and Disabled."""
    return (measured or disabled) != inverted


@rule(
    "record-health",
    "A record is healthy while its health check is healthy and, for an alias that evaluates its "
    "target, the target is healthy; a record without a health check and an evaluated target is "
    "always healthy.",
    "AWS, How Amazon Route 53 chooses records when health checking is configured",
)
def record_is_healthy(*, check: bool | None, target: bool | None) -> bool:
    """Return whether a record is healthy.

    Args:
        check: the status of the record's health check, None without a health check.
        target: the health of the record's target, None if the record does not evaluate it.
    """
    return check is not False and target is not False


@rule(
    "failover",
    "Route 53 answers with PRIMARY while PRIMARY is healthy, with SECONDARY while only SECONDARY "
    "is healthy, and with PRIMARY while both are unhealthy.",
    f"{_RECORD}, Failover",
)
def answers(*, primary: bool, secondary: bool) -> Role:
    """Return the role of the failover record with which Route 53 answers."""
    return "SECONDARY" if secondary and not primary else "PRIMARY"


@rule(
    "private-endpoint",
    "Route 53's checkers are outside the VPC, and reach no private address.",
    "AWS, Configuring failover in a private hosted zone",
)
def endpoint_is_reached(*, private: bool, answering: bool) -> bool:
    """Return whether a Route 53 health check of an endpoint gets an answer."""
    return answering and not private


@rule(
    "database-failover",
    "The standby of a Multi-AZ DB instance takes over in another zone, typically within 60 to 120 "
    "s; a DB instance without a standby must be restored.",
    DATABASE_FAILOVER_S.source,
)
def database_failover(*, multi_az: bool) -> int | None:
    """Return the seconds until a failed database answers again; None if it has no standby."""
    return DATABASE_FAILOVER_S.high if multi_az else None
