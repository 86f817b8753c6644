"""Probe of the Solution Manager and the License Manager, by their own ping paths.

Nodes use these managers; clients do not need them. So a manager that does not answer this machine
only causes a note, and only an answer that reports a fault counts as wrong.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from denodo_ha.environment.facts.denodo_ports import LICENSE_MANAGER_PING, SOLUTION_MANAGER_PING
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import Fault, StepLog
from denodo_ha.verify.web_probe import WebRequest, send_request

_OK = 200
_WITHOUT_CONNECTION = ("dns-unknown", "refused", "timeout", "unreachable")
"""Findings after which the probe does not try the other scheme (HTTP or HTTPS), which would end in
the same way."""


@dataclass(frozen=True)
class Manager:
    """A manager to verify.

    Attributes:
        name: the name of the manager.
        host: its host name.
        port: its port.
        path: the path to which the manager answers with status 200.
        tls: True if the nodes use TLS for their connections to the manager; None if not known.
    """

    name: str
    host: str
    port: int
    path: str
    tls: bool | None = None


def managers_of(environment: Environment, clusters: Iterable[str]) -> Iterator[Manager]:
    """Yield the managers of clusters whose host is in the configuration; each manager once."""
    managers = (manager for name in clusters for manager in _managers_of_cluster(environment, name))
    yield from dict.fromkeys(managers)


def _managers_of_cluster(environment: Environment, name: str) -> Iterator[Manager]:
    licences = environment.license_manager_of(name)
    solution = environment.solution_manager_of(name)
    if licences is not None:
        path = LICENSE_MANAGER_PING
        yield Manager("License Manager", licences.host, licences.port, path, licences.tls)
    if solution is not None and solution.host is not None:
        yield Manager("Solution Manager", solution.host, solution.port, SOLUTION_MANAGER_PING)


def probe_manager(log: StepLog, manager: Manager, timeout: float) -> None:
    """Request the ping path of a manager, with and without TLS, until it answers with status 200.

    The manager's certificate is not verified.
    """
    with log.step(f"GET {manager.path}") as step:
        expected = bool(manager.tls)
        problem: Callable[[], None] | None = None
        for tls in (expected, not expected):
            scheme = "HTTPS" if tls else "HTTP"
            try:
                status = _status(manager, timeout, tls=tls)
            except Fault as fault:
                problem = problem or partial(step.note, "manager-unseen", fault.seen)
                if fault.finding in _WITHOUT_CONNECTION:
                    break
                continue
            step.seen = f"status {status} over {scheme}"
            if status == _OK:
                if manager.tls is not None and tls is not expected:
                    step.fail("manager-tls", step.seen)
                return
            problem = partial(step.fail, "manager-status", step.seen)
        if problem is not None:
            problem()


def _status(manager: Manager, timeout: float, *, tls: bool) -> int:
    endpoint = Endpoint(manager.host, manager.port, manager.host, timeout, Trust(), tls)
    return send_request(endpoint, WebRequest(manager.path), {}).status
