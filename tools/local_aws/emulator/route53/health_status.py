"""The status of health checks and failover records as Route 53 computes it.

AWS, How Amazon Route 53 determines whether a health check is healthy; Route 53 API,
HealthCheckConfig and AliasTarget.
"""

from dataclasses import dataclass

from tools.local_aws.emulator import cuts, ministack
from tools.local_aws.emulator.cloudwatch import metrics
from tools.local_aws.emulator.elb import target_health, zone_health
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.route53 import endpoint_checks

Record = ministack.Record


@dataclass(frozen=True)
class Verdict:
    """Status of a health check, with the reason."""

    healthy: bool
    reason: str


def of_check(check_id: str) -> Verdict:
    """Return the status of a health check."""
    config = ministack.health_checks[check_id]["config"]
    result = _status(check_id, config)
    if _is_true(config, "Disabled"):
        # A disabled check is healthy, unless it is inverted (AWS, HealthCheckConfig, Disabled).
        result = Verdict(healthy=True, reason="The health check is disabled")
    if cuts.is_unhealthy(check_id):
        return Verdict(healthy=False, reason="The health check is cut off")
    return Verdict(result.healthy is not _is_true(config, "Inverted"), result.reason)


def of_record(record: Record) -> bool:
    """Return whether a failover record is healthy, by its health check and its alias target."""
    check = record.get("HealthCheckId", "")
    if check in ministack.health_checks and not of_check(check).healthy:
        return False
    alias = record.get("AliasTarget") or {}
    return not _is_true(alias, "EvaluateTargetHealth") or _balancer_is_healthy(alias["DNSName"])


def _is_true(config: Record, key: str) -> bool:
    return str(config.get(key, "")).lower() == "true"


def _status(check_id: str, config: Record) -> Verdict:
    match config["Type"]:
        case "CLOUDWATCH_METRIC":
            return _of_alarm(config)
        case "CALCULATED":
            healthy = sum(of_check(item).healthy for item in config["ChildHealthChecks"])
            enough = healthy >= int(config["HealthThreshold"])
            return Verdict(enough, f"{healthy} health checks are healthy")
        case _:
            over_time = endpoint_checks.CHECKER.healthy(check_id)
            return _connected(open_=is_open(config) if over_time is None else over_time)


def _of_alarm(config: Record) -> Verdict:
    """Return the status of a health check that monitors an alarm.

    The status is computed from the alarm's metric: Route 53 does not read the alarm's state.
    """
    named, unknown = config["AlarmIdentifier"], config.get("InsufficientDataHealthStatus")
    with ministack.acting_for(ministack.account(), named["Region"]):
        alarm = ministack.alarms.get(named["Name"])
        if alarm is None:
            return Verdict(unknown != "Unhealthy", "The alarm does not exist.")
        state, last = metrics.state(alarm), metrics.last_known(alarm)
    if state.value in ("OK", "ALARM"):
        return Verdict(state.value == "OK", state.reason)
    if unknown == "LastKnownStatus":
        # A health check without a last known status is healthy.
        return Verdict(last is None or last.value == "OK", (last or state).reason)
    return Verdict(unknown == "Healthy", state.reason)


def is_open(config: Record) -> bool:
    """Return whether the endpoint of a health check, a load balancer or instance, answers."""
    name = str(config.get("FullyQualifiedDomainName", "")).lower()
    for (account, region, arn), balancer in ministack.load_balancers.all_items():
        if balancer["DNSName"].lower() == name:
            if cuts.is_cut(region, resource=arn):
                return False
            with ministack.acting_for(account, region):
                if endpoint_checks.balancers_run():
                    zones = zone_health.in_dns(balancer)
                    return endpoint_checks.balancer_answers(config, balancer, zones)
                groups = [
                    item["DefaultActions"][0]["TargetGroupArn"]
                    for item in ministack.listeners.values()
                    if (item["LoadBalancerArn"], item["Port"]) == (arn, config.get("Port"))
                ]
                return any(target_health.healthy(item) for item in groups)
    address = config.get("IPAddress")
    return any(
        item.get("PublicIpAddress") == address
        and item["State"]["Name"] == "running"
        and not cuts.is_cut(region, item["Placement"]["AvailabilityZone"], id_)
        and endpoint_checks.instance_answers(config, id_)
        for (_, region, id_), item in ministack.instances.all_items()
    )


def install() -> None:
    """Run endpoint checks over time while the part `metrics` is on."""
    checker = endpoint_checks.CHECKER
    LIVING.when("metrics", lambda: checker.start(is_open), checker.stop)


def _connected(*, open_: bool) -> Verdict:
    if open_:
        return Verdict(healthy=True, reason="TCP connection was established")
    return Verdict(healthy=False, reason="TCP connection timed out")


def _balancer_is_healthy(name: str) -> bool:
    """Return whether every target group of the load balancer has a healthy target."""
    requested = name.rstrip(".").lower().removeprefix("dualstack.")
    for (account, region, arn), balancer in ministack.load_balancers.all_items():
        if balancer["DNSName"].lower() == requested:
            if cuts.is_cut(region, resource=arn):
                return False
            with ministack.acting_for(account, region):
                groups = [
                    group
                    for group, description in ministack.target_groups.items()
                    if arn in description["LoadBalancerArns"]
                ]
                return bool(groups) and all(target_health.healthy(item) for item in groups)
    return False
