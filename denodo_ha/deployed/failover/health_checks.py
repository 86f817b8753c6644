"""Route 53's health checks: what each says, what it is made of, and why.

AWS shows no status of a calculated check to programs (AWS, Route 53 API, GetHealthCheckStatus),
so it is worked out from its children, as Route 53 does (HealthCheckConfig, HealthThreshold).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials
from denodo_ha.environment.facts.limits import HEALTHY_CHECKERS_PERCENT
from denodo_ha.environment.names import FAILOVER

HEALTHY: Final = "healthy"
UNHEALTHY: Final = "unhealthy"
UNKNOWN: Final = "unknown"

_SWITCH: Final = re.compile(rf"-{FAILOVER}-SwitchAlarm")
"""The switch's alarm has the name that CloudFormation gives it: of its stack and its logical id."""


@dataclass(frozen=True)
class Route53Check:
    """A health check as Route 53 sees it now.

    Attributes:
        id: its id.
        kind: endpoint, alarm, switch or calculated.
        state: healthy, unhealthy or unknown.
        reason: why.
        children: what a calculated check is made of.
        disabled: whether somebody has turned it off, which makes it healthy.
    """

    id: str
    kind: str
    state: str
    reason: str
    children: tuple["Route53Check", ...] = ()
    disabled: bool = False

    def find(self, kind: str) -> "Route53Check | None":
        """The check of a kind, this one or one of its children."""
        if self.kind == kind:
            return self
        return next((found for one in self.children if (found := one.find(kind))), None)

    def without(self, kind: str) -> "Route53Check | None":
        """This check as if those of a kind did not matter; None if nothing is left."""
        if self.kind == kind:
            return None
        rest = [kept for one in self.children if (kept := one.without(kind))]
        if self.kind != "calculated" or self.disabled:
            return self
        all_there = len(rest) == len(self.children)
        state = self.state if all_there else combined_state(one.state for one in rest)
        # What it is made of says more than how many of them are well.
        reasons = dict.fromkeys(one.reason for one in rest if one.state == state)
        reason = "; ".join(reasons) or self.reason
        return Route53Check(self.id, self.kind, state, reason, tuple(rest), self.disabled)


def combined_state(states: Iterable[str]) -> str:
    """Healthy if all are, unhealthy if one is not."""
    found = set(states)
    if UNHEALTHY in found:
        return UNHEALTHY
    return UNKNOWN if UNKNOWN in found else HEALTHY


def read_check(aws: Aws, check_id: str, region: str) -> Route53Check:
    """A check with its children; what cannot be read is unknown, with the reason.

    Args:
        aws: the credentials.
        check_id: its id.
        region: any region of the partition; Route 53 has one endpoint for all.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    try:
        with translated_errors():
            shown = aws.client("route53", region).get_health_check(HealthCheckId=check_id)
        return _read(aws, check_id, shown["HealthCheck"]["HealthCheckConfig"], region)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return Route53Check(check_id, "check", UNKNOWN, str(error))


def _read(aws: Aws, check_id: str, config: Mapping[str, Any], region: str) -> Route53Check:
    children: tuple[Route53Check, ...] = ()
    if config["Type"] == "CALCULATED":
        kind, (state, reason, children) = "calculated", _calculated(aws, config, region)
    else:
        state, reason = _observed(aws, check_id, region)
        kind = "endpoint"
        if config["Type"] == "CLOUDWATCH_METRIC":
            named = config.get("AlarmIdentifier") or {}
            kind = "switch" if _SWITCH.search(str(named.get("Name"))) else "alarm"
            of_alarm = _alarm(aws, named)
            reason = "; ".join(one for one in (reason, of_alarm) if one)
        elif config.get("FullyQualifiedDomainName") or config.get("IPAddress"):
            place = config.get("FullyQualifiedDomainName") or config["IPAddress"]
            reason = f"port {config.get('Port')} of {place}: {reason}"
    if not config.get("Disabled"):
        return Route53Check(check_id, kind, state, reason, children)
    reason = "somebody has disabled it, and Route 53 takes it as healthy"
    return Route53Check(check_id, kind, HEALTHY, reason, children, disabled=True)


def _calculated(
    aws: Aws, config: Mapping[str, Any], region: str
) -> tuple[str, str, tuple[Route53Check, ...]]:
    children = map_concurrently(
        lambda one: read_check(aws, one, region), config.get("ChildHealthChecks", [])
    )
    count, needed = Counter(one.state for one in children), int(config.get("HealthThreshold", 0))
    if count[HEALTHY] >= needed:
        state = HEALTHY
    else:
        state = UNHEALTHY if count[HEALTHY] + count[UNKNOWN] < needed else UNKNOWN
    reason = f"{count[HEALTHY]} of {len(children)} healthy, {needed} needed"
    return state, reason, tuple(children)


def _observed(aws: Aws, check_id: str, region: str) -> tuple[str, str]:
    """What Route 53's checkers say, and why."""
    client = aws.client("route53", region)
    with translated_errors():
        shown = client.get_health_check_status(HealthCheckId=check_id)
    said = _statuses(shown)
    if not said:
        return UNKNOWN, "no checker has reported yet"
    passed = sum(one.startswith("Success") for one in said)
    # AWS, How Amazon Route 53 determines whether a health check is healthy.
    if passed * 100 > HEALTHY_CHECKERS_PERCENT * len(said):
        return HEALTHY, f"{passed} of {len(said)} checkers succeed"
    reason = _most_common(said)
    try:
        with translated_errors():
            last = client.get_health_check_last_failure_reason(HealthCheckId=check_id)
        reason = _most_common(_statuses(last)) or reason
    except AwsError:
        pass
    return UNHEALTHY, f"{passed} of {len(said)} checkers succeed: {reason}"


def _statuses(shown: Mapping[str, Any]) -> list[str]:
    reports = (one.get("StatusReport") or {} for one in shown.get("HealthCheckObservations", []))
    return [str(one["Status"]) for one in reports if one.get("Status")]


def _most_common(said: list[str]) -> str:
    return Counter(said).most_common(1)[0][0] if said else ""


def _alarm(aws: Aws, named: Mapping[str, Any]) -> str:
    """What an alarm says; its region may be the lost one."""
    if not named:
        return ""
    where = f"its alarm in {named['Region']}"
    try:
        with translated_errors():
            client = aws.client("cloudwatch", named["Region"])
            shown = client.describe_alarms(AlarmNames=[named["Name"]])["MetricAlarms"]
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return f"{where} is unknown: {error}"
    if not shown:
        return f"{where} is gone: {named['Name']}"
    (alarm,) = shown
    since = alarm.get("StateUpdatedTimestamp")
    when = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"{where} is {alarm['StateValue']}{when}"
