"""The readiness endpoint: `GET /ready/{service}` for the balancer, `GET /ready` for people.

A service is ready when it answers its own protocol, the node is not drained, and its metadata is
confirmed. An answer never takes longer than a limit, whatever hangs behind it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from hosts.denodo import log, probes
from hosts.denodo.errors import NodeError
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

_ROOT = "/ready"

KEPT_SECONDS = 4.0
"""How long an answer of a server is kept: checks come every 5 s from every zone, and must not
start a Java each."""
PATIENCE_SECONDS = 3.0
"""How long a caller waits for a new answer; a balancer's check gives up after 5 s or more."""
STALE_SECONDS = KEPT_SECONDS + probes.PING_SECONDS
"""How long the last answer counts while the next is waited for: a slow Java is not a failure."""
REFRESH_SECONDS = 60.0
"""How long the desired state is kept that was looked up for a service the applied one lacks."""


class _Asked:
    """One service's last answer, renewed by one thread at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reason = ""
        self._at: float | None = None
        self._asking = False

    def reason(self, system: System, state: State, service: Service, patience: float) -> str:
        """Why the service is not ready, empty when it is."""
        with self._changed:
            if self._age() > KEPT_SECONDS:
                if not self._asking:
                    self._asking = True
                    asker = threading.Thread(
                        target=self._ask, args=(system, state, service), daemon=True
                    )
                    asker.start()
                self._changed.wait_for(lambda: self._age() <= KEPT_SECONDS, patience)
            if self._age() > STALE_SECONDS:
                return "did not answer"
            return self._reason

    def _age(self) -> float:
        return float("inf") if self._at is None else time.monotonic() - self._at

    def _ask(self, system: System, state: State, service: Service) -> None:
        reason = "could not be asked"
        try:
            reason = probes.ask(system, state, service)
        finally:
            with self._changed:
                self._reason, self._at, self._asking = reason, time.monotonic(), False
                self._changed.notify_all()


@dataclass(frozen=True)
class Answer:
    """What is said of one service."""

    service: str
    ready: bool
    reason: str = ""


class _Newer:
    """The services of the desired state, for those that the applied one does not know.

    A service that is added gets a group of its own at once. Were it not ready before the nodes
    are changed one after another, a balancer without any healthy node for it would move the site.
    """

    def __init__(self, desired: Callable[[], State] | None) -> None:
        self._desired = desired
        self._lock = threading.Lock()
        self._services: Mapping[str, Service] = {}
        self._at = -REFRESH_SECONDS

    def service(self, name: str) -> Service | None:
        """A service by its name; asks again after a while only, whoever asks for what."""
        with self._lock:
            if self._desired and time.monotonic() - self._at >= REFRESH_SECONDS:
                try:
                    self._services = self._desired().services
                except NodeError as wrong:
                    log.warning(f"the desired state is not known: {wrong}")
                self._at = time.monotonic()
            return self._services.get(name)


class Readiness:
    """Answers for the state that was applied last.

    Args:
        system: the machine.
        desired: gives the desired state, which is asked for services that were added since.
        patience: seconds that a caller waits for a new answer; None: what a balancer bears.
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
        self._asked: dict[Service, _Asked] = {}
        self._newer = _Newer(desired)

    def of(self, name: str) -> Answer | None:
        """What is to say of one service; None if the state has no such service."""
        state = self._record.applied
        if state is None:
            return Answer(name, ready=False, reason="no state was applied yet")
        service = state.services.get(name) or self._newer.service(name)
        if service is None:
            return None
        reason = self._held_back() or self._reason(state, service)
        return Answer(name, ready=not reason, reason=reason)

    def all(self) -> list[Answer]:
        """What is to say of every service."""
        state = self._record.applied
        answers: dict[str, Answer] = {}

        def answer(name: str) -> None:
            found = self.of(name)
            if found:
                answers[name] = found

        names = sorted(state.services) if state else []
        threads = [threading.Thread(target=answer, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answers[name] for name in names if name in answers]

    def _held_back(self) -> str:
        """Why the node serves nobody, whatever its servers say."""
        drained = self._record.drained
        if drained is not None:
            who, when = drained.get("who", "unknown"), drained.get("at", "unknown")
            return f"drained by {who}, {when}: {drained.get('why', 'no reason given')}"
        if not self._record.metadata_confirmed:
            return "its metadata is not confirmed"
        return ""

    def _reason(self, state: State, service: Service) -> str:
        with self._lock:
            asked = self._asked.setdefault(service, _Asked())
        patience = PATIENCE_SECONDS if self._patience is None else self._patience
        return asked.reason(self._system, state, service, patience)


def server(
    system: System,
    port: int,
    listen: str = "",
    desired: Callable[[], State] | None = None,
) -> ThreadingHTTPServer:
    """The endpoint, ready to serve."""
    readiness = Readiness(system, desired)

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        timeout = 5

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0].rstrip("/")
            if path == _ROOT:
                answers = readiness.all()
                ready = bool(answers) and all(answer.ready for answer in answers)
                self._say(200 if ready else 503, {"services": [vars(one) for one in answers]})
            elif path.startswith(f"{_ROOT}/"):
                answer = readiness.of(path[len(_ROOT) + 1 :])
                if answer is None:
                    self._say(404, {"reason": "the node's state has no such service"})
                else:
                    self._say(200 if answer.ready else 503, vars(answer))
            else:
                self._say(404, {"reason": f"ask for {_ROOT} or {_ROOT}/SERVICE"})

        def log_message(self, *_: object) -> None:
            """Say nothing: a balancer asks some times a second."""

        def _say(self, status: int, data: Mapping[str, object]) -> None:
            body = json.dumps(data).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Endpoint(ThreadingHTTPServer):
        """Answers everybody at once."""

        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            # HAProxy's check hangs up once it has read the status.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    endpoint = Endpoint((listen, port), Handler)
    log.info(f"answering on port {endpoint.server_port}")
    return endpoint
