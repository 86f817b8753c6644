"""Cases of the rules about the names of nodes."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.names import (
    addresses_of_nodes,
    names_are_host_names,
    names_in_a_shared_zone,
    resolvers_given_once,
    zone_of_another,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import GONE, VPC, Data, changed, cluster, given_network, twins

NETWORK, SPARE = "clusters/main/network", "clusters/spare/network"
ZONE = {"id": "Z0123456789", "name": "nodes.example.com"}
OTHER_ZONE = {"id": "Z9876543210", "name": "nodes.example.com"}
OTHER_VPC = "vpc-01234567"
NODES = "clusters/main/nodes"
LONG = ".".join(["x" * 63, "x" * 63, "x" * 63, "x" * 29])
"""A zone of 221 characters: with 31 for a node and a dot it is as long as a name can be."""


def named() -> Data:
    """Nodes that exist already, with their addresses."""
    return changed(
        exists(),
        {f"{NODES}/node1/address": "10.0.0.10", f"{NODES}/node2/address": "10.0.128.10"},
    )


def shared() -> Data:
    """Two clusters whose nodes have names in one zone."""
    nodes = {"other1": {"zone": "us-east-1a"}, "other2": {"zone": "us-east-1b"}}
    return changed(
        twins(),
        {f"{NETWORK}/node_zone": ZONE, f"{SPARE}/node_zone": ZONE, "clusters/spare/nodes": nodes},
    )


WRONG = (
    Wrong(
        zone_of_another,
        {f"{NETWORK}/node_zone": ZONE, f"{NETWORK}/node_zone_vpcs": [OTHER_VPC]},
        "clusters.main.network.node_zone_vpcs",
        ("can't be with node_zone", "who resolves it is its owner's decision", "remove one of"),
    ),
    Wrong(
        resolvers_given_once,
        {
            f"{NETWORK}/node_zone_vpcs": [
                OTHER_VPC,
                {"vpc": OTHER_VPC, "region": "eu-west-1"},
            ]
        },
        "clusters.main.network.node_zone_vpcs.1",
        (f"stands here twice ({OTHER_VPC})", "associated with a VPC once", "remove it here"),
    ),
    Wrong(
        resolvers_given_once,
        {NETWORK: {**given_network(), "node_zone_vpcs": [VPC]}},
        "clusters.main.network.node_zone_vpcs.0",
        (f"is the cluster's own VPC ({VPC})", "remove it here"),
    ),
    Wrong(
        names_are_host_names,
        {"name": "test-"},
        "name",
        ("makes no host names (test-)", "RFC 1123", "without the hyphen at its end"),
    ),
    Wrong(
        names_are_host_names,
        {"clusters": {"main-": cluster()}},
        "clusters.main-",
        ("makes no host names (main-)", "named after environment and cluster"),
    ),
    Wrong(
        names_are_host_names,
        {f"{NETWORK}/node_zone": {**ZONE, "name": "_nodes.example.com"}},
        "clusters.main.network.node_zone.name",
        (
            "makes no host names (_nodes.example.com)",
            "a node would be node1._nodes.example.com",
            "give the nodes another zone",
        ),
    ),
    Wrong(
        names_are_host_names,
        {
            f"{NETWORK}/node_zone": {**ZONE, "name": LONG},
            f"{NODES}/{'n' * 32}": {"zone": "eu-west-1a"},
        },
        "clusters.main.network.node_zone.name",
        ("makes no host names", "at most 253 characters"),
    ),
    Wrong(
        names_in_a_shared_zone,
        # DNS has no upper case.
        {"clusters/spare/nodes/NODE1": {"zone": "us-east-1a"}},
        "clusters.spare.nodes.NODE1",
        (
            "has the name of node1 of main (NODE1)",
            "both have a record in nodes.example.com",
            "rename one of them, or give the clusters zones of their own",
        ),
        base=shared,
    ),
    Wrong(
        addresses_of_nodes,
        {f"{NODES}/node1/address": "10.0.0.10"},
        "clusters.main.nodes.node1.address",
        ("is not for a node that is created (10.0.0.10)", "remove it"),
    ),
    Wrong(
        addresses_of_nodes,
        {f"{NODES}/node1/address": GONE},
        "clusters.main.nodes.node1",
        (
            "has no name in main.test.internal",
            "is not known to CloudFormation",
            "add address: with the instance's private address",
        ),
        base=named,
        severity=Severity.NOTE,
    ),
    Wrong(
        addresses_of_nodes,
        {f"{NODES}/node2/address": "10.1.0.10"},
        "clusters.main.nodes.node2.address",
        ("is not in 10.0.0.0/16 (10.1.0.10)", "write the instance's private address"),
        base=named,
    ),
    Wrong(
        addresses_of_nodes,
        {f"{NODES}/node2/address": "10.0.0.10"},
        "clusters.main.nodes.node2.address",
        ("is the address of node1 too (10.0.0.10)", "a node is one server"),
        base=named,
    ),
)
RIGHT = (
    Right(zone_of_another, {f"{NETWORK}/node_zone": ZONE}),
    Right(zone_of_another, {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC]}),
    Right(
        resolvers_given_once,
        {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC, {"vpc": VPC, "region": "us-east-1"}]},
    ),
    # Each cluster has a zone of its own.
    Right(
        resolvers_given_once,
        {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC], f"{SPARE}/node_zone_vpcs": [OTHER_VPC]},
        base=twins,
    ),
    Right(names_are_host_names, {f"{NETWORK}/node_zone": {**ZONE, "name": "Nodes.Example.com"}}),
    Right(
        names_are_host_names,
        {
            f"{NETWORK}/node_zone": {**ZONE, "name": LONG},
            f"{NODES}/{'n' * 31}": {"zone": "eu-west-1a"},
        },
    ),
    # The given zone is not named after them.
    Right(names_are_host_names, {"name": "test-", f"{NETWORK}/node_zone": ZONE}),
    Right(names_in_a_shared_zone, {}, base=shared),
    # Zones of one name that resolve in different VPCs.
    Right(
        names_in_a_shared_zone,
        {f"{NETWORK}/node_zone": ZONE, f"{SPARE}/node_zone": OTHER_ZONE},
        base=twins,
    ),
    Right(names_in_a_shared_zone, {}, base=twins),
    Right(addresses_of_nodes, {}),
    Right(addresses_of_nodes, {}, base=named),
)
