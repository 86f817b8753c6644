"""Cases of the rules about nodes: machines that are created, instances that exist already."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.nodes import (
    adopted,
    keys_and_policies,
    machines,
    owners_of_adopted,
    repeated_policies,
    types_as_targets,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    IMAGE,
    OTHER_ACCOUNT,
    POLICY,
    UUID,
    Data,
    changed,
    given_network,
    minimal,
    twins,
)

NODE = "clusters/main/nodes/node1"
INSTANCE = "clusters/main/instance"
FIRST, SECOND = "i-0123456789abcdef0", "i-0fedcba9876543210"
FOREIGN = f"arn:aws:iam::{OTHER_ACCOUNT}:policy/denodo"


def _key(region: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{UUID}"


def exists() -> Data:
    """Both nodes exist already, in an existing VPC."""
    nodes = {
        "node1": {"zone": "eu-west-1a", "instance_id": FIRST},
        "node2": {"zone": "eu-west-1b", "instance_id": SECOND},
    }
    network = {**given_network(), "cidr": "10.0.0.0/16"}
    return changed(minimal(), {"clusters/main/network": network, "clusters/main/nodes": nodes})


WRONG = (
    Wrong(
        machines,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large"},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
        "clusters.main.nodes.node1",
        ("has no image", "add instance with image to the cluster, or instance_id to the node"),
    ),
    Wrong(
        machines,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
        "clusters.main.nodes.node1",
        ("has no type",),
    ),
    Wrong(
        machines,
        {f"{NODE}/instance": {"type": "m5.large"}},
        "clusters.main.nodes.node1.instance",
        ("is given for an instance that exists", "remove instance, or instance_id"),
        base=exists,
    ),
    Wrong(
        machines,
        {"clusters/main/nodes/node2/instance_id": FIRST},
        "clusters.main.nodes.node2.instance_id",
        (f"is the instance of node1 too ({FIRST})", "a node is one server"),
        base=exists,
    ),
    Wrong(
        adopted,
        {
            "clusters/main/network/vpc": GONE,
            "clusters/main/network/zones": ["eu-west-1a", "eu-west-1b"],
        },
        "clusters.main.network.vpc",
        ("is missing", "node1 exists already, and so does its VPC"),
        base=exists,
    ),
    Wrong(
        adopted,
        {"clusters/main/network/cidr": GONE},
        "clusters.main.network.cidr",
        ("is missing", "node1 is in security groups of its owner's"),
        base=exists,
    ),
    Wrong(
        adopted,
        {"clusters/main/nodes/node2": GONE, "clusters/main/balancer/kind": "none"},
        "clusters.main.nodes.node1.instance_id",
        (f"can't be without a balancer ({FIRST})", "there is nothing else to make"),
        base=exists,
    ),
    Wrong(
        types_as_targets,
        {f"{INSTANCE}/type": "m3.xlarge"},
        "clusters.main.instance.type",
        ("can't be the target of a Network Load Balancer (m3.xlarge)", "RegisterTargets"),
    ),
    Wrong(
        types_as_targets,
        {f"{NODE}/instance": {"type": "t1.micro"}},
        "clusters.main.nodes.node1.instance.type",
        ("can't be the target of a Network Load Balancer (t1.micro)",),
    ),
    Wrong(
        keys_and_policies,
        {f"{INSTANCE}/kms_key": _key("us-east-1")},
        "clusters.main.instance.kms_key",
        (f"is not of eu-west-1 ({_key('us-east-1')})", "write a key of eu-west-1"),
    ),
    Wrong(
        keys_and_policies,
        {f"{NODE}/instance": {"kms_key": _key("us-east-1")}},
        "clusters.main.nodes.node1.instance.kms_key",
        (f"is not of eu-west-1 ({_key('us-east-1')})",),
    ),
    Wrong(
        keys_and_policies,
        {f"{INSTANCE}/role_policies": [POLICY, FOREIGN]},
        "clusters.main.instance.role_policies.1",
        (f"is not of account {ACCOUNT} ({FOREIGN})", "AttachRolePolicy"),
    ),
    Wrong(
        keys_and_policies,
        {f"{NODE}/instance": {"role_policies": [FOREIGN]}},
        "clusters.main.nodes.node1.instance.role_policies.0",
        (f"is not of account {ACCOUNT} ({FOREIGN})",),
    ),
    Wrong(
        repeated_policies,
        {f"{INSTANCE}/role_policies": [POLICY, "arn:aws:iam::aws:policy/ReadOnlyAccess", POLICY]},
        "clusters.main.instance.role_policies.2",
        (f"stands here twice ({POLICY})", "remove one of the two"),
    ),
    Wrong(
        keys_and_policies,
        {"permissions_boundary": POLICY, "clusters/spare/account": OTHER_ACCOUNT},
        "permissions_boundary",
        (f"is not of account {OTHER_ACCOUNT}, where spare is ({POLICY})",),
        base=twins,
    ),
    Wrong(
        keys_and_policies,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large", "image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
            "permissions_boundary": FOREIGN,
        },
        "permissions_boundary",
        (f"is not of account {ACCOUNT}, where main is ({FOREIGN})",),
    ),
    Wrong(
        owners_of_adopted,
        {"services/web": {"port": 9090, "health": {"port": 9191}}},
        "clusters.main.nodes",
        (
            "node1, node2 are registered and not changed",
            "let the stack's output BalancerSecurityGroupId in on ports 9090, 9191, 9999",
        ),
        base=exists,
        severity=Severity.NOTE,
    ),
)
RIGHT = (
    Right(machines, {}, base=exists),
    Right(machines, {INSTANCE: GONE}, base=exists),
    Right(
        machines,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large", "image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
    ),
    Right(adopted, {}, base=exists),
    Right(adopted, {"clusters/main/nodes/node3": {"zone": "eu-west-1a"}}, base=exists),
    Right(owners_of_adopted, {}),
    Right(repeated_policies, {f"{INSTANCE}/role_policies": [POLICY, f"{POLICY}2"]}),
    Right(
        repeated_policies,
        {
            f"{INSTANCE}/role_policies": [POLICY],
            f"{NODE}/instance": {"role_policies": [POLICY]},
        },
    ),
    Right(types_as_targets, {f"{INSTANCE}/type": "m4.xlarge"}),
    # Nothing registers a node that has no balancer.
    Right(
        types_as_targets,
        {
            f"{INSTANCE}/type": "m3.xlarge",
            "clusters/main/nodes/node2": GONE,
            "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
        },
    ),
    Right(keys_and_policies, {f"{INSTANCE}/kms_key": _key("eu-west-1")}),
    Right(
        keys_and_policies,
        {
            f"{INSTANCE}/role_policies": [POLICY, "arn:aws:iam::aws:policy/ReadOnlyAccess"],
            f"{NODE}/instance": {"role_policies": [POLICY], "kms_key": _key("eu-west-1")},
            "permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        },
    ),
)
