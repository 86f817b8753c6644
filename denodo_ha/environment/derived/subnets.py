"""Subnets of a created VPC: how its addresses are divided among the availability zones."""

from ipaddress import IPv4Network

from denodo_ha.environment.facts.limits import VPC_PREFIX

ZONE_LETTERS = "abcdefgh"
"""The zones that have room in a created VPC. A zone's letter decides its addresses."""

LONGEST_PREFIX = 24
"""Ours: a zone has two subnets of 1/16 of the VPC each, and a subnet is a /28 at least (AWS,
Subnet sizing)."""

SHORTEST_PREFIX = VPC_PREFIX.low

RESERVED_FIRST = 4
"""The first addresses of a subnet, which AWS reserves, like the last one (AWS, Subnet sizing)."""


def fits_created_vpc(cidr: str) -> bool:
    """Return whether a network has a size that a created VPC can have."""
    return SHORTEST_PREFIX <= IPv4Network(cidr).prefixlen <= LONGEST_PREFIX


def zone_blocks(vpc: IPv4Network, zone: str) -> tuple[IPv4Network, IPv4Network]:
    """Return a zone's private and public block: a sixteenth of the VPC each.

    The blocks depend on the zone's letter and not on the order of the zones, so adding or removing
    a zone moves no other zone.
    """
    share = list(vpc.subnets(prefixlen_diff=3))[ZONE_LETTERS.index(zone[-1])]
    private, public = share.subnets(prefixlen_diff=1)
    return private, public
