"""Rules about nodes: the machines that are created, and the instances that exist already."""

from collections.abc import Iterator

from denodo_ha.environment.derived.firewall import haproxy_target_ports
from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster, Instance, InstanceOverride
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine
from denodo_ha.environment.names import BALANCER_SECURITY_GROUP_ID, HAPROXY_SECURITY_GROUP_ID


def machines(environment: Environment) -> Iterator[Problem]:
    """A node is made from `instance`, or exists already."""
    for name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for node_name, node in cluster.nodes.items():
            path: Path = ("clusters", name, "nodes", node_name)
            if node.instance_id is None:
                yield from _machine_known(name, cluster, node_name)
                continue
            if node.instance is not None:
                yield Problem(
                    (*path, "instance"),
                    "is given for an instance that exists",
                    "it is registered and otherwise left alone",
                    "remove instance, or instance_id",
                    at_key=True,
                )
            if node.instance_id in seen:
                yield Problem(
                    (*path, "instance_id"),
                    f"is the instance of {seen[node.instance_id]} too",
                    "a node is one server",
                    "write the id of another instance",
                    value=node.instance_id,
                )
            seen.setdefault(node.instance_id, node_name)


def _machine_known(name: str, cluster: Cluster, node_name: str) -> Iterator[Problem]:
    own = cluster.nodes[node_name].instance
    for key in ("type", "image"):
        if cluster.instance is None and getattr(own, key, None) is None:
            yield Problem(
                ("clusters", name, "nodes", node_name),
                f"has no {key}",
                "the node is created, and the cluster has no instance to take it from",
                f"add instance with {key} to the cluster, or instance_id to the node",
            )


def adopted(environment: Environment) -> Iterator[Problem]:
    """What must be known of instances that exist already, as nothing of them is changed."""
    for name, cluster in environment.clusters.items():
        nodes = [node for node, of in cluster.nodes.items() if of.instance_id is not None]
        if not nodes:
            continue
        network: Path = ("clusters", name, "network")
        if cluster.network.vpc is None:
            yield Problem(
                (*network, "vpc"),
                "is missing",
                f"{nodes[0]} exists already, and so does its VPC",
                "add vpc: vpc-… of the instance",
            )
        if cluster.network.cidr is None:
            yield Problem(
                (*network, "cidr"),
                "is missing",
                f"{nodes[0]} is in security groups of its owner's, so the balancer's group can let "
                "traffic out to its network's addresses only",
                "add cidr with the network that the instance's address is in",
            )
        if cluster.balancer.kind == "none":
            yield Problem(
                ("clusters", name, "nodes", nodes[0], "instance_id"),
                "can't be without a balancer",
                "the instance is left alone, and there is nothing else to make",
                "write kind: nlb, or let the node be created",
                value=str(cluster.nodes[nodes[0]].instance_id),
            )


def owners_of_adopted(environment: Environment) -> Iterator[Problem]:
    """What the owner of instances that exist already has to do, since nothing is done to them."""
    for name, cluster in environment.clusters.items():
        nodes = sorted(node for node, of in cluster.nodes.items() if of.instance_id is not None)
        if not nodes or cluster.balancer.kind == "none":
            continue
        if cluster.balancer.kind == "haproxy":
            output, ports = HAPROXY_SECURITY_GROUP_ID, haproxy_target_ports(environment, name)
        else:
            served = [one for one in listeners(environment, cluster) if {*one.nodes} & {*nodes}]
            output = BALANCER_SECURITY_GROUP_ID
            ports = sorted({port for one in served for port in (one.target_port, one.health.port)})
        yield Problem(
            ("clusters", name, "nodes"),
            f"{', '.join(nodes)} are registered and not changed",
            "their security groups are their owner's",
            f"let the stack's output {output} in on ports "
            + ", ".join(str(port) for port in ports),
            severity=Severity.NOTE,
            rule="adopted-nodes",
        )


def types_as_targets(environment: Environment) -> Iterator[Problem]:
    """Some old instance types can't be targets by their id."""
    for name, cluster, node_name, machine in _machines(environment):
        family = machine.type.split(".", 1)[0]
        if cluster.balancer.kind == "nlb" and family in limits.NO_NLB_TARGETS:
            own = cluster.nodes[node_name].instance
            path: Path = (
                ("clusters", name, "nodes", node_name, "instance", "type")
                if own and own.type
                else ("clusters", name, "instance", "type")
            )
            yield Problem(
                path,
                "can't be the target of a Network Load Balancer",
                "instances of old types can't be registered by their id (AWS, Elastic Load "
                "Balancing API, RegisterTargets)",
                "write a type like m5.xlarge",
                value=machine.type,
            )


def keys_and_policies(environment: Environment) -> Iterator[Problem]:
    """A key encrypts disks of its region, a policy belongs to roles of its account."""
    for name, cluster in environment.clusters.items():
        for path, machine in described(name, cluster):
            key = machine.kms_key
            if key is not None and key.split(":")[3] != cluster.region:
                yield Problem(
                    (*path, "kms_key"),
                    f"is not of {cluster.region}",
                    "a disk is encrypted with a key of its region (AWS, Amazon EBS encryption)",
                    f"write a key of {cluster.region}",
                    value=key,
                )
            for index, arn in enumerate(machine.role_policies or ()):
                if _foreign(arn, cluster.account):
                    yield Problem(
                        (*path, "role_policies", index),
                        f"is not of account {cluster.account}",
                        _FOREIGN,
                        "write a policy of the cluster's account, or one of AWS",
                        value=arn,
                    )
        boundary = environment.permissions_boundary
        if boundary is not None and _foreign(boundary, cluster.account):
            yield Problem(
                ("permissions_boundary",),
                f"is not of account {cluster.account}, where {name} is",
                _FOREIGN,
                "write a policy of AWS, or make one environment an account",
                value=boundary,
            )


_FOREIGN = (
    "a role takes managed policies of its own account and of AWS (AWS, IAM, AttachRolePolicy)"
)


def _foreign(arn: str, account: str) -> bool:
    return arn.split(":")[4] not in (account, "aws")


def repeated_policies(environment: Environment) -> Iterator[Problem]:
    """A policy is attached to a role once."""
    for name, cluster in environment.clusters.items():
        for path, machine in described(name, cluster):
            policies = machine.role_policies or ()
            for index, arn in enumerate(policies):
                if arn in policies[:index]:
                    yield Problem(
                        (*path, "role_policies", index),
                        "stands here twice",
                        "a role takes a policy once",
                        "remove one of the two",
                        value=arn,
                    )


def described(name: str, cluster: Cluster) -> Iterator[tuple[Path, Instance | InstanceOverride]]:
    """What is said about a cluster's machines and where: for all, then for single nodes."""
    if cluster.instance is not None:
        yield ("clusters", name, "instance"), cluster.instance
    for node_name, node in cluster.nodes.items():
        if node.instance is not None:
            yield ("clusters", name, "nodes", node_name, "instance"), node.instance


def _machines(environment: Environment) -> Iterator[tuple[str, Cluster, str, Instance]]:
    """The nodes that are created, with what the configuration asks for."""
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            machine = configured_machine(cluster.instance, node)
            if node.instance_id is None and machine is not None:
                yield name, cluster, node_name, machine


RULES = (
    machines,
    adopted,
    owners_of_adopted,
    types_as_targets,
    keys_and_policies,
    repeated_policies,
)
