"""Capacity Reservations of a cluster: zone, type and number of places of each reservation."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from denodo_ha.environment.model.cluster import Capacity, Cluster, Instance
from denodo_ha.environment.model.pins import configured_machine

LINUX = "Linux/UNIX"
"""Platform, as EC2 names it, of all Linux images except those of Red Hat and SUSE (AWS, Amazon EC2
User Guide, "On-Demand Capacity Reservations")."""


@dataclass(frozen=True)
class Reservation:
    """Capacity Reservation: AWS matches zone, type, platform and tenancy with instances.

    Attributes:
        zone: the zone.
        type: the instance type.
        platform: the platform, as EC2 names it.
        tenancy: the tenancy.
        places: number of instances for which capacity is reserved.
        nodes: number of the cluster's nodes with this zone and type.
    """

    zone: str
    type: str
    platform: str
    tenancy: str
    places: int
    nodes: int


def reservations(cluster: Cluster, machines: Mapping[str, Instance]) -> tuple[Reservation, ...]:
    """Return one Capacity Reservation for each zone and type; an empty tuple without `capacity`.

    Args:
        cluster: the cluster.
        machines: instance type, image and disks of each node that the stack creates, by node.
    """
    capacity = cluster.capacity
    if capacity is None:
        return ()
    nodes = Counter((cluster.nodes[name].zone, machine.type) for name, machine in machines.items())
    return tuple(
        Reservation(
            zone,
            type_,
            capacity.platform or LINUX,
            capacity.tenancy,
            _places(capacity, count),
            count,
        )
        for (zone, type_), count in sorted(nodes.items())
    )


def _places(capacity: Capacity, nodes: int) -> int:
    return nodes if capacity.reserve == "running" else capacity.reserve


def configured_machines(cluster: Cluster) -> dict[str, Instance]:
    """Return the configured instance settings of each node that the stack creates, by node.

    Nodes without type or image are omitted; a rule reports these nodes as errors.
    """
    machines = {
        name: configured_machine(cluster.instance, node)
        for name, node in cluster.nodes.items()
        if node.instance_id is None
    }
    return {name: machine for name, machine in machines.items() if machine is not None}
