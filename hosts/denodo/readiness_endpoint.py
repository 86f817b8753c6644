"""The readiness endpoint: `GET /ready/{service}` for the load balancer, `GET /ready` for people.

A service is ready if its server answers in its own protocol, the node is not drained, and the
metadata of the node is confirmed. An answer has a time limit, even if a server hangs.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from hosts.common.errors import HostError
from hosts.denodo import log, probes
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

_ROOT = "/ready"

KEPT_SECONDS = 4.0
"""Time for which the result of a probe is reused: health checks come every 5 s from every zone,
and each probe of Virtual DataPort starts a Java."""
PATIENCE_SECONDS = 3.0
"""Time that a request waits for a new result; load balancers wait for at least 5 s."""
STALE_SECONDS = KEPT_SECONDS + probes.PING_SECONDS
"""Time for which the last result is valid while a probe runs: a slow Java is not a failure."""
REFRESH_SECONDS = 60.0
"""Time for which a desired state is reused that was read for services not yet applied."""


class _CachedProbe:
    """The last result of the probe of one service, renewed by one thread at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reason = ""
        self._at: float | None = None
        self._running = False

    def reason(self, system: System, state: State, service: Service, patience: float) -> str:
        """Return why the service is not ready, empty if it is ready."""
        with self._changed:
            if self._age() > KEPT_SECONDS:
                if not self._running:
                    self._running = True
                    thread = threading.Thread(
                        target=self._probe, args=(system, state, service), daemon=True
                    )
                    thread.start()
                self._changed.wait_for(lambda: self._age() <= KEPT_SECONDS, patience)
            if self._age() > STALE_SECONDS:
                return "did not answer"
            return self._reason

    def _age(self) -> float:
        return float("inf") if self._at is None else time.monotonic() - self._at

    def _probe(self, system: System, state: State, service: Service) -> None:
        reason = "the probe failed"
        try:
            reason = probes.why_not_ready(system, state, service)
        finally:
            with self._changed:
                self._reason, self._at, self._running = reason, time.monotonic(), False
                self._changed.notify_all()


@dataclass(frozen=True)
class Answer:
    """The readiness of one service."""

    service: str
    ready: bool
    reason: str = ""


class _DesiredServices:
    """The services of the desired state, for services that the applied state does not have.

    A deploy creates the target group of a new service before the nodes are rolled one by one.
    If no node were ready for the new service until then, the target group without a healthy
    target would trigger a site failover.
    """

    def __init__(self, desired: Callable[[], State] | None) -> None:
        self._read = desired
        self._lock = threading.Lock()
        self._services: Mapping[str, Service] = {}
        self._at = -REFRESH_SECONDS

    def service(self, name: str) -> Service | None:
        """Return a service by its name; the desired state is read once in `REFRESH_SECONDS`."""
        with self._lock:
            if self._read and time.monotonic() - self._at >= REFRESH_SECONDS:
                try:
                    self._services = self._read().services
                except HostError as error:
                    log.warning(f"the desired state is not known: {error}")
                self._at = time.monotonic()
            return self._services.get(name)


class Readiness:
    """The readiness of the services of the applied state.

    Args:
        system: the machine.
        desired: reads the desired state, for services that were added since the last apply.
        patience: seconds that a caller waits for a new result; None: `PATIENCE_SECONDS`.
    """

    def __init__(
        self,
        system: System,
        desired: Callable[[], State] | None = None,
        patience: float | None = None,
    ) -> None:
        self._system, self._patience = system, patience
        self._record = Record(system)
        self._lock = threading.Lock()
        self._probes: dict[Service, _CachedProbe] = {}
        self._desired = _DesiredServices(desired)

    def of(self, name: str) -> Answer | None:
        """Return the readiness of a service, None if no state has the service."""
        state = self._record.applied
        if state is None:
            return Answer(name, ready=False, reason="no state was applied yet")
        service = state.services.get(name) or self._desired.service(name)
        if service is None:
            return None
        reason = self._held_back() or self._reason(state, service)
        return Answer(name, ready=not reason, reason=reason)

    def all(self) -> list[Answer]:
        """Return the readiness of every service of the applied state."""
        state = self._record.applied
        answers: dict[str, Answer] = {}

        def ask(name: str) -> None:
            answer = self.of(name)
            if answer:
                answers[name] = answer

        names = sorted(state.services) if state else []
        threads = [threading.Thread(target=ask, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answers[name] for name in names if name in answers]

    def _held_back(self) -> str:
        """Return why the whole node is unready, empty if only its servers decide."""
        drained = self._record.drained
        if drained is not None:
            who, when = drained.get("who", "unknown"), drained.get("at", "unknown")
            return f"drained by {who}, {when}: {drained.get('why', 'no reason given')}"
        if not self._record.metadata_confirmed:
            return "its metadata is not confirmed"
        return ""

    def _reason(self, state: State, service: Service) -> str:
        with self._lock:
            probe = self._probes.setdefault(service, _CachedProbe())
        patience = PATIENCE_SECONDS if self._patience is None else self._patience
        return probe.reason(self._system, state, service, patience)


def server(
    system: System,
    port: int,
    listen: str = "",
    desired: Callable[[], State] | None = None,
) -> ThreadingHTTPServer:
    """Return the endpoint, which listens and serves once `serve_forever` is called.

    Args:
        system: the machine.
        port: port to listen on, 0 for any free one.
        listen: address to listen on, empty for all.
        desired: reads the desired state, for services that were added since the last apply.
    """
    readiness = Readiness(system, desired)

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        timeout = 5

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0].rstrip("/")
            if path == _ROOT:
                answers = readiness.all()
                ready = bool(answers) and all(answer.ready for answer in answers)
                self._respond(
                    200 if ready else 503, {"services": [vars(answer) for answer in answers]}
                )
            elif path.startswith(f"{_ROOT}/"):
                answer = readiness.of(path[len(_ROOT) + 1 :])
                if answer is None:
                    self._respond(404, {"reason": "the node's state has no such service"})
                else:
                    self._respond(200 if answer.ready else 503, vars(answer))
            else:
                self._respond(404, {"reason": f"ask for {_ROOT} or {_ROOT}/SERVICE"})

        def log_message(self, *_: object) -> None:
            """Log nothing: load balancers send several requests per second."""

        def _respond(self, status: int, data: Mapping[str, object]) -> None:
            body = json.dumps(data).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Endpoint(ThreadingHTTPServer):
        """A server with one thread for each request."""

        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            # HAProxy closes the connection of a check once it has read the status.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    endpoint = Endpoint((listen, port), Handler)
    log.info(f"listening on port {endpoint.server_port}")
    return endpoint
