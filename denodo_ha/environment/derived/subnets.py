"""Subnets of a created VPC: the division of its addresses among the availability zones."""

from ipaddress import IPv4Network

from denodo_ha.environment.facts.limits import VPC_PREFIX

ZONE_LETTERS = "abcdefgh"
"""Letters of the availability zones that a created VPC can have. The letter of a zone determines
the addresses of its subnets."""

LONGEST_PREFIX = 24
"""Project limit: longest prefix of a created VPC. A zone has two subnets of 1/16 of the VPC each,
and the smallest subnet is a /28 (AWS, Subnet sizing)."""

SHORTEST_PREFIX = VPC_PREFIX.low

RESERVED_FIRST = 4
"""Number of addresses that AWS reserves at the start of a subnet. AWS also reserves the last
address (AWS, Subnet sizing)."""


def fits_created_vpc(cidr: str) -> bool:
    """Return whether a network has an allowed size for a created VPC."""
    return SHORTEST_PREFIX <= IPv4Network(cidr).prefixlen <= LONGEST_PREFIX


def zone_blocks(vpc: IPv4Network, zone: str) -> tuple[IPv4Network, IPv4Network]:
    """Return a zone's private and public address block: a sixteenth of the VPC each.

    The blocks depend on the zone's letter and not on the order of the zones, so adding or removing
    a zone does not change the blocks of other zones.
    """
    share = list(vpc.subnets(prefixlen_diff=3))[ZONE_LETTERS.index(zone[-1])]
    private, public = share.subnets(prefixlen_diff=1)
    return private, public
