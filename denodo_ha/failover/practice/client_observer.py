"""Client observer: resolves the failover name each second, and makes a handshake with each service.

    observer = ClientObserver(site, settings, clock)
    look = observer.look()
    look.cluster, look.faults

A handshake is made as by `denodo-ha verify`, in the service's own protocol and without a login. A
look records the cluster whose load balancer the name resolves to, and which services were served.
DNS alone would not prove that a cluster serves: while both clusters are unhealthy, Route 53 answers
with the primary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import call_in_time, map_concurrently
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import PATIENCE_S, Lookup
from denodo_ha.deployed.failover.location import FailoverLocation
from denodo_ha.deployed.failover.sides import read_sides
from denodo_ha.failover.failover_task import LOOK_S
from denodo_ha.verify.findings import Fault, StepLog, StepState
from denodo_ha.verify.site import DnsAnswer, Resolver, Site
from denodo_ha.verify.verification import Settings, Verification, VerifiedPort

EVERY_S: Final = 1.0
"""Project default: seconds between the beginnings of two looks of the client observer."""
ANSWERS_EVERY_S: Final = 5.0
"""Project default: seconds between two reads of Route 53's answer; its API allows 5 requests a
second for each account (AWS, Amazon Route 53 Developer Guide, Quotas)."""
STEP_S: Final = 2.0
"""Project default: seconds for each step of a handshake."""


@dataclass(frozen=True)
class Look:
    """Result of one look: the cluster of the failover name, and the services that were not served.

    Attributes:
        at: time of the beginning, by the clock's `monotonic`.
        cluster: the cluster that the name resolves to; empty if it is not known.
        faults: why a service was not served, by service; empty if all were served.
    """

    at: float
    cluster: str
    faults: Mapping[str, str] = field(default_factory=dict)


class Observer(Protocol):
    """Interface of the observers that look at the failover name.

    Attributes:
        every: seconds between two looks.
        services: the services for which a look makes a handshake.
    """

    every: float
    services: tuple[str, ...]

    def look(self) -> Look:
        """Look once at the failover name."""


class ClientObserver:
    """Observer that resolves the name and connects to services like a client on this machine.

    Attributes:
        every: seconds between two looks.
        services: the services for which a look makes a handshake.
    """

    def __init__(self, site: Site, settings: Settings, clock: Clock) -> None:
        self._site = replace(site, resolver=_patient(site.resolver))
        self._settings, self._clock = settings, clock
        self.every = EVERY_S
        self.services = tuple(port.name for port in self._ports(self._verification()))

    def look(self) -> Look:
        """Look once, for at most a few seconds."""
        at, verification, log = self._clock.monotonic(), self._verification(), StepLog("names")
        if not verification.resolve(log):
            reason = log.steps[-1].seen if log.steps else "no address"
            return Look(at, "", dict.fromkeys(self.services, reason))

        def fault(port: VerifiedPort) -> str:
            port_log = StepLog(port.name)
            verification.verify(port_log, port)
            return _fault(port_log)

        ports = self._ports(verification)
        faults = map_concurrently(fault, ports, workers=max(len(ports), 1))
        names = (port.name for port in ports)
        seen = {name: text for name, text in zip(names, faults, strict=True) if text}
        return Look(at, verification.cluster, seen)

    def _verification(self) -> Verification:
        return Verification(self._site, self._settings)

    @staticmethod
    def _ports(verification: Verification) -> tuple[VerifiedPort, ...]:
        """Return all ports but auxiliary ports, which a service's RMI handshake includes."""
        return tuple(port for port in verification.ports() if port.protocol != "auxiliary")


class AnswerObserver:
    """Reads only which cluster DNS answers with, for machines outside the clients' network.

    Attributes:
        every: seconds between two looks.
        services: always empty, since no handshake is made.
    """

    services: tuple[str, ...] = ()

    def __init__(self, aws: Aws, site: FailoverLocation, clock: Clock, look: Lookup) -> None:
        self._aws, self._site, self._clock, self._lookup = aws, site, clock, look
        self.every = ANSWERS_EVERY_S

    def look(self) -> Look:
        """Look once; the cluster is empty if AWS does not answer."""
        at = self._clock.monotonic()
        try:
            with deadline.limited(LOOK_S):
                sides = read_sides(self._aws, self._site)
                answer = dns_answer.best(self._aws, self._site, sides, self._lookup)
        except CommandError:
            return Look(at, "")
        return Look(at, self._site.clusters[answer.role].name if answer.role else "")


def _fault(log: StepLog) -> str:
    """Return why a client is not served; empty if a client is served.

    A client is served if one address of the name accepts the connection, and every later step
    succeeds.
    """
    last = log.steps[-1]
    wrong = [
        step
        for step in log.steps
        if step.state is StepState.WRONG and (step is last or not step.name.startswith("connect "))
    ]
    return (wrong[0].seen or wrong[0].finding) if wrong else ""


def _patient(resolver: Resolver) -> Resolver:
    """Return a resolver that gives up after `PATIENCE_S`; resolver libraries wait up to 30 s."""

    def resolve(name: str) -> DnsAnswer:
        try:
            return call_in_time(lambda: resolver(name), PATIENCE_S)
        except TimeoutError:
            message = f"{name}: the resolver does not answer within {PATIENCE_S:.0f} s"
            raise Fault("dns-unknown", message) from None

    return resolve
