"""Firewall of a cluster: the rules of its security groups.

A security group has one rule for each peer, port and direction. If the rules of one direction
exceed the quota, that direction has one rule for each peer instead, for the port range from the
peer's lowest to its highest port. Outbound rules of nodes are as configured, without such ranges.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.outbound_access import needed_access
from denodo_ha.environment.derived.topology import (
    JDBC,
    Listener,
    haproxy_front_listeners,
    listeners,
    scheduler_service,
    serves_scheduler_clients,
    version_ports,
)
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import (
    HTTPS_PORT,
    READY_PORT,
    SCHEDULER_AUXILIARY_PORT,
    WEB_JMX_PORTS,
)
from denodo_ha.environment.haproxy.routes import haproxy_routes
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

SecurityGroup = Literal["alb", "balancer", "haproxy", "nodes"]
Direction = Literal["ingress", "egress"]
Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, order=True)
class Peer:
    """Peer of a security group rule: the source (ingress) or the destination (egress).

    Attributes:
        kind: the kind of the peer.
        name: the CIDR, the name of the cluster's own security group, or the id of the prefix list
            or of another security group.
    """

    kind: Literal["cidr", "group", "prefix-list", "security-group"]
    name: str

    @property
    def weight(self) -> int:
        """Number of rules that AWS counts for one rule with this peer."""
        return limits.HEALTH_CHECKERS_WEIGHT.value if self.kind == "prefix-list" else 1


@dataclass(frozen=True, order=True)
class FirewallRule:
    """Rule that allows a peer to connect to a security group (ingress), or the group to a peer."""

    group: SecurityGroup
    direction: Direction
    peer: Peer
    first: int
    last: int
    protocol: Protocol = "tcp"


@dataclass(frozen=True)
class RuleSet:
    """The rules of one direction of one security group.

    Attributes:
        port_rules: the rules with one port each.
        rules: the rules to create: the port rules, or rules with port ranges if the port rules
            exceed the quota.
    """

    group: SecurityGroup
    direction: Direction
    port_rules: tuple[FirewallRule, ...]
    rules: tuple[FirewallRule, ...]

    @property
    def weight(self) -> int:
        """Number of rules that AWS counts towards the quota."""
        return _weight(self.rules)

    @property
    def uses_ranges(self) -> bool:
        """True if port ranges replace the port rules, because the port rules exceed the quota."""
        return self.rules != self.port_rules

    @property
    def opens_unused_ports(self) -> tuple[FirewallRule, ...]:
        """Return the range rules that allow CIDRs to connect to ports without a port rule."""
        used = {(rule.peer, rule.first) for rule in self.port_rules}
        return tuple(
            rule
            for rule in self.rules
            if (rule.direction, rule.peer.kind) == ("ingress", "cidr")
            and any((rule.peer, port) not in used for port in range(rule.first, rule.last))
        )


def firewall(environment: Environment, name: str) -> tuple[RuleSet, ...]:
    """Return a cluster's rules: a `RuleSet` for each security group and direction with rules."""
    cluster = environment.clusters[name]
    rules = sorted(set(_rules(environment, name, cluster)))
    return tuple(
        _rule_set(group, direction, tuple(rules_of_direction))
        for (group, direction), rules_of_direction in groupby(
            rules, key=lambda rule: (rule.group, rule.direction)
        )
    )


def haproxy_target_ports(environment: Environment, name: str) -> list[int]:
    """Return the node ports that HAProxy connects to: for traffic, health checks and readiness."""
    ports = set()
    for route in haproxy_routes(environment, name):
        ports |= {server.port for server in route.servers}
        if route.check and route.check.port:
            ports.add(route.check.port)
        if route.check and route.check.ready:
            ports.add(READY_PORT)
    return sorted(ports)


def configured_peer(text: str) -> Peer:
    """Return the peer of an entry of `balancer.clients` or of `network.egress`."""
    if text.startswith("pl-"):
        return Peer("prefix-list", text)
    return Peer("security-group" if text.startswith("sg-") else "cidr", text)


def creates_nodes(cluster: Cluster) -> bool:
    """Return whether the stack creates any node. Created nodes have their own security group."""
    return any(node.instance_id is None for node in cluster.nodes.values())


def scheduler_clients_reach_nodes(environment: Environment, cluster: Cluster) -> bool:
    """Return whether the nodes' security group admits clients to the Scheduler's auxiliary port.

    Without auxiliary ports on the load balancer, the Scheduler directs its clients to the node's
    own name. The clients are not admitted if they cannot reach the node's private address, or if
    rules for the clients would exceed the quota of the security group.
    """
    bare, public = cluster.balancer.kind == "none", cluster.balancer.scheme == "internet-facing"
    peers = {configured_peer(clients) for clients in cluster.balancer.clients}
    peers |= {*_solution_manager_peers(environment, cluster), Peer("group", "balancer")}
    return (
        scheduler_service(environment) is not None
        and not serves_scheduler_clients(cluster)
        and creates_nodes(cluster)
        and (bare or not public)
        and (bare or sum(peer.weight for peer in peers) < limits.RULES_PER_SECURITY_GROUP.value)
    )


def management_ports(environment: Environment) -> tuple[int, ...]:
    """Return the node ports that the Solution Manager connects to.

    If the node port of a service is not the default port, the node port replaces the default.
    """
    ports = version_ports(environment)
    moved = {
        default: environment.services[name].target_port
        for name, default in ports.services.items()
        if name in environment.services
    }
    jmx = WEB_JMX_PORTS if environment.denodo.web_jmx else ()
    return tuple(sorted({*(moved.get(port, port) for port in ports.management), *jmx}))


def _rule_set(
    group: SecurityGroup, direction: Direction, port_rules: tuple[FirewallRule, ...]
) -> RuleSet:
    if (group, direction) == ("nodes", "egress"):
        # Ranges are not used for outbound rules of nodes: a range would open ports that
        # `network.egress` does not list.
        return RuleSet(group, direction, port_rules, port_rules)
    ranges = tuple(
        FirewallRule(
            group,
            direction,
            peer,
            min(rule.first for rule in rules),
            max(rule.last for rule in rules),
        )
        for peer, rules in (
            (peer, list(rules)) for peer, rules in groupby(port_rules, lambda rule: rule.peer)
        )
    )
    # CloudFormation creates new rules before it deletes old rules, so port rules and range rules
    # exist at the same time while one kind replaces the other. If port rules alone filled the
    # quota, CloudFormation could never replace them by ranges.
    fits = _weight({*port_rules, *ranges}) <= limits.RULES_PER_SECURITY_GROUP.value
    return RuleSet(group, direction, port_rules, port_rules if fits else ranges)


def _weight(rules: Iterable[FirewallRule]) -> int:
    return sum(rule.peer.weight for rule in rules)


def _rules(environment: Environment, name: str, cluster: Cluster) -> Iterator[FirewallRule]:
    served = listeners(environment, cluster)
    if cluster.balancer.kind == "none":
        yield from _from_clients("nodes", environment, name, served)
    else:
        yield from _from_clients("balancer", environment, name, served)
        yield from _from_nodes_to_auxiliary(environment, cluster, served)
    if cluster.balancer.kind == "nlb":
        behind_alb = [listener for listener in served if listener.alb_health]
        direct = [listener for listener in served if not listener.alb_health]
        yield from _to_nodes("balancer", cluster, _target_ports(direct))
        yield from _to_nodes("alb", cluster, _target_ports(behind_alb))
        for listener in behind_alb:
            yield _rule("balancer", "egress", Peer("group", "alb"), listener.port)
            yield _rule("alb", "ingress", Peer("group", "balancer"), listener.port)
    if cluster.balancer.kind == "haproxy":
        yield from _to_haproxy(environment, cluster)
        yield from _to_nodes("haproxy", cluster, haproxy_target_ports(environment, name))
    if creates_nodes(cluster):
        for peer in _solution_manager_peers(environment, cluster):
            for port in management_ports(environment):
                yield _rule("nodes", "ingress", peer, port)
        yield from _from_nodes(environment, name, cluster)
    if scheduler_clients_reach_nodes(environment, cluster):
        for clients in cluster.balancer.clients:
            yield _rule("nodes", "ingress", configured_peer(clients), SCHEDULER_AUXILIARY_PORT)


def _from_nodes(environment: Environment, name: str, cluster: Cluster) -> Iterator[FirewallRule]:
    """Yield the outbound rules of nodes if `network.egress` limits their destinations."""
    if cluster.network.egress is None:
        return
    for egress in cluster.network.egress:
        for first, last in egress.port_ranges:
            peer = configured_peer(egress.to)
            yield FirewallRule("nodes", "egress", peer, first, last, egress.protocol)
    for access in needed_access(environment, name):
        for cidr in access.cidrs:
            yield _rule("nodes", "egress", Peer("cidr", cidr), access.port)
    if cluster.balancer.kind != "none":
        for listener in listeners(environment, cluster):
            if listener.service is None:
                yield _rule("nodes", "egress", Peer("group", "balancer"), listener.port)


def _from_clients(
    group: SecurityGroup, environment: Environment, name: str, served: tuple[Listener, ...]
) -> Iterator[FirewallRule]:
    """Yield rules from clients and health checkers to the balancer or, without it, to the node."""
    cluster = environment.clusters[name]
    for clients in cluster.balancer.clients:
        for listener in served:
            yield _rule(group, "ingress", configured_peer(clients), listener.port)
    for peer in _health_checker_peers(environment, name, cluster):
        for listener in served:
            if listener.service and listener.key == JDBC:
                yield _rule(group, "ingress", peer, listener.port)


def _from_nodes_to_auxiliary(
    environment: Environment, cluster: Cluster, served: tuple[Listener, ...]
) -> Iterator[FirewallRule]:
    """Yield rules that allow nodes and Solution Manager to use the balancer's auxiliary ports.

    A node directs all its clients to its auxiliary port on the balancer. Other nodes and the
    Solution Manager are clients of a node, too.
    """
    for peer in (*_node_peers(cluster), *_solution_manager_peers(environment, cluster)):
        for listener in served:
            if listener.service is None:
                yield _rule("balancer", "ingress", peer, listener.port)


def _to_nodes(
    group: SecurityGroup, cluster: Cluster, ports: Iterable[int]
) -> Iterator[FirewallRule]:
    """Yield rules from a balancer's security group to the nodes."""
    for port in ports:
        for peer in _node_peers(cluster):
            yield _rule(group, "egress", peer, port)
        if creates_nodes(cluster):
            yield _rule("nodes", "ingress", Peer("group", group), port)


def _to_haproxy(environment: Environment, cluster: Cluster) -> Iterator[FirewallRule]:
    """Yield rules between the balancer and HAProxy.

    Only the balancer may connect to HAProxy's service ports, because HAProxy trusts the client
    address that a peer sends. HAProxy also connects to AWS over HTTPS.
    """
    for port in _target_ports(haproxy_front_listeners(environment, cluster)):
        yield _rule("balancer", "egress", Peer("group", "haproxy"), port)
        yield _rule("haproxy", "ingress", Peer("group", "balancer"), port)
    proxy = cluster.balancer.proxy
    for cidr in proxy.metrics_clients:
        yield _rule("haproxy", "ingress", Peer("cidr", cidr), proxy.metrics_port)
    yield _rule("haproxy", "egress", Peer("cidr", failover_plan.ANYWHERE), HTTPS_PORT)


def _node_peers(cluster: Cluster) -> tuple[Peer, ...]:
    """Return the peers that represent the nodes in the rules of other security groups.

    Created nodes are represented by their security group. Existing instances are in security groups
    of their owner, so they are represented by the CIDR of the cluster's network.
    """
    created = (Peer("group", "nodes"),) if creates_nodes(cluster) else ()
    existing = any(node.instance_id for node in cluster.nodes.values())
    cidr = cluster.network.cidr if existing else None
    return (*created, Peer("cidr", cidr)) if cidr else created


def _target_ports(served: Iterable[Listener]) -> list[int]:
    """Return the target ports that a balancer connects to, for traffic and health checks."""
    return sorted(
        {port for listener in served for port in (listener.target_port, listener.health.port)}
    )


def _health_checker_peers(environment: Environment, name: str, cluster: Cluster) -> Iterator[Peer]:
    """Yield Route 53's prefix list, if its health checkers need a rule to reach the endpoint."""
    prefix_list = cluster.network.health_checkers
    if (
        prefix_list
        and failover_plan.health_checks(environment).get(name) == "endpoint"
        and failover_plan.ANYWHERE not in cluster.balancer.clients
    ):
        yield Peer("prefix-list", prefix_list)


def _solution_manager_peers(environment: Environment, cluster: Cluster) -> tuple[Peer, ...]:
    manager = cluster.solution_manager or environment.solution_manager
    return tuple(Peer("cidr", cidr) for cidr in manager.cidrs) if manager else ()


def _rule(group: SecurityGroup, direction: Direction, peer: Peer, port: int) -> FirewallRule:
    return FirewallRule(group, direction, peer, port, port)
