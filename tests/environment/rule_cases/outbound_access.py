"""Cases of the rules about NAT gateways, VPC endpoints and `network.egress`."""

from denodo_ha.environment.rules.outbound_access import (
    egress_for_needed_access,
    egress_without_nodes,
    gateway_endpoint_of_s3,
    nat_of_public_node,
    settings_of_created_vpc,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE, Data, given_network, minimal

NETWORK = "clusters/main/network"
EGRESS = f"{NETWORK}/egress"
AWS: Data = {"to": "0.0.0.0/0", "ports": [443]}
PUBLIC_NODE: Data = {
    "clusters/main/nodes/node2": GONE,
    "clusters/main/balancer": {
        "kind": "none",
        "scheme": "internet-facing",
        "clients": ["10.0.0.0/8"],
    },
}
EXISTING_NODES: Data = {
    NETWORK: {**given_network(), "cidr": "10.0.0.0/16"},
    "clusters/main/instance": GONE,
    "clusters/main/nodes/node1/instance_id": "i-00000000000000001",
    "clusters/main/nodes/node2/instance_id": "i-00000000000000002",
}
CATALOG: Data = {"denodo/servers": ["vdp", "scheduler"], "clusters/main/catalog": {}}
EXISTING_DATABASE: Data = {
    "denodo/servers": ["vdp", "scheduler"],
    "clusters/main/catalog": {
        "components": ["scheduler"],
        "existing": {
            "host": "db.example.com",
            "port": 6432,
            "secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
        },
    },
}
MANAGERS: Data = {
    "solution_manager": {"host": "sm.example.com", "cidrs": ["10.9.0.0/24"]},
    "license_manager": {"host": "sm.example.com"},
}

WRONG = (
    *(
        Wrong(
            settings_of_created_vpc,
            {NETWORK: {**given_network(), key: value}},
            f"clusters.main.network.{key}",
            ("is not possible for an existing VPC", f"remove {key}"),
        )
        for key, value in {"nat": "none", "endpoints": ["kms"], "flow_logs": True}.items()
    ),
    Wrong(
        nat_of_public_node,
        {**PUBLIC_NODE, f"{NETWORK}/nat": "none"},
        "clusters.main.network.nat",
        ("has no effect for a public node (none)", "scheme: internal"),
    ),
    Wrong(
        gateway_endpoint_of_s3,
        {f"{NETWORK}/endpoints": ["kms", "s3"]},
        "clusters.main.network.endpoints.1",
        ("contains a service that has a gateway endpoint (s3)",),
    ),
    Wrong(
        egress_without_nodes,
        {**EXISTING_NODES, EGRESS: []},
        "clusters.main.network.egress",
        ("all nodes are existing instances", "remove egress"),
    ),
    *(
        Wrong(
            egress_for_needed_access,
            {EGRESS: egress},
            "clusters.main.network.egress",
            ("does not allow AWS services", "(TCP port 443)", "0.0.0.0/0"),
        )
        for egress in (
            [],
            [{"to": "0.0.0.0/0", "ports": [80, "444-65535"]}],
            [{"to": "0.0.0.0/0", "protocol": "udp"}],
            # These destinations are private, so they do not allow AWS services, which have public
            # addresses.
            ["10.0.0.0/8", "sg-0123456789abcdef0"],
        )
    ),
    Wrong(
        egress_for_needed_access,
        {f"{NETWORK}/nat": "none", EGRESS: ["10.0.0.0/8"]},
        "clusters.main.network.egress",
        ("does not allow Amazon S3 (TCP port 443)",),
    ),
    Wrong(
        egress_for_needed_access,
        {NETWORK: {**given_network(), "egress": [{"to": "10.0.0.0/8", "ports": [5432]}]}},
        "clusters.main.network.egress",
        ("does not allow AWS services",),
    ),
    Wrong(
        egress_for_needed_access,
        {EGRESS: [AWS], "license_manager": {"host": "lm.example.com"}},
        "clusters.main.network.egress",
        ("the License Manager lm.example.com (TCP port 10091)", "ports: [10091]"),
    ),
    Wrong(
        egress_for_needed_access,
        # The License Manager is not on the Solution Manager's host, whose networks are allowed
        # without an entry.
        {EGRESS: [AWS], **MANAGERS, "license_manager": {"host": "lm.example.com", "port": 9}},
        "clusters.main.network.egress",
        ("the License Manager lm.example.com (TCP port 9)",),
    ),
    Wrong(
        egress_for_needed_access,
        {EGRESS: [AWS], "solution_manager": {"host": "sm.example.com"}},
        "clusters.main.network.egress",
        ("the Solution Manager sm.example.com (TCP port 10090)",),
    ),
    Wrong(
        egress_for_needed_access,
        {EGRESS: [AWS], **EXISTING_DATABASE},
        "clusters.main.network.egress",
        ("the metadata database db.example.com (TCP port 6432)",),
    ),
    Wrong(
        egress_for_needed_access,
        # The addresses of the existing VPC, in which the database is, are not in the configuration.
        {NETWORK: {**given_network(), "egress": [AWS]}, **CATALOG},
        "clusters.main.network.egress",
        ("does not allow the metadata database (TCP port 5432)",),
    ),
)
RIGHT = (
    Right(settings_of_created_vpc, {f"{NETWORK}/nat": "regional", f"{NETWORK}/flow_logs": True}),
    Right(settings_of_created_vpc, {NETWORK: given_network()}),
    Right(nat_of_public_node, {**PUBLIC_NODE, f"{NETWORK}/nat": "zone"}),
    Right(nat_of_public_node, {f"{NETWORK}/nat": "none"}),
    Right(gateway_endpoint_of_s3, {f"{NETWORK}/endpoints": ["kms", "s3tables"]}),
    Right(egress_without_nodes, EXISTING_NODES),
    Right(
        egress_without_nodes,
        {
            **EXISTING_NODES,
            "clusters/main/instance": minimal()["clusters"]["main"]["instance"],
            "clusters/main/nodes/node2/instance_id": GONE,
            EGRESS: [AWS],
        },
    ),
    Right(egress_for_needed_access, {EGRESS: ["0.0.0.0/0"], **EXISTING_DATABASE, **MANAGERS}),
    # The Solution Manager's networks and the database's VPC are in the configuration.
    Right(egress_for_needed_access, {EGRESS: [AWS], **CATALOG, **MANAGERS}),
    Right(egress_for_needed_access, {EGRESS: [{"to": "pl-01234567", "ports": ["440-443"]}]}),
    Right(
        egress_for_needed_access,
        {NETWORK: {**given_network(), "egress": [{"to": "sg-01234567", "ports": [443]}]}},
    ),
    Right(
        egress_for_needed_access,
        {f"{NETWORK}/nat": "none", EGRESS: [{"to": "pl-01234567", "ports": [443]}]},
    ),
)
