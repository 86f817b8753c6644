"""Cases of the rules about nodes: created machines and existing instances."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.nodes import (
    data_disks,
    existing_instance_security_groups,
    existing_instances,
    instance_types,
    kms_keys_and_policies,
    no_recovery,
    node_instances,
    policies_unique,
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
    """Return a configuration of two existing nodes in an existing VPC."""
    nodes = {
        "node1": {"zone": "eu-west-1a", "instance_id": FIRST},
        "node2": {"zone": "eu-west-1b", "instance_id": SECOND},
    }
    network = {**given_network(), "cidr": "10.0.0.0/16"}
    return changed(minimal(), {"clusters/main/network": network, "clusters/main/nodes": nodes})


WRONG = (
    Wrong(
        node_instances,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large"},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
        "clusters.main.nodes.node1",
        ("has no image", "add instance with image to the cluster, or instance_id to the node"),
    ),
    Wrong(
        node_instances,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
        "clusters.main.nodes.node1",
        ("has no type",),
    ),
    Wrong(
        node_instances,
        {f"{NODE}/instance": {"type": "m5.large"}},
        "clusters.main.nodes.node1.instance",
        ("is not allowed for an existing instance", "remove instance, or remove instance_id"),
        base=exists,
    ),
    Wrong(
        node_instances,
        {"clusters/main/nodes/node2/instance_id": FIRST},
        "clusters.main.nodes.node2.instance_id",
        (f"is the instance of node1 too ({FIRST})", "two nodes cannot be the same server"),
        base=exists,
    ),
    Wrong(
        existing_instances,
        {
            "clusters/main/network/vpc": GONE,
            "clusters/main/network/zones": ["eu-west-1a", "eu-west-1b"],
        },
        "clusters.main.network.vpc",
        ("is missing", "node1 is an existing instance in an existing VPC"),
        base=exists,
    ),
    Wrong(
        existing_instances,
        {"clusters/main/network/cidr": GONE},
        "clusters.main.network.cidr",
        ("is missing", "the stack does not change the security groups of node1"),
        base=exists,
    ),
    Wrong(
        existing_instances,
        {"clusters/main/nodes/node2": GONE, "clusters/main/balancer/kind": "none"},
        "clusters.main.nodes.node1.instance_id",
        (f"is not possible without a balancer ({FIRST})", "so the stack would be empty"),
        base=exists,
    ),
    Wrong(
        instance_types,
        {f"{INSTANCE}/type": "m3.xlarge"},
        "clusters.main.instance.type",
        ("cannot be the target of a Network Load Balancer (m3.xlarge)", "RegisterTargets"),
    ),
    Wrong(
        instance_types,
        {f"{NODE}/instance": {"type": "t1.micro"}},
        "clusters.main.nodes.node1.instance.type",
        ("cannot be the target of a Network Load Balancer (t1.micro)",),
    ),
    Wrong(
        kms_keys_and_policies,
        {f"{INSTANCE}/kms_key": _key("us-east-1")},
        "clusters.main.instance.kms_key",
        (f"is not a key of eu-west-1 ({_key('us-east-1')})", "write a key of eu-west-1"),
    ),
    Wrong(
        kms_keys_and_policies,
        {f"{NODE}/instance": {"kms_key": _key("us-east-1")}},
        "clusters.main.nodes.node1.instance.kms_key",
        (f"is not a key of eu-west-1 ({_key('us-east-1')})",),
    ),
    Wrong(
        kms_keys_and_policies,
        {f"{INSTANCE}/role_policies": [POLICY, FOREIGN]},
        "clusters.main.instance.role_policies.1",
        (f"is not a policy of account {ACCOUNT} ({FOREIGN})", "AttachRolePolicy"),
    ),
    Wrong(
        kms_keys_and_policies,
        {f"{NODE}/instance": {"role_policies": [FOREIGN]}},
        "clusters.main.nodes.node1.instance.role_policies.0",
        (f"is not a policy of account {ACCOUNT} ({FOREIGN})",),
    ),
    Wrong(
        policies_unique,
        {f"{INSTANCE}/role_policies": [POLICY, "arn:aws:iam::aws:policy/ReadOnlyAccess", POLICY]},
        "clusters.main.instance.role_policies.2",
        (f"is listed twice ({POLICY})", "remove one of the two entries"),
    ),
    Wrong(
        kms_keys_and_policies,
        {"permissions_boundary": POLICY, "clusters/spare/account": OTHER_ACCOUNT},
        "permissions_boundary",
        (f"is not a policy of account {OTHER_ACCOUNT}, where the cluster spare is ({POLICY})",),
        base=twins,
    ),
    Wrong(
        kms_keys_and_policies,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large", "image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
            "permissions_boundary": FOREIGN,
        },
        "permissions_boundary",
        (f"is not a policy of account {ACCOUNT}, where the cluster main is ({FOREIGN})",),
    ),
    Wrong(
        existing_instance_security_groups,
        {"services/web": {"port": 9090, "health": {"port": 9191}}},
        "clusters.main.nodes",
        (
            "node1, node2 are existing instances, which the stack does not change",
            "in the stack's output BalancerSecurityGroupId on ports 9090, 9191, 9999",
        ),
        base=exists,
        severity=Severity.NOTE,
    ),
    Wrong(
        instance_types,
        {INSTANCE: {"type": "m1.large", "image": IMAGE}, f"{NODE}/instance": {"disk_gib": 200}},
        "clusters.main.instance.type",
        ("cannot be the target of a Network Load Balancer (m1.large)",),
    ),
    Wrong(
        data_disks,
        {f"{INSTANCE}/data_disk_gib": 50},
        "clusters.main.instance.data_disk_gib",
        ("is a disk that is not mounted (50)", "add data_disk_path"),
        severity=Severity.WARNING,
    ),
    Wrong(
        data_disks,
        {f"{NODE}/instance": {"data_disk_path": "/data"}},
        f"{NODE}/instance/data_disk_path".replace("/", "."),
        ("is a folder without a disk (/data)", "add data_disk_gib"),
    ),
    *(
        Wrong(
            data_disks,
            {f"{INSTANCE}/data_disk_gib": 50, f"{INSTANCE}/data_disk_path": folder},
            "clusters.main.instance.data_disk_path",
            (what, "write a folder"),
        )
        for folder, what in (
            ("/opt/denodo/denodo_platform_8_0", "would hide Denodo"),
            ("/opt/denodo", "would hide Denodo"),
            ("/opt/denodo/denodo_platform_8_0/work", "is in Denodo's folder"),
            ("/var/lib", "is a folder of the operating system"),
            ("/etc/data", "is a folder of the operating system"),
        )
    ),
    Wrong(
        data_disks,
        {
            f"{INSTANCE}/data_disk_gib": 50,
            f"{INSTANCE}/data_disk_path": "/data",
            "denodo/program": False,
        },
        "clusters.main.instance.data_disk_path",
        ("would be ignored", "program: false"),
    ),
    Wrong(
        no_recovery,
        {f"{INSTANCE}/type": "m5d.xlarge"},
        "clusters.main.instance.type",
        ("m5d.xlarge", "denodo-ha replace"),
        severity=Severity.NOTE,
    ),
    Wrong(
        no_recovery,
        {f"{NODE}/instance": {"type": "i4i.large"}},
        "clusters.main.nodes.node1.instance.type",
        ("has no automatic recovery",),
        severity=Severity.NOTE,
    ),
)
RIGHT = (
    Right(no_recovery, {f"{INSTANCE}/type": "m7i.metal-24xl"}),
    Right(no_recovery, {f"{INSTANCE}/type": "r7i.xlarge"}),
    Right(node_instances, {}, base=exists),
    Right(node_instances, {INSTANCE: GONE}, base=exists),
    Right(
        node_instances,
        {
            INSTANCE: GONE,
            f"{NODE}/instance": {"type": "m5.large", "image": IMAGE},
            "clusters/main/nodes/node2/instance": {"type": "m5.large", "image": IMAGE},
        },
    ),
    Right(existing_instances, {}, base=exists),
    Right(existing_instances, {"clusters/main/nodes/node3": {"zone": "eu-west-1a"}}, base=exists),
    Right(existing_instance_security_groups, {}),
    Right(policies_unique, {f"{INSTANCE}/role_policies": [POLICY, f"{POLICY}2"]}),
    Right(
        policies_unique,
        {
            f"{INSTANCE}/role_policies": [POLICY],
            f"{NODE}/instance": {"role_policies": [POLICY]},
        },
    ),
    Right(instance_types, {f"{INSTANCE}/type": "m4.xlarge"}),
    # Without a load balancer, a node is not a target, so Network Load Balancers need not accept its
    # instance type.
    Right(
        instance_types,
        {
            f"{INSTANCE}/type": "m3.xlarge",
            "clusters/main/nodes/node2": GONE,
            "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
        },
    ),
    Right(kms_keys_and_policies, {f"{INSTANCE}/kms_key": _key("eu-west-1")}),
    Right(
        kms_keys_and_policies,
        {
            f"{INSTANCE}/role_policies": [POLICY, "arn:aws:iam::aws:policy/ReadOnlyAccess"],
            f"{NODE}/instance": {"role_policies": [POLICY], "kms_key": _key("eu-west-1")},
            "permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        },
    ),
    Right(instance_types, {f"{INSTANCE}/type": "m1.large"}, base=exists),
    Right(
        data_disks,
        {f"{INSTANCE}/data_disk_gib": 50, f"{INSTANCE}/data_disk_path": "/opt/denodo-data"},
    ),
    Right(data_disks, {f"{INSTANCE}/data_disk_gib": 50, "denodo/program": False}),
    Right(data_disks, {f"{INSTANCE}/data_disk_path": "/data"}, base=exists),
)
