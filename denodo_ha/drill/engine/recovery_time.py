"""Recovery times: the seconds until new connections succeed, and until repaired parts are in use.

A recovery time is a sequence of steps. The seconds of each step are those that AWS documents or
that the templates configure.
"""

from collections.abc import Collection, Iterable, Iterator

from denodo_ha.drill.engine.aws_rules import AlarmState
from denodo_ha.drill.engine.balancer_view import BalancerView
from denodo_ha.drill.engine.route53_health import Route53Health
from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model.dns import Alarm, FailoverName, HealthCheck, Record
from denodo_ha.drill.model.machines import Key, TargetHealthCheck
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import RecoveryStep, RecoverySteps, longest_steps, total_seconds
from denodo_ha.environment.facts.limits import (
    ALARM_LAG_S,
    BALANCER_ALIAS_TTL_S,
    DATABASE_FAILOVER_S,
    ENDPOINT_CONNECT_S,
    ENDPOINT_HTTP_S,
    NO_DATA_PERIODS,
)

BalancerPair = tuple[BalancerView | None, BalancerView | None]
"""A record's balancer before and after a failure; None if no template has the balancer."""


class DnsTiming:
    """The steps until DNS changes from its answer in one situation to its answer in another.

    Args:
        model: the model of the templates.
        before: the health in the first situation.
        after: the health in the second situation.
    """

    def __init__(self, model: Model, before: Route53Health, after: Route53Health) -> None:
        self._model, self._before, self._after = model, before, after

    def failover(self, name: FailoverName, balancers: BalancerPair) -> RecoverySteps:
        """Return the steps until clients use the new DNS answer after a record's health changes."""
        for record in (name.primary, name.secondary):
            if self._before.record(record) != self._after.record(record):
                return (*self._record_change(record, balancers), record_ttl(record))
        return ()

    def failback(self, name: FailoverName, balancers: BalancerPair) -> RecoverySteps:
        """Return the steps until clients use the original DNS answer again after all repairs."""
        reverse = DnsTiming(self._model, self._after, self._before)
        return reverse.failover(name, (balancers[1], balancers[0]))

    def by_operators(self) -> bool:
        """Return whether operators threw a switch, so that only operators can end the failover."""
        thrown = self._after.situation.thrown_switches - self._before.situation.thrown_switches
        return bool(thrown)

    def _record_change(self, record: Record, balancers: BalancerPair) -> RecoverySteps:
        """Return the steps until a record's health has changed.

        A record becomes unhealthy as soon as its check or its target is unhealthy, and healthy only
        when both are healthy.
        """
        alternatives = []
        if record.check is not None and self._changes(record.check):
            alternatives.append(self.check_change(record.check))
        if self._before.target(record) != self._after.target(record):
            alternatives.append(self._target_change(balancers))
        becomes_healthy = self._after.record(record)
        return longest_steps(alternatives) if becomes_healthy else _shortest(alternatives)

    def _changes(self, check: Key) -> bool:
        return self._before.check(check) != self._after.check(check)

    def _target_change(self, balancers: BalancerPair) -> RecoverySteps:
        """Return the steps until Route 53 sees the changed health of an alias's balancer."""
        before, after = balancers
        if before is None or after is None:
            return ()
        worse = _healthy_targets(after) <= _healthy_targets(before)
        alternatives = []
        for key, registered in before.registered.items():
            was_healthy = self._before.alias_count(before, key) > 0
            is_healthy = not after.lost and self._after.alias_count(after, key) > 0
            if was_healthy != is_healthy and (registered or after.registered[key]):
                check = self._model.target_groups[key].health_check
                steps: RecoverySteps = (target_healthy(check),)
                if worse:
                    steps = targets_unhealthy(self._model, before, after, key)
                alternatives.append(steps)
        return _shortest(alternatives) if worse else longest_steps(alternatives)

    def check_change(self, key: Key) -> RecoverySteps:
        """Return the steps until a health check's status has changed."""
        check = self._model.checks.get(key)
        before, after = self._before.situation, self._after.situation
        if check is None or key in after.unhealthy_checks | before.unhealthy_checks:
            return ()
        if check.kind == "CALCULATED":
            return self._calculated_change(check)
        if check.kind == "CLOUDWATCH_METRIC":
            return self._alarm_change(check)
        return (endpoint_check(check, becomes_healthy=self._after.check(key)),)

    def _calculated_change(self, check: HealthCheck) -> RecoverySteps:
        """Return the steps until a calculated check has changed with its child checks."""
        changes = sorted(
            (self.check_change(child) for child in check.children if self._changes(child)),
            key=total_seconds,
        )
        healthy = sum(self._before.check(child) for child in check.children)
        needed = healthy - check.needed + 1 if healthy >= check.needed else check.needed - healthy
        return changes[min(needed, len(changes)) - 1] if changes else ()

    def _alarm_change(self, check: HealthCheck) -> RecoverySteps:
        alarm = self._model.alarm_of(check)
        if alarm is None:
            return ()
        periods = (
            alarm.datapoints
            if self._after.alarm(alarm) is AlarmState.ALARM
            else alarm.periods_until_ok
        )
        if alarm.switch:
            return switch_alarm(alarm, periods)
        if self._after.has_no_data(alarm):
            periods = max(alarm.periods, NO_DATA_PERIODS)
            return metric_alarm(alarm, periods, "alarm without data")
        if alarm.key in self._before.situation.alarms_without_data:
            return metric_alarm(alarm, periods)
        return (*self._detection(alarm, check), *metric_alarm(alarm, periods))

    def _detection(self, alarm: Alarm, check: HealthCheck) -> RecoverySteps:
        """Return the steps until the changed health of targets is visible in an alarm's metric."""
        group = self._model.target_groups.get(alarm.target_group or "")
        if group is None or alarm.balancer is None:
            return ()
        if self._after.check(check.key):
            return (target_healthy(group.health_check),)
        before, after = self._before.view(alarm.balancer), self._after.view(alarm.balancer)
        return targets_unhealthy(self._model, before, after, group.key)


def _healthy_targets(view: BalancerView) -> int:
    return 0 if view.lost else sum(view.healthy_count(key) for key in view.registered)


def rerouting_steps(model: Model, before: BalancerView, after: BalancerView) -> RecoverySteps:
    """Return the steps until a balancer sends new connections only to working targets.

    Auxiliary target groups are ignored: a client uses an auxiliary port only after the node has
    answered on the jdbc port.
    """
    alternatives = [
        targets_unhealthy(model, before, after, key)
        for key, healthy in before.healthy_targets.items()
        if healthy & after.unhealthy_targets[key]
    ]
    alternatives += [
        _unhealthy_steps(model, after, check, left_out)
        for check, left_out in _proxy_checks(before, after)
    ]
    steps = longest_steps(alternatives)
    if set(before.addresses) - set(after.addresses) and after.addresses:
        return (*steps, RecoveryStep("TTL of the balancer's name", BALANCER_ALIAS_TTL_S))
    return steps


def targets_unhealthy(
    model: Model, before: BalancerView, after: BalancerView, group: Key
) -> RecoverySteps:
    """Return the steps until a target group's check marks its failed targets as unhealthy.

    A node that runs and is not ready reports this only after a delay.
    """
    healthy = before.healthy_targets.get(group, frozenset())
    targets = healthy & after.unhealthy_targets.get(group, frozenset())
    check = model.target_groups[group].health_check
    return _unhealthy_steps(model, after, check, {target.machine for target in targets})


def _unhealthy_steps(
    model: Model, after: BalancerView, check: TargetHealthCheck, nodes: Collection[Key]
) -> RecoverySteps:
    """Return the steps until a target group's check marks the given nodes as unhealthy."""
    step = target_unhealthy(check)
    if not check.requests_readiness:
        return (step,)
    machines = (model.machines[key] for key in nodes)
    delays = [node.readiness_delay for node in machines if after.machine_states.runs(node)]
    delay = max(delays, default=0)
    return (RecoveryStep("the node's own checks", delay), step) if delay else (step,)


def rejoining_steps(model: Model, before: BalancerView, after: BalancerView) -> RecoverySteps:
    """Return the steps until a balancer uses all targets again after their repair."""
    alternatives = [
        (target_healthy(model.target_groups[key].health_check),)
        for key, healthy in before.healthy_targets.items()
        if healthy - after.healthy_targets[key]
    ]
    alternatives += [(target_healthy(check),) for check, _ in _proxy_checks(before, after)]
    return longest_steps(alternatives)


def _proxy_checks(
    before: BalancerView, after: BalancerView
) -> Iterator[tuple[TargetHealthCheck, frozenset[Key]]]:
    """Yield each check by which a proxy stops using nodes, with the nodes that fail the check."""
    for key, target, upstream, check in before.checked_upstreams:
        if target in after.healthy_targets[key] or target in after.unhealthy_targets[key]:
            left_out = after.machine_states.left_out(upstream)
            left_out -= before.machine_states.left_out(upstream)
            if left_out:
                yield check, left_out


def _shortest(alternatives: Iterable[RecoverySteps]) -> RecoverySteps:
    return min(alternatives, key=total_seconds, default=())


def interrupted_ports(model: Model, state: ClusterState, ports: Iterable[int]) -> Iterator[int]:
    """Yield the given ports that are not served while a shared database fails over."""
    needed = {
        port for key in state.failing_over_databases for port in model.databases[key].ports or ()
    }
    return (port for port in ports if port in needed)


def database_failover(model: Model, state: ClusterState, ports: Iterable[int]) -> RecoverySteps:
    """Return the step of a database failover; empty if no given port needs the database."""
    unknown = any(model.databases[key].ports is None for key in state.failing_over_databases)
    if not unknown and not any(interrupted_ports(model, state, ports)):
        return ()
    low, high = DATABASE_FAILOVER_S.low, DATABASE_FAILOVER_S.high
    return (RecoveryStep(f"failover of the database, typically {low} to {high} s", high, low),)


def target_unhealthy(check: TargetHealthCheck) -> RecoveryStep:
    """Return the step until a target group's check marks a target as unhealthy."""
    text = f"target check, {check.interval} s x {check.unhealthy} + {check.timeout} s"
    certain = check.interval * (check.unhealthy - 1)
    return RecoveryStep(text, check.seconds_to_unhealthy, certain)


def target_healthy(check: TargetHealthCheck) -> RecoveryStep:
    """Return the step until a target group's check marks a target as healthy."""
    text = f"target check, {check.interval} s x {check.healthy}"
    return RecoveryStep(text, check.seconds_to_healthy, check.interval * (check.healthy - 1))


def metric_alarm(alarm: Alarm, periods: int, text: str = "alarm") -> RecoverySteps:
    """Return the steps until an alarm on a balancer's metric has changed its state."""
    seconds = alarm.period * periods
    # AWS does not document after how many periods without data an alarm changes its state. An alarm
    # evaluates at least `alarm.periods` periods, so only the time of these periods is certain.
    certain = min(seconds, alarm.period * alarm.periods)
    return (
        RecoveryStep("rest of the current period", alarm.period),
        RecoveryStep(f"{text}, {alarm.period} s x {periods}", seconds, certain),
        RecoveryStep("delay of the metric", ALARM_LAG_S),
    )


def switch_alarm(alarm: Alarm, periods: int) -> RecoverySteps:
    """Return the steps until an alarm on an operator's datapoint has changed its state."""
    text, certain = f"switch's alarm, {alarm.period} s x {periods}", alarm.period * (periods - 1)
    return (
        RecoveryStep(text, alarm.period * periods, certain),
        RecoveryStep("delay of the metric", ALARM_LAG_S),
    )


def endpoint_check(check: HealthCheck, *, becomes_healthy: bool) -> RecoveryStep:
    """Return the step until an endpoint check has changed its status."""
    text = f"endpoint check, {check.interval} s x {check.failures}"
    seconds, certain = check.interval * check.failures, check.interval * (check.failures - 1)
    if becomes_healthy:
        return RecoveryStep(text, seconds, certain)
    timeout = ENDPOINT_CONNECT_S if check.kind == "TCP" else ENDPOINT_HTTP_S
    return RecoveryStep(f"{text} + {timeout} s", seconds + timeout, certain)


def record_ttl(record: Record) -> RecoveryStep:
    """Return the step until clients' resolvers no longer cache a record."""
    if record.alias:
        return RecoveryStep("TTL of the alias", BALANCER_ALIAS_TTL_S)
    return RecoveryStep("TTL", record.ttl)
