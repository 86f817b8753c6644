"""Route 53's health checks: the state of each, its reason and its children.

The API returns no status for a calculated health check (AWS, Route 53 API, GetHealthCheckStatus).
This module computes that status from the children as Route 53 does (HealthCheckConfig,
HealthThreshold).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
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
"""Pattern in the name of the switch's alarm, which CloudFormation makes from stack name and logical
id."""


@dataclass(frozen=True)
class Route53Check:
    """A health check of Route 53 with its current state.

    Attributes:
        id: its id.
        kind: endpoint, alarm, switch or calculated.
        state: healthy, unhealthy or unknown.
        reason: the reason for the state.
        children: the health checks of a calculated check.
        disabled: True if the check is disabled, which makes it healthy.
        alarm: state of the check's alarm, such as ALARM; empty without one, or if it is not known.
    """

    id: str
    kind: str
    state: str
    reason: str
    children: tuple["Route53Check", ...] = ()
    disabled: bool = False
    alarm: str = field(default="", repr=False, compare=False)

    def find(self, kind: str) -> "Route53Check | None":
        """Return this check if it is of a kind, else its first child of the kind; None if none."""
        if self.kind == kind:
            return self
        return next((match for child in self.children if (match := child.find(kind))), None)

    def without(self, kind: str) -> "Route53Check | None":
        """Return this check without children of a kind; None if the check itself is of the kind."""
        if self.kind == kind:
            return None
        rest = [kept for child in self.children if (kept := child.without(kind))]
        if self.kind != "calculated" or self.disabled:
            return self
        complete = len(rest) == len(self.children)
        state = self.state if complete else combined_state(child.state for child in rest)
        # Use the children's reasons, which are more useful than the number of healthy children.
        reasons = dict.fromkeys(child.reason for child in rest if child.state == state)
        reason = "; ".join(reasons) or self.reason
        return Route53Check(self.id, self.kind, state, reason, tuple(rest), self.disabled)


def combined_state(states: Iterable[str]) -> str:
    """Return healthy if all states are healthy, unhealthy if at least one is, else unknown."""
    distinct = set(states)
    if UNHEALTHY in distinct:
        return UNHEALTHY
    return UNKNOWN if UNKNOWN in distinct else HEALTHY


def read_check(
    aws: Aws, check_id: str, region: str, *, alarms_in: str | None = None
) -> Route53Check:
    """Read a health check and its children; if one cannot be read, its state is unknown.

    Args:
        aws: the credentials.
        check_id: id of the check.
        region: any region of the partition; Route 53 has one endpoint for all regions.
        alarms_in: the only region in which alarms are read; None: alarms are read in every region.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    try:
        with translated_errors():
            response = aws.client("route53", region).get_health_check(HealthCheckId=check_id)
            config = response["HealthCheck"]["HealthCheckConfig"]
            return _read(aws, check_id, config, region, alarms_in)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return Route53Check(check_id, "check", UNKNOWN, str(error))


def _read(
    aws: Aws, check_id: str, config: Mapping[str, Any], region: str, alarms_in: str | None
) -> Route53Check:
    children: tuple[Route53Check, ...] = ()
    alarm_state = ""
    if config["Type"] == "CALCULATED":
        kind = "calculated"
        state, reason, children = _calculated(aws, config, region, alarms_in)
    elif config["Type"] == "CLOUDWATCH_METRIC":
        alarm = config.get("AlarmIdentifier") or {}
        kind = "switch" if _SWITCH.search(str(alarm.get("Name"))) else "alarm"
        if alarms_in not in {None, alarm.get("Region")}:
            alarm = {}
        reads = partial(_observed, aws, check_id, region), partial(_alarm_state, aws, alarm)
        (state, reason), (alarm_state, text) = map_concurrently(lambda read: read(), reads)
        reason = "; ".join(part for part in (reason, text) if part)
    else:
        kind, (state, reason) = "endpoint", _observed(aws, check_id, region)
        if config.get("FullyQualifiedDomainName") or config.get("IPAddress"):
            host = config.get("FullyQualifiedDomainName") or config["IPAddress"]
            reason = f"port {config.get('Port')} of {host}: {reason}"
    if not config.get("Disabled"):
        return Route53Check(check_id, kind, state, reason, children, alarm=alarm_state)
    reason = "the health check is disabled, so Route 53 treats the check as healthy"
    return Route53Check(check_id, kind, HEALTHY, reason, children, disabled=True)


def _calculated(
    aws: Aws, config: Mapping[str, Any], region: str, alarms_in: str | None
) -> tuple[str, str, tuple[Route53Check, ...]]:
    children = map_concurrently(
        lambda id_: read_check(aws, id_, region, alarms_in=alarms_in),
        config.get("ChildHealthChecks", []),
    )
    count, needed = (
        Counter(child.state for child in children),
        int(config.get("HealthThreshold", 0)),
    )
    if count[HEALTHY] >= needed:
        state = HEALTHY
    else:
        state = UNHEALTHY if count[HEALTHY] + count[UNKNOWN] < needed else UNKNOWN
    reason = f"{count[HEALTHY]} of {len(children)} healthy, {needed} needed"
    return state, reason, tuple(children)


def _observed(aws: Aws, check_id: str, region: str) -> tuple[str, str]:
    """Return the state that Route 53's health checkers report, and the reason."""
    client = aws.client("route53", region)
    with translated_errors():
        response = client.get_health_check_status(HealthCheckId=check_id)
        _ = response["HealthCheckObservations"]
    statuses = _statuses(response)
    if not statuses:
        return UNKNOWN, "no health checker of Route 53 has reported yet"
    passed = sum(status.startswith("Success") for status in statuses)
    # The share of checkers that Route 53 requires (AWS, How Amazon Route 53 determines whether a
    # health check is healthy).
    if passed * 100 > HEALTHY_CHECKERS_PERCENT * len(statuses):
        return HEALTHY, f"{passed} of {len(statuses)} checkers succeed"
    reason = _most_common(statuses)
    try:
        with translated_errors():
            last = client.get_health_check_last_failure_reason(HealthCheckId=check_id)
        reason = _most_common(_statuses(last)) or reason
    except AwsError:
        pass
    return UNHEALTHY, f"{passed} of {len(statuses)} checkers succeed: {reason}"


def _statuses(response: Mapping[str, Any]) -> list[str]:
    observations = response.get("HealthCheckObservations", [])
    reports = [observation.get("StatusReport") or {} for observation in observations]
    return [str(report["Status"]) for report in reports if report.get("Status")]


def _most_common(statuses: list[str]) -> str:
    return Counter(statuses).most_common(1)[0][0] if statuses else ""


def _alarm_state(aws: Aws, alarm: Mapping[str, Any]) -> tuple[str, str]:
    """Return the state of an alarm, empty if it is not known, and a text about the alarm."""
    if not alarm:
        return "", ""
    where = f"the check's alarm in {alarm['Region']}"
    try:
        with translated_errors():
            client = aws.client("cloudwatch", alarm["Region"])
            alarms = client.describe_alarms(AlarmNames=[alarm["Name"]])["MetricAlarms"]
            states = [(each["StateValue"], each.get("StateUpdatedTimestamp")) for each in alarms]
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return "", f"{where} is unknown: {error}"
    if not states:
        return "", f"{where} does not exist: {alarm['Name']}"
    state, since = states[0]
    when = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return str(state), f"{where} is {state}{when}"
