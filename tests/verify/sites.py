"""Sites to verify: configurations with free ports, and servers on these ports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.findings import Fault, Step, StepLog, StepState
from denodo_ha.verify.site import DnsAnswer, Site
from denodo_ha.verify.verification import Settings, Verification
from tests.support.configurations import changed, loaded, minimal, twins

NODES = ("127.0.7.1", "127.0.7.2")
BALANCER = "127.0.7.100"
NOBODY = "127.0.7.200"
ENDPOINT = "denodo.example.com"

SHORT_S = 0.6
"""Timeout of a connection to a server that stays silent."""
LONG_S = 60.0
"""Timeout of a connection to a server that answers or closes the connection."""
_PART_S = 2.0
"""Timeout of a connection to a server that sends a part of an answer."""


def patience(*codes: str) -> float:
    """Return the timeout for connections to a server whose verification has these findings.

    A test waits for the whole timeout only if the server sends no answer or an incomplete answer.
    """
    if "malformed" in codes:
        return _PART_S
    return SHORT_S if "silent" in codes else LONG_S


@dataclass
class Names:
    """Resolver with fixed answers; an address resolves to itself.

    Attributes:
        known: addresses by name.
    """

    known: dict[str, tuple[str, ...]] = field(default_factory=dict)
    canonical: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> DnsAnswer:
        """Return the resolver's answer for a name."""
        if name.replace(".", "").isdigit():
            return DnsAnswer(name, (name,))
        if name not in self.known:
            raise Fault("dns-unknown", f"{name}: Name or service not known")
        return DnsAnswer(self.canonical.get(name, name), self.known[name])


def one_cluster(folder: Path, version: str, changes: Mapping[str, Any]) -> Environment:
    """Return an environment of one cluster, `main`."""
    return loaded(folder, changed(minimal(version), changes)).environment


def two_clusters(folder: Path, version: str, changes: Mapping[str, Any]) -> Environment:
    """Return an environment of the clusters `main` and `spare`."""
    return loaded(folder, changed(twins(version), changes)).environment


def at(environment: Environment, host: str, **more: Any) -> Site:
    """Return a site to verify, whose services listen at this host name or address."""
    settings: dict[str, Any] = {
        "clusters": tuple(sorted(environment.clusters)),
        "node": "",
        "failover_name": "",
        "balancers": {},
        "resolver": Names(),
        **more,
    }
    return Site(environment, host, **settings)


@dataclass
class Found:
    """Result of a verification.

    Attributes:
        logs: steps by verified subject, such as a service or a node.
    """

    logs: dict[str, StepLog]

    def codes(self, *states: StepState) -> set[tuple[str, str]]:
        """Return the findings as (subject, code); by default the findings of failed steps."""
        return {
            (subject, step.finding)
            for subject, log in self.logs.items()
            for step in log.steps
            if step.state in (states or (StepState.WRONG,)) and step.finding
        }

    def step(self, subject: str, beginning: str) -> Step:
        """Return the step whose text begins with these words."""
        return next(step for step in self.logs[subject].steps if step.name.startswith(beginning))


def verify(site: Site, **settings: Any) -> Found:
    """Verify every service of a site."""
    verification = Verification(site, Settings(**{"client_name": site.host, **settings}))
    logs = {"names": StepLog("names")}
    if verification.resolve(logs["names"]):
        for port in verification.ports():
            logs[port.name] = StepLog(port.name)
            verification.verify(logs[port.name], port)
    return Found(logs)
