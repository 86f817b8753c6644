"""Rules about `capacity`: reserved EC2 capacity of the nodes."""

from collections.abc import Iterator
from typing import Final

from denodo_ha.environment.derived.capacity import configured_machines, reservations
from denodo_ha.environment.facts.instance_memory import virtual_cpus
from denodo_ha.environment.facts.limits import ON_DEMAND_QUOTA
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

_AMAZON_LINUX_DEVICE: Final = "/dev/xvda"
_PRICING: Final = "AWS, Amazon EC2 User Guide, Capacity Reservation pricing and billing"


def capacity_of_created_nodes(environment: Environment) -> Iterator[Problem]:
    """A cluster with `capacity` must have a node that the stack creates."""
    for name, cluster in _reserving(environment):
        if all(node.instance_id is not None for node in cluster.nodes.values()):
            yield Problem(
                ("clusters", name, "capacity"),
                "reserves capacity for no node",
                "all nodes are existing instances, whose types the configuration does not contain",
                "remove capacity, and reserve places for these instances with `aws ec2 "
                "create-capacity-reservation`",
                at_key=True,
            )


def capacity_platform(environment: Environment) -> Iterator[Problem]:
    """`capacity.platform` must be set for images that may be of Red Hat or SUSE."""
    for name, cluster in _reserving(environment):
        assert cluster.capacity is not None  # `_reserving` yields clusters with this section
        machines = configured_machines(cluster)
        others = [
            machine
            for _, machine in sorted(machines.items())
            if machine.root_device != _AMAZON_LINUX_DEVICE
        ]
        if cluster.capacity.platform is None and others:
            yield Problem(
                ("clusters", name, "capacity"),
                f"has no platform, and the root device of {others[0].image} is "
                f"{others[0].root_device}",
                "the image may be Red Hat or SUSE, which have their own platforms: a reservation "
                "for another platform covers no node, and costs as much as a reservation that is "
                "used (AWS, Amazon EC2 User Guide, On-Demand Capacity Reservations)",
                "write platform with the output of `aws ec2 describe-images --image-ids "
                f"{others[0].image} --region {cluster.region} --query "
                "'Images[].PlatformDetails'`, such as Linux/UNIX",
                at_key=True,
            )


def capacity_unused(environment: Environment) -> Iterator[Problem]:
    """Places that no node uses should not be reserved: they cost money and use up a quota."""
    for name, cluster in _reserving(environment):
        more = [
            (reservation, reservation.places - reservation.nodes)
            for reservation in reservations(cluster, configured_machines(cluster))
            if reservation.places > reservation.nodes
        ]
        if not more:
            continue
        cpus = [virtual_cpus(reservation.type) for reservation, _ in more]
        total = sum((count or 0) * unused for count, (_, unused) in zip(cpus, more, strict=True))
        listed = ", ".join(
            f"{unused} {reservation.type} in {reservation.zone}" for reservation, unused in more
        )
        yield Problem(
            _reserve_path(name),
            f"reserves {sum(unused for _, unused in more)} more places than there are nodes "
            f"({listed})",
            f"AWS charges unused places at the On-Demand rate of an instance ({_PRICING}), and "
            f"unused places count{'' if None in cpus else f' as {total} vCPUs'} against the quota "
            f"{ON_DEMAND_QUOTA}",
            "write reserve: running if no place must be free while all nodes run; this command "
            "prints the account's quota: `aws service-quotas get-service-quota --service-code ec2 "
            f"--quota-code {ON_DEMAND_QUOTA} --region {cluster.region}`",
            severity=Severity.NOTE,
            rule="capacity-unused",
        )


def capacity_for_some_nodes(environment: Environment) -> Iterator[Problem]:
    """A reservation should have a place for each node of its zone and instance type."""
    for name, cluster in _reserving(environment):
        for reservation in reservations(cluster, configured_machines(cluster)):
            if reservation.places < reservation.nodes:
                yield Problem(
                    _reserve_path(name),
                    f"reserves {reservation.places} places for {reservation.nodes} nodes of type "
                    f"{reservation.type} in {reservation.zone}",
                    "the other nodes run without a reserved place: EC2 may have no capacity when "
                    "these nodes start again",
                    "write reserve: running, or a number that is not less than "
                    f"{reservation.nodes}",
                    value=str(reservation.places),
                    severity=Severity.WARNING,
                    rule="capacity-for-some-nodes",
                )


def capacity_of_existing_nodes(environment: Environment) -> Iterator[Problem]:
    """A cluster with `capacity` should have no existing instances: they cannot get a place."""
    for name, cluster in _reserving(environment):
        existing = sorted(name for name, node in cluster.nodes.items() if node.instance_id)
        if existing and len(existing) < len(cluster.nodes):
            yield Problem(
                ("clusters", name, "capacity"),
                f"has no places for {', '.join(existing)}",
                "the configuration does not contain the types of existing instances; an existing "
                "instance of the same zone and type can use the place of a node",
                "reserve places for these instances with `aws ec2 create-capacity-reservation`",
                severity=Severity.WARNING,
                rule="capacity-existing-nodes",
            )


def _reserving(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    for name, cluster in environment.clusters.items():
        if cluster.capacity is not None:
            yield name, cluster


def _reserve_path(name: str) -> Path:
    return ("clusters", name, "capacity", "reserve")


RULES = (
    capacity_of_created_nodes,
    capacity_platform,
    capacity_unused,
    capacity_for_some_nodes,
    capacity_of_existing_nodes,
)
