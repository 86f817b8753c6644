"""Rules about nodes: created and existing instances."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from denodo_ha.environment.derived.firewall import haproxy_target_ports
from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.instance_recovery import Recovery, recovery_of
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster, Instance, InstanceOverride
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine
from denodo_ha.environment.names import BALANCER_SECURITY_GROUP_ID, HAPROXY_SECURITY_GROUP_ID

_FOREIGN_POLICY = (
    "a role accepts only managed policies of its own account and of AWS (AWS, IAM, "
    "AttachRolePolicy)"
)

_SYSTEM_FOLDERS = frozenset(
    (
        *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/opt/denodo-node"),
        *("/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var", "/var/lib"),
        "/tmp",  # noqa: S108 - the name is compared; no file is written there
        *("/var/lib/denodo-node", "/var/log", "/var/tmp"),  # noqa: S108 - names to compare
    )
)
"""Folders of the operating system (Linux Foundation, Filesystem Hierarchy Standard) and of the node
program."""
_WITHOUT_DISKS = (
    *("/boot/", "/dev/", "/etc/", "/proc/", "/run/", "/sys/", "/usr/"),
    "/tmp/",  # noqa: S108 - a name to compare
)
"""Folders below which no disk may be mounted."""


def node_instances(environment: Environment) -> Iterator[Problem]:
    """A node must either be created from `instance`, or be one existing instance."""
    for name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for node_name, node in cluster.nodes.items():
            path: Path = ("clusters", name, "nodes", node_name)
            if node.instance_id is None:
                yield from _missing_instance_keys(name, cluster, node_name)
                continue
            if node.instance is not None:
                yield Problem(
                    (*path, "instance"),
                    "is not allowed for an existing instance",
                    "the stack only registers an existing instance with the load balancer, and "
                    "does not change the instance",
                    "remove instance, or remove instance_id",
                    at_key=True,
                )
            if node.instance_id in seen:
                yield Problem(
                    (*path, "instance_id"),
                    f"is the instance of {seen[node.instance_id]} too",
                    "two nodes cannot be the same server",
                    "write the id of another instance",
                    value=node.instance_id,
                )
            seen.setdefault(node.instance_id, node_name)


def _missing_instance_keys(name: str, cluster: Cluster, node_name: str) -> Iterator[Problem]:
    own = cluster.nodes[node_name].instance
    for key in ("type", "image"):
        if cluster.instance is None and getattr(own, key, None) is None:
            yield Problem(
                ("clusters", name, "nodes", node_name),
                f"has no {key}",
                f"the node is created, and neither the node nor the cluster sets {key}",
                f"add instance with {key} to the cluster, or instance_id to the node",
            )


def existing_instances(environment: Environment) -> Iterator[Problem]:
    """A cluster with existing instances must have a VPC, a CIDR and a balancer.

    The stacks do not change existing instances.
    """
    for name, cluster in environment.clusters.items():
        nodes = [
            node_name for node_name, node in cluster.nodes.items() if node.instance_id is not None
        ]
        if not nodes:
            continue
        network: Path = ("clusters", name, "network")
        if cluster.network.vpc is None:
            yield Problem(
                (*network, "vpc"),
                "is missing",
                f"{nodes[0]} is an existing instance in an existing VPC",
                "add vpc: vpc-… of the instance",
            )
        if cluster.network.cidr is None:
            yield Problem(
                (*network, "cidr"),
                "is missing",
                f"the stack does not change the security groups of {nodes[0]}, so the balancer's "
                "security group must allow traffic to the addresses of the node's network",
                "add cidr: with the network that contains the instance's address",
            )
        if cluster.balancer.kind == "none":
            yield Problem(
                ("clusters", name, "nodes", nodes[0], "instance_id"),
                "is not possible without a balancer",
                "the stack does not change an existing instance, so the stack would be empty",
                "write kind: nlb, or remove instance_id so that the node is created",
                value=str(cluster.nodes[nodes[0]].instance_id),
            )


def existing_instance_security_groups(environment: Environment) -> Iterator[Problem]:
    """The owner of existing instances must allow the balancer in their security groups."""
    for name, cluster in environment.clusters.items():
        nodes = sorted(
            node_name for node_name, node in cluster.nodes.items() if node.instance_id is not None
        )
        if not nodes or cluster.balancer.kind == "none":
            continue
        if cluster.balancer.kind == "haproxy":
            output, ports = HAPROXY_SECURITY_GROUP_ID, haproxy_target_ports(environment, name)
        else:
            output = BALANCER_SECURITY_GROUP_ID
            ports = sorted(
                {
                    port
                    for listener in listeners(environment, cluster)
                    if {*listener.nodes} & {*nodes}
                    for port in (listener.target_port, listener.health.port)
                }
            )
        yield Problem(
            ("clusters", name, "nodes"),
            f"{', '.join(nodes)} are existing instances, which the stack does not change",
            "the owner of these instances must change the security groups of the instances",
            f"allow traffic from the security group in the stack's output {output} on ports "
            + ", ".join(str(port) for port in ports),
            severity=Severity.NOTE,
            rule="adopted-nodes",
        )


def instance_types(environment: Environment) -> Iterator[Problem]:
    """A node's instance type must be one that a Network Load Balancer accepts as a target by id."""
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            instance = configured_machine(cluster.instance, node)
            if node.instance_id is not None or instance is None:
                continue
            family = instance.type.split(".", 1)[0]
            if cluster.balancer.kind == "nlb" and family in limits.NO_NLB_TARGETS:
                path: Path = (
                    ("clusters", name, "nodes", node_name, "instance", "type")
                    if node.instance and node.instance.type
                    else ("clusters", name, "instance", "type")
                )
                yield Problem(
                    path,
                    "cannot be the target of a Network Load Balancer",
                    "instances of old types cannot be registered by instance id (AWS, Elastic "
                    "Load Balancing API, RegisterTargets)",
                    "write a type like m7i.xlarge",
                    value=instance.type,
                )


def kms_keys_and_policies(environment: Environment) -> Iterator[Problem]:
    """A KMS key must be in the cluster's region, and a policy in the cluster's account."""
    for name, cluster in environment.clusters.items():
        for path, instance in instance_settings(name, cluster):
            key = instance.kms_key
            if key is not None and key.split(":")[3] != cluster.region:
                yield Problem(
                    (*path, "kms_key"),
                    f"is not a key of {cluster.region}",
                    "a disk can be encrypted only with a key of the disk's region (AWS, Amazon "
                    "EBS encryption)",
                    f"write a key of {cluster.region}",
                    value=key,
                )
            for index, arn in enumerate(instance.role_policies or ()):
                if _is_foreign(arn, cluster.account):
                    yield Problem(
                        (*path, "role_policies", index),
                        f"is not a policy of account {cluster.account}",
                        _FOREIGN_POLICY,
                        "write a policy of the cluster's account, or a policy of AWS",
                        value=arn,
                    )
        boundary = environment.permissions_boundary
        if boundary is not None and _is_foreign(boundary, cluster.account):
            yield Problem(
                ("permissions_boundary",),
                f"is not a policy of account {cluster.account}, where the cluster {name} is",
                _FOREIGN_POLICY,
                "write a policy of AWS, or create one environment for each account",
                value=boundary,
            )


def _is_foreign(arn: str, account: str) -> bool:
    return arn.split(":")[4] not in (account, "aws")


def policies_unique(environment: Environment) -> Iterator[Problem]:
    """A policy must be listed only once for a role."""
    for name, cluster in environment.clusters.items():
        for path, instance in instance_settings(name, cluster):
            policies = instance.role_policies or ()
            for index, arn in enumerate(policies):
                if arn in policies[:index]:
                    yield Problem(
                        (*path, "role_policies", index),
                        "is listed twice",
                        "a role accepts each policy only once",
                        "remove one of the two entries",
                        value=arn,
                    )


def data_disks(environment: Environment) -> Iterator[Problem]:
    """A second disk needs a folder to mount on, which hides neither Denodo nor the system."""
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            machine = configured_machine(cluster.instance, node)
            if node.instance_id is not None or machine is None:
                continue
            own = node.instance
            path: Path = ("clusters", name, "instance")
            if own and (own.data_disk_path or own.data_disk_gib):
                path = ("clusters", name, "nodes", node_name, "instance")
            if machine.data_disk_path is not None:
                yield from _data_disk_problems(environment, machine, path)
            elif machine.data_disk_gib is not None and environment.denodo.program:
                yield Problem(
                    (*path, "data_disk_gib"),
                    "is a disk that is not mounted",
                    "the nodes get the disk, but the node program formats and mounts a disk only "
                    "if data_disk_path is set",
                    "add data_disk_path with the folder for the disk, or accept this finding if a "
                    "program of the image mounts the disk",
                    value=str(machine.data_disk_gib),
                    severity=Severity.WARNING,
                    rule="data-disk-not-mounted",
                )


def _data_disk_problems(
    environment: Environment, machine: Instance, path: Path
) -> Iterator[Problem]:
    folder, home = PurePosixPath(str(machine.data_disk_path)), environment.denodo.platform_home()
    problem: tuple[str, str, str] | None = None
    if machine.data_disk_gib is None:
        problem = (
            "is a folder without a disk",
            "data_disk_gib creates the disk that is mounted on this folder",
            "add data_disk_gib, or remove data_disk_path",
        )
    elif not environment.denodo.program:
        problem = (
            "would be ignored",
            (
                "with denodo.program: false, the nodes do not have the node program, which "
                "mounts the disk"
            ),
            "remove data_disk_path, or remove denodo.program: false",
        )
    elif folder in (installation := PurePosixPath(home), *installation.parents):
        problem = (
            "would hide Denodo",
            (
                f"Denodo is installed in {home}, and a new disk is empty, so that Denodo's files "
                "would be hidden"
            ),
            (
                "write a folder outside of Denodo's folder, such as /data, and refer to this "
                "folder in Denodo's settings or by a link"
            ),
        )
    elif installation in folder.parents:
        problem = (
            "is in Denodo's folder",
            (
                f"{home} belongs to {environment.denodo.user}, and root mounts disks only on "
                "folders that no other user can replace"
            ),
            (
                "write a folder outside of Denodo's folder, such as /data, and create a link to "
                "it in Denodo's folder"
            ),
        )
    elif str(folder) in _SYSTEM_FOLDERS or str(folder).startswith(_WITHOUT_DISKS):
        problem = (
            "is a folder of the operating system",
            "the empty disk would hide the files in this folder",
            "write a folder for this disk alone, such as /data",
        )
    if problem is not None:
        yield Problem((*path, "data_disk_path"), *problem, value=str(folder))


def instance_settings(
    name: str, cluster: Cluster
) -> Iterator[tuple[Path, Instance | InstanceOverride]]:
    """Yield `instance` of a cluster and of each of its nodes, with the paths of these keys."""
    if cluster.instance is not None:
        yield ("clusters", name, "instance"), cluster.instance
    for node_name, node in cluster.nodes.items():
        if node.instance is not None:
            yield ("clusters", name, "nodes", node_name, "instance"), node.instance


def no_recovery(environment: Environment) -> Iterator[Problem]:
    """EC2 should move an instance whose host fails to another host."""
    for name, cluster in environment.clusters.items():
        for path, settings in instance_settings(name, cluster):
            if settings.type is not None and recovery_of(settings.type) is Recovery.NONE:
                yield Problem(
                    (*path, "type"),
                    "has no automatic recovery by EC2",
                    "a node whose host fails does not run again until an operator acts",
                    "choose another type, or be ready to stop and start the instance, or to run "
                    f"`{full_command('replace', 'NODE', cluster=name)}` "
                    "(docs/how-to/runbooks/node-gone.md)",
                    value=settings.type,
                    severity=Severity.NOTE,
                    rule="no-recovery",
                )


RULES = (
    node_instances,
    existing_instances,
    existing_instance_security_groups,
    instance_types,
    kms_keys_and_policies,
    policies_unique,
    data_disks,
    no_recovery,
)
