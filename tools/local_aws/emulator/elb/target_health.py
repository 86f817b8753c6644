"""The health of targets, with AWS's states and reason codes.

AWS, Target health status (of Network Load Balancers). A target is `initial`, then `healthy` or
`unhealthy`, then `draining` until it is deregistered; it is `unused`, with a reason, if it gets no
traffic. Real checks run only if a stand-in, a local server, answers for the target's instance; for
other instances every check passes.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from tools.local_aws.emulator import ministack, stand_ins
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.elb import alb_targets, health_check_flows, probe
from tools.local_aws.emulator.elb.forwarding_changes import CHANGES
from tools.local_aws.emulator.ministack import private

Target = dict[str, Any]
_REGISTERED, _DRAINING = "Registered", "DrainingSince"
_CHECKS_AT_ONCE = 32
"""Project default: largest number of health checks that run at the same time. The number is larger
than the number of targets of an environment, so that checks that time out delay no other check."""
_Key = tuple[str, str, int]
_log = logging.getLogger("local-aws")


@dataclass(frozen=True)
class Health:
    """The health of a target as DescribeTargetHealth shows it."""

    state: str
    reason: str = ""
    description: str = ""


_HEALTHY = Health("healthy")
_CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
_LEAVING = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)
_NOT_REGISTERED = Health(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)
_NO_BALANCER = Health(
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
_OTHER_ZONE = Health(
    "unused",
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)
_NO_NODE = Health(
    "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [502]"
)
_DISABLED = Health("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled")


def register(arn: str, targets: list[Target]) -> None:
    """Register new targets, and targets that were draining."""
    known = ministack.targets.setdefault(arn, [])
    for target in targets:
        same = _find(known, target)
        if same is None:
            known.append({**target, _REGISTERED: CLOCK.now()})
        elif _DRAINING in same:
            same.clear()
            same.update({**target, _REGISTERED: CLOCK.now()})


def deregister(arn: str, targets: list[Target]) -> None:
    """Deregister targets: they drain for the group's deregistration delay."""
    for target in targets:
        same = _find(ministack.targets.get(arn, []), target)
        if same is not None:
            same.setdefault(_DRAINING, CLOCK.now())
    _forget(arn)


def _find(known: list[Target], target: Target) -> Target | None:
    return next(
        (item for item in known if (item["Id"], item["Port"]) == (target["Id"], target["Port"])),
        None,
    )


def _forget(arn: str) -> None:
    """Remove the targets that have drained or whose instance no longer exists."""
    delay = CLOCK.real(float(_attribute(arn, "deregistration_delay.timeout_seconds")))
    unused = not (ministack.target_groups.get(arn) or {}).get("LoadBalancerArns")
    ministack.targets[arn] = [
        item
        for item in ministack.targets.get(arn, [])
        if not (_DRAINING in item and (unused or CLOCK.now() >= item[_DRAINING] + delay))
        and not _gone(item)
    ]


def _gone(target: Target) -> bool:
    """Return whether a target's instance is terminated and no longer visible."""
    return target["Id"].startswith("i-") and target["Id"] not in ministack.instances


def _attribute(arn: str, key: str) -> str:
    attributes = ministack.target_group_attributes.get(arn) or []
    return next((str(item["Value"]) for item in attributes if item["Key"] == key), "300")


def health(arn: str, target: Target) -> Health:
    """Return the current health of a target."""
    group = ministack.target_groups[arn]
    if _DRAINING in target:
        return _LEAVING
    unused = _unused(group, ministack.instances.get(target["Id"]))
    if unused is not None:
        return unused
    if not group["HealthCheckEnabled"]:
        return _DISABLED
    if alb_targets.leads_there(group):
        return _through(target)
    if _endpoint(group, target) is not None:
        return _checked(target)
    # Without a stand-in, every check since the registration counts as passed.
    needed = CLOCK.real(group["HealthyThresholdCount"] * group["HealthCheckIntervalSeconds"])
    return _HEALTHY if CLOCK.now() >= target.get(_REGISTERED, 0) + needed else _CHECKING


def _through(target: Target) -> Health:
    """Return the health of a target that is an Application Load Balancer.

    The target is unhealthy if none of its own targets is healthy.
    """
    states = {
        health(arn, item).state
        for arn in alb_targets.groups(target)
        for item in ministack.targets[arn]
    }
    if "healthy" in states:
        return _HEALTHY
    return _CHECKING if "initial" in states else _NO_NODE


def healthy(arn: str) -> float:
    """Return the number of healthy targets of a target group."""
    return count(arn, "healthy")


def count(arn: str, state: str) -> float:
    """Return the number of a target group's targets in a state."""
    _forget(arn)
    return float(sum(health(arn, item).state == state for item in ministack.targets.get(arn, [])))


def _unused(group: ministack.Record, instance: ministack.Record | None) -> Health | None:
    """Return the state of a target that gets no traffic even if checks pass; else None."""
    if instance is not None and instance["State"]["Name"] != "running":
        state = instance["State"]["Name"]
        return Health("unused", "Target.InvalidState", f"Target is in the {state} state")
    if not group["LoadBalancerArns"]:
        return _NO_BALANCER
    if instance is not None and not _zone_enabled(group, instance):
        return _OTHER_ZONE
    return None


def _zone_enabled(group: ministack.Record, instance: ministack.Record) -> bool:
    for arn in group["LoadBalancerArns"]:
        balancer = ministack.load_balancers.get(arn) or {}
        for subnet in balancer.get("Subnets", []):
            zone = (ministack.subnets.get(subnet) or {}).get("AvailabilityZone")
            if zone == instance["Placement"]["AvailabilityZone"]:
                return True
    return False


def _endpoint(group: ministack.Record, target: Target) -> tuple[str, int] | None:
    instance = instance_of(group, target)
    owner = instance["InstanceId"] if instance is not None else target["Id"]
    return stand_ins.endpoint(owner, _check_port(group, target))


def instance_of(group: ministack.Record, target: Target) -> ministack.Record | None:
    """Return the instance of a target, which a target group of type `ip` names by its address."""
    if group["TargetType"] != "ip":
        result: ministack.Record | None = ministack.instances.get(target["Id"])
        return result
    return next(
        (
            item
            for item in ministack.instances.values()
            if item["PrivateIpAddress"] == target["Id"]
            and item["VpcId"] == group["VpcId"]
            and item["State"]["Name"] != "terminated"
        ),
        None,
    )


def _check_port(group: ministack.Record, target: Target) -> int:
    port = group["HealthCheckPort"]
    return int(target["Port"] if port == "traffic-port" else port)


def _checked(target: Target) -> Health:
    """Return the health of a target according to the checks of its stand-in so far."""
    result = target.get("Checked") or {}
    if result.get("State") is None:
        return _CHECKING
    if result["State"] == "healthy":
        return _HEALTHY
    return Health("unhealthy", result["Reason"], result["Description"])


def check(group: ministack.Record, target: Target) -> None:
    """Check a target whose instance has a stand-in, and count the result."""
    address = _endpoint(group, target)
    if address is None:
        target.pop("Checked", None)
        return
    outcome = _outcome(group, target, address)
    result = target.setdefault("Checked", {"State": None, "Passed": 0, "Failed": 0})
    before = result["State"]
    if outcome.passed:
        result.update(Passed=result["Passed"] + 1, Failed=0)
        if result["Passed"] >= group["HealthyThresholdCount"] or result["State"] is None:
            # A new target needs one passed check; a target that was unhealthy needs as many as
            # the threshold (AWS, Health checks for Network Load Balancer target groups).
            result["State"] = "healthy"
    else:
        result.update(Failed=result["Failed"] + 1, Passed=0)
        if result["Failed"] >= group["UnhealthyThresholdCount"]:
            result.update(State="unhealthy", Reason=outcome.reason, Description=outcome.description)
    if result["State"] != before:
        CHANGES.note()


def _outcome(group: ministack.Record, target: Target, address: tuple[str, int]) -> probe.Outcome:
    if not health_check_flows.reach(group, instance_of(group, target), _check_port(group, target)):
        return probe.TIMEOUT
    # The server needs real time to answer, even if the pace shortens AWS's durations.
    timeout = max(CLOCK.real(group["HealthCheckTimeoutSeconds"]), 0.5)
    header = health_check_flows.header(group["TargetGroupArn"])
    if group["HealthCheckProtocol"] == "TCP":
        return probe.tcp(address, timeout, header)
    return probe.http_get(
        address,
        group["HealthCheckPath"],
        group["Matcher"]["HttpCode"],
        timeout,
        secure=group["HealthCheckProtocol"] == "HTTPS",
        header=header,
    )


class Checker(threading.Thread):
    """Thread that checks every target with a stand-in, at the interval of its target group.

    Checks run at the same time, so that a check that times out does not delay the others.
    """

    def __init__(self) -> None:
        super().__init__(name="target-health", daemon=True)
        self._due: dict[_Key, float] = {}
        self._running: set[_Key] = set()
        self._pool = ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="health-check")
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Run rounds of checks until `stop` is called."""
        while not self._stop_asked.wait(CLOCK.real(1)):
            try:
                self._round()
            except (KeyError, RuntimeError):
                # A target group or target was deleted during the round.
                _log.debug("a round of health checks was interrupted", exc_info=True)

    def stop(self) -> None:
        """Stop after the current round."""
        self._stop_asked.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _round(self) -> None:
        if not stand_ins.any_checked():
            return
        now = CLOCK.now()
        for (account, region, arn), group in ministack.target_groups.all_items():
            with ministack.acting_for(account, region):
                for target in list(ministack.targets.get(arn, [])):
                    key = (arn, target["Id"], target["Port"])
                    due = self._due.get(key, now)
                    if due > now or _DRAINING in target or key in self._running:
                        continue
                    # Count from the time at which the check was due, so that late rounds do not add
                    # up to a delay.
                    interval = CLOCK.real(group["HealthCheckIntervalSeconds"])
                    self._due[key] = due + interval if due + interval > now else now + interval
                    self._running.add(key)
                    self._pool.submit(copy_context().run, self._check, key, group, target)

    def _check(self, key: _Key, group: ministack.Record, target: Target) -> None:
        try:
            check(group, target)
        except (KeyError, RuntimeError):
            # The target group or its load balancer was deleted during the check.
            _log.debug("a health check was interrupted", exc_info=True)
        finally:
            self._running.discard(key)


def _described(parameters: dict[str, list[str]]) -> Any:
    """Answer DescribeTargetHealth."""
    (arn,) = parameters.get("TargetGroupArn", [""])
    group = ministack.target_groups.get(arn)
    if group is None:
        message = f"Target group '{arn}' not found"
        return private(ministack.alb, "_error")("TargetGroupNotFound", message)
    _forget(arn)
    known = ministack.targets[arn]
    request = private(ministack.alb, "_parse_targets_param")(parameters)
    description = []
    if request:
        for item in request:
            matching = [
                target
                for target in known
                if target["Id"] == item["Id"] and item.get("Port", target["Port"]) == target["Port"]
            ]
            description += [(target, health(arn, target)) for target in matching]
            if not matching:
                description.append(({"Port": group["Port"], **item}, _NOT_REGISTERED))
    else:
        description = [(target, health(arn, target)) for target in known]
    details = "".join(_xml(group, target, of) for target, of in description)
    return private(ministack.alb, "_xml")(
        200,
        "DescribeTargetHealth",
        f"<TargetHealthDescriptions>{details}</TargetHealthDescriptions>",
    )


def _xml(group: ministack.Record, target: Target, of: Health) -> str:
    reason = f"<Reason>{of.reason}</Reason>" if of.reason else ""
    described = f"<Description>{of.description}</Description>" if of.description else ""
    return (
        f"<member><Target><Id>{target['Id']}</Id><Port>{target['Port']}</Port></Target>"
        f"<HealthCheckPort>{_check_port(group, target)}</HealthCheckPort>"
        f"<TargetHealth><State>{of.state}</State>{reason}{described}</TargetHealth></member>"
    )


def install() -> None:
    """Replace the call that describes target health."""
    ministack.alb_actions["DescribeTargetHealth"] = _described
