"""Capacity Reservations of a cluster's nodes."""

import re
from collections.abc import Iterable, Mapping

from aws_cdk import CfnTag, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import capacity
from denodo_ha.environment.derived.capacity import Reservation
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.environment import Environment
from stacks.nodes.node import Node

OPEN = "open"
"""Running and new instances use an open reservation without naming the reservation. If all its
places are in use, a further instance runs as an On-Demand Instance (AWS, Amazon EC2 API,
CapacityReservationSpecification), so that a full reservation never refuses a node."""


def reserve_capacity(
    stack: Stack, environment: Environment, name: str, nodes: Mapping[str, tuple[Node, Instance]]
) -> None:
    """Reserve the capacity of a cluster's nodes, if configured.

    A node depends on its reservation, so that a deploy without capacity for a new type fails before
    the deploy stops or creates a node.
    """
    cluster = environment.clusters[name]
    if cluster.capacity is None:
        return
    machines = {node: machine for node, (_, machine) in nodes.items()}
    reservations = _create_reservations(
        Construct(stack, "Capacity"),
        capacity.reservations(cluster, machines),
        tags=stack.tags.tag_values(),
        label=names.cluster_stack(environment.name, name),
    )
    for node_name, (node, machine) in nodes.items():
        node.instance.node.add_dependency(reservations[cluster.nodes[node_name].zone, machine.type])


def _create_reservations(
    scope: Construct, reservations: Iterable[Reservation], *, tags: Mapping[str, str], label: str
) -> dict[tuple[str, str], ec2.CfnCapacityReservation]:
    """Create one reservation for each zone and instance type. Return the reservations.

    A reservation is an L1 construct, because the CDK library has no L2 construct for the resource.

    Args:
        scope: parent.
        reservations: the reservations.
        tags: tags of the stack, which the CDK does not add to reservations.
        label: beginning of the name in the EC2 console.
    """
    return {
        (item.zone, item.type): ec2.CfnCapacityReservation(
            scope,
            # A changed zone or type leads to another logical id: CloudFormation reserves the new
            # capacity before it releases the old one.
            re.sub(r"[^0-9A-Za-z]", "-", f"{item.zone}-{item.type}"),
            availability_zone=item.zone,
            instance_type=item.type,
            instance_platform=item.platform,
            tenancy=item.tenancy,
            instance_count=item.places,
            instance_match_criteria=OPEN,
            end_date_type="unlimited",
            tag_specifications=[
                ec2.CfnCapacityReservation.TagSpecificationProperty(
                    resource_type="capacity-reservation",
                    tags=[
                        CfnTag(key=key, value=value)
                        for key, value in sorted(
                            {**tags, "Name": f"{label}-{item.zone}-{item.type}"}.items()
                        )
                    ],
                )
            ],
        )
        for item in reservations
    }
