"""Repeated probe of one service of a running node, with the results of earlier probes.

The probe connects to Virtual DataPort every few seconds. It runs `ping.sh`, which starts Java, only
every `PING_SECONDS`. After a failed connection, the next probe runs `ping.sh`, because the server
may have been started again. The probe detects a server that hangs even without `ping.sh`, because
the ODBC port of that server does not answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hosts.denodo.configuration import settings
from hosts.denodo.readiness import earlier_rules, ping, probes
from hosts.denodo.record import Record
from hosts.denodo.servers import processes, web_container
from hosts.denodo.state import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.denodo.readiness.probes import Failure
    from hosts.denodo.state import State
    from hosts.denodo.system import System

READY = "ready"
STARTING = "starting"
BUSY = "busy"
DEAD = "dead"
DRAINED = "drained"
UNCONFIRMED = "metadata unconfirmed"

PING_SECONDS = 20.0
"""Seconds for which an answer to `ping.sh` is reused that says that Virtual DataPort is ready.
Denodo's own health check runs every 30 s."""
UNREADY_PING_SECONDS = 10.0
"""Seconds for which an answer to `ping.sh` is reused that says that Virtual DataPort is not ready.
This time is short, because the server may become ready at any moment."""


@dataclass(frozen=True)
class Verdict:
    """The condition of a service.

    Attributes:
        condition: `ready`, `starting`, `busy`, `dead`, `drained` or `metadata unconfirmed`.
        ready: whether the node can serve clients; true also for a server that is briefly busy.
        reason: why the condition is not `ready`.
    """

    condition: str = READY
    ready: bool = True
    reason: str = ""


class ServiceProbe:
    """The probe of one service; only one thread at a time may use it.

    Args:
        system: the machine.
        service: the service.
        clock: monotonic clock.
    """

    def __init__(
        self, system: System, service: Service, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._system, self._service, self._clock = system, service, clock
        self._answer = ping.Answer()
        self._answered_at = float("-inf")
        self._odbc_answered = False
        self._busy_since: float | None = None
        self._ready_at = float("-inf")

    def verdict(self, state: State) -> Verdict:
        """Probe the service and return its condition.

        Args:
            state: the applied state.
        """
        reason, busy, silent = self._look(state)
        now = self._clock()
        if not reason:
            self._ready_at, self._busy_since = now, None
            return Verdict()
        if busy:
            if self._busy_since is None:
                self._busy_since = now
            return Verdict(BUSY, now - self._busy_since < state.busy_seconds, reason)
        self._busy_since = None
        condition = STARTING if not silent and self._starts(state, now) else DEAD
        return Verdict(condition, ready=False, reason=reason)

    def _look(self, state: State) -> tuple[str, bool, bool]:
        """Return why the service is not ready, whether it is busy, and whether it is silent.

        A silent service did not answer in time.
        """
        paths = required_paths(self._system, state)
        service = self._service
        if service.kind == "scheduler":
            service = replace(service, tls=settings.scheduler_uses_tls(state))
        failure = probes.failure(self._system, service, paths=paths)
        if failure is None and self._service.kind == "vdp":
            failure = self._silent_odbc(state)
        if failure is not None:
            self._answered_at = float("-inf")  # makes the next probe run `ping.sh`
            return failure.reason, False, failure.silent
        if self._service.kind != "vdp":
            return "", False, False
        answer = self._ping(state)
        return answer.reason, answer.busy, answer.reason.startswith(probes.NO_ANSWER)

    def _silent_odbc(self, state: State) -> Failure | None:
        """Return a failure if Virtual DataPort's ODBC port is open and does not answer.

        A closed ODBC port is not a failure, because operators may turn ODBC off.
        """
        odbc = Service("odbc", state.ports["odbc"] or 0)
        failure = probes.failure(self._system, odbc)
        if failure is not None and self._odbc_answered:
            self._answered_at = float("-inf")
        self._odbc_answered = failure is None
        if failure is None or not failure.silent:
            return None
        return failure if earlier_rules.counts_odbc(Record(self._system)) else None

    def _ping(self, state: State) -> ping.Answer:
        limit = UNREADY_PING_SECONDS if self._answer.reason else PING_SECONDS
        if self._clock() - self._answered_at >= limit:
            ready = ping.asks_readiness(state, Record(self._system))
            port = self._service.port
            self._answer = ping.ask(self._system, state, port, ready=ready)
            self._answered_at = self._clock()
        return self._answer

    def _starts(self, state: State, now: float) -> bool:
        """Return whether a server started less than `start_seconds` ago, after the last success.

        The last success is the last probe that found the service ready.
        """
        found = processes.of_home(self._system, state.home)
        ages = [processes.age(self._system, process.pid) for process in found]
        youngest = min(ages, default=float("inf"))
        return youngest < state.start_seconds and now - youngest > self._ready_at


def required_paths(system: System, state: State) -> list[str]:
    """Return the paths of web applications without which the web service is not ready."""
    record = Record(system)
    return web_container.paths(state.servers) if record.has_current_rules else []
