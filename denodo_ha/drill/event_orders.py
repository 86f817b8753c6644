"""Search of every order of failures and repairs, and the properties required of each state.

A state consists of the current failures, the last status of each metric check that had data, and
the operators' switch. An event adds or repairs one failure, or changes the switch. Each event
happens only after all checks have reacted to the event before it: this module judges the order of
events, and `engine.recovery_time` the delays between them.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

from denodo_ha.drill.breakages import Breakage, breakages
from denodo_ha.drill.engine.aws_rules import AlarmState, Role
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.open_points import Interpretation, interpretations
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.dns import FailoverName, HealthCheck, Record
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model, Subject
from denodo_ha.drill.outcome import Reach

MAX_STATES: Final = 200_000

PROPERTIES: Final = {
    "answers-dead-side": "DNS never answers with a cluster that does not serve while the other "
    "cluster serves.",
    "does-not-return": "After all repairs, the answer of DNS is the same as at the start.",
    "remembers": "The answer of DNS depends only on the present failures and on the operators' "
    "switch, and not on earlier failures.",
    "oscillates": "Without an event, the answer of DNS does not change.",
}
"""Properties that must hold in every state: the stable name of each property, and its sentence."""

RESTS_ON: Final[frozenset[Subject]] = frozenset({"balancer", "node", "record", "check"})
"""The kinds of objects that must be known to decide whether the properties hold."""

_Switch = Literal["", "thrown", "silent"]
"""The operators' switch: "" if it is not thrown or was put back; "thrown"; "silent" if it was
thrown and its metric has had no datapoint since."""


@dataclass(frozen=True)
class State:
    """A state of one failover name.

    Attributes:
        broken: the indices of the breakages that exist.
        switch: the operators' switch.
        last_statuses: the last status of each check that keeps its status when data is missing.
    """

    broken: frozenset[int] = frozenset()
    switch: _Switch = ""
    last_statuses: tuple[tuple[Key, bool], ...] = ()


@dataclass(frozen=True)
class Story:
    """The shortest sequence of events that leads to a state which violates a property.

    Attributes:
        property: the property, a key of `PROPERTIES`.
        name: the failover name.
        steps: the events, each with the DNS answer after it.
        count: the number of states that violate the property.
    """

    property: str
    name: str
    steps: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class OrdersResult:
    """The result of a search for one failover name.

    Attributes:
        name: the failover name.
        states: the number of states.
        depth: the number of events needed to reach the most distant state.
        complete: whether the search reached every state, and not a limit.
        failures: descriptions of the failures that can occur.
        stories: the shortest sequence of events for each property that is violated.
        unknowns: descriptions of values that the properties need and the templates do not contain.
    """

    name: str
    states: int
    depth: int
    complete: bool
    failures: tuple[str, ...]
    stories: tuple[Story, ...]
    unknowns: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Verdict on all event orders: broken, else unknown, else holds."""
        return "broken" if self.stories else "unknown" if self.unknowns else "holds"


def search_orders(
    model: Model,
    max_depth: int | None = None,
    start: Situation | None = None,
    *,
    states_per_name: int | None = None,
) -> tuple[OrdersResult, ...]:
    """Search all orders of events for each failover name, under all assumptions on open points.

    Args:
        model: the model of the templates.
        max_depth: maximum number of events in an order; None for all orders.
        start: the situation at the start, for example with a drained node.
        states_per_name: maximum number of states for a failover name, in equal shares for each set
            of assumptions; None for `MAX_STATES` with each set.
    """
    engine = Engine(model, start)
    unknowns = tuple(
        unknown.text for unknown in model.unknowns if not RESTS_ON.isdisjoint(unknown.hides)
    )
    assumptions = interpretations(engine.open_points)
    most = MAX_STATES if states_per_name is None else max(states_per_name // len(assumptions), 1)
    results = []
    for name in model.failover_names:
        searches = [
            _Search(engine, name, interpretation).run(max_depth, most)
            for interpretation in assumptions
        ]
        results.append(replace(in_every_interpretation(searches), unknowns=unknowns))
    return tuple(results)


def in_every_interpretation(searches: Sequence[OrdersResult]) -> OrdersResult:
    """Combine the searches of one failover name under each set of assumptions.

    The combined result has the numbers (`states`, `depth`) of the search with the most states, and
    for each property that is violated in any search, the shortest sequence of events.
    """
    stories: dict[str, Story] = {}
    for story in (story for search in searches for story in search.stories):
        known = stories.setdefault(story.property, story)
        if len(story.steps) < len(known.steps):
            stories[story.property] = story
    return replace(
        max(searches, key=lambda search: search.states),
        complete=all(search.complete for search in searches),
        stories=tuple(stories.values()),
    )


@dataclass
class _Search:
    """The search for one failover name under one set of assumptions about the open points."""

    engine: Engine
    name: FailoverName
    interpretation: Interpretation
    _answers: dict[State, Role] = field(default_factory=dict)
    _situations: dict[tuple[frozenset[int], bool], Situation] = field(default_factory=dict)
    _statuses: dict[tuple[frozenset[int], bool], Mapping[Key, bool | None]] = field(
        default_factory=dict
    )
    _serves: dict[tuple[frozenset[int], Role], bool] = field(default_factory=dict)

    def run(self, max_depth: int | None, max_states: int = MAX_STATES) -> OrdersResult:
        """Return the result of a breadth-first search, which finds the shortest orders first."""
        start = self._settled(State())
        parents: dict[State, tuple[State, str] | None] = {start: None}
        depths = {start: 0}
        waiting = deque([start])
        found: dict[str, tuple[State, int]] = {}
        by_cause: dict[tuple[frozenset[int], _Switch], Role] = {}
        complete = True

        def check(state: State) -> None:
            for broken_property in self._violations(state, start, by_cause):
                first, count = found.get(broken_property, (state, 0))
                found[broken_property] = (first, count + 1)

        check(start)
        while waiting:
            state = waiting.popleft()
            if depths[state] == max_depth or len(parents) >= max_states:
                complete = False
                continue
            for event, raw in self._events(state):
                following = self._settled(raw)
                if following not in parents:
                    parents[following] = (state, event)
                    depths[following] = depths[state] + 1
                    waiting.append(following)
                    check(following)
        stories = tuple(
            Story(of_property, self.name.name, self._steps(parents, state), count)
            for of_property, (state, count) in found.items()
        )
        return OrdersResult(
            self.name.name,
            len(parents),
            max(depths.values()),
            complete,
            tuple(breakage.text for breakage in self._breakages),
            stories,
        )

    def _violations(
        self,
        state: State,
        start: State,
        by_cause: dict[tuple[frozenset[int], _Switch], Role],
    ) -> Iterator[str]:
        """Yield the properties that a state violates."""
        answer = self._answer(state)
        if self._answer(self._settled(state)) is not answer:
            yield "oscillates"
        if not state.broken and not state.switch and answer is not self._answer(start):
            yield "does-not-return"
        if any(self._breakages[index].is_blind for index in state.broken):
            return
        cause: tuple[frozenset[int], _Switch] = (state.broken, "thrown" if state.switch else "")
        if by_cause.setdefault(cause, answer) is not answer:
            yield "remembers"
        other: Role = "SECONDARY" if answer == "PRIMARY" else "PRIMARY"
        if not self._side_serves(state, answer) and self._side_serves(state, other):
            waits_for_operators = self._is_operators and answer == "PRIMARY"
            if not waits_for_operators:
                yield "answers-dead-side"

    def _steps(
        self, parents: Mapping[State, tuple[State, str] | None], state: State
    ) -> tuple[str, ...]:
        steps: list[str] = []
        current = state
        while (parent := parents[current]) is not None:
            steps.append(f"{parent[1]}: DNS answers {self._cluster(self._answer(current))}")
            current = parent[0]
        steps.append(f"at the start DNS answers {self._cluster(self._answer(current))}")
        return tuple(reversed(steps))

    def _cluster(self, role: Role) -> str:
        return self.name.records[role].cluster or "elsewhere"

    def _events(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield each possible event, and the state after it to which no check has reacted yet."""
        for index, breakage in enumerate(self._breakages):
            repaired = index in state.broken
            text = breakage.repaired if repaired else breakage.text
            yield text, State(state.broken ^ {index}, state.switch, state.last_statuses)
        if self._switches:
            is_seen = self._switch_is_seen(state)
            if state.switch != "thrown" and is_seen:
                yield "switch thrown", State(state.broken, "thrown", state.last_statuses)
            if state.switch == "thrown":
                yield (
                    "the switch's metric has no new datapoint",
                    State(state.broken, "silent", state.last_statuses),
                )
            if state.switch and is_seen:
                yield "switch put back", State(state.broken, "", self._put_back(state))

    def _switch_is_seen(self, state: State) -> bool:
        """Return whether the switch's alarms get datapoints; False if their region is lost."""
        health = self.engine.health(self._situation(state), self.interpretation)
        alarms = self.engine.model.alarms
        return not any(health.has_no_data(alarms[key]) for key in self._switches)

    def _put_back(self, state: State) -> tuple[tuple[Key, bool], ...]:
        """Return the last status of each check after operators have put the switch back.

        They send a datapoint of 0, which makes the checks on the switch's alarms healthy.
        """
        alarms = self._switches
        return tuple(
            (key, True if self._checks[key].alarm in alarms else last)
            for key, last in state.last_statuses
        )

    def _settled(self, state: State) -> State:
        """Return the state after each health check with data has taken its current status."""
        statuses = self._present_statuses(state)
        last = dict(state.last_statuses)
        kept = tuple(
            (key, present if (present := statuses[key]) is not None else last.get(key, True))
            for key in self._keeping
        )
        return State(state.broken, state.switch, kept)

    def _answer(self, state: State) -> Role:
        if state not in self._answers:
            situation = self._situation(state) | Situation(last_statuses=state.last_statuses)
            health = self.engine.health(situation, self.interpretation)
            self._answers[state] = health.answer(self.name)
        return self._answers[state]

    def _situation(self, state: State) -> Situation:
        key = (state.broken, state.switch == "thrown")
        if key not in self._situations:
            situation = self.engine.start
            for index in sorted(state.broken):
                situation |= self._breakages[index].situation
            if state.switch == "thrown":
                situation |= Situation(thrown_switches=self._switches)
            self._situations[key] = situation
        return self._situations[key]

    def _present_statuses(self, state: State) -> Mapping[Key, bool | None]:
        """Return the current status, None without data, of checks that keep their last status."""
        key = (state.broken, state.switch == "thrown")
        if key not in self._statuses:
            health = self.engine.health(self._situation(state), self.interpretation)
            statuses: dict[Key, bool | None] = {}
            for check_key in self._keeping:
                alarm = self.engine.model.alarm_of(self._checks[check_key])
                state_of = health.alarm(alarm) if alarm else AlarmState.INSUFFICIENT
                statuses[check_key] = (
                    None if state_of is AlarmState.INSUFFICIENT else state_of is AlarmState.OK
                )
            self._statuses[key] = statuses
        return self._statuses[key]

    def _side_serves(self, state: State, role: Role) -> bool:
        """Return whether the cluster of a role serves at least some new connections."""
        key = (state.broken, role)
        if key not in self._serves:
            record = self.name.records[role]
            path = self.engine.path(self.name.name, record, self._situation(state))
            self._serves[key] = not path.ports or any(
                reach is not Reach.NONE
                for addresses in path.services.values()
                for reach in addresses.values()
            )
        return self._serves[key]

    @cached_property
    def _checks(self) -> Mapping[Key, HealthCheck]:
        records: list[Record] = [*self.name.records.values()]
        return {check.key: check for check in self.engine.model.checks_of(records)}

    @cached_property
    def _keeping(self) -> tuple[Key, ...]:
        """The metric checks that keep their last status when data is missing."""
        return tuple(
            key
            for key, check in self._checks.items()
            if check.kind == "CLOUDWATCH_METRIC"
            and (
                check.insufficient == "LastKnownStatus"
                or (
                    self.interpretation.missing_by_alarm
                    and (alarm := self.engine.model.alarm_of(check)) is not None
                    and alarm.missing == "ignore"
                )
            )
        )

    @cached_property
    def _switches(self) -> frozenset[Key]:
        alarms = (self.engine.model.alarm_of(check) for check in self._checks.values())
        return frozenset(alarm.key for alarm in alarms if alarm is not None and alarm.switch)

    @cached_property
    def _is_operators(self) -> bool:
        """Return whether the health of the primary's record depends only on operators' switches."""
        return self.engine.model.by_operators_alone(self.name.primary)

    @cached_property
    def _breakages(self) -> tuple[Breakage, ...]:
        return tuple(breakages(self.engine.model, self.name, self._checks.values()))
