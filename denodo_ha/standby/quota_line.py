"""Line 8: the standby's quotas, compared with recorded quotas of the active cluster's region."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound
from denodo_ha.environment.facts.limits import BALANCER_LIMITS, COMPARED_QUOTAS
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import (
    NO,
    OK,
    UNKNOWN,
    CheckLine,
    Finding,
    Unknown,
    line,
    unknown,
)

HEALTH_CHECKS: Final = "MAX_HEALTH_CHECKS_BY_OWNER"
Quotas = Mapping[str, float]
"""Values that apply in a region, by name of the quota."""


def record_remedy() -> str:
    """Return the instruction that records the quotas of the active cluster's region."""
    return (
        f"run `{full_command('failover check', '--record')}` while the active cluster's region "
        "answers: the command records the quotas of that region"
    )


@dataclass(frozen=True)
class RecordedQuotas:
    """The quotas of the active cluster's region, and the time at which they were recorded."""

    values: Quotas
    at: datetime


@dataclass(frozen=True)
class HealthCheckQuota:
    """The account's Route 53 health checks: their limit and their number."""

    limit: int
    count: int


def read_quotas(aws: Aws, region: str) -> Quotas:
    """Read the applied quotas of a region: of EC2, VPC, RDS and Elastic Load Balancing."""
    reads: list[Callable[[], Quotas]] = [
        # mypy does not infer the type of a lambda with default arguments.
        lambda name=name, code=code: {name: _quota(aws, region, *code)}  # type: ignore[misc] # defaults
        for name, code in COMPARED_QUOTAS.items()
    ]
    reads.append(lambda: _balancer_limits(aws, region))
    answers = map_concurrently(lambda read: read(), reads)
    return {name: value for answer in answers for name, value in answer.items()}


def _quota(aws: Aws, region: str, service: str, code: str) -> float:
    """Read a quota's value; if the account has none of its own, read AWS's default."""
    client = aws.client("service-quotas", region)
    quota = {"ServiceCode": service, "QuotaCode": code}
    try:
        with translated_errors():
            return float(client.get_service_quota(**quota)["Quota"]["Value"])
    except NotFound:
        with translated_errors():
            return float(client.get_aws_default_service_quota(**quota)["Quota"]["Value"])


def _balancer_limits(aws: Aws, region: str) -> Quotas:
    with translated_errors():
        answer = aws.client("elbv2", region).describe_account_limits()
        limits: list[Any] = answer["Limits"]
        return {
            BALANCER_LIMITS[limit["Name"]]: float(limit["Max"])
            for limit in limits
            if limit["Name"] in BALANCER_LIMITS
        }


def read_health_check_quota(aws: Aws, region: str) -> HealthCheckQuota:
    """Read the limit and the number of the account's health checks, which are global."""
    with translated_errors():
        answer = aws.client("route53", region).get_account_limit(Type=HEALTH_CHECKS)
        return HealthCheckQuota(int(answer["Limit"]["Value"]), int(answer["Count"]))


def quota_line(
    own: Quotas | Unknown,
    active: RecordedQuotas | Unknown | None,
    health_checks: HealthCheckQuota | Unknown,
    now: datetime,
) -> CheckLine:
    """Judge whether each quota of the standby's region is at least the active region's quota.

    Args:
        own: the quotas of the standby's region.
        active: the recorded quotas of the active cluster's region; None if none were recorded.
        health_checks: the account's health checks.
        now: the current time.
    """
    return line(8, "quotas", _quotas(own, active, health_checks, now))


def _quotas(
    own: Quotas | Unknown,
    active: RecordedQuotas | Unknown | None,
    health_checks: HealthCheckQuota | Unknown,
    now: datetime,
) -> Iterator[Finding]:
    limit = "no quota below that of the active cluster's region"
    if isinstance(health_checks, Unknown):
        yield unknown(health_checks, "health checks", limit)
    elif health_checks.count >= health_checks.limit:
        seen = f"{health_checks.count} Route 53 health checks, quota {health_checks.limit}"
        remedy = "request a higher quota for Route 53 health checks"
        yield Finding(NO, seen, limit=limit, remedy=remedy)
    if isinstance(own, Unknown):
        yield unknown(own, "quotas", limit)
    elif isinstance(active, Unknown):
        yield unknown(active, "recorded quotas", limit)
    elif active is None:
        seen = "the active cluster's quotas were never recorded"
        yield Finding(UNKNOWN, seen, limit=limit, remedy=record_remedy())
    else:
        yield from _compared(own, active, limit, now)


def _compared(own: Quotas, active: RecordedQuotas, limit: str, now: datetime) -> Iterator[Finding]:
    age, compared = now - active.at, 0
    for name, active_value in sorted(active.values.items()):
        value = own.get(name)
        if value is None:
            yield Finding(UNKNOWN, f"{name}: not known in the standby's region", age, limit)
        elif value < active_value:
            seen = f"{name}: {value:g}, but {active_value:g} in the active cluster's region"
            remedy = (
                f"request a quota of {active_value:g} for {name} in the standby's region (Service "
                "Quotas)"
            )
            yield Finding(NO, seen, age, limit, remedy)
        else:
            compared += 1
    if compared:
        seen = f"{compared} quotas are not below those of the active cluster's region"
        yield Finding(OK, seen, age, limit)
    elif not active.values:
        yield Finding(UNKNOWN, "no quota was recorded", age, limit, record_remedy())
