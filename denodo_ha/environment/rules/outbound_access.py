"""Rules about outbound access of nodes: NAT gateways, VPC endpoints and `network.egress`."""

from collections.abc import Iterator

from denodo_ha.environment.derived.firewall import creates_nodes
from denodo_ha.environment.derived.outbound_access import has_public_node, needed_access
from denodo_ha.environment.loading.problem import Path, Problem
from denodo_ha.environment.model.environment import Environment

_OF_CREATED_VPC = ("nat", "endpoints", "flow_logs")


def settings_of_created_vpc(environment: Environment) -> Iterator[Problem]:
    """NAT, VPC endpoints and flow logs must be set only for a VPC that is created."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.vpc is None:
            continue
        for key in _OF_CREATED_VPC:
            if key in network.model_fields_set:
                yield Problem(
                    ("clusters", name, "network", key),
                    "is not possible for an existing VPC",
                    "the stacks do not change the routes, endpoints and flow logs of an existing "
                    "VPC, so this setting would be ignored",
                    f"remove {key}, and set up the VPC as docs/how-to/network.md describes",
                )


def nat_of_public_node(environment: Environment) -> Iterator[Problem]:
    """`nat` must keep its default for a public node without a balancer, which uses no NAT."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.vpc is None and network.nat != "zone" and has_public_node(cluster):
            yield Problem(
                ("clusters", name, "network", "nat"),
                "has no effect for a public node",
                "the node is in a public subnet, and reaches the internet with the node's own "
                "public address",
                "remove nat, or write scheme: internal",
                value=network.nat,
            )


def gateway_endpoint_of_s3(environment: Environment) -> Iterator[Problem]:
    """`endpoints` must not contain S3, which has a gateway endpoint."""
    for name, cluster in environment.clusters.items():
        for index, service in enumerate(cluster.network.endpoints):
            if service == "s3":
                yield Problem(
                    ("clusters", name, "network", "endpoints", index),
                    "contains a service that has a gateway endpoint",
                    "every created VPC has a gateway endpoint for S3, which costs nothing (AWS, "
                    "Gateway endpoints for Amazon S3)",
                    "remove s3",
                    value=service,
                )


def egress_without_nodes(environment: Environment) -> Iterator[Problem]:
    """`egress` must be set only with created nodes: `egress` changes their security group."""
    for name, cluster in environment.clusters.items():
        if cluster.network.egress is not None and not creates_nodes(cluster):
            yield Problem(
                ("clusters", name, "network", "egress"),
                "is set, but all nodes are existing instances",
                "the stacks do not change the security groups of existing instances, so this "
                "setting would be ignored",
                "remove egress, and change the security groups of these instances yourself",
            )


def egress_for_needed_access(environment: Environment) -> Iterator[Problem]:
    """`egress` must allow needed destinations whose addresses the configuration does not have."""
    for name, cluster in environment.clusters.items():
        egress = cluster.network.egress
        if egress is None or not creates_nodes(cluster):
            continue
        path: Path = ("clusters", name, "network", "egress")
        for access in needed_access(environment, name):
            if access.cidrs or any(access.is_allowed_by(entry) for entry in egress):
                continue
            hint = "0.0.0.0/0, or the pl-… of the service," if access.is_public else "its network"
            yield Problem(
                path,
                f"does not allow {access.purpose} (TCP port {access.port})",
                "every node needs this destination, and the configuration does not contain the "
                "addresses of the destination",
                f"add {{to: …, ports: [{access.port}]}} with {hint} as destination",
            )


RULES = (
    settings_of_created_vpc,
    nat_of_public_node,
    gateway_endpoint_of_s3,
    egress_without_nodes,
    egress_for_needed_access,
)
