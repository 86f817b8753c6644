"""The names that clients use, and the addresses and ports behind the names on this machine.

A path is a failover name, or the name of a cluster that no failover name leads to: the DNS name of
the cluster's load balancer, or the address of its first node if the cluster has no load balancer.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from denodo_ha.drill.model.model import Cluster
from denodo_ha.verify.verification import ports_to_verify
from tools.local_aws import control
from tools.local_aws.rehearsal import resolver
from tools.local_aws.rehearsal.client_load import Service
from tools.local_aws.rehearsal.client_probe import Client
from tools.local_aws.rehearsal.comparison import CLIENT_TIMEOUT_S
from tools.local_aws.rehearsal.deployed_resources import DeployedSite

_MISSED = 0.001
"""Project default: the accepted probability that a series of connections misses one of the
targets."""
_MOST = 60
"""Project default: the most connections of a series."""

Endpoint = tuple[str, int]


@dataclass(frozen=True)
class ClientPath:
    """A name that clients use.

    Attributes:
        name: the name, or an address.
        is_failover: whether DNS may answer with either of two clusters.
        services: the services behind the name.
    """

    name: str
    is_failover: bool
    services: tuple[Service, ...]


class ClientPaths:
    """All paths of an environment.

    Args:
        site: the deployed environment.
    """

    def __init__(self, site: DeployedSite) -> None:
        self._site, self._endpoint = site, site.endpoint
        self._environment, self._model = site.environment, site.model
        outside = control.call(site.endpoint, "names")["outside"]
        self.dns: Endpoint = (str(outside[0]), int(outside[1]))
        self._clusters: dict[str, str] = {}
        self._actual: dict[tuple[str, int], int] = {}
        for cluster in site.model.clusters.values():
            self._learn(cluster)
        self.paths = tuple(self._paths())

    def cluster_of(self, address: str) -> str:
        """Return the cluster that an address belongs to; empty if the address is not known."""
        return self._clusters.get(address, "")

    def answer(self, path: ClientPath) -> tuple[str, ...]:
        """Return the addresses to which a path's name resolves now, without any cache."""
        if path.name in self._clusters:
            return (path.name,)
        return resolver.ask(self.dns, path.name).addresses

    def resolver(self) -> "NodeOrName":
        """Return a resolver for one client; the resolver keeps each answer for the answer's TTL."""
        return NodeOrName(resolver.CachingResolver(self.dns), self._clusters)

    def connections(self, port: int) -> int:
        """Return how many connections to a port are enough to reach each of its targets.

        A series of that length misses one target with a probability of `_MISSED`. The number is at
        most `_MOST`.
        """
        targets = max(
            (
                len(group.targets)
                for balancer in self._model.balancers.values()
                for listener in balancer.listeners
                if listener.port == port
                for group in (self._model.target_groups[key] for key in listener.target_groups)
            ),
            default=1,
        )
        if targets <= 1:
            return 3
        return min(math.ceil(math.log(_MISSED) / math.log(1 - 1 / targets)), _MOST)

    def _learn(self, cluster: Cluster) -> None:
        """Store the loopback addresses of a cluster, and the ports that stand for ports on AWS."""
        for key in cluster.balancers:
            name, zones = self._balancer(key)
            for zone in zones:
                answer = control.call(self._endpoint, f"names/{zone}.{name}")
                for address in answer["addresses"]:
                    self._clusters[address] = cluster.name
                for port, endpoints in answer["endpoints"].items():
                    for address, actual in endpoints:
                        self._actual[(address, int(port))] = int(actual)
        if not cluster.balancers:
            for key in cluster.nodes:
                self._clusters[self._site.address_of(key)] = cluster.name

    def _balancer(self, key: str) -> tuple[str, list[str]]:
        balancer = self._site.resources.of(key)
        (described,) = balancer.access.client("elbv2").describe_load_balancers(
            LoadBalancerArns=[balancer.id]
        )["LoadBalancers"]
        zones = [item["ZoneName"] for item in described["AvailabilityZones"]]
        return str(described["DNSName"]).lower(), zones

    def _paths(self) -> Iterator[ClientPath]:
        joined: set[str] = set()
        for name in self._model.failover_names:
            clusters = [item.cluster for item in (name.primary, name.secondary) if item.cluster]
            joined |= set(clusters)
            yield self._path(name.name, clusters, is_failover=True)
        for cluster in self._model.clusters.values():
            if cluster.name in joined:
                continue
            if cluster.balancers:
                own, _ = self._balancer(cluster.balancers[0])
            else:
                own = self._site.address_of(cluster.nodes[0])
            yield self._path(own, [cluster.name], is_failover=False)

    def _path(self, name: str, clusters: list[str], *, is_failover: bool) -> ClientPath:
        first = self._model.clusters[clusters[0]]
        node = "" if first.balancers else self._model.machines[first.nodes[0]].name
        served = set(self._served_ports(first))
        services = tuple(
            Service(
                name,
                port.port,
                partial(self._port_on, port.port),
                Client(self._environment, port, name, CLIENT_TIMEOUT_S).fault,
            )
            for port in ports_to_verify(self._environment, clusters, node=node)
            if port.protocol != "auxiliary" and port.port in served
        )
        return ClientPath(name, is_failover, services)

    def _served_ports(self, cluster: Cluster) -> Iterator[int]:
        yield from cluster.ports
        for key in cluster.balancers:
            yield from (listener.port for listener in self._model.balancers[key].listeners)

    def _port_on(self, port: int, address: str) -> int:
        return self._actual.get((address, port), port)


@dataclass
class NodeOrName:
    """Resolver that returns a known address of a node unchanged, and resolves any other name.

    Attributes:
        names: resolves names.
        addresses_of_nodes: the known addresses of nodes.
    """

    names: resolver.CachingResolver
    addresses_of_nodes: Mapping[str, str]

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name; raise OSError if the DNS server does not answer."""
        return (name,) if name in self.addresses_of_nodes else self.names.addresses(name)
