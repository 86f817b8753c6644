"""How a VPC that is created is shared among its zones."""

from ipaddress import IPv4Network

from denodo_ha.environment.facts.limits import VPC_PREFIX

ZONE_LETTERS = "abcdefgh"
"""The zones that there is room for: their letter decides their addresses."""

LONGEST_PREFIX = 24
"""Ours: a zone has two subnets of 1/16 of the VPC each, and a subnet is a /28 at least (AWS,
Subnet sizing)."""

SHORTEST_PREFIX = VPC_PREFIX.low

RESERVED_FIRST = 4
"""How many addresses at a subnet's beginning AWS keeps, beside the last (AWS, Subnet sizing)."""


def addressable(cidr: str) -> bool:
    """Whether a network has the size of a VPC that can be shared like this."""
    return SHORTEST_PREFIX <= IPv4Network(cidr).prefixlen <= LONGEST_PREFIX


def zone_blocks(vpc: IPv4Network, zone: str) -> tuple[IPv4Network, IPv4Network]:
    """The private and the public block of a zone: a sixteenth of the VPC each.

    The zone's letter decides, and not its place among the others, so that a zone more or less
    moves no other.
    """
    share = list(vpc.subnets(prefixlen_diff=3))[ZONE_LETTERS.index(zone[-1])]
    private, public = share.subnets(prefixlen_diff=1)
    return private, public
