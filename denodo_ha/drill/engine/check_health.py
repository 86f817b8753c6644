"""The health of checks and records while something has failed, and the side that DNS answers."""

from collections.abc import Callable, Iterator

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.aws_rules import AlarmState, Role
from denodo_ha.drill.engine.balancer_view import View
from denodo_ha.drill.engine.machines import Machines
from denodo_ha.drill.engine.reachability import Reach
from denodo_ha.drill.engine.situation import Reading, Situation
from denodo_ha.drill.model import Alarm, HealthCheck, Key, Model, Record, Site

Views = Callable[[Key, Situation], View]

_COUNTS = {"HealthyHostCount": 0, "UnHealthyHostCount": 1}


class Health:
    """What Route 53 holds of every check and record in one situation.

    Args:
        model: what stands there.
        views: gives the view of a balancer.
        situation: what has failed.
        reading: how open points are read.
    """

    def __init__(self, model: Model, views: Views, situation: Situation, reading: Reading) -> None:
        self._model, self._views = model, views
        self.situation, self._reading = situation, reading
        self._last = dict(situation.last)
        self._checks: dict[Key, bool] = {}

    def side(self, site: Site) -> Role:
        """The record that Route 53 answers with."""
        return aws_rules.answers(
            primary=self.record(site.primary), secondary=self.record(site.secondary)
        )

    def record(self, record: Record) -> bool:
        """Whether a record is healthy."""
        check = None if record.check is None else self.check(record.check)
        return aws_rules.record_is_healthy(check=check, target=self.target(record))

    def target(self, record: Record) -> bool | None:
        """Whether what an alias evaluates is healthy; None where nothing is evaluated."""
        if not (record.alias and record.evaluates) or record.target not in self._model.balancers:
            return None
        assert record.target is not None
        view = self._views(record.target, self.situation)
        if view.gone:
            return False
        by_threshold = self._reading.threshold_for_alias
        return view.alias_health_by_threshold if by_threshold else view.alias_health

    def alias_count(self, view: View, group: Key) -> int:
        """The healthy targets of a group, as an alias that evaluates health counts them."""
        by_threshold = self._reading.threshold_for_alias
        return view.counted(group) if by_threshold else view.healthy(group)

    def check(self, key: Key) -> bool:
        """Whether a health check is healthy. One that no template has is taken as healthy."""
        if key not in self._checks:
            self._checks[key] = True  # a check that counts itself would ask for ever
            self._checks[key] = self._status(key)
        return self._checks[key]

    def _status(self, key: Key) -> bool:
        if key in self.situation.unhealthy:
            return False
        check = self._model.checks.get(key)
        if check is None or not check.declared:
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
        alarm = self._model.alarms.get(check.alarm or "")
        by_alarm = self._reading.missing_by_alarm
        state = self.alarm(alarm) if alarm else AlarmState.INSUFFICIENT
        kept = alarm is not None and alarm.missing == "ignore" and by_alarm
        insufficient = "LastKnownStatus" if kept else check.insufficient
        last = self._last.get(check.key)
        return aws_rules.metric_check(state, insufficient, last=last)

    def alarm(self, alarm: Alarm) -> AlarmState:
        """An alarm's state."""
        missing = alarm.missing if self._reading.missing_by_alarm else "missing"
        if self.silent(alarm):
            return aws_rules.alarm_state(alarm.operator, alarm.threshold, None, missing)
        if alarm.switch:
            thrown = alarm.key in self.situation.thrown
            return AlarmState.ALARM if thrown else AlarmState.INSUFFICIENT
        if alarm.metric not in _COUNTS:
            # What else a balancer reports says nothing about its nodes.
            return AlarmState.OK
        value = aws_rules.statistic(alarm.statistic, [*self._values(alarm)])
        return aws_rules.alarm_state(alarm.operator, alarm.threshold, value, missing)

    def silent(self, alarm: Alarm) -> bool:
        """Whether an alarm's metric reports nothing."""
        clusters = self._model.clusters
        lost = {clusters[name].region for name, state in self.situation.clusters if state.region}
        if alarm.key in self.situation.silent or alarm.region in lost:
            return True
        if alarm.switch:
            return False
        return alarm.balancer is None or self._views(alarm.balancer, self.situation).gone

    def _values(self, alarm: Alarm) -> Iterator[float]:
        if alarm.group is None or alarm.balancer is None:
            return
        view = self._views(alarm.balancer, self.situation)
        reported = view.reported(alarm.group, zones_count_all=self._reading.zones_count_all)
        for zone, counts in reported.items():
            if alarm.zone in (None, zone):
                yield counts[_COUNTS[alarm.metric]]

    def _by_endpoint(self, check: HealthCheck) -> bool:
        reach = self._endpoint(check)
        some = self._reading.some_is_healthy
        answering = reach in (Reach.ALL, Reach.UNKNOWN) or (reach is Reach.SOME and some)
        return aws_rules.endpoint_is_reached(private=check.private, answering=answering)

    def _endpoint(self, check: HealthCheck) -> Reach:
        """How an endpoint answers, where it is one of these templates."""
        if check.endpoint in self._model.balancers:
            assert check.endpoint is not None
            return self._views(check.endpoint, self.situation).accepts(check.port)
        machine = self._model.nodes.get(check.endpoint or "")
        if machine is None:
            return Reach.UNKNOWN
        machines = Machines(self._model, self.situation.of(machine.cluster), {})
        return Reach.ALL if machines.listens(machine, check.port) else Reach.NONE


def open_points(model: Model, views: Views, start: Situation) -> frozenset[str]:
    """The points that AWS's documents leave open, of those that matter to a model.

    Args:
        model: the templates.
        views: gives a balancer in a situation.
        start: what has failed already.
    """
    used = {record.check for site in model.sites for record in site.records.values()}
    checks = [model.checks[key] for key in _with_children(model, used)]
    alarms = [alarm for one in checks if (alarm := model.alarms.get(one.alarm or ""))]
    found = set()
    if any(
        _has_thresholds(model, record)
        for site in model.sites
        for record in (site.primary, site.secondary)
    ):
        found.add("threshold_for_alias")
    if any(
        _depends_on_zones(alarm) or _is_of_one_zone(alarm, views, start)
        for alarm in alarms
        if not alarm.switch
    ):
        found.add("zones_count_all")
    if any(alarm.missing != "missing" for alarm in alarms):
        found.add("missing_by_alarm")
    if any(one.endpoint in model.balancers for one in checks):
        found.add("some_is_healthy")
    return frozenset(found)


def _with_children(model: Model, keys: set[Key | None]) -> set[Key]:
    found: set[Key] = set()
    waiting = [key for key in keys if key in model.checks]
    while waiting:
        key = waiting.pop()
        assert key is not None
        if key in model.checks and key not in found:
            found.add(key)
            waiting += model.checks[key].children
    return found


def checks_of(model: Model, record: Record) -> list[HealthCheck]:
    """The health check of a record with all that it counts, by name."""
    keys = _with_children(model, {record.check})
    return sorted((model.checks[key] for key in keys), key=lambda one: one.name)


def looks_at(model: Model, site: Site) -> frozenset[str]:
    """The clusters whose failures may change a site's health."""
    found = set()
    for record in site.records.values():
        keys = {record.target}
        for check in checks_of(model, record):
            alarm = model.alarms.get(check.alarm or "")
            keys |= {check.endpoint, alarm.balancer if alarm else None}
        for key in keys - {None}:
            owner = model.balancers.get(key or "") or model.nodes.get(key or "")
            if owner is not None:
                found.add(owner.cluster)
    return frozenset(found)


def _has_thresholds(model: Model, record: Record) -> bool:
    balancer = model.balancers.get(record.target or "")
    if balancer is None or not (record.alias and record.evaluates):
        return False
    groups = {key for listener in balancer.listeners for key in listener.groups}
    return any(
        (model.groups[key].dns.count, model.groups[key].dns.percentage) != (1, None)
        for key in groups
    )


def _is_of_one_zone(alarm: Alarm, views: Views, start: Situation) -> bool:
    """Whether the only zone that has targets may be lost, so that others report them or nobody."""
    if alarm.metric not in _COUNTS or alarm.group is None or alarm.balancer is None:
        return False
    view = views(alarm.balancer, start)
    own, every = (view.reported(alarm.group, zones_count_all=how) for how in (False, True))
    return len(own) == 1 < len(every)


def _depends_on_zones(alarm: Alarm) -> bool:
    """All but "no healthy target at all", which is the same while some zone reports."""
    return alarm.metric in _COUNTS and not (
        alarm.metric == "HealthyHostCount"
        and alarm.statistic in ("Maximum", "Sum")
        and alarm.operator == "LessThanThreshold"
        and 0 < alarm.threshold <= 1
    )
