"""Admission of TCP flows by the rules of security groups.

AWS, Control traffic to your AWS resources using security groups: a flow is admitted if a rule of
any of the groups admits it; what no rule admits is dropped without an answer. The functions work on
plain values, so that the processes of load balancers use them too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Rules = Mapping[str, Mapping[str, Any]]
"""By the id of the security group: its `ingress` and `egress` rules, each with `protocol`, `from`
and `to` (which protocol -1 does not need), `cidrs` and `groups`."""
Direction = Literal["ingress", "egress"]

_TCP = ("-1", "tcp", "6")


@dataclass(frozen=True)
class Peer:
    """The other end of a flow.

    Attributes:
        address: address of this end on AWS.
        groups: security groups of the network interface that has this end of the flow.
    """

    address: str
    groups: frozenset[str] = frozenset()


def admits(
    groups: Iterable[str], direction: Direction, rules: Rules, peer: Peer, port: int
) -> bool:
    """Return whether one of the groups admits a TCP flow from or to a peer.

    Args:
        groups: the security groups of this end of the flow.
        direction: direction of the flow.
        rules: the rules of all groups.
        peer: the other end.
        port: destination port of the flow.
    """
    return any(
        _matches(rule, peer, port)
        for group in groups
        for rule in rules.get(group, {}).get(direction, ())
    )


def _matches(rule: Mapping[str, Any], peer: Peer, port: int) -> bool:
    if rule["protocol"] not in _TCP:
        return False
    if rule["protocol"] != "-1" and not rule["from"] <= port <= rule["to"]:
        return False
    if not peer.groups.isdisjoint(rule["groups"]):
        return True
    return any(_contains(cidr, peer.address) for cidr in rule["cidrs"])


def _contains(cidr: str, address: str) -> bool:
    network = ip_network(cidr, strict=False)
    member = ip_address(address)
    return member.version == network.version and member in network


def usual_client(groups: Iterable[str], rules: Rules, ports: Iterable[int]) -> Peer:
    """Return the client on AWS that an unknown address of this machine represents.

    Of all CIDR blocks that rules of the groups admit, the block with most ports is chosen, and the
    client gets the block's first address. Rules that admit a single address are ignored, because
    such rules are not for clients in general.
    """
    groups, ports = [*groups], [*ports]
    candidates: dict[str, int] = {}
    for group in groups:
        for rule in rules.get(group, {}).get("ingress", ()):
            for cidr in rule["cidrs"]:
                network = ip_network(cidr, strict=False)
                if network.version == 4 and network.num_addresses > 1:
                    peer = Peer(str(network[1]))
                    admitted = sum(admits(groups, "ingress", rules, peer, port) for port in ports)
                    candidates.setdefault(peer.address, admitted)
    if not candidates:
        return Peer(_NOBODY)
    return Peer(max(candidates, key=lambda address: candidates[address]))


_NOBODY = "198.51.100.1"
"""An address for documentation (RFC 5737), which no rule names."""
