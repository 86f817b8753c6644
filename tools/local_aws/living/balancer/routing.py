"""The target of a new connection, by the rules that AWS documents. This module does no I/O.

Sources: AWS, Network Load Balancers and Application Load Balancers, "Target groups": routing
algorithm, cross-zone load balancing, target group health, sticky sessions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from tools.local_aws.emulator.ec2 import admission
from tools.local_aws.emulator.ec2.admission import Peer
from tools.local_aws.living.balancer.configuration import (
    Balancer,
    Configuration,
    Listener,
    Target,
    TargetGroup,
)

_NO_NEW_CONNECTIONS = ("draining", "unused")


@dataclass(frozen=True)
class Route:
    """The targets that get a listener's new connections in a zone, in the order of the group.

    Attributes:
        group: the target group; None if the listener has none.
        targets: the targets.
        fails_open: whether too few targets are healthy, so that all targets get connections.
    """

    group: TargetGroup | None
    targets: tuple[Target, ...]
    fails_open: bool = False


def route(table: Configuration, balancer: Balancer, listener: Listener, zone: str) -> Route:
    """Return the targets of new connections to a listener's address in a zone."""
    groups = [
        table.target_groups[arn] for arn in listener.target_groups if arn in table.target_groups
    ]
    if not groups:
        return Route(None, ())
    group = groups[0]
    usable = _usable(balancer, group, zone)
    healthy = [target for target in usable if target.is_healthy]
    if healthy and group.routing_threshold.is_met(len(healthy), len(usable)):
        return Route(group, tuple(healthy))
    return Route(group, tuple(usable), fails_open=bool(usable))


def _usable(balancer: Balancer, group: TargetGroup, zone: str) -> list[Target]:
    """Return the registered targets to which the address in a zone may forward.

    With cross-zone load balancing, a zonal shift also keeps connections from the targets of the
    zone (AWS, Zonal shift for your Network Load Balancer).
    """
    crosses = _crosses_zones(balancer, group)
    away = {name for name, item in balancer.zones.items() if item.shifted} if crosses else set()
    return [
        target
        for target in group.targets
        if target.state not in _NO_NEW_CONNECTIONS
        and target.zone not in away
        and (target.zone is None or crosses or target.zone == zone)
    ]


def _crosses_zones(balancer: Balancer, group: TargetGroup) -> bool:
    own = group.attributes.get("load_balancing.cross_zone.enabled", "")
    return own == "true" if own in ("true", "false") else balancer.cross_zone


def flow_target(candidates: Route, flow: Sequence[object]) -> Target:
    """Return the target of a flow of a Network Load Balancer.

    A TCP connection goes to one target for its life, chosen by a hash of protocol, addresses, ports
    and sequence number; with stickiness, by the client's address alone. Each target gets a weight
    from the hash, and the target with the largest weight is chosen, so that only the flows of a
    deregistered target move to another target.

    Args:
        candidates: the route, with at least one target.
        flow: what is hashed: first the client's address, then the rest.
    """
    group = candidates.group
    sticky = group is not None and group.is_true("stickiness.enabled")
    hashed = [str(part) for part in (flow[:1] if sticky else flow)]

    def weight(target: Target) -> bytes:
        return sha256(repr((hashed, target.key)).encode()).digest()

    return max(candidates.targets, key=weight)


def client(table: Configuration, balancer: Balancer, address: str) -> Peer:
    """Return the client on AWS that a loopback address represents.

    An address that is not in the table represents a usual client of the load balancer's security
    groups, or of its targets' groups if it has none.
    """
    known = table.sources.get(address)
    if known is not None:
        return known
    if balancer.groups:
        ports = [listener.port for listener in balancer.listeners]
        return admission.usual_client(balancer.groups, table.rules, ports)
    targets = [
        target
        for listener in balancer.listeners
        for arn in listener.target_groups
        if arn in table.target_groups
        for target in table.target_groups[arn].targets
    ]
    groups = dict.fromkeys(group for target in targets for group in target.groups)
    return admission.usual_client(groups, table.rules, {target.port for target in targets})


def client_is_admitted(
    table: Configuration, balancer: Balancer, listener: Listener, peer: Peer
) -> bool:
    """Return whether the load balancer's security groups admit a client; True without groups."""
    return not balancer.groups or admission.admits(
        balancer.groups, "ingress", table.rules, peer, listener.port
    )


def target_is_admitted(
    table: Configuration, balancer: Balancer, group: TargetGroup, target: Target, ends: "Ends"
) -> bool:
    """Return whether a flow from the load balancer reaches a target.

    AWS, Update the security groups for your Network Load Balancer: rules of the target that name
    the load balancer's security groups admit its flows, even if the target sees the client's
    address. Without such rules, the rules must admit the address that the target sees. A target
    that sees its own address as the source drops the flow (AWS, Troubleshoot your Network Load
    Balancer, "Connections time out for requests from a target to its load balancer").
    """
    seen = ends.client.address if group.keeps_client_address else ends.balancer_address
    if seen == target.address:
        return False
    if not target.groups:
        # The target is an address that no instance of the local AWS has, so its security groups are
        # unknown.
        return True
    leaves = not balancer.groups or admission.admits(
        balancer.groups,
        "egress",
        table.rules,
        Peer(target.address, frozenset(target.groups)),
        target.port,
    )
    source = Peer(seen, frozenset(balancer.groups))
    return leaves and admission.admits(target.groups, "ingress", table.rules, source, target.port)


@dataclass(frozen=True)
class Ends:
    """The two ends of the way to a target, with their addresses on AWS: client and load balancer.

    Attributes:
        client: the client.
        balancer_address: private address of the load balancer in the zone.
    """

    client: Peer
    balancer_address: str
