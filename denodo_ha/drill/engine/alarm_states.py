"""The alarms that a failure sets off, and the longest time until they notify operators.

An alarm counts only if the failure sets it off under every assumption about the open points. An
alarm in a lost region notifies no topic, since CloudWatch and the topic are lost too.
"""

from collections.abc import Iterator

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.aws_rules import AlarmState
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.machine_states import MachineStates
from denodo_ha.drill.engine.open_points import HOST_COUNTS, interpretations
from denodo_ha.drill.engine.recovery_time import DnsTiming, metric_alarm, targets_unhealthy
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.dns import Alarm
from denodo_ha.drill.model.machines import Machine, Upstream
from denodo_ha.drill.model.notifications import Notification, SentNotification
from denodo_ha.drill.outcome import total_seconds
from denodo_ha.environment.derived.node_alarms import (
    DRAINED_HOURS,
    LICENSE_MANAGER_DOWN,
    STILL_DRAINED_HOURS,
    UNREADY_SERVICES,
)
from denodo_ha.environment.facts.limits import ALARM_LAG_S, NO_DATA_PERIODS

_DATABASE_EVENT = "database event"


class AlarmStates:
    """States of the alarms that notify operators, in any situation of the model.

    Args:
        engine: the engine of the model.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._model = engine, engine.model

    def notifications(self, situation: Situation) -> tuple[SentNotification, ...]:
        """Return the notifications that operators get in a situation, the earliest first.

        Alarms that are set off already in the situation at the start are left out.
        """
        whole = self._engine.start | situation
        sent = [*self._events(whole)]
        for notification in self._model.notifications:
            before = self._seconds(notification, self._engine.start)
            seconds = self._seconds(notification, whole)
            if seconds is not None and before is None:
                sent.append(SentNotification(notification.name, notification.urgency, seconds))
        unique = {(each.name, each.urgency): each for each in sorted(sent, key=_slowest_first)}
        return tuple(sorted(unique.values(), key=lambda each: (each.seconds, each.name)))

    def _events(self, situation: Situation) -> Iterator[SentNotification]:
        """Yield a notification of RDS for each database that fails, unless its region is lost."""
        for _, state in situation.clusters:
            failed = state.failing_over_databases | state.lost_databases
            if failed & self._model.database_events and not state.region_lost:
                yield SentNotification(_DATABASE_EVENT, "notice", 0)

    def _seconds(self, notification: Notification, situation: Situation) -> int | None:
        """Return the seconds until an alarm notifies, None if the alarm does not notify."""
        keys = {key for together in notification.parts for key in together}
        of_parts = {
            key: seconds
            for key in keys
            if (alarm := self._model.alarms.get(key)) is not None
            and (seconds := self._seconds_of_part(notification, alarm, situation)) is not None
        }
        times = [
            max(of_parts[key] for key in together)
            for together in notification.parts
            if together and together <= of_parts.keys()
        ]
        return min(times) + notification.wait if times else None

    def _seconds_of_part(
        self, notification: Notification, alarm: Alarm, situation: Situation
    ) -> int | None:
        if alarm.region in self._lost_regions(situation):
            return None
        states = set(self._states(alarm, situation))
        expected = AlarmState.INSUFFICIENT if notification.without_data else AlarmState.ALARM
        if states != {expected}:
            return None
        if alarm.switch:
            return alarm.period * alarm.datapoints + ALARM_LAG_S
        periods = (
            max(alarm.periods, NO_DATA_PERIODS) if notification.without_data else alarm.datapoints
        )
        seconds = self._detection(alarm, situation) + total_seconds(metric_alarm(alarm, periods))
        return seconds + (STILL_DRAINED_HOURS * 3600 if alarm.metric == DRAINED_HOURS else 0)

    def _lost_regions(self, situation: Situation) -> set[str]:
        clusters = self._model.clusters
        return {clusters[name].region for name, state in situation.clusters if state.region_lost}

    def _states(self, alarm: Alarm, situation: Situation) -> Iterator[AlarmState]:
        """Yield the state of an alarm under each assumption about the open points."""
        for value in self._values(alarm, situation):
            yield aws_rules.alarm_state(alarm.operator, alarm.threshold, value, alarm.missing)

    def _values(self, alarm: Alarm, situation: Situation) -> Iterator[float | None]:
        """Yield the value of an alarm's metric under each assumption about the open points.

        The value is None if the metric has no data.
        """
        same_metric = (
            other.key for other in self._model.alarms.values() if other.source == alarm.source
        )
        keys = frozenset(same_metric) if any(alarm.source) else frozenset({alarm.key})
        if keys & situation.alarms_without_data:
            yield None
        elif alarm.switch:
            yield alarm.threshold if keys & situation.thrown_switches else 0.0
        elif alarm.check is not None:
            for interpretation in interpretations(self._engine.open_points):
                health = self._engine.health(situation, interpretation)
                yield float(health.check(alarm.check))
        elif alarm.by_node:
            yield self._node_metric(alarm, situation)
        elif alarm.machine is not None:
            yield from self._machine(alarm.machine, situation)
        elif alarm.database is not None:
            yield None if self._is_lost(alarm.database, situation) else _harmless(alarm)
        elif alarm.proxy is not None:
            yield self._targets_of_proxy(alarm, situation)
        elif alarm.balancer is not None:
            yield from self._balancer(alarm, situation)
        else:
            yield _harmless(alarm)

    def _machine(self, key: str, situation: Situation) -> Iterator[float | None]:
        """Yield the possible values of the status check of an instance.

        The value is 0 if the instance runs. Otherwise it is 1, or None if the metric has no data.
        """
        machine = self._model.machines.get(key)
        if machine is None:
            yield 0.0
            return
        states = MachineStates(self._model, situation.state_of(machine.cluster), {})
        if states.runs(machine):
            yield 0.0
        else:
            yield from (1.0, None)

    def _node_metric(self, alarm: Alarm, situation: Situation) -> float | None:
        """Return the value of a metric that a node publishes; None if the node does not run."""
        machine = self._model.machines.get(alarm.machine or "")
        if machine is None:
            return _harmless(alarm)
        state = situation.state_of(machine.cluster)
        if not MachineStates(self._model, state, {}).runs(machine):
            return None
        if alarm.metric == UNREADY_SERVICES:
            # The node program does not check auxiliary ports.
            _, auxiliary_ports = self._model.ports_of_nodes(self._model.clusters[machine.cluster])
            closed = state.closed_ports.difference(auxiliary_ports)
            has_closed = any(key == machine.key for key, _ in closed)
            return float(has_closed or machine.key in state.unready_nodes)
        if alarm.metric == DRAINED_HOURS:
            return alarm.threshold if machine.key in state.drained_nodes else 0.0
        if alarm.metric == LICENSE_MANAGER_DOWN:
            return float(state.license_manager_lost)
        return _harmless(alarm)

    def _targets_of_proxy(self, alarm: Alarm, situation: Situation) -> float | None:
        """Return the number of targets of an inner load balancer that an alarm's metric counts."""
        watched = self._proxy_upstream(alarm)
        if watched is None or alarm.metric not in HOST_COUNTS:
            return _harmless(alarm)
        proxy, upstream = watched
        states = MachineStates(self._model, situation.state_of(proxy.cluster), {})
        if not states.runs(proxy):
            return None
        counted = states.left_out if HOST_COUNTS[alarm.metric] else states.passing
        return float(len(counted(upstream)))

    def _proxy_upstream(self, alarm: Alarm) -> tuple[Machine, Upstream] | None:
        proxy = self._model.machines.get(alarm.proxy or "")
        upstreams = (proxy.upstreams or {}).values() if proxy is not None else ()
        upstream = next((each for each in upstreams if each.port == alarm.proxy_port), None)
        return None if proxy is None or upstream is None else (proxy, upstream)

    def _is_lost(self, database: str, situation: Situation) -> bool:
        return any(database in state.lost_databases for _, state in situation.clusters)

    def _balancer(self, alarm: Alarm, situation: Situation) -> Iterator[float | None]:
        assert alarm.balancer is not None
        view = self._engine.view(alarm.balancer, situation)
        if view.lost:
            yield None
        elif alarm.metric not in HOST_COUNTS or (
            alarm.target_group is None
            or self._model.target_groups[alarm.target_group].targets_unknown
        ):
            yield _harmless(alarm)
        else:
            for zones_count_all in (False, True):
                reported = view.reported(alarm.target_group, zones_count_all=zones_count_all)
                counts = [
                    count[HOST_COUNTS[alarm.metric]]
                    for zone, count in reported.items()
                    if alarm.zone in (None, zone)
                ]
                yield aws_rules.statistic(alarm.statistic, counts)

    def _detection(self, alarm: Alarm, situation: Situation) -> int:
        """Return the seconds until the load balancer or Route 53 detects the failure.

        The alarm's own periods are not included. The result is 0 for metrics that show a failure
        at once.
        """
        if alarm.check is not None:
            timing = DnsTiming(
                self._model, self._engine.health(self._engine.start), self._engine.health(situation)
            )
            return total_seconds(timing.check_change(alarm.check))
        watched = self._proxy_upstream(alarm)
        if watched is not None and watched[1].health_check is not None:
            nodes = [self._model.machines[key] for key in watched[1].nodes]
            delay = max((node.readiness_delay for node in nodes), default=0)
            return watched[1].health_check.seconds_to_unhealthy + delay
        if alarm.balancer is None or alarm.target_group is None:
            return 0
        before = self._engine.view(alarm.balancer, self._engine.start)
        after = self._engine.view(alarm.balancer, situation)
        if after.lost:
            return 0
        return total_seconds(targets_unhealthy(self._model, before, after, alarm.target_group))


def _harmless(alarm: Alarm) -> float:
    """Return a value that does not breach an alarm's threshold."""
    below = alarm.operator.startswith("Less")
    return alarm.threshold + 1 if below else alarm.threshold - 1


def _slowest_first(sent: SentNotification) -> int:
    return -sent.seconds
