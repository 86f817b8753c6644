"""Cases of the rules about VPCs, subnets, zones and CIDRs."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.network import (
    cidrs_unique,
    clients_by_security_group,
    created_network,
    existing_network,
    node_zones,
    nodes_in_two_zones,
    overlapping_vpcs,
    public_node_first_boot,
    zones_of_region,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE, Data, subnet, twins
from tests.support.configurations import given_network as given

ONE_ZONE = {
    "clusters/main/nodes/node2/zone": "eu-west-1a",
    "clusters/main/network/zones": ["eu-west-1a"],
}
NETWORK = "clusters/main/network"
ALONE = {"clusters/main/nodes": {"node1": {"zone": "eu-west-1a"}}}


PUBLIC: Data = {
    "clusters/main/nodes/node2": GONE,
    "clusters/main/balancer": {
        "kind": "none",
        "scheme": "internet-facing",
        "clients": ["10.0.0.0/8"],
    },
}


def _given(**zones: Data) -> Data:
    """Return a change to an existing network; arguments: the letter of a zone, and its subnets."""
    network = given()
    for letter, subnets in zones.items():
        network["zones"][f"eu-west-1{letter}"] = subnets
    return {NETWORK: network}


WRONG = (
    Wrong(
        clients_by_security_group,
        {
            "clusters/main/balancer/scheme": "internet-facing",
            "clusters/main/balancer/clients": ["198.51.100.0/24", "sg-0123456789abcdef0"],
        },
        "clusters.main.balancer.clients.1",
        ("public addresses (sg-0123456789abcdef0)",),
    ),
    Wrong(
        public_node_first_boot,
        {**PUBLIC, NETWORK: given()},
        "clusters.main.network.zones.eu-west-1a",
        ("must give new nodes a public address", "gets its Elastic IP only afterwards"),
        severity=Severity.NOTE,
    ),
    Wrong(
        zones_of_region,
        {f"{NETWORK}/zones": ["eu-west-1a", "eu-west-1b", "us-east-1a"]},
        "clusters.main.network.zones.us-east-1a",
        ("is not a zone of eu-west-1 (us-east-1a)", "write a zone like eu-west-1a"),
    ),
    Wrong(
        zones_of_region,
        {f"{NETWORK}/zones": {"eu-west-1a": {}, "eu-west-1b": {}, "eu-west-2a": {}}},
        "clusters.main.network.zones.eu-west-2a",
        ("is not a zone of eu-west-1 (eu-west-2a)",),
    ),
    Wrong(
        existing_network,
        _given(b={"nodes": subnet(3)}),
        "clusters.main.network.zones.eu-west-1b.balancer",
        ("is missing", "add balancer: subnet-… of eu-west-1b"),
    ),
    Wrong(
        existing_network,
        _given(b={"balancer": subnet(4)}),
        "clusters.main.network.zones.eu-west-1b.nodes",
        ("is missing", "add nodes: subnet-… of eu-west-1b"),
    ),
    Wrong(
        existing_network,
        _given(b={"nodes": subnet(1), "balancer": subnet(4)}),
        "clusters.main.network.zones.eu-west-1b.nodes",
        (f"is the subnet of eu-west-1a too ({subnet(1)})", "each subnet is in exactly one zone"),
    ),
    Wrong(
        created_network,
        {f"{NETWORK}/cidr": GONE},
        "clusters.main.network.cidr",
        ("is missing", "add cidr: 10.0.0.0/16, or vpc: vpc-… of an existing VPC"),
    ),
    Wrong(
        created_network,
        {f"{NETWORK}/cidr": "10.0.0.0/25"},
        "clusters.main.network.cidr",
        ("has the wrong size", "(10.0.0.0/25)", "from /16 to /24"),
    ),
    Wrong(
        created_network,
        {f"{NETWORK}/cidr": "10.0.0.0/15"},
        "clusters.main.network.cidr",
        ("has the wrong size", "(10.0.0.0/15)"),
    ),
    Wrong(
        created_network,
        {f"{NETWORK}/zones": {"eu-west-1a": {"nodes": subnet(1)}, "eu-west-1b": {}}},
        "clusters.main.network.zones.eu-west-1a.nodes",
        (f"is set, but network.vpc is not ({subnet(1)})", "add network.vpc"),
    ),
    Wrong(
        created_network,
        {f"{NETWORK}/zones": ["eu-west-1a", "eu-west-1b", "eu-west-1i"]},
        "clusters.main.network.zones.eu-west-1i",
        ("for which a created VPC has no addresses (eu-west-1i)", "a to h"),
    ),
    Wrong(
        node_zones,
        {"clusters/main/nodes/node2/zone": "eu-west-1c"},
        "clusters.main.nodes.node2.zone",
        (
            "is not one of the cluster's zones (eu-west-1c)",
            "write one of eu-west-1a, eu-west-1b",
        ),
    ),
    Wrong(
        nodes_in_two_zones,
        ONE_ZONE,
        "clusters.main.nodes",
        ("has all 2 nodes in one zone (eu-west-1a)", "allow_single_zone: true"),
    ),
    Wrong(
        nodes_in_two_zones,
        {**ONE_ZONE, "clusters/main/allow_single_zone": True},
        "clusters.main.nodes",
        ("has all nodes in eu-west-1a", "spread the nodes over two zones"),
        severity=Severity.WARNING,
    ),
    Wrong(
        cidrs_unique,
        {"clusters/main/balancer/clients": ["10.0.0.0/8", "192.168.0.0/24", "10.0.0.0/8"]},
        "clusters.main.balancer.clients.2",
        ("is listed twice (10.0.0.0/8)", "remove one of the two entries"),
    ),
    Wrong(
        cidrs_unique,
        {"solution_manager": {"cidrs": ["10.9.0.0/24", "10.9.0.0/24"]}},
        "solution_manager.cidrs.1",
        ("is listed twice (10.9.0.0/24)",),
    ),
    Wrong(
        overlapping_vpcs,
        {"clusters/spare/network/cidr": "10.0.128.0/17"},
        "clusters.spare.network.cidr",
        ("overlaps 10.0.0.0/16 of main (10.0.128.0/17)", "peered"),
        base=twins,
        severity=Severity.WARNING,
    ),
    Wrong(
        existing_network,
        # HAProxy instances use the subnet for nodes, even in a zone without nodes.
        _given(c={"balancer": subnet(5)}) | {"clusters/main/balancer/kind": "haproxy"},
        "clusters.main.network.zones.eu-west-1c.nodes",
        ("is missing", "add nodes: subnet-… of eu-west-1c"),
        deploying=False,
    ),
)
RIGHT = (
    Right(
        clients_by_security_group,
        {"clusters/main/balancer/clients": ["sg-0123456789abcdef0", "pl-01234567"]},
    ),
    Right(public_node_first_boot, PUBLIC),
    Right(public_node_first_boot, {NETWORK: given()}),
    Right(public_node_first_boot, {**PUBLIC, NETWORK: given(), "denodo/program": False}),
    Right(zones_of_region, {f"{NETWORK}/zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"]}),
    Right(existing_network, _given()),
    # Nodes and load balancer may share a subnet; a zone without nodes needs no subnet for nodes.
    Right(existing_network, _given(b={"nodes": subnet(4), "balancer": subnet(4)})),
    Right(existing_network, _given(c={"balancer": subnet(5)})),
    Right(created_network, {f"{NETWORK}/cidr": "10.0.0.0/16"}),
    Right(created_network, {f"{NETWORK}/cidr": "10.0.0.0/24"}),
    Right(created_network, {f"{NETWORK}/zones": ["eu-west-1a", "eu-west-1b", "eu-west-1h"]}),
    # Size and zones of an existing VPC are not checked.
    Right(created_network, {NETWORK: {**given(), "cidr": "10.0.0.0/12"}}),
    Right(node_zones, {"clusters/main/nodes/node3": {"zone": "eu-west-1b"}}),
    Right(nodes_in_two_zones, {}),
    Right(nodes_in_two_zones, ALONE),
    Right(cidrs_unique, {"clusters/main/balancer/clients": ["10.0.0.0/8", "10.0.0.0/16"]}),
    Right(cidrs_unique, {"solution_manager": {"cidrs": ["10.0.0.0/8"]}}),
    Right(overlapping_vpcs, {"clusters/spare/network/cidr": "10.1.0.0/17"}, base=twins),
    # VPCs may overlap without a failover: only clusters that fail over to each other may need a
    # connection between their VPCs.
    Right(
        overlapping_vpcs,
        {"clusters/spare/network/cidr": "10.0.0.0/16", "failover": GONE},
        base=twins,
    ),
    Right(
        existing_network,
        # A zone that has only an existing instance needs no subnet for nodes.
        {
            NETWORK: {
                **_given(a={"balancer": subnet(5)})[NETWORK],
                "cidr": "10.0.0.0/16",
            },
            "clusters/main/nodes/node1/instance_id": "i-0123456789abcdef0",
        },
    ),
    Right(
        overlapping_vpcs,
        {
            NETWORK: {**given(), "cidr": "10.0.0.0/16"},
            "clusters/spare/network": {**given("us-east-1"), "cidr": "10.0.0.0/16"},
        },
        base=twins,
    ),
    Right(
        public_node_first_boot,
        {NETWORK: given(), "clusters/main/balancer/scheme": "internet-facing"},
    ),
    Right(
        public_node_first_boot,
        {NETWORK: given(), **PUBLIC, "clusters/main/balancer/scheme": "internal"},
    ),
)
