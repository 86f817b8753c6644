"""Cases of the rules about names and tags."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.names import (
    existing_node_zone,
    host_names_unique,
    host_names_valid,
    node_addresses,
    node_names_differ,
    node_zone_vpcs_accounts,
    node_zone_vpcs_unique,
    reserved_cluster_names,
    tag_keys,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    OTHER_ACCOUNT,
    VPC,
    Data,
    changed,
    cluster,
    given_network,
    twins,
)

ZONES = ({"zone": "eu-west-1a"}, {"zone": "eu-west-1b"})
TWO, THREE = (
    dict(zip(names, (*ZONES, ZONES[0]), strict=False)) for names in (("a1", "A.1"), "abc")
)


def _named(*names: str) -> dict[str, object]:
    """Return changes after which the clusters have these names."""
    return {"clusters/main": GONE, **{f"clusters/{name}": cluster() for name in names}}


def _tags(count: int) -> dict[str, str]:
    return {f"tag{number}": "value" for number in range(count)}


NETWORK, SPARE = "clusters/main/network", "clusters/spare/network"
ZONE = {"id": "Z0123456789", "name": "nodes.example.com"}
OTHER_ZONE = {"id": "Z9876543210", "name": "nodes.example.com"}
OTHER_VPC = "vpc-01234567"
NODES = "clusters/main/nodes"
LONG = ".".join(["x" * 63, "x" * 63, "x" * 63, "x" * 29])
"""Name of a hosted zone with 221 characters. With a node name of 31 characters and a dot, the DNS
name has the maximum length of 253."""


def named() -> Data:
    """Return a configuration of existing nodes with their addresses."""
    return changed(
        exists(),
        {f"{NODES}/node1/address": "10.0.0.10", f"{NODES}/node2/address": "10.0.128.10"},
    )


def shared() -> Data:
    """Return a configuration of two clusters whose nodes have names in one hosted zone."""
    nodes = {"other1": {"zone": "us-east-1a"}, "other2": {"zone": "us-east-1b"}}
    return changed(
        twins(),
        {f"{NETWORK}/node_zone": ZONE, f"{SPARE}/node_zone": ZONE, "clusters/spare/nodes": nodes},
    )


WRONG = (
    Wrong(
        node_zone_vpcs_accounts,
        {f"{NETWORK}/node_zone_vpcs": [{"vpc": VPC, "account": OTHER_ACCOUNT}]},
        "clusters.main.network.node_zone_vpcs.0.account",
        (
            f"is not {ACCOUNT}, the account of main ({OTHER_ACCOUNT})",
            "create-vpc-association-authorization --hosted-zone-id ID",
            f"--vpc VPCRegion=eu-west-1,VPCId={VPC}",
        ),
    ),
    Wrong(
        reserved_cluster_names,
        _named("failover"),
        "clusters.failover",
        ("is a reserved name for a cluster (failover)", "ends in -failover"),
    ),
    Wrong(
        reserved_cluster_names,
        _named("main-catalog"),
        "clusters.main-catalog",
        ("is a reserved name for a cluster (main-catalog)", "ends in -catalog"),
    ),
    Wrong(
        reserved_cluster_names,
        {**_named("dashboard"), "dashboard": True},
        "clusters.dashboard",
        ("is a reserved name for a cluster (dashboard)", "ends in -dashboard"),
    ),
    Wrong(
        node_names_differ,
        {"clusters/main/nodes": TWO},
        'clusters.main.nodes."A.1"',
        ("has the same letters and digits as a1 (A.1)", "DNS ignores upper and lower case"),
    ),
    Wrong(
        tag_keys,
        {"tags": {"aws:name": "x"}},
        "tags.aws:name",
        ("begins with aws: (aws:name)", "choose another key"),
    ),
    Wrong(
        tag_keys,
        {"tags": {"Denodo:cluster": "x"}},
        "tags.Denodo:cluster",
        ("begins with denodo: (Denodo:cluster)",),
    ),
    Wrong(
        tag_keys,
        {"tags": _tags(47)},
        "tags",
        ("has 47 tags", "AWS allows 50 tags", "this project sets 4", "keep at most 46"),
    ),
    Wrong(
        existing_node_zone,
        {f"{NETWORK}/node_zone": ZONE, f"{NETWORK}/node_zone_vpcs": [OTHER_VPC]},
        "clusters.main.network.node_zone_vpcs",
        (
            "cannot be used with node_zone",
            "the owner of the hosted zone decides which VPCs resolve its",
            "remove node_zone_vpcs",
        ),
    ),
    Wrong(
        node_zone_vpcs_unique,
        {
            f"{NETWORK}/node_zone_vpcs": [
                OTHER_VPC,
                {"vpc": OTHER_VPC, "region": "eu-west-1"},
            ]
        },
        "clusters.main.network.node_zone_vpcs.1",
        (f"is listed twice ({OTHER_VPC})", "associated with a VPC only once", "remove this entry"),
    ),
    Wrong(
        node_zone_vpcs_unique,
        {NETWORK: {**given_network(), "node_zone_vpcs": [VPC]}},
        "clusters.main.network.node_zone_vpcs.0",
        (f"is the cluster's own VPC ({VPC})", "remove this entry"),
    ),
    Wrong(
        host_names_valid,
        {"name": "test-"},
        "name",
        (
            "does not result in valid host names (test-)",
            "RFC 1123",
            "without the hyphen at the end",
        ),
    ),
    Wrong(
        host_names_valid,
        {"clusters": {"main-": cluster()}},
        "clusters.main-",
        (
            "does not result in valid host names (main-)",
            "named after the environment and the cluster",
        ),
    ),
    Wrong(
        host_names_valid,
        {f"{NETWORK}/node_zone": {**ZONE, "name": "_nodes.example.com"}},
        "clusters.main.network.node_zone.name",
        (
            "does not result in valid host names (_nodes.example.com)",
            "a node would have the name node1._nodes.example.com",
            "give the nodes another hosted zone",
        ),
    ),
    Wrong(
        host_names_valid,
        {
            f"{NETWORK}/node_zone": {**ZONE, "name": LONG},
            f"{NODES}/{'n' * 32}": {"zone": "eu-west-1a"},
        },
        "clusters.main.network.node_zone.name",
        ("does not result in valid host names", "at most 253 characters"),
    ),
    Wrong(
        host_names_unique,
        # The two names are the same name: DNS does not distinguish upper and lower case.
        {"clusters/spare/nodes/NODE1": {"zone": "us-east-1a"}},
        "clusters.spare.nodes.NODE1",
        (
            "has the name of node1 of main (NODE1)",
            "both nodes would have a record of this name in nodes.example.com",
            "rename one of the nodes, or give each cluster its own zone",
        ),
        base=shared,
    ),
    Wrong(
        node_addresses,
        {f"{NODES}/node1/address": "10.0.0.10"},
        "clusters.main.nodes.node1.address",
        ("is not allowed for a created node (10.0.0.10)", "remove address"),
    ),
    Wrong(
        node_addresses,
        {f"{NODES}/node1/address": GONE},
        "clusters.main.nodes.node1",
        (
            "has no DNS name in main.test.internal",
            "CloudFormation does not know the address",
            "add address: with the instance's private address",
        ),
        base=named,
        severity=Severity.NOTE,
    ),
    Wrong(
        node_addresses,
        {f"{NODES}/node2/address": "10.1.0.10"},
        "clusters.main.nodes.node2.address",
        (
            "is not in the cluster's network 10.0.0.0/16 (10.1.0.10)",
            "write the instance's private address",
        ),
        base=named,
    ),
    Wrong(
        node_addresses,
        {f"{NODES}/node2/address": "10.0.0.10"},
        "clusters.main.nodes.node2.address",
        ("is the address of node1 too (10.0.0.10)", "two nodes cannot be the same server"),
        base=named,
    ),
    Wrong(
        tag_keys,
        {"tags": {"Name": "x"}},
        "tags.Name",
        ("is the tag with which the stacks name each resource (Name)", "choose another key"),
    ),
)
RIGHT = (
    Right(
        node_zone_vpcs_accounts,
        {f"{NETWORK}/node_zone_vpcs": [VPC, {"vpc": f"{VPC[:-1]}1", "account": ACCOUNT}]},
    ),
    Right(reserved_cluster_names, _named("dashboard")),
    Right(reserved_cluster_names, _named("failovers", "catalog-a", "overcatalog")),
    Right(node_names_differ, {"clusters/main/nodes": THREE}),
    Right(node_names_differ, {"clusters/main/nodes": {"a1": ZONES[0], "a11": ZONES[1]}}),
    Right(tag_keys, {"tags": _tags(46)}),
    Right(tag_keys, {"tags": {"awsome": "", "team:aws:": "denodo:"}}),
    Right(existing_node_zone, {f"{NETWORK}/node_zone": ZONE}),
    Right(existing_node_zone, {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC]}),
    Right(
        node_zone_vpcs_unique,
        {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC, {"vpc": VPC, "region": "us-east-1"}]},
    ),
    # Each cluster has its own hosted zone, so the same VPC may be associated with both zones.
    Right(
        node_zone_vpcs_unique,
        {f"{NETWORK}/node_zone_vpcs": [OTHER_VPC], f"{SPARE}/node_zone_vpcs": [OTHER_VPC]},
        base=twins,
    ),
    Right(host_names_valid, {f"{NETWORK}/node_zone": {**ZONE, "name": "Nodes.Example.com"}}),
    Right(
        host_names_valid,
        {
            f"{NETWORK}/node_zone": {**ZONE, "name": LONG},
            f"{NODES}/{'n' * 31}": {"zone": "eu-west-1a"},
        },
    ),
    # An existing hosted zone has a name without the environment's name, which may therefore end
    # with a hyphen.
    Right(host_names_valid, {"name": "test-", f"{NETWORK}/node_zone": ZONE}),
    Right(host_names_unique, {}, base=shared),
    # Two hosted zones of the same name may contain equal names of nodes, since the zones are
    # associated with different VPCs.
    Right(
        host_names_unique,
        {f"{NETWORK}/node_zone": ZONE, f"{SPARE}/node_zone": OTHER_ZONE},
        base=twins,
    ),
    Right(host_names_unique, {}, base=twins),
    Right(node_addresses, {}),
    Right(node_addresses, {}, base=named),
)
