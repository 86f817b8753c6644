"""The second model of `drill --orders`: the facts of a failover as a program in Promela.

The rules are written a second time from AWS's documentation, without the drill's engine. Spin
searches every state of the program; a property is a formula that must hold in every state.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tests.drill.second_model.template_facts import Alarm, Facts, HealthCheck, Record, ResourceKey

PROPERTIES: Final = {
    "answers-dead-side": "answers_dead_side",
    "does-not-return": "does_not_return",
    "remembers": "remembers",
    "oscillates": "oscillates",
}
"""The name of the formula for each property of the drill."""

_OPERATORS: Final = {
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
}

_Leaf = Callable[[ResourceKey, HealthCheck], str]


@dataclass(frozen=True)
class PromelaProgram:
    """A Promela program, and its number of combinations of undocumented AWS behaviour."""

    text: str
    interpretations: int


def promela(facts: Facts) -> PromelaProgram:
    """Return the Promela program for the facts of a failover."""
    program = _Program(facts)
    return PromelaProgram("\n".join(program.lines()) + "\n", 2 ** len(program.choices))


def _all(terms: list[str], otherwise: str = "1") -> str:
    return f"({' && '.join(terms)})" if terms else otherwise


def _sum(terms: list[str]) -> str:
    return f"({' + '.join(terms)})" if terms else "0"


@dataclass(frozen=True)
class _Program:
    """Builder of the program for the facts of a failover."""

    facts: Facts

    def lines(self) -> Iterator[str]:
        """Yield the lines of the program."""
        facts = self.facts
        yield f"bool node_lost[{len(facts.zones)}];"
        yield f"bool balancer_lost[{max(len(facts.balancers), 1)}];"
        yield f"bool region_lost[{len(self.regions)}];"
        yield f"bool metrics_missing[{max(len(self.watched), 1)}];"
        yield "byte lever; /* 0: put back, 1: thrown, 2: thrown without a datapoint since */"
        yield f"bool last[{max(len(self.keeping), 1)}] = 1;"
        yield f"bool at_start[{max(len(self.keeping), 1)}] = 1;"
        yield "bool begun, secondary, secondary_at_start; /* the answer of DNS */"
        yield from (f"bool {choice}; /* AWS does not say */" for choice in self.choices)
        yield from self._settle()
        yield from self._process()
        yield from self._formulas()

    # Resources by index, in the order of the facts.

    @cached_property
    def regions(self) -> list[str]:
        """The regions of all resources."""
        facts = self.facts
        return sorted(
            {
                *facts.regions_of_nodes.values(),
                *(balancer.region for balancer in facts.balancers.values()),
                *(alarm.region for alarm in facts.alarms.values()),
            }
        )

    @cached_property
    def used_checks(self) -> dict[ResourceKey, HealthCheck]:
        """The health checks of the records, with all their child checks."""
        used: dict[ResourceKey, HealthCheck] = {}
        waiting = [record.check for record in self.facts.records.values()]
        while waiting:
            key = waiting.pop()
            if key is not None and key not in used:
                used[key] = self.facts.checks[key]
                waiting += used[key].children
        return used

    @cached_property
    def watched(self) -> list[ResourceKey]:
        """The balancers on whose metrics the health checks of the records depend."""
        alarms = [
            self.facts.alarms[check.alarm]
            for check in self.used_checks.values()
            if check.alarm is not None
        ]
        return list(dict.fromkeys(alarm.balancer for alarm in alarms if alarm.balancer is not None))

    @cached_property
    def keeping(self) -> list[ResourceKey]:
        """The metric checks that may keep their last status while their alarm has no data."""
        return [
            key
            for key, check in self.used_checks.items()
            if check.alarm is not None and "kept" in self._without_data(check, "kept")
        ]

    @cached_property
    def choices(self) -> list[str]:
        """The open points on which the program depends: behaviour that AWS does not document."""
        text = "".join((*self._settle(), *self._formulas()))
        points = ("zones_count_all", "missing_by_alarm", "alias_by_threshold")
        return [point for point in points if point in text]

    # Expressions: which resources serve and which are healthy.

    def _lost_region(self, region: str) -> str:
        return f"region_lost[{self.regions.index(region)}]"

    def _node_up(self, node: ResourceKey) -> str:
        number = list(self.facts.zones).index(node)
        return f"(!node_lost[{number}] && !{self._lost_region(self.facts.regions_of_nodes[node])})"

    def _balancer_up(self, key: ResourceKey) -> str:
        number = list(self.facts.balancers).index(key)
        region = self.facts.balancers[key].region
        return f"(!balancer_lost[{number}] && !{self._lost_region(region)})"

    def _healthy(self, group: ResourceKey, zone: str | None = None) -> str:
        """Return an expression: number of healthy targets of a group, in one zone or in all."""
        return _sum(
            [
                self._node_up(node)
                for node in self.facts.groups[group].nodes
                if zone in (None, self.facts.zones[node])
            ]
        )

    def _serves(self, record: Record) -> str:
        if record.target not in self.facts.balancers:
            return self._node_up(record.target)
        groups = self.facts.balancers[record.target].groups
        return _all(
            [
                self._balancer_up(record.target),
                f"{_sum([self._healthy(group) for group in groups])} > 0",
            ]
        )

    def _target_healthy(self, record: Record) -> str:
        """Return an expression: whether every target group of an alias has a healthy target."""
        terms = [self._balancer_up(record.target)]
        for key in self.facts.balancers[record.target].groups:
            healthy = f"{self._healthy(key)} > 0"
            if not self.facts.groups[key].has_threshold:
                healthy = f"({healthy} || alias_by_threshold)"
            terms.append(healthy)
        return _all(terms)

    # Expressions: states of alarms and health checks.

    def _has_data(self, alarm: Alarm) -> str:
        if alarm.is_switch:
            return f"(lever == 1 && !{self._lost_region(alarm.region)})"
        if alarm.balancer is None:
            return "0"
        missing = f"!metrics_missing[{self.watched.index(alarm.balancer)}]"
        region = f"!{self._lost_region(alarm.region)}"
        return _all([self._balancer_up(alarm.balancer), region, missing])

    def _breaches(self, alarm: Alarm) -> str:
        """Return an expression: whether an alarm that has data is in the state ALARM."""
        if alarm.is_switch:
            return "1"
        if alarm.group is None or alarm.properties["MetricName"] != "HealthyHostCount":
            return "0"
        operator = _OPERATORS[alarm.properties["ComparisonOperator"]]
        threshold = int(alarm.properties["Threshold"])
        nodes = self.facts.groups[alarm.group].nodes
        by_zone = [
            f"({self._healthy(alarm.group, zone)} {operator} {threshold})"
            for zone in sorted({self.facts.zones[node] for node in nodes})
        ]
        # The maximum over the zones is below a threshold if the value in each zone is below it.
        assert alarm.properties["Statistic"] == "Maximum", "only Maximum is modelled"
        joined = (" && " if operator.startswith("<") else " || ").join(by_zone)
        of_all = f"({self._healthy(alarm.group)} {operator} {threshold})"
        return f"((zones_count_all && {of_all}) || (!zones_count_all && ({joined})))"

    def _alarm(self, check: HealthCheck) -> Alarm:
        assert check.alarm is not None
        return self.facts.alarms[check.alarm]

    def _without_data(self, check: HealthCheck, kept: str) -> str:
        """Return an expression: status of a metric check without data, given its last status."""
        setting = check.settings.get("InsufficientDataHealthStatus", "LastKnownStatus")
        own = {"Healthy": "1", "Unhealthy": "0"}.get(setting, kept)
        missing = self._alarm(check).properties.get("TreatMissingData", "missing")
        if missing == "missing":
            return own
        by_alarm = {"breaching": "0", "notBreaching": "1"}.get(missing, kept)
        return f"((missing_by_alarm && {by_alarm}) || (!missing_by_alarm && {own}))"

    def _kept(self, array: str, key: ResourceKey) -> str:
        return f"{array}[{self.keeping.index(key)}]" if key in self.keeping else "1"

    def _by_history(self, key: ResourceKey, check: HealthCheck) -> str:
        """Return an expression: status of a metric check without data, after all events so far."""
        return self._without_data(check, self._kept("last", key))

    def _by_causes(self, key: ResourceKey, check: HealthCheck) -> str:
        """Return the expression of `_by_history`, for checks that remember the switch only."""
        start = self._without_data(check, self._kept("at_start", key))
        return f"(lever == 0 && {start})" if self._alarm(check).is_switch else start

    def _status(self, key: ResourceKey, leaf: _Leaf) -> str:
        check = self.used_checks[key]
        kind = check.settings["Type"]
        if kind == "CALCULATED":
            children = _sum([self._status(child, leaf) for child in check.children])
            needed = check.settings.get("HealthThreshold", len(check.children))
            measured = f"({children} >= {int(needed)})"
        elif kind == "CLOUDWATCH_METRIC":
            alarm = self._alarm(check)
            data, breaches = self._has_data(alarm), self._breaches(alarm)
            measured = f"(({data} && !{breaches}) || (!{data} && {leaf(key, check)}))"
        else:
            measured = self._endpoint(check)
        if check.settings.get("Disabled"):
            measured = "1"
        return f"(!{measured})" if check.settings.get("Inverted") else measured

    def _endpoint(self, check: HealthCheck) -> str:
        """Return an expression: whether an endpoint check, from outside the VPC, gets an answer."""
        assert check.endpoint is not None
        if check.endpoint not in self.facts.balancers:
            return self._node_up(check.endpoint)
        balancer = self.facts.balancers[check.endpoint]
        listener = balancer.listeners.get(int(check.settings["Port"]))
        if balancer.is_internal or listener is None:
            return "0"
        up = self._balancer_up(check.endpoint)
        if listener.ends_tls and check.settings["Type"] == "TCP":
            return up
        return _all([up, f"{_sum([self._healthy(group) for group in listener.groups])} > 0"])

    def _record(self, role: str, leaf: _Leaf) -> str:
        record = self.facts.records[role]
        terms = [] if record.check is None else [self._status(record.check, leaf)]
        if record.evaluates:
            terms.append(self._target_healthy(record))
        return _all(terms)

    # The program.

    def _settle(self) -> Iterator[str]:
        """Yield the steps after an event: store status of checks with data, then compute DNS."""
        yield "inline settle() {"
        for number, key in enumerate(self.keeping):
            alarm = self._alarm(self.used_checks[key])
            data, breaches = self._has_data(alarm), self._breaches(alarm)
            yield f"  if :: {data} -> last[{number}] = !{breaches} :: else fi;"
        yield f"  secondary = {self._answer(self._by_history)}"
        yield "}"

    def _answer(self, leaf: _Leaf) -> str:
        return f"(!{self._record('PRIMARY', leaf)} && {self._record('SECONDARY', leaf)})"

    def _process(self) -> Iterator[str]:
        yield "active proctype world() {"
        yield "  atomic {"
        yield from (f"    if :: {choice} = 0 :: {choice} = 1 fi;" for choice in self.choices)
        yield "    settle(); secondary_at_start = secondary; begun = 1;"
        yield from (
            f"    at_start[{number}] = last[{number}];" for number in range(len(self.keeping))
        )
        yield "  }"
        yield "  do"
        arrays = [
            ("node_lost", len(self.facts.zones)),
            ("balancer_lost", len(self.facts.balancers)),
            ("region_lost", len(self.regions)),
            ("metrics_missing", len(self.watched)),
        ]
        for array, size in arrays:
            for number in range(size):
                item = f"{array}[{number}]"
                yield f"  :: d_step {{ {item} = !{item}; settle() }}"
        yield from self._lever()
        yield "  od"
        yield "}"

    def _lever(self) -> Iterator[str]:
        """Yield the events of the operators' switch; a throw needs the switch's Region to work."""
        switches = [
            key
            for key, check in self.used_checks.items()
            if check.alarm is not None and self._alarm(check).is_switch
        ]
        regions = {self._alarm(self.used_checks[key]).region for key in switches}
        seen = _all([f"!{self._lost_region(region)}" for region in sorted(regions)])
        if not switches:
            return
        reset = " ".join(
            f"{self._kept('last', key)} = 1;" for key in switches if key in self.keeping
        )
        yield f"  :: d_step {{ lever != 1 && {seen} -> lever = 1; settle() }}"
        yield "  :: d_step { lever == 1 -> lever = 2; settle() }"
        yield f"  :: d_step {{ lever != 0 && {seen} -> lever = 0; {reset} settle() }}"

    def _formulas(self) -> Iterator[str]:
        """Yield the formulas of the properties."""
        blind = [f"metrics_missing[{number}]" for number in range(len(self.watched))]
        seen = _all([f"!{metrics}" for metrics in blind])
        lost = [
            *(f"node_lost[{number}]" for number in range(len(self.facts.zones))),
            *(f"balancer_lost[{number}]" for number in range(len(self.facts.balancers))),
            *(f"region_lost[{number}]" for number in range(len(self.regions))),
        ]
        primary = self._serves(self.facts.records["PRIMARY"])
        secondary = self._serves(self.facts.records["SECONDARY"])
        waits = "0" if not self._is_operators else "!secondary"
        yield f"#define primary_dead (!secondary && !{primary} && {secondary})"
        yield f"#define secondary_dead (secondary && !{secondary} && {primary})"
        yield f"#define dead ({seen} && !{waits} && (primary_dead || secondary_dead))"
        whole = _all([f"!{failure}" for failure in (*lost, *blind)])
        yield f"#define moved ({whole} && lever == 0 && secondary != secondary_at_start)"
        yield f"#define by_causes {self._answer(self._by_causes)}"
        yield f"#define kept ({seen} && secondary != by_causes)"
        yield f"#define unsettled (secondary != {self._answer(self._by_history)})"
        # The formulas apply only after the initial state has been computed (`begun`).
        for name, flaw in zip(
            PROPERTIES.values(), ("dead", "moved", "kept", "unsettled"), strict=True
        ):
            yield f"ltl {name} {{ [] !(begun && {flaw}) }}"

    @property
    def _is_operators(self) -> bool:
        """Return whether operators alone decide if DNS answers with the primary."""
        record = self.facts.records["PRIMARY"]
        used = _Program(Facts(**{**vars(self.facts), "records": {"PRIMARY": record}})).used_checks
        alarms = [check.alarm for check in used.values() if check.settings["Type"] != "CALCULATED"]
        return (
            not record.evaluates
            and bool(alarms)
            and all(key is not None and self.facts.alarms[key].is_switch for key in alarms)
        )
