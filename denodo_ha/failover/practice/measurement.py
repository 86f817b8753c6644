"""Measurement of a practice: the seconds of each step, calculated from the observations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from denodo_ha.deployed.failover.location import SECONDARY, Role
from denodo_ha.failover.failover_task import SWITCH_STATES
from denodo_ha.failover.practice.client_observer import Look
from denodo_ha.failover.practice.expectation import ExpectedTimes
from denodo_ha.failover.practice.observation import Observation, SwitchState

ALARM_STATES: Final = {role: "ALARM" if role == SECONDARY else "OK" for role in SWITCH_STATES}
"""State of the switch's alarm for each role."""

Seen = TypeVar("Seen", Look, SwitchState)


@dataclass
class Leg:
    """One direction of a practice: the failover to the secondary, or back to the primary.

    Attributes:
        role: the role of the cluster to fail over to.
        to: the name of the cluster to fail over to.
        begin: time of the beginning.
        put: time at which AWS had the datapoint; None if it was not put.
        end: time at which the direction back began, or the practice ended; None until then.
    """

    role: Role
    to: str
    begin: float
    put: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class MeasuredStep:
    """A step of a direction.

    Attributes:
        step: name of the step.
        seconds: seconds from the datapoint to the step; for the first step, the seconds before the
            datapoint. None if the step was not observed.
        expected: the drill's longest time, None if it has none.
    """

    step: str
    seconds: float | None
    expected: int | None

    @property
    def is_late(self) -> bool:
        """Return True if the step took longer than the drill expects."""
        measured = self.seconds is not None and self.expected is not None
        return measured and float(self.seconds or 0) > float(self.expected or 0)


@dataclass(frozen=True)
class MeasuredLeg:
    """The measured steps of a direction.

    Attributes:
        to: the cluster to fail over to.
        steps: the steps in their order.
        expectation: the drill's steps as a text; empty without an expectation.
    """

    to: str
    steps: tuple[MeasuredStep, ...]
    expectation: str = ""

    @property
    def seconds(self) -> float | None:
        """Return the seconds from the datapoint until all services were served by the cluster."""
        (served,) = [step.seconds for step in self.steps if step.step == SERVED]
        return served


GAP_S: Final = 2
"""Project default: longest gap without a served connection that the report does not mark as late,
in seconds. Both clusters serve during a planned failover, so the drill expects no gap; but a single
look in which a connection failed counts as a gap of a second and the time of its handshake."""
DECIDE: Final = "checks before the datapoint"
ALARM: Final = "the switch's alarm"
CHECK: Final = "the switch's health check"
DNS: Final = "DNS, first answer"
SERVED: Final = "first served connection, all services"


def measured_leg(leg: Leg, observation: Observation, expected: ExpectedTimes | None) -> MeasuredLeg:
    """Return the measured steps of a direction."""
    switch = expected.switch if expected else None
    clients = expected.clients if expected else None
    put = leg.put
    looks = _between(observation.looks, leg)
    states = _between(observation.switch_states, leg)
    services = observation.observer.services

    def first(seen: Sequence[Seen], holds: Callable[[Seen], bool]) -> float | None:
        times = (each.at - put for each in seen if put is not None and holds(each))
        return next(times, None)

    def served(service: str) -> float | None:
        return first(looks, lambda look: look.cluster == leg.to and service not in look.faults)

    each = [(service, served(service)) for service in services]
    dns = first(looks, lambda look: look.cluster == leg.to)
    known = [seconds for _, seconds in each if seconds is not None]
    everything = max(known, default=dns) if len(known) == len(each) else None
    steps = (
        MeasuredStep(DECIDE, None if put is None else put - leg.begin, None),
        MeasuredStep(ALARM, first(states, lambda s: s.alarm == ALARM_STATES[leg.role]), switch),
        MeasuredStep(CHECK, first(states, lambda s: s.check == SWITCH_STATES[leg.role]), switch),
        MeasuredStep(DNS, dns, clients),
        *(
            MeasuredStep(f"first served connection, {name}", seconds, clients)
            for name, seconds in each
        ),
        MeasuredStep(SERVED, everything, clients),
        *(
            MeasuredStep(f"longest gap, {service}", longest_gap(looks, service), GAP_S)
            for service in services
        ),
    )
    return MeasuredLeg(leg.to, steps, expected.text if expected else "")


def _between(seen: Iterable[Seen], leg: Leg) -> list[Seen]:
    """Return a direction's observations, without those before the switch's datapoint."""
    begin = leg.begin if leg.put is None else leg.put
    return [each for each in seen if begin <= each.at and (leg.end is None or each.at <= leg.end)]


def longest_gap(looks: Sequence[Look], service: str) -> float:
    """Return the seconds of the longest gap, in which every look found a service not served."""
    return max((end - begin for begin, end in _gaps(looks, service)), default=0.0)


def _gaps(looks: Sequence[Look], service: str) -> Iterator[tuple[float, float]]:
    begin: float | None = None
    for look in looks:
        is_served = bool(look.cluster) and service not in look.faults
        if not is_served and begin is None:
            begin = look.at
        elif is_served and begin is not None:
            yield begin, look.at
            begin = None
    if begin is not None:
        yield begin, looks[-1].at


def open_gap(looks: Sequence[Look], services: Sequence[str]) -> float:
    """Return the seconds for which a service is already not served at the last look.

    Of several services, the one with the longest time counts.
    """
    longest = 0.0
    for service in services:
        for look in reversed(looks):
            if look.cluster and service not in look.faults:
                break
            longest = max(longest, looks[-1].at - look.at)
    return longest
