"""The readiness endpoint: `GET /ready/{service}` for load balancers, `GET /ready` for operators.

A service is ready if its server answers in its own protocol, the node is not drained, and the
metadata of the node is confirmed. Every request is answered within a time limit, even if a server
hangs. The field `state` of an answer contains the condition of the service, from which an operator
can decide what to do: see `hosts.denodo.readiness.service_probe`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hosts.common.errors import HostError
from hosts.denodo import log
from hosts.denodo.readiness import ping, probes
from hosts.denodo.readiness.http_event_loop import HttpEventLoop, raise_file_limit
from hosts.denodo.readiness.http_messages import Response
from hosts.denodo.readiness.readiness_losses import ReadinessLosses
from hosts.denodo.readiness.service_probe import (
    DEAD,
    DRAINED,
    READY,
    STARTING,
    UNCONFIRMED,
    ServiceProbe,
    Verdict,
)
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

READY_PATH = "/ready"
LOSSES_PATH = "/losses"
"""Path that returns the number of losses of readiness, for the metrics of the node."""

_FAILED = Verdict(DEAD, ready=False, reason="the probe failed")
_SILENT = Verdict(DEAD, ready=False, reason=probes.NO_ANSWER)

T = TypeVar("T")

KEPT_SECONDS = 4.0
"""Seconds for which the result of a probe is reused. Each zone of the load balancer sends a health
check every 5 s, so one probe serves several health checks."""
PATIENCE_SECONDS = 3.0
"""Maximum time that a request waits for a new result; load balancers wait for at least 5 s."""
STALE_SECONDS = KEPT_SECONDS + ping.SECONDS
"""Seconds for which the last result is used while the next probe runs: a slow start of Java must
not count as a failure."""
REFRESH_SECONDS = 60.0
"""Seconds for which a copy of the desired state is used to find services that are not applied
yet."""


class _Renewed(Generic[T]):
    """Value that threads renew in the background; at most one renewal runs at a time.

    Args:
        value: the value before the first renewal, and after an internal error.
        renew: returns a new value; runs in a thread.
        changed: condition that is notified of each new value.
        notify: called after each new value.
    """

    def __init__(
        self,
        value: T,
        renew: Callable[[], T],
        changed: threading.Condition,
        notify: Callable[[], None],
    ) -> None:
        self.value, self._first = value, value
        self._renew, self._changed, self._notify = renew, changed, notify
        self._at: float | None = None
        self._running = False

    @property
    def age(self) -> float:
        """Return the seconds since the value was renewed, infinite before the first renewal."""
        return float("inf") if self._at is None else time.monotonic() - self._at

    def is_fresh(self, seconds: float) -> bool:
        """Return whether the value is at most `seconds` old; if it is older, start its renewal."""
        with self._changed:
            if self.age <= seconds:
                return True
            if not self._running:
                self._running = True
                try:
                    threading.Thread(target=self._run, daemon=True).start()
                except RuntimeError as error:  # no memory for a thread, or too many processes
                    self._running = False
                    log.warning(f"the thread of a probe cannot be started: {error}")
            return False

    def _run(self) -> None:
        value = self._first
        try:
            value = self._renew()
        finally:
            with self._changed:
                self.value, self._at, self._running = value, time.monotonic(), False
                self._changed.notify_all()
            self._notify()


@dataclass(frozen=True)
class Answer:
    """Readiness of one service, as in the endpoint's answer."""

    service: str
    ready: bool
    reason: str = ""
    state: str = READY


class Readiness:
    """The readiness of the services of the applied state.

    A deploy creates the target group of a new service before the nodes are rolled one by one.
    If no node were ready for the new service until the first node is rolled, its target group
    would have no healthy target, which would trigger a site failover. Therefore services that
    are not in the applied state are looked up in the desired state.

    Args:
        system: the machine.
        desired: reads the desired state, for services that were added since the last apply.
        patience: seconds that a caller waits for a new result; None: `PATIENCE_SECONDS`.

    Attributes:
        system: the machine.
        losses: counts of how often the services have become unready.
    """

    def __init__(
        self,
        system: System,
        desired: Callable[[], State] | None = None,
        patience: float | None = None,
    ) -> None:
        self.system, self._read_desired, self._patience = system, desired, patience
        self._notify: Callable[[], None] = lambda: None
        self.losses = ReadinessLosses()
        self._changed = threading.Condition()
        self._probes: dict[Service, _Renewed[Verdict]] = {}
        self._applied: State | None = None
        self._desired: _Renewed[Mapping[str, Service]] = self._renewed({}, self._desired_services)

    def watch(self, notify: Callable[[], None]) -> None:
        """Set the function that a thread calls after each new result of a probe."""
        self._notify = notify

    def of(self, name: str) -> Answer | None:
        """Return the readiness of a service; None if the applied and desired states lack it."""
        return self._settled(lambda view: view.of(name))

    def all(self) -> list[Answer]:
        """Return the readiness of every service of the applied state."""
        return self._settled(lambda view: view.all())

    def view(self) -> View:
        """Read the records, and return the readiness of the services according to these records."""
        return View(self)

    def verdict(self, state: State, service: Service) -> tuple[Verdict, bool]:
        """Return the condition of a service, and whether the condition is from a recent probe."""
        with self._changed:
            self._applied = state
            if service not in self._probes:
                self._probes[service] = self._renewed(_FAILED, self._probe(service))
            probe = self._probes[service]
            settled = probe.is_fresh(KEPT_SECONDS)
            return (_SILENT if probe.age > STALE_SECONDS else probe.value), settled

    def _probe(self, service: Service) -> Callable[[], Verdict]:
        probe = ServiceProbe(self.system, service)

        def verdict() -> Verdict:
            assert self._applied is not None  # set by `Readiness.verdict` before a probe runs
            result = probe.verdict(self._applied)
            self.losses.observe(service, ready=result.ready)
            return result

        return verdict

    def desired(self, name: str) -> tuple[Service | None, bool]:
        """Return a service of the desired state (None if unknown), and whether the result is final.

        The result is not final while a newer copy of the desired state is being read that may
        contain the service. A copy of the desired state is used for `REFRESH_SECONDS`.
        """
        if self._read_desired is None:
            return None, True
        settled = self._desired.is_fresh(REFRESH_SECONDS)
        service = self._desired.value.get(name)
        return service, settled or service is not None

    def _desired_services(self) -> Mapping[str, Service]:
        assert self._read_desired is not None
        try:
            return self._read_desired().services
        except HostError as error:
            log.warning(f"the desired state cannot be read: {error}")
            return self._desired.value

    def _renewed(self, value: T, renew: Callable[[], T]) -> _Renewed[T]:
        return _Renewed(value, renew, self._changed, self._tell)

    def _tell(self) -> None:
        self._notify()

    def _settled(self, look: Callable[[View], tuple[T, bool]]) -> T:
        """Call `look` until its result is final or the time limit is reached; return the result."""
        patience = PATIENCE_SECONDS if self._patience is None else self._patience
        end = time.monotonic() + patience
        with self._changed:
            while True:
                result, settled = look(self.view())
                left = end - time.monotonic()
                if settled or left <= 0:
                    return result
                self._changed.wait(left)


class View:
    """Readiness of services according to records that are read once; no method waits for a probe.

    Args:
        readiness: the results of probes.
    """

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        record = Record(readiness.system)
        self._state = record.applied
        self._held_back = _held_back(record)

    def of(self, name: str) -> tuple[Answer | None, bool]:
        """Return the readiness of a service (None: no such service), and whether it is final."""
        if self._state is None:
            reason = "no state was applied yet"
            return Answer(name, ready=False, reason=reason, state=STARTING), True
        service, settled = self._state.services.get(name), True
        if service is None:
            service, settled = self._readiness.desired(name)
        if service is None:
            return None, settled
        verdict = self._held_back
        if verdict is None:
            verdict, settled = self._readiness.verdict(self._state, service)
        answer = Answer(name, verdict.ready, verdict.reason, verdict.condition)
        return answer, settled

    def all(self) -> tuple[list[Answer], bool]:
        """Return the readiness of every service of the applied state, and whether all are final."""
        names = sorted(self._state.services) if self._state else []
        views = [self.of(name) for name in names]
        return [answer for answer, _ in views if answer], all(settled for _, settled in views)

    def respond(self, target: str) -> Response:
        """Return the response to a GET request."""
        path = target.split("?", 1)[0].rstrip("/")
        if path == READY_PATH:
            answers, settled = self.all()
            ready = bool(answers) and all(answer.ready for answer in answers)
            data: dict[str, Any] = {"services": [vars(answer) for answer in answers]}
            return Response(200 if ready else 503, data, settled)
        if path.startswith(f"{READY_PATH}/"):
            answer, settled = self.of(path[len(READY_PATH) + 1 :])
            if answer is None:
                reason = "the state of this node has no service of this name"
                return Response(404, {"reason": reason}, settled)
            return Response(200 if answer.ready else 503, vars(answer), settled)
        if path == LOSSES_PATH:
            return Response(200, {"losses": self._readiness.losses.count})
        return Response(404, {"reason": f"request {READY_PATH} or {READY_PATH}/SERVICE"})


def _held_back(record: Record) -> Verdict | None:
    """Return why the records make all services not ready; None if only the servers decide."""
    drained = record.drained
    if drained is not None:
        who, when = drained.get("who", "unknown"), drained.get("at", "unknown")
        reason = f"drained by {who}, {when}: {drained.get('why', 'no reason given')}"
        return Verdict(DRAINED, ready=False, reason=reason)
    if not record.metadata_confirmed:
        reason = "the metadata of the node is not confirmed"
        return Verdict(UNCONFIRMED, ready=False, reason=reason)
    return None


def server(
    system: System,
    port: int,
    listen: str = "",
    desired: Callable[[], State] | None = None,
) -> HttpEventLoop:
    """Return the endpoint; it listens immediately, and answers once `serve_forever` is called.

    Args:
        system: the machine.
        port: port to listen on, 0 for any free one.
        listen: address to listen on, empty for all.
        desired: reads the desired state, for services that were added since the last apply.
    """
    raise_file_limit()
    readiness = Readiness(system, desired)
    endpoint = HttpEventLoop(
        (listen, port), lambda: readiness.view().respond, lambda: PATIENCE_SECONDS
    )
    readiness.watch(endpoint.wake)
    log.info(f"listening on port {endpoint.server_port}")
    return endpoint
