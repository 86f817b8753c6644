"""The client observer, against servers of two clusters and a DNS server; and its measurements."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from denodo_ha.aws.polling import RealClock
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY
from denodo_ha.failover.practice import client_observer
from denodo_ha.failover.practice.client_observer import ClientObserver, Look
from denodo_ha.failover.practice.expectation import ExpectedTimes
from denodo_ha.failover.practice.measurement import Leg, longest_gap, measured_leg, open_gap
from denodo_ha.failover.practice.observation import (
    Observation,
    SwitchReader,
    SwitchState,
    watching,
)
from denodo_ha.verify.verification import Settings
from tests.support.servers.dns import Dns, dns_server
from tests.support.servers.ports import free_ports
from tests.support.servers.scripted import is_silent, scripted
from tests.support.servers.web import Web, web
from tests.verify.sites import ENDPOINT, at, two_clusters

HOSTS = {"main": "127.0.8.1", "spare": "127.0.8.2"}
NAMES = {"main": "main.elb.example.com", "spare": "spare.elb.example.com"}


class TwoSites:
    """Two clusters, each with a server for jdbc and one for web, behind a failover name.

    Attributes:
        dns: the DNS server.
        observer: the client observer.
    """

    def __init__(self, folder: Path, dns: Dns) -> None:
        self.dns = dns
        jdbc, web_port = free_ports(2)
        self._ports = {"jdbc": jdbc, "web": web_port}
        self._servers: dict[tuple[str, str], ExitStack] = {}
        for cluster, host in HOSTS.items():
            self.dns.addresses[NAMES[cluster]] = (host,)
            for service in self._ports:
                self.start(cluster, service)
        self.lead_to("main")
        environment = two_clusters(
            folder, "8.0", {"services": {"jdbc": jdbc, "web": {"port": web_port}}}
        )
        site = at(
            environment, ENDPOINT, failover_name=ENDPOINT, balancers=NAMES, resolver=dns.resolve
        )
        self.observer = ClientObserver(
            site, Settings(client_name=ENDPOINT, timeout=120), RealClock()
        )

    def lead_to(self, cluster: str) -> None:
        """Let the failover name lead to a cluster."""
        self.dns.aliases[ENDPOINT] = NAMES[cluster]

    def start(self, cluster: str, service: str) -> None:
        """Start the server of a service of a cluster."""
        stack, host, port = ExitStack(), HOSTS[cluster], self._ports[service]
        if service == "web":
            stack.enter_context(web(Web(port), host=host))
        else:
            stack.enter_context(scripted(is_silent, host=host, port=port))
        self._servers[cluster, service] = stack

    def stop(self, cluster: str, service: str) -> None:
        """Stop the server of a service of a cluster."""
        self._servers.pop((cluster, service)).close()

    def close(self) -> None:
        """Stop all servers."""
        for key in [*self._servers]:
            self.stop(*key)


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[TwoSites]:
    with dns_server() as dns:
        sites = TwoSites(tmp_path, dns)
        yield sites
        sites.close()


def test_sees_which_cluster_serves(sites: TwoSites, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sites.observer.services == ("jdbc", "web")
    look = sites.observer.look()
    assert (look.cluster, look.faults) == ("main", {})
    sites.lead_to("spare")
    look = sites.observer.look()
    assert (look.cluster, look.faults) == ("spare", {})
    sites.stop("spare", "web")
    look = sites.observer.look()
    assert (look.cluster, set(look.faults)) == ("spare", {"web"})
    assert "refused the connection" in look.faults["web"]
    # If both clusters are unhealthy, Route 53 answers with the primary. The look names the primary,
    # and a fault of each of its services.
    sites.lead_to("main")
    sites.stop("main", "jdbc")
    sites.stop("main", "web")
    look = sites.observer.look()
    assert (look.cluster, set(look.faults)) == ("main", {"jdbc", "web"})
    # A DNS answer from an alias record contains only addresses of the load balancer, not its name.
    sites.dns.aliases.clear()
    sites.dns.addresses[ENDPOINT] = (HOSTS["spare"],)
    look = sites.observer.look()
    assert (look.cluster, set(look.faults)) == ("spare", {"web"})
    sites.dns.addresses[ENDPOINT] = ("127.0.8.99",)
    assert sites.observer.look().cluster == ""
    del sites.dns.addresses[ENDPOINT]
    look = sites.observer.look()
    assert (look.cluster, set(look.faults)) == ("", {"jdbc", "web"})
    # The observer reports a fault if the resolver does not answer, and does not wait any longer.
    monkeypatch.setattr(client_observer, "PATIENCE_S", 0.05)
    sites.dns.is_silent = True
    assert "does not answer" in sites.observer.look().faults["jdbc"]


class CountingObserver:
    """Observer that counts its looks, each of which finds the cluster `main`."""

    def __init__(self) -> None:
        self.every = 0.001
        self.services: tuple[str, ...] = ("jdbc",)
        self.count, self.enough = 0, threading.Event()

    def look(self) -> Look:
        """Count a look; set `enough` at the third look."""
        self.count += 1
        if self.count >= 3:
            self.enough.set()
        return Look(float(self.count), "main")


class NoSwitch(SwitchReader):
    """Reader of the switch that never gets a value."""

    def __init__(self) -> None:
        pass

    def read(self) -> SwitchState | None:
        """Return None, for a value that could not be read."""
        return None


def test_looks_until_the_end_of_the_block() -> None:
    observer = CountingObserver()
    observation = Observation(observer, NoSwitch())
    with watching(observation):
        assert observer.enough.wait(120)
    for thread in threading.enumerate():
        if thread.name.startswith("observation"):
            thread.join(120)
    count = observer.count
    assert count == len(observation.looks) >= 3
    assert observation.switch_states == []


def looks(*seen: tuple[float, str, bool]) -> list[Look]:
    return [
        Look(at, cluster, {} if served else {"jdbc": "timeout"}) for at, cluster, served in seen
    ]


def test_a_gap_lasts_until_the_next_served_connection() -> None:
    seen = looks((0, "main", True), (1, "main", False), (2, "", True), (5, "spare", True))
    assert longest_gap(seen, "jdbc") == 4
    assert open_gap(seen, ("jdbc",)) == 0
    seen += looks((6, "spare", False), (9, "spare", False), (11, "spare", False))
    assert longest_gap(seen, "jdbc") == 5
    assert open_gap(seen, ("jdbc",)) == 5
    assert open_gap(seen, ()) == 0
    assert longest_gap([], "jdbc") == 0


def test_steps_are_counted_from_the_datapoint_and_those_that_are_late_are_marked() -> None:
    observer = CountingObserver()
    observation = Observation(observer, NoSwitch())
    observation.looks = looks(
        (8, "spare", True), (12, "main", True), (80, "spare", False), (82, "spare", True)
    )
    observation.switch_states = [
        SwitchState(11, "OK", "healthy"),
        SwitchState(70, "ALARM", "healthy"),
        SwitchState(75, "INSUFFICIENT_DATA", "unhealthy"),
    ]
    leg = Leg(SECONDARY, "spare", begin=5, put=10, end=100)
    measured = measured_leg(leg, observation, ExpectedTimes(60, 71, "the drill"))
    steps = {step.step: (step.seconds, step.is_late) for step in measured.steps}
    assert steps == {
        "checks before the datapoint": (5, False),
        "the switch's alarm": (60, False),
        "the switch's health check": (65, True),
        "DNS, first answer": (70, False),
        "first served connection, jdbc": (72, True),
        "first served connection, all services": (72, True),
        "longest gap, jdbc": (2, False),
    }
    assert measured.seconds == 72
    back = measured_leg(replace(leg, role=PRIMARY, to="main", put=90), observation, None)
    assert back.seconds is None
    assert not any(step.is_late for step in back.steps)
