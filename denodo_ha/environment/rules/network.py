"""Rules about VPCs, subnets, zones and CIDRs."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.subnets import (
    LONGEST_PREFIX,
    SHORTEST_PREFIX,
    ZONE_LETTERS,
    fits_created_vpc,
)
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment


def zones_of_region(environment: Environment) -> Iterator[Problem]:
    """The zones of a cluster must be in the cluster's region."""
    for name, cluster in environment.clusters.items():
        for zone in cluster.network.zones:
            if zone[:-1] != cluster.region:
                yield Problem(
                    ("clusters", name, "network", "zones", zone),
                    f"is not a zone of {cluster.region}",
                    "a cluster is in one region, and its subnets are in the zones of that region",
                    f"write a zone like {cluster.region}a, or change the region",
                    value=zone,
                    at_key=True,
                )


def existing_network(environment: Environment) -> Iterator[Problem]:
    """With an existing VPC, a different subnet must be set for each zone."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.vpc is None:
            continue
        for zone, subnets in network.zones.items():
            creates_node = any(
                node.zone == zone and node.instance_id is None for node in cluster.nodes.values()
            )
            # HAProxy instances are in the subnets of the nodes, which have a route to the AWS APIs.
            needed = {
                "nodes": creates_node or cluster.balancer.kind == "haproxy",
                "balancer": cluster.balancer.kind != "none",
            }
            for key in (key for key, is_needed in needed.items() if is_needed):
                if getattr(subnets, key) is None:
                    yield Problem(
                        ("clusters", name, "network", "zones", zone, key),
                        "is missing",
                        "an existing VPC may have many subnets, so the subnet to use must be set",
                        f"add {key}: subnet-… of {zone}",
                    )
        yield from _shared_subnets(name, cluster)


def _shared_subnets(name: str, cluster: Cluster) -> Iterator[Problem]:
    for key in ("nodes", "balancer"):
        seen: dict[str, str] = {}
        for zone, subnets in cluster.network.zones.items():
            subnet = getattr(subnets, key)
            if subnet in seen:
                yield Problem(
                    ("clusters", name, "network", "zones", zone, key),
                    f"is the subnet of {seen[subnet]} too",
                    "each subnet is in exactly one zone",
                    f"write the subnet of {zone}",
                    value=subnet,
                )
            elif subnet is not None:
                seen[subnet] = zone


def created_network(environment: Environment) -> Iterator[Problem]:
    """A created VPC needs a CIDR that can be divided among its zones; subnets must not be set."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.vpc is not None:
            continue
        path: Path = ("clusters", name, "network")
        if network.cidr is None:
            yield Problem(
                (*path, "cidr"),
                "is missing",
                "network.vpc is not set, so a VPC is created, which needs a CIDR",
                "add cidr: 10.0.0.0/16, or vpc: vpc-… of an existing VPC",
            )
        elif not fits_created_vpc(network.cidr):
            yield Problem(
                (*path, "cidr"),
                "has the wrong size for a created VPC",
                "every zone gets a part for nodes and balancer, and AWS allows a VPC of at most "
                "/16 and subnets of at least /28 (AWS, VPC CIDR blocks)",
                f"write a network from /{SHORTEST_PREFIX} to /{LONGEST_PREFIX}",
                value=network.cidr,
            )
        for zone, subnets in network.zones.items():
            for key in ("nodes", "balancer"):
                if getattr(subnets, key) is not None:
                    yield Problem(
                        (*path, "zones", zone, key),
                        "is set, but network.vpc is not",
                        "subnets belong to an existing VPC, and without network.vpc the stack "
                        "creates a VPC with its own subnets",
                        "add network.vpc, or list only the names of the zones",
                        value=getattr(subnets, key),
                    )
            if zone[-1] not in ZONE_LETTERS:
                yield Problem(
                    (*path, "zones", zone),
                    "is a zone for which a created VPC has no addresses",
                    f"a zone's letter, {ZONE_LETTERS[0]} to {ZONE_LETTERS[-1]}, determines its "
                    "addresses, so that adding a zone changes no other zone",
                    "choose another zone, or use an existing VPC",
                    value=zone,
                    at_key=True,
                )


def node_zones(environment: Environment) -> Iterator[Problem]:
    """A node must be in one of the zones of its cluster's network."""
    for name, cluster in environment.clusters.items():
        zones = cluster.network.zones
        for node_name, node in cluster.nodes.items():
            if node.zone not in zones:
                yield Problem(
                    ("clusters", name, "nodes", node_name, "zone"),
                    "is not one of the cluster's zones",
                    "the node needs a subnet in its zone",
                    f"write one of {', '.join(sorted(zones))}, or add the zone to network.zones",
                    value=node.zone,
                )


def nodes_in_two_zones(environment: Environment) -> Iterator[Problem]:
    """The nodes of a cluster must be in at least two zones."""
    for name, cluster in environment.clusters.items():
        zones = {node.zone for node in cluster.nodes.values()}
        if len(cluster.nodes) < 2 or len(zones) > 1:
            continue
        (zone,) = zones
        path: Path = ("clusters", name, "nodes")
        if cluster.allow_single_zone:
            yield Problem(
                path,
                f"has all nodes in {zone}",
                "if that zone fails, the cluster is down",
                "spread the nodes over two zones",
                severity=Severity.WARNING,
                rule="single-zone",
            )
        else:
            yield Problem(
                path,
                f"has all {len(cluster.nodes)} nodes in one zone",
                "if that zone failed, the cluster would be down",
                "spread the nodes over two zones, or accept the risk with allow_single_zone: true",
                value=zone,
            )


def cidrs_unique(environment: Environment) -> Iterator[Problem]:
    """A CIDR must be listed only once, because AWS rejects equal rules in a security group."""
    lists: list[tuple[Path, tuple[str, ...]]] = [
        (("clusters", name, "balancer", "clients"), cluster.balancer.clients)
        for name, cluster in environment.clusters.items()
    ]
    if environment.solution_manager:
        lists.append((("solution_manager", "cidrs"), environment.solution_manager.cidrs))
    lists += [
        (("clusters", name, "solution_manager", "cidrs"), cluster.solution_manager.cidrs)
        for name, cluster in environment.clusters.items()
        if cluster.solution_manager
    ]
    for path, cidrs in lists:
        for index, cidr in enumerate(cidrs):
            if cidr in cidrs[:index]:
                yield Problem(
                    (*path, index),
                    "is listed twice",
                    "a security group accepts each rule only once",
                    "remove one of the two entries",
                    value=cidr,
                )


def clients_by_security_group(environment: Environment) -> Iterator[Problem]:
    """`clients` of an internet-facing balancer must not contain a security group."""
    for name, cluster in environment.clusters.items():
        if cluster.balancer.scheme != "internet-facing":
            continue
        for index, clients in enumerate(cluster.balancer.clients):
            if clients.startswith("sg-"):
                yield Problem(
                    ("clusters", name, "balancer", "clients", index),
                    "does not allow clients to connect to public addresses",
                    "a rule with a security group allows only the private addresses of its "
                    "instances (AWS, Security group rules), but clients connect to public "
                    "addresses from public addresses",
                    "write the public addresses of the clients, or scheme: internal",
                    value=clients,
                )


def overlapping_vpcs(environment: Environment) -> Iterator[Problem]:
    """Created VPCs of a failover should not overlap, so that they can be connected."""
    pair = [
        (name, cluster.network.cidr)
        for name, cluster in failover_plan.cluster_pair(environment)
        if cluster.network.vpc is None and cluster.network.cidr
    ]
    if len(pair) == 2:
        (primary, primary_cidr), (secondary, secondary_cidr) = pair
        overlap = IPv4Network(primary_cidr).overlaps(IPv4Network(secondary_cidr))
        if primary != secondary and overlap:
            yield Problem(
                ("clusters", secondary, "network", "cidr"),
                f"overlaps {primary_cidr} of {primary}",
                "the two clusters fail over to each other, and VPCs with common addresses can "
                "neither be peered nor share the routes of a transit gateway",
                "choose a network that does not overlap",
                value=secondary_cidr,
                severity=Severity.WARNING,
                rule="overlapping-vpcs",
            )


def public_node_first_boot(environment: Environment) -> Iterator[Problem]:
    """A public node must reach AWS at first boot, before it gets its Elastic IP."""
    if not environment.denodo.program:
        return
    for name, cluster in environment.clusters.items():
        bare = cluster.balancer.kind == "none" and cluster.balancer.scheme == "internet-facing"
        if not bare or cluster.network.vpc is None:
            continue
        for zone in sorted({node.zone for node in cluster.nodes.values()}):
            yield Problem(
                ("clusters", name, "network", "zones", zone),
                "must give new nodes a public address, or have VPC endpoints",
                "a node downloads the node program before it is ready, and gets its Elastic IP "
                "only afterwards",
                "make sure that the subnet assigns public addresses: aws ec2 "
                "modify-subnet-attribute --map-public-ip-on-launch --subnet-id …",
                severity=Severity.NOTE,
                rule="way-out-at-first-boot",
            )


RULES = (
    public_node_first_boot,
    zones_of_region,
    existing_network,
    created_network,
    node_zones,
    nodes_in_two_zones,
    cidrs_unique,
    clients_by_security_group,
    overlapping_vpcs,
)
