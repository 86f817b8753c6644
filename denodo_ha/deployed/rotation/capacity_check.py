"""Capacity check: refuse to take a node out of service if too few nodes would remain.

If no node serves a service, taking a node out does not affect the clients of this service: after
`catalog init`, for example, the Scheduler starts only when the nodes are rolled. The check leaves
this service out while the nodes serve another service, unless the operator gives a number of nodes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.target_health import GroupHealth, describe_target

Service = TypeVar("Service")


def require_healthy_targets(
    cluster: Cluster,
    node: str,
    groups: Iterable[GroupHealth],
    *,
    minimum: int | None,
    accept: str,
    drained: Mapping[str, DrainTag],
) -> None:
    """Check that enough other targets are healthy in the target groups that a node would leave.

    A node with a drain tag counts as out of service even if a target group still reports it as
    healthy: AWS shows a deregistration only some time later.

    Args:
        cluster: the cluster.
        node: the node that is to be taken out.
        groups: health of the target groups that the node would leave and that are checked
            (`counted_services`).
        minimum: the number of other targets that must be healthy in each target group; None: all
            other targets, and at least one.
        accept: the option, named in the error message, with which an operator accepts a lower
            minimum.
        drained: drain tags of the other nodes, by node.

    Raises:
        Refused: Without the node, fewer healthy targets than the minimum would remain. Nothing was
            changed.
    """
    required = _required(cluster, minimum)
    if len(cluster.nodes) == 1 and required > 0:
        message = (
            f"{node} is the only node of {cluster.name}: while {node} is out, clients are not "
            "served. Nothing was changed. To take the node out nevertheless, add "
            f"{accept}{' 0' if accept == '--minimum' else ''}"
        )
        raise Refused(message)
    for health in groups:
        others = {target.id: target.node for target in health.group.targets if target.node != node}
        healthy = [
            id_ for id_, name in others.items() if id_ in health.healthy and name not in drained
        ]
        if len(healthy) < required:
            unhealthy = sorted(
                f"{name or id_} ({_why_not(health, id_, drained.get(name or ''))})"
                for id_, name in others.items()
                if id_ not in healthy
            )
            message = (
                f"without {node}, {len(healthy)} healthy nodes would be left in target group "
                f"{health.group.key} of {cluster.name}, and {required} are required; not healthy: "
                f"{', '.join(unhealthy) or 'none'}. Nothing was changed. Repair these nodes first, "
                f"or accept fewer with {accept}"
            )
            raise Refused(message)


def require_usable_servers(
    cluster: Cluster,
    node: str,
    statuses: Mapping[str, Mapping[str, Any]],
    *,
    minimum: int | None,
    accept: str,
) -> None:
    """Check that enough other nodes are usable on every HAProxy instance.

    Args:
        cluster: the cluster.
        node: the node that is to be taken out.
        statuses: status of each HAProxy instance, by id.
        minimum: the number of other nodes that must be usable for each service; None: all other
            nodes, and at least one.
        accept: the option, named in the error message, with which an operator accepts a lower
            minimum.

    Raises:
        Refused: Without the node, fewer usable nodes than the minimum would remain. Nothing was
            changed.
    """
    required = _required(cluster, minimum)
    for id_, status in statuses.items():
        if not is_usable(status, node):
            continue
        servers = service_servers(status)
        usable = {str(server["backend"]) for server in servers if server["usable"]}
        services = sorted({str(server["backend"]) for server in servers})
        for service in counted_services(services, minimum, usable.__contains__):
            others = {
                server["node"]
                for server in servers
                if server["backend"] == service and server["usable"] and server["node"] != node
            }
            if len(others) < required:
                message = (
                    f"without {node}, {len(others)} usable nodes would be left for {service} on "
                    f"HAProxy instance {id_}, and {required} are required. Nothing was changed. "
                    f"Repair the other nodes first, or accept fewer with {accept}"
                )
                raise Refused(message)


def counted_services(
    services: Sequence[Service], minimum: int | None, is_served: Callable[[Service], bool]
) -> Sequence[Service]:
    """Return the services for which the capacity is checked.

    With a minimum, all services are checked. Without a minimum, only the services that a node
    serves are checked.

    If no service is served, all services are checked: the load balancer may still send connections
    to all targets (AWS, Elastic Load Balancing, Target group health).
    """
    served = [service for service in services if is_served(service)]
    return served if served and minimum is None else services


def service_servers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the servers of services in an HAProxy status, without those of auxiliary ports."""
    return [
        server
        for server in status["servers"]
        if not str(server["backend"]).startswith("auxiliary.")
    ]


def is_usable(status: Mapping[str, Any], node: str) -> bool:
    """Return whether an HAProxy instance sends new sessions of at least one service to a node."""
    return any(server["node"] == node and server["usable"] for server in service_servers(status))


def _why_not(health: GroupHealth, id_: str, tag: DrainTag | None) -> str:
    state = describe_target(health, id_)
    return f"{state}, but it has a drain tag, {tag}" if tag is not None else state


def _required(cluster: Cluster, minimum: int | None) -> int:
    return max(len(cluster.nodes) - 1, 1) if minimum is None else minimum
