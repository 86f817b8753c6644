"""Who may connect to whom: the rules of a cluster's security groups.

Rule 3 of the topology. Rules are per peer and port. Where they would not fit the quota, a
group's direction falls back to one range from the lowest to the highest port per peer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.topology import Listener, listeners, ports_of
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import HTTPS_PORT, READY_PORT
from denodo_ha.environment.haproxy.front_balancer import front
from denodo_ha.environment.haproxy.routes import plan
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

Group = Literal["alb", "balancer", "haproxy", "nodes"]
Direction = Literal["ingress", "egress"]


@dataclass(frozen=True, order=True)
class Peer:
    """The other end of a rule.

    Attributes:
        kind: what it is.
        name: the CIDR, the group's name or the prefix list's id.
    """

    kind: Literal["cidr", "group", "prefix-list"]
    name: str

    @property
    def weight(self) -> int:
        """What one rule with this peer counts in the quota."""
        return limits.HEALTH_CHECKERS_WEIGHT.value if self.kind == "prefix-list" else 1


@dataclass(frozen=True, order=True)
class Rule:
    """TCP from a peer to a group's ports (ingress), or from the group to the peer's (egress)."""

    group: Group
    direction: Direction
    peer: Peer
    first: int
    last: int


@dataclass(frozen=True)
class Side:
    """One direction of one group.

    Attributes:
        single: the rules with a port each.
        rules: the rules to make, which are ranges if the single ones do not fit.
    """

    group: Group
    direction: Direction
    single: tuple[Rule, ...]
    rules: tuple[Rule, ...]

    @property
    def weight(self) -> int:
        """What the rules count in the quota."""
        return _weight(self.rules)

    @property
    def ranged(self) -> bool:
        """Whether the single rules did not fit."""
        return self.rules != self.single


def firewall(environment: Environment, name: str) -> tuple[Side, ...]:
    """The rules of a cluster's groups, a `Side` for each group and direction that has any."""
    cluster = environment.clusters[name]
    wanted = sorted(set(_rules(environment, name, cluster)))
    return tuple(
        _side(group, direction, tuple(rules))
        for (group, direction), rules in groupby(
            wanted, key=lambda rule: (rule.group, rule.direction)
        )
    )


def _side(group: Group, direction: Direction, single: tuple[Rule, ...]) -> Side:
    ranges = tuple(
        Rule(group, direction, peer, min(rule.first for rule in of), max(rule.last for rule in of))
        for peer, of in ((peer, list(rules)) for peer, rules in groupby(single, lambda r: r.peer))
    )
    # CloudFormation creates before it deletes: on the way from one form to the other, both
    # stand. A group that was filled to the brim with single rules could never be changed.
    fits = _weight({*single, *ranges}) <= limits.RULES_PER_SECURITY_GROUP.value
    return Side(group, direction, single, single if fits else ranges)


def _weight(rules: Iterable[Rule]) -> int:
    return sum(rule.peer.weight for rule in rules)


def _rules(environment: Environment, name: str, cluster: Cluster) -> Iterator[Rule]:
    served = listeners(environment, cluster)
    if cluster.balancer.kind == "none":
        yield from _from_outside("nodes", environment, name, served)
    else:
        yield from _from_outside("balancer", environment, name, served)
        yield from _from_inside(environment, cluster, served)
    if cluster.balancer.kind == "nlb":
        behind = [one for one in served if one.alb]
        yield from _to_nodes("balancer", cluster, _node_ports(one for one in served if not one.alb))
        yield from _to_nodes("alb", cluster, _node_ports(behind))
        for one in behind:
            yield _one("balancer", "egress", Peer("group", "alb"), one.port)
            yield _one("alb", "ingress", Peer("group", "balancer"), one.port)
    if cluster.balancer.kind == "haproxy":
        yield from _to_haproxy(environment, cluster)
        yield from _to_nodes("haproxy", cluster, proxied_ports(environment, name))
    if has_own_nodes(cluster):
        for peer in _managers(environment):
            for port in management_ports(environment):
                yield _one("nodes", "ingress", peer, port)


def _to_nodes(group: Group, cluster: Cluster, ports: Iterable[int]) -> Iterator[Rule]:
    """From what is in front of the nodes to them."""
    for port in ports:
        yield from (_one(group, "egress", peer, port) for peer in node_peers(cluster))
        if has_own_nodes(cluster):
            yield _one("nodes", "ingress", Peer("group", group), port)


def _to_haproxy(environment: Environment, cluster: Cluster) -> Iterator[Rule]:
    """The balancer and nobody else reaches HAProxy: whoever does may claim any address.

    HAProxy itself goes out to its nodes, and to AWS by HTTPS.
    """
    for port in _node_ports(front(environment, cluster)):
        yield _one("balancer", "egress", Peer("group", "haproxy"), port)
        yield _one("haproxy", "ingress", Peer("group", "balancer"), port)
    proxy = cluster.balancer.proxy
    for cidr in proxy.metrics_clients:
        yield _one("haproxy", "ingress", Peer("cidr", cidr), proxy.metrics_port)
    yield _one("haproxy", "egress", Peer("cidr", failover_plan.ANYWHERE), HTTPS_PORT)


def proxied_ports(environment: Environment, name: str) -> list[int]:
    """The ports on the nodes that HAProxy reaches: traffic, checks, and the node's own word."""
    found = set()
    for route in plan(environment, name):
        found |= {server.port for server in route.servers}
        if route.check and route.check.port:
            found.add(route.check.port)
        if route.check and route.check.ready:
            found.add(READY_PORT)
    return sorted(found)


def has_own_nodes(cluster: Cluster) -> bool:
    """Whether some node is created here, and so is in the nodes' group."""
    return any(node.instance_id is None for node in cluster.nodes.values())


def node_peers(cluster: Cluster) -> tuple[Peer, ...]:
    """The nodes as the group in front of them knows them.

    Instances that exist already are in groups of their owner's, so they are known by their
    network's addresses.
    """
    own = (Peer("group", "nodes"),) if has_own_nodes(cluster) else ()
    adopted = any(node.instance_id for node in cluster.nodes.values())
    cidr = cluster.network.cidr if adopted else None
    return (*own, Peer("cidr", cidr)) if cidr else own


def _from_outside(
    group: Group, environment: Environment, name: str, served: tuple[Listener, ...]
) -> Iterator[Rule]:
    """Clients and health checkers, to what they connect to: the balancer or the node itself."""
    cluster = environment.clusters[name]
    for peer in _clients(cluster):
        yield from (_one(group, "ingress", peer, one.port) for one in served)
    for peer in _checkers(environment, name, cluster):
        yield from (_one(group, "ingress", peer, one.port) for one in _jdbc(served))


def _from_inside(
    environment: Environment, cluster: Cluster, served: tuple[Listener, ...]
) -> Iterator[Rule]:
    """What speaks RMI to a 7.0 node is sent on to the balancer's name, whoever it is."""
    for peer in (*node_peers(cluster), *_managers(environment)):
        yield from (
            _one("balancer", "ingress", peer, one.port) for one in served if one.service is None
        )


def _node_ports(served: Iterable[Listener]) -> list[int]:
    """The ports that a balancer reaches on its targets: traffic and checks."""
    return sorted({port for one in served for port in (one.target_port, one.health.port)})


def _clients(cluster: Cluster) -> Iterator[Peer]:
    yield from (Peer("cidr", cidr) for cidr in cluster.balancer.clients)


def _checkers(environment: Environment, name: str, cluster: Cluster) -> Iterator[Peer]:
    """Route 53's checkers, where they check an endpoint that is not open to all."""
    listed = cluster.network.health_checkers
    if (
        listed
        and failover_plan.checks(environment).get(name) == "endpoint"
        and failover_plan.ANYWHERE not in cluster.balancer.clients
    ):
        yield Peer("prefix-list", listed)


def _managers(environment: Environment) -> tuple[Peer, ...]:
    manager = environment.solution_manager
    return tuple(Peer("cidr", cidr) for cidr in manager.cidrs) if manager else ()


def management_ports(environment: Environment) -> tuple[int, ...]:
    """What the Solution Manager reaches on a node, with the services' own node ports."""
    ports = ports_of(environment)
    moved = {
        standard: environment.services[name].target_port
        for name, standard in ports.services.items()
        if name in environment.services
    }
    return tuple(sorted({moved.get(port, port) for port in ports.management}))


def _jdbc(served: tuple[Listener, ...]) -> Iterator[Listener]:
    yield from (one for one in served if one.key == "jdbc" and one.service)


def _one(group: Group, direction: Direction, peer: Peer, port: int) -> Rule:
    return Rule(group, direction, peer, port, port)
