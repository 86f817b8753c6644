"""Whether Route 53 takes a health check, or a failover record, as healthy, and why.

AWS, How Amazon Route 53 determines whether a health check is healthy; Route 53 API,
HealthCheckConfig and AliasTarget.
"""

from dataclasses import dataclass

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudwatch import metrics
from tools.local_aws.emulator.elb import target_health

Record = ministack.Record


@dataclass(frozen=True)
class Verdict:
    """Whether something is healthy, and why."""

    healthy: bool
    reason: str


def of_check(check_id: str) -> Verdict:
    """What a health check says."""
    config = ministack.health_checks[check_id]["config"]
    if _is_true(config, "Disabled"):
        return Verdict(healthy=True, reason="The health check is disabled")
    found = _found(config)
    return Verdict(found.healthy is not _is_true(config, "Inverted"), found.reason)


def of_record(record: Record) -> bool:
    """Whether a failover record counts as healthy: its check, and what an alias evaluates."""
    check = record.get("HealthCheckId", "")
    if check in ministack.health_checks and not of_check(check).healthy:
        return False
    alias = record.get("AliasTarget") or {}
    return not _is_true(alias, "EvaluateTargetHealth") or _balancer_is_healthy(alias["DNSName"])


def _is_true(config: Record, key: str) -> bool:
    return str(config.get(key, "")).lower() == "true"


def _found(config: Record) -> Verdict:
    match config["Type"]:
        case "CLOUDWATCH_METRIC":
            return _of_alarm(config)
        case "CALCULATED":
            healthy = sum(of_check(one).healthy for one in config["ChildHealthChecks"])
            enough = healthy >= int(config["HealthThreshold"])
            return Verdict(enough, f"{healthy} health checks are healthy")
        case _:
            return _of_endpoint(config)


def _of_alarm(config: Record) -> Verdict:
    """The alarm's metric, not its state: Route 53 reads the metric itself."""
    named, unknown = config["AlarmIdentifier"], config.get("InsufficientDataHealthStatus")
    with ministack.acting_for(ministack.account(), named["Region"]):
        alarm = ministack.alarms.get(named["Name"])
        if alarm is None:
            return Verdict(unknown != "Unhealthy", "The alarm does not exist.")
        state, last = metrics.state(alarm), metrics.last_known(alarm)
    if state.value in ("OK", "ALARM"):
        return Verdict(state.value == "OK", state.reason)
    if unknown == "LastKnownStatus":
        # A check without a last known status is healthy.
        return Verdict(last is None or last.value == "OK", (last or state).reason)
    return Verdict(unknown == "Healthy", state.reason)


def _of_endpoint(config: Record) -> Verdict:
    """A TCP check of a balancer sees its targets, one of an address the instance behind it."""
    name = str(config.get("FullyQualifiedDomainName", "")).lower()
    for (account, region, arn), balancer in ministack.load_balancers.all_items():
        if balancer["DNSName"].lower() == name:
            with ministack.acting_for(account, region):
                groups = [
                    one["DefaultActions"][0]["TargetGroupArn"]
                    for one in ministack.listeners.values()
                    if (one["LoadBalancerArn"], one["Port"]) == (arn, config.get("Port"))
                ]
                return _connected(open_=any(target_health.healthy(one) for one in groups))
    address = config.get("IPAddress")
    return _connected(
        open_=any(
            one.get("PublicIpAddress") == address and one["State"]["Name"] == "running"
            for _, one in ministack.instances.all_items()
        )
    )


def _connected(*, open_: bool) -> Verdict:
    if open_:
        return Verdict(healthy=True, reason="TCP connection was established")
    return Verdict(healthy=False, reason="TCP connection timed out")


def _balancer_is_healthy(name: str) -> bool:
    """Every group has a healthy target, and a group without targets is unhealthy."""
    wanted = name.rstrip(".").lower().removeprefix("dualstack.")
    for (account, region, arn), balancer in ministack.load_balancers.all_items():
        if balancer["DNSName"].lower() == wanted:
            with ministack.acting_for(account, region):
                groups = [
                    group
                    for group, shown in ministack.target_groups.items()
                    if arn in shown["LoadBalancerArns"]
                ]
                return bool(groups) and all(target_health.healthy(one) for one in groups)
    return False
