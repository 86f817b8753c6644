"""Route 53 health during a failure: the status of checks and records, and the DNS answer."""

from collections.abc import Callable, Iterator

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.aws_rules import AlarmState, Role
from denodo_ha.drill.engine.balancer_view import BalancerView
from denodo_ha.drill.engine.machine_states import MachineStates
from denodo_ha.drill.engine.open_points import HOST_COUNTS, Interpretation
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.dns import Alarm, FailoverName, HealthCheck, Record
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Reach

BalancerViews = Callable[[Key, Situation], BalancerView]


class Route53Health:
    """The health of every check and record in one situation.

    Args:
        model: the model of the templates.
        views: returns the `BalancerView` of a balancer in a situation.
        situation: the failures.
        interpretation: the assumptions about open points.
    """

    def __init__(
        self,
        model: Model,
        views: BalancerViews,
        situation: Situation,
        interpretation: Interpretation,
    ) -> None:
        self._model, self._views = model, views
        self.situation, self._interpretation = situation, interpretation
        self._last_statuses = dict(situation.last_statuses)
        self._checks: dict[Key, bool] = {}
        self._answers: dict[str, Role] = {}

    def view(self, balancer: Key) -> BalancerView:
        """Return the `BalancerView` of a balancer during the failures of `situation`."""
        return self._views(balancer, self.situation)

    def answer(self, name: FailoverName) -> Role:
        """Return the role of the failover record with which Route 53 answers."""
        if name.name not in self._answers:
            self._answers[name.name] = aws_rules.answers(
                primary=self.record(name.primary), secondary=self.record(name.secondary)
            )
        return self._answers[name.name]

    def record(self, record: Record) -> bool:
        """Return whether a record is healthy."""
        check = None if record.check is None else self.check(record.check)
        return aws_rules.record_is_healthy(check=check, target=self.target(record))

    def target(self, record: Record) -> bool | None:
        """Return the health of an alias's target, None if the record does not evaluate it."""
        if not (record.alias and record.evaluates) or record.target not in self._model.balancers:
            return None
        assert record.target is not None
        view = self._views(record.target, self.situation)
        if view.lost:
            return False
        by_threshold = self._interpretation.threshold_for_alias
        return view.alias_health_by_threshold if by_threshold else view.alias_health

    def alias_count(self, view: BalancerView, group: Key) -> int:
        """Return the number of a target group's targets that an alias counts as healthy."""
        by_threshold = self._interpretation.threshold_for_alias
        return view.threshold_count(group) if by_threshold else view.healthy_count(group)

    def check(self, key: Key) -> bool:
        """Return whether a health check is healthy; True if no template has the check."""
        if key not in self._checks:
            self._checks[key] = True  # Ends the recursion if a calculated check is its own child.
            self._checks[key] = self._status(key)
        return self._checks[key]

    def _status(self, key: Key) -> bool:
        if key in self.situation.unhealthy_checks:
            return False
        check = self._model.checks.get(key)
        if check is None:
            return True
        return aws_rules.status(
            measured=self._measured(check), inverted=check.inverted, disabled=check.disabled
        )

    def _measured(self, check: HealthCheck) -> bool:
        if check.kind == "CALCULATED":
            return aws_rules.calculated(
                [self.check(child) for child in check.children], check.needed
            )
        if check.kind == "CLOUDWATCH_METRIC":
            return self._by_alarm(check)
        return self._by_endpoint(check)

    def _by_alarm(self, check: HealthCheck) -> bool:
        alarm = self._model.alarm_of(check)
        state = self.alarm(alarm) if alarm else AlarmState.INSUFFICIENT
        by_alarm = self._interpretation.missing_by_alarm
        keeps_status = alarm is not None and alarm.missing == "ignore" and by_alarm
        insufficient = "LastKnownStatus" if keeps_status else check.insufficient
        return aws_rules.metric_check(state, insufficient, last=self._last_statuses.get(check.key))

    def alarm(self, alarm: Alarm) -> AlarmState:
        """Return the state of an alarm."""
        missing = alarm.missing if self._interpretation.missing_by_alarm else "missing"
        if self.has_no_data(alarm):
            return aws_rules.alarm_state(alarm.operator, alarm.threshold, None, missing)
        if alarm.switch:
            thrown = alarm.key in self.situation.thrown_switches
            return AlarmState.ALARM if thrown else AlarmState.INSUFFICIENT
        if alarm.metric not in HOST_COUNTS:
            # A balancer's other metrics are assumed not to depend on its nodes.
            return AlarmState.OK
        group = self._model.target_groups.get(alarm.target_group or "")
        if group is not None and group.targets_unknown:
            return AlarmState.OK
        value = aws_rules.statistic(alarm.statistic, [*self._datapoints(alarm)])
        return aws_rules.alarm_state(alarm.operator, alarm.threshold, value, missing)

    def has_no_data(self, alarm: Alarm) -> bool:
        """Return whether an alarm's metric has no data."""
        clusters = self._model.clusters
        lost_regions = {
            clusters[name].region for name, state in self.situation.clusters if state.region_lost
        }
        if alarm.key in self.situation.alarms_without_data or alarm.region in lost_regions:
            return True
        if alarm.switch:
            return False
        return alarm.balancer is None or self._views(alarm.balancer, self.situation).lost

    def _datapoints(self, alarm: Alarm) -> Iterator[float]:
        if alarm.target_group is None or alarm.balancer is None:
            return
        view = self._views(alarm.balancer, self.situation)
        zones_count_all = self._interpretation.zones_count_all
        reported = view.reported(alarm.target_group, zones_count_all=zones_count_all)
        for zone, counts in reported.items():
            if alarm.zone in (None, zone):
                yield counts[HOST_COUNTS[alarm.metric]]

    def _by_endpoint(self, check: HealthCheck) -> bool:
        reach = self._endpoint(check)
        some = self._interpretation.some_is_healthy
        answering = reach in (Reach.ALL, Reach.UNKNOWN) or (reach is Reach.SOME and some)
        return aws_rules.endpoint_is_reached(private=check.private, answering=answering)

    def _endpoint(self, check: HealthCheck) -> Reach:
        """Return the reach of a check's endpoint, UNKNOWN if no template has the endpoint."""
        if check.endpoint in self._model.balancers:
            assert check.endpoint is not None
            view = self._views(check.endpoint, self.situation)
            return view.answers_check(check.port, only_connects=check.kind == "TCP")
        machine = self._model.machines.get(check.endpoint or "")
        if machine is None:
            return Reach.UNKNOWN
        states = MachineStates(self._model, self.situation.state_of(machine.cluster), {})
        return Reach.ALL if states.listens(machine, check.port) else Reach.NONE
