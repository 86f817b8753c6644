"""One failure of a rehearsal: from its actions until clients are served again, or a time limit.

seen = Observation(paths, system, notifications, pace, sides).play(outcome, actions)
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from denodo_ha.drill.outcome import Outcome, Reach, reach_of_alternatives
from denodo_ha.environment.derived.alarms import name_in_description
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.rehearsal.client_load import ClientLoad, Service, Sessions
from tools.local_aws.rehearsal.client_paths import ClientPath, ClientPaths
from tools.local_aws.rehearsal.comparison import (
    CLIENT_TIMEOUT_S,
    WELL_S,
    Seen,
    recovery_seconds,
    tolerance,
)
from tools.local_aws.rehearsal.living_system import LivingSystem
from tools.local_aws.rehearsal.scenario_actions import Action

_UNTIL_REPAIR_S = 330
"""Project default: AWS seconds for which a failure lasts if the drill says that only a repair ends
its effects; longer than a failover takes."""
_HEALING_PACE = 60.0
"""Project default: the pace while the system recovers after a repair."""
_HEALING_S = 90.0
"""Project default: real seconds within which the system must recover after a repair."""
_REPEATED = 3
"""Project default: repetitions of a series of connections whose result differs from the drill's."""
_POLL_S = 0.2
_WORKERS = 32
_CHANGES = (" -> ALARM", " -> INSUFFICIENT_DATA")
"""Ends of message lines that name an alarm's new state; OK is left out, since only these two states
are notifications of a failure."""


@dataclass
class Observation:
    """Causes failures, one after the other, and observes their effects.

    Attributes:
        paths: the names that clients use.
        system: the system on which failures are caused.
        notifications: the file of the messages to SNS topics.
        pace: AWS seconds per real second.
        sides: the cluster that each failover name leads to without a failure.
        waits_for_alarms: whether a failure lasts until its alarms should have arrived.
    """

    paths: ClientPaths
    system: LivingSystem
    notifications: Path
    pace: float
    sides: Mapping[str, str]
    waits_for_alarms: bool = False
    _alarms_before: frozenset[str] | None = field(default=None, init=False)

    def play(self, outcome: Outcome, actions: Sequence[Action]) -> Seen:
        """Cause a failure on a recovered system, observe its effects, and repair the system.

        Raises:
            LocalAwsError: the system has not recovered before the failure.
        """
        self.system.set_pace(_HEALING_PACE)
        self._await_well(str(outcome.failure))
        self.system.set_pace(self.pace)
        services = [service for path in self.paths.paths for service in path.services]
        load, sessions = ClientLoad(services, self.paths.resolver), Sessions()
        arrivals = Arrivals(self.notifications)
        try:
            sessions.open(self._endpoints(), CLIENT_TIMEOUT_S)
            with load.running():
                time.sleep(WELL_S / 2)
                begin = time.monotonic()
                self.system.perform(actions)
                moved_at = self._wait(outcome, load, begin, arrivals)
                reach = self._reach_at_end(outcome)
                waited = (time.monotonic() - begin) * self.pace
                if self.waits_for_alarms:
                    waited = self._wait_for_alarms(outcome, begin, arrivals)
                sides = {path.name: self._side(path) for path in self._failover_paths}
            arrivals.look()
            after = [sample for sample in load.samples if sample.ended >= begin]
            served = recovery_seconds(after, begin, self.pace, self._recovering(outcome))
            return Seen(
                sides=sides,
                reach=reach,
                recovery=max(served, (moved_at - begin) * self.pace),
                failed=sum(bool(sample.fault) for sample in after),
                connections=len(after),
                sessions=sessions.count,
                lost=sessions.look(),
                alarms={name: (at - begin) * self.pace for name, at in arrivals.times.items()},
                waited=waited,
            )
        finally:
            sessions.close()
            self.system.repair()

    def reach(self) -> dict[tuple[str, int], Reach]:
        """Return for each name and port whether all, some or no new connections are served."""
        attempts = {
            (path.name, service.port): [
                (service, address)
                for address in self.paths.answer(path)
                for _ in range(self.paths.connections(service.port))
            ]
            for path in self.paths.paths
            for service in path.services
        }
        with ThreadPoolExecutor(_WORKERS) as pool:
            results = {key: pool.map(_serves, of) for key, of in attempts.items()}
            return {
                key: reach_of_alternatives(Reach.ALL if served else Reach.NONE for served in of)
                for key, of in results.items()
            }

    def _reach_at_end(self, outcome: Outcome) -> dict[tuple[str, int], Reach]:
        """Return the reach of all ports, measured again while it differs from the drill's outcome.

        On a busy machine, some connections time out, but not in each series of connections. Ports
        that a failure makes unreachable remain unreachable until the repair.
        """
        reach = self.reach()
        for _ in range(_REPEATED):
            seen = Seen({}, reach, 0)
            predicted = (outcome.unreachable, outcome.partial)
            if (seen.ports(Reach.NONE), seen.ports(Reach.SOME)) == predicted:
                break
            time.sleep(WELL_S)
            reach = self.reach()
        return reach

    @property
    def _failover_paths(self) -> list[ClientPath]:
        return [path for path in self.paths.paths if path.is_failover]

    def _recovering(self, outcome: Outcome) -> tuple[int, ...]:
        """Return the ports that all connections reach in the end, according to the drill."""
        ports = {service.port for path in self.paths.paths for service in path.services}
        return tuple(ports - {*outcome.unreachable, *outcome.partial})

    def _endpoints(self) -> list[tuple[str, int]]:
        return [
            (address, service.actual(address))
            for path in self.paths.paths
            for address in self.paths.answer(path)
            for service in path.services
        ]

    def _wait(
        self, outcome: Outcome, load: ClientLoad, begin: float, arrivals: "Arrivals"
    ) -> float:
        """Wait until clients and DNS show the drill's outcome, or the drill's time is over.

        Return the time at which the DNS answer changed last; `begin` if it did not change.
        """
        predicted = _UNTIL_REPAIR_S if outcome.recovery is None else outcome.recovery
        deadline = begin + (predicted + tolerance(self.pace, predicted)) / self.pace
        expected = {change.name: change.after for change in outcome.dns_changes}
        ports, moved_at = self._recovering(outcome), begin
        sides = {path.name: self.sides.get(path.name, "") for path in self._failover_paths}
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            arrivals.look()
            now = time.monotonic()
            answered = {path.name: self._side(path) for path in self._failover_paths}
            if answered != sides:
                sides, moved_at = answered, now
            bad = [item.ended for item in [*load.samples] if item.fault and item.port in ports]
            is_well = now - max([begin, *bad]) > WELL_S
            is_final = all(
                side == expected.get(name, self.sides.get(name)) for name, side in sides.items()
            )
            if outcome.recovery is not None and is_well and is_final:
                break
        return moved_at

    def _wait_for_alarms(self, outcome: Outcome, begin: float, arrivals: "Arrivals") -> float:
        """Wait until each alarm of the drill should have arrived.

        Return the AWS seconds since `begin`.
        """
        latest = max((sent.seconds for sent in outcome.notifications), default=0)
        deadline = begin + (latest + tolerance(self.pace, latest)) / self.pace
        while time.monotonic() < deadline:
            arrivals.look()
            if all(sent.name in arrivals.times for sent in outcome.notifications):
                break
            time.sleep(_POLL_S)
        return (time.monotonic() - begin) * self.pace

    def _await_well(self, failure: str) -> None:
        """Wait until all connections are served, by the cluster that serves without a failure.

        Raises:
            LocalAwsError: the system does not recover within `_HEALING_S`.
        """
        deadline = time.monotonic() + _HEALING_S
        while reason := self._unwell():
            if time.monotonic() > deadline:
                message = (
                    f"the system has not recovered within {_HEALING_S:.0f} s before the failure "
                    f"{failure}: {reason}"
                )
                raise LocalAwsError(message)
            time.sleep(_POLL_S)

    def _unwell(self) -> str:
        for path in self._failover_paths:
            side, expected = self._side(path), self.sides.get(path.name)
            if side != expected:
                return f"{path.name} leads to {side or 'no cluster'} instead of {expected}"
        bad = [f"{name}:{port}" for (name, port), of in self.reach().items() if of is not Reach.ALL]
        if bad:
            return f"some connections do not reach {', '.join(bad)}"
        alarms = self.system.alarms()
        if self._alarms_before is None:
            self._alarms_before = alarms
        late = sorted(alarms - self._alarms_before)
        return f"alarms are not yet in state OK again: {', '.join(late)}" if late else ""

    def _side(self, path: ClientPath) -> str:
        """Return the cluster that a name resolves to; empty if there are several or none."""
        clusters = {self.paths.cluster_of(address) for address in self.paths.answer(path)}
        return clusters.pop() if len(clusters) == 1 else ""


class Arrivals:
    """Times at which each alarm's notification was first found in the messages file, by name."""

    def __init__(self, file: Path) -> None:
        self._file, self._from = file, file.stat().st_size
        self.times: dict[str, float] = {}

    def look(self) -> None:
        """Read the messages that were appended since the start of the failure."""
        with self._file.open("rb") as messages:
            messages.seek(self._from)
            text = messages.read().decode(errors="replace")
        lines = text.splitlines()
        for change, description in pairwise(lines):
            named = name_in_description(description) if change.endswith(_CHANGES) else None
            if named is not None:
                self.times.setdefault(named[1], time.monotonic())


def _serves(attempt: tuple[Service, str]) -> bool:
    service, address = attempt
    return not service.fault(address, service.actual(address))
