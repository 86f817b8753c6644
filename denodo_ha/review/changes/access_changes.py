"""Findings on network access that a change widens, and on resources that become public."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.plan.balancer_changes import LOAD_BALANCER
from denodo_ha.plan.database_changes import INSTANCE as DATABASE
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    Properties,
    Resources,
    StackPair,
    is_true,
    number,
    of_type,
    referred_id,
    resource_label,
    text_of,
)

_GROUP: Final = "AWS::EC2::SecurityGroup"
_SOURCES: Final = {
    "Ingress": ("CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId"),
    "Egress": (*("CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId"),),
}
_LAST_PORT: Final = 65_535
_NO_ADDRESS: Final = "255.255.255.255/32"
"""Peer of the rule that the CDK adds so that EC2 does not create its default rule, which allows all
egress. The rule allows no real address."""


@dataclass(frozen=True)
class SecurityGroupRule:
    """A rule of a security group.

    Attributes:
        group: the group.
        peer: the network, prefix list or other group that the rule allows.
        protocol: the protocol; `-1` for all.
        first: the first port.
        last: the last port.
    """

    group: str
    peer: str
    protocol: str
    first: int
    last: int

    @property
    def is_from_anywhere(self) -> bool:
        """Return whether the rule allows all addresses of IPv4 or IPv6."""
        network = _network(self.peer)
        return network is not None and network.prefixlen == 0

    def covers(self, other: "SecurityGroupRule") -> bool:
        """Return whether this rule allows all connections that another rule allows."""
        return (
            self.group == other.group
            and self.protocol in {"-1", other.protocol}
            and self.first <= other.first
            and other.last <= self.last
            and _is_within(other.peer, self.peer)
        )

    @property
    def ports(self) -> str:
        """Protocol and ports in words."""
        if self.protocol == "-1":
            return "all ports"
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {ports}"


def access_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on access from and to the network."""
    if pair.after is None:
        return
    yield from _widened_ingress(pair)
    yield from _widened_egress(pair)
    yield from _public_balancers(pair)
    yield from _public_databases(pair)


def _widened_ingress(pair: StackPair) -> Iterator[Finding]:
    for rules in _by_peer(_added_rules(pair, "Ingress")):
        name = "access-from-anywhere" if rules[0].is_from_anywhere else "access-widened"
        # Every rule of a new stack is new, so only rules that allow access from any address are
        # reported.
        if pair.is_in_both or rules[0].is_from_anywhere:
            yield finding(
                name, pair.place(rules[0].group), f"allows connections from {_text(rules)}"
            )


def _widened_egress(pair: StackPair) -> Iterator[Finding]:
    if pair.is_in_both:
        for rules in _by_peer(_added_rules(pair, "Egress")):
            text = f"allows connections to {_text(rules)}"
            yield finding("egress-widened", pair.place(rules[0].group), text)


def _by_peer(rules: Iterable[SecurityGroupRule]) -> list[list[SecurityGroupRule]]:
    """Return the rules in lists, one for each security group and peer."""
    lists: dict[tuple[str, str], list[SecurityGroupRule]] = {}
    for rule in rules:
        lists.setdefault((rule.group, rule.peer), []).append(rule)
    return list(lists.values())


def _text(rules: Sequence[SecurityGroupRule]) -> str:
    return f"{rules[0].peer}: {', '.join(rule.ports for rule in rules)}"


def _added_rules(pair: StackPair, direction: str) -> list[SecurityGroupRule]:
    """Return the rules after the change that no rule before the change covers.

    A rule whose peer is another security group of the stack is left out: it allows only resources
    of the stack, and the rules of the other group decide which clients reach these resources.
    """
    before = _rules(pair.old, direction)
    return [
        rule for rule in _rules(pair.new, direction) if not any(old.covers(rule) for old in before)
    ]


def _rules(resources: Resources, direction: str) -> list[SecurityGroupRule]:
    rules: dict[SecurityGroupRule, None] = {}
    for id_, (kind, properties) in resources.items():
        if kind == f"{_GROUP}{direction}":
            group = referred_id(properties.get("GroupId"))
            label = resource_label(resources, group) if group else text_of(properties["GroupId"])
            rules |= dict.fromkeys(_parsed(resources, label, direction, properties))
        elif kind == _GROUP:
            inline = properties.get(f"SecurityGroup{direction}")
            for entry in inline if isinstance(inline, list) else ():
                label = resource_label(resources, id_)
                rules |= dict.fromkeys(_parsed(resources, label, direction, entry))
    return list(rules)


def _parsed(
    resources: Resources, group: str, direction: str, entry: Any
) -> Iterable[SecurityGroupRule]:
    """Yield the rule that properties describe, unless its peer is a security group of the stack."""
    if not isinstance(entry, dict):
        return
    peer = next((entry[key] for key in _SOURCES[direction] if key in entry), None)
    if peer is None or peer == _NO_ADDRESS or referred_id(peer) in of_type(resources, _GROUP):
        return
    protocol = str(entry.get("IpProtocol", "-1"))
    first, last = number(entry.get("FromPort")), number(entry.get("ToPort"))
    if protocol == "-1" or first is None or last is None:
        first, last = 0, _LAST_PORT
    yield SecurityGroupRule(group, text_of(peer), protocol, first, last)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(inner: str, outer: str) -> bool:
    if inner == outer:
        return True
    match _network(inner), _network(outer):
        case (ipaddress.IPv4Network() as small, ipaddress.IPv4Network() as large):
            return small.subnet_of(large)
        case (ipaddress.IPv6Network() as small, ipaddress.IPv6Network() as large):
            return small.subnet_of(large)
    return False


def _public_balancers(pair: StackPair) -> Iterator[Finding]:
    """Yield load balancers that become public.

    A stack has at most one load balancer of each type, so the type identifies it.
    """
    before = {_type(balancer) for balancer in _public(pair.old)}
    for balancer in _public(pair.new):
        if _type(balancer) not in before:
            text = "the load balancer has public addresses (Scheme internet-facing)"
            yield finding("balancer-public", pair.place(_type(balancer)), text)


def _public(resources: Resources) -> list[Properties]:
    balancers = of_type(resources, LOAD_BALANCER).values()
    return [balancer for balancer in balancers if balancer.get("Scheme") == "internet-facing"]


def _type(balancer: Properties) -> str:
    return f"{balancer.get('Type', 'application')} load balancer"


def _public_databases(pair: StackPair) -> Iterator[Finding]:
    for id_, database in of_type(pair.new, DATABASE).items():
        _, before = pair.old.get(id_, ("", {}))
        if is_true(database.get("PubliclyAccessible")) and not is_true(
            before.get("PubliclyAccessible")
        ):
            text = "the database has a public address (PubliclyAccessible)"
            yield finding("database-public", pair.place("database"), text)
