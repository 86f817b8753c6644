"""Simulated targets, whose states change over time as on AWS; in moto they change at once.

A registered target is `initial` until its first checks have passed, then it has the state that the
test sets. A deregistered target is `draining` for the deregistration delay. The time is the cloud's
virtual clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.aws.polling import Clock

State = tuple[str, str, str]

HEALTHY: State = ("healthy", "", "")
UNHEALTHY: State = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
_INITIAL: State = (
    "initial",
    "Elb.InitialHealthChecking",
    "Initial health checks in progress",
)
_DRAINING: State = (
    "draining",
    "Target.DeregistrationInProgress",
    "Target deregistration is in progress",
)
_STOPPED: State = ("unused", "Target.InvalidState", "Target is in the stopped state")
_UNKNOWN: State = (
    "unused",
    "Target.NotRegistered",
    "Target is not registered to the target group",
)


@dataclass
class Registration:
    """A target in a target group, with the times of its registration and deregistration."""

    since: float
    leaving: float | None = None


@dataclass
class Group:
    """The targets of a target group by id and port, and the group's times in seconds."""

    port: int
    delay: float
    warm_up: float
    targets: dict[tuple[str, int], Registration] = field(default_factory=dict)


class Targets:
    """The targets of all target groups.

    Attributes:
        lag: seconds until a change is visible, since AWS is eventually consistent.
        states: state of a target after its first checks, by the group's ARN and the instance.
        running: whether an instance runs, by id; instances without an entry run.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, Group] = {}
        self.lag = 0.0
        self.states: dict[tuple[str, str], State] = {}
        self.running: dict[str, bool] = {}

    def add_group(self, arn: str, *, port: int, delay: float, warm_up: float) -> None:
        """Add a target group."""
        self._groups[arn] = Group(port, delay, warm_up)

    def hurry(self, delay: float) -> None:
        """Shorten the deregistration delay of every target group."""
        for group in self._groups.values():
            group.delay = delay

    def knows(self, arn: str) -> bool:
        """Return whether a target group exists."""
        return arn in self._groups

    def register(
        self, arn: str, targets: Iterable[Mapping[str, Any]], *, old: bool = False
    ) -> None:
        """Register targets; with `old`, their first checks have already passed."""
        group = self._groups[arn]
        for target in targets:
            key = str(target["Id"]), int(target.get("Port", group.port))
            known = group.targets.get(key)
            if known is None or known.leaving is not None:
                since = -group.warm_up if old else self._clock.monotonic() + self.lag
                group.targets[key] = Registration(since)

    def deregister(self, arn: str, targets: Iterable[Mapping[str, Any]]) -> None:
        """Deregister targets."""
        group = self._groups[arn]
        for target in targets:
            for (id_, port), registration in group.targets.items():
                # A target without a port has the group's port (AWS, DeregisterTargets).
                named = id_ == target["Id"] and int(target.get("Port", group.port)) == port
                if named and registration.leaving is None:
                    registration.leaving = self._clock.monotonic() + self.lag

    def registered(self, arn: str) -> set[str]:
        """Return the ids of a target group's targets that are registered and not draining."""
        targets = self._groups[arn].targets.items()
        return {id_ for (id_, _), registration in targets if registration.leaving is None}

    def describe(self, arn: str, asked: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
        """Return the response of DescribeTargetHealth."""
        group, now = self._groups[arn], self._clock.monotonic()
        seen = {
            key: self._state(arn, key[0], registration, group, now)
            for key, registration in group.targets.items()
            if registration.since <= now and not self._left(registration, group, now)
        }
        if asked := list(asked):
            keys = [(str(target["Id"]), int(target.get("Port", group.port))) for target in asked]
            seen = {key: seen.get(key, _UNKNOWN) for key in keys}
        return [_described(key, state) for key, state in seen.items()]

    def _left(self, registration: Registration, group: Group, now: float) -> bool:
        return registration.leaving is not None and now >= registration.leaving + group.delay

    def _state(
        self, arn: str, id_: str, registration: Registration, group: Group, now: float
    ) -> State:
        if registration.leaving is not None and now >= registration.leaving:
            return _DRAINING
        if not self.running.get(id_, True):
            return _STOPPED
        if now < registration.since + group.warm_up:
            return _INITIAL
        return self.states.get((arn, id_), HEALTHY)


def _described(key: tuple[str, int], state: State) -> dict[str, Any]:
    health = dict(zip(("State", "Reason", "Description"), state, strict=True))
    return {
        "Target": {"Id": key[0], "Port": key[1]},
        "HealthCheckPort": str(key[1]),
        "TargetHealth": {name: text for name, text in health.items() if text},
    }
