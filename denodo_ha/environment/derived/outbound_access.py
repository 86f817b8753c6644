"""Outbound access of nodes: NAT gateways, VPC endpoints, and the destinations that nodes need."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts.denodo_ports import HTTPS_PORT, POSTGRESQL_PORT
from denodo_ha.environment.model.cluster import Cluster, Egress, Network
from denodo_ha.environment.model.environment import Environment

MACHINE_SERVICES: Final = (
    *("ssm", "ssmmessages", "ec2messages", "secretsmanager", "cloudformation"),
    *("monitoring", "logs"),
)
"""AWS services that machines call, in addition to S3, which has a gateway endpoint.

Systems Manager needs `ssm` and `ssmmessages`, and `ec2messages` for SSM agents before 3.3.40
(AWS, Improve the security of EC2 instances by using VPC endpoints for Systems Manager; SSM Agent
release notes). The first-boot script sends a signal to CloudFormation. If an image has the
CloudWatch agent, the agent uses the last two services."""


@dataclass(frozen=True)
class NeededAccess:
    """A destination that nodes need.

    Attributes:
        port: TCP port of the destination.
        purpose: the destination, as a noun phrase.
        cidrs: the destination's networks; empty if the configuration does not contain them.
        is_public: true if the destination has public addresses.
    """

    port: int
    purpose: str
    cidrs: tuple[str, ...] = ()
    is_public: bool = False

    def is_allowed_by(self, egress: Egress) -> bool:
        """Return whether an entry of `network.egress` allows this destination.

        The addresses behind a security group or a host name are not known. In this case only the
        port is compared, and for a public destination also whether the entry has public addresses.
        """
        if egress.protocol != "tcp":
            return False
        reaches = not self.is_public or (
            egress.to.startswith("pl-")
            or (not egress.to.startswith("sg-") and IPv4Network(egress.to).is_global)
        )
        return reaches and any(first <= self.port <= last for first, last in egress.port_ranges)


def needed_access(environment: Environment, name: str) -> Iterator[NeededAccess]:
    """Yield the destinations that the nodes of a cluster need.

    Security groups do not filter DNS of the VPC's resolver, time, and instance metadata (AWS,
    Control traffic to your AWS resources using security groups).
    """
    cluster = environment.clusters[name]
    network = cluster.network
    if network.nat == "none":
        if network.cidr:
            yield NeededAccess(HTTPS_PORT, "the VPC endpoints of AWS services", (network.cidr,))
        yield NeededAccess(HTTPS_PORT, "Amazon S3", is_public=True)
    else:
        yield NeededAccess(
            HTTPS_PORT,
            "AWS services such as Systems Manager and Amazon S3",
            is_public=network.vpc is None,
        )
    manager = environment.solution_manager_of(name)
    if manager is not None and manager.host:
        yield NeededAccess(manager.port, f"the Solution Manager {manager.host}", manager.cidrs)
    licences = environment.license_manager_of(name)
    if licences is not None:
        is_same_host = manager is not None and manager.host == licences.host
        cidrs = manager.cidrs if manager is not None and is_same_host else ()
        yield NeededAccess(licences.port, f"the License Manager {licences.host}", cidrs)
    yield from _needed_for_metadata(cluster)


def _needed_for_metadata(cluster: Cluster) -> Iterator[NeededAccess]:
    """Yield the access to the metadata database, if the cluster has a metadata database."""
    if cluster.catalog is None:
        return
    existing = cluster.catalog.existing
    if existing is not None:
        yield NeededAccess(existing.port, f"the metadata database {existing.host}")
    elif node_metadata.creates_database(cluster):
        cidrs = (cluster.network.cidr,) if cluster.network.cidr else ()
        yield NeededAccess(POSTGRESQL_PORT, "the metadata database", cidrs)


def has_public_node(cluster: Cluster) -> bool:
    """Return whether a cluster is one public node, which reaches the internet without NAT."""
    return cluster.balancer.kind == "none" and cluster.balancer.scheme == "internet-facing"


def nat_addresses(cluster: Cluster) -> int:
    """Return the number of Elastic IPs of the NAT gateways that the stack creates."""
    network = cluster.network
    creates = network.vpc is None and network.nat != "none" and not has_public_node(cluster)
    return len(network.zones) if creates else 0


def interface_endpoints(network: Network) -> tuple[str, ...]:
    """Return the names of the AWS services that get interface endpoints in a created VPC."""
    needed = MACHINE_SERVICES if network.nat == "none" else ()
    return tuple(dict.fromkeys((*needed, *network.endpoints)))
