"""Target groups of a found cluster, with the targets that drain records add to the registered ones.

A target group of one node is for the node's auxiliary port if other target groups have several
nodes, and its port is not the port of a Denodo service. `drill --live` uses this rule, too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from denodo_ha.deployed.balancer import Target, TargetGroup
from denodo_ha.deployed.target_health import DRAINING, TargetHealth
from denodo_ha.drill.live.found_resource import FoundResource
from denodo_ha.drill.reading.balancers import SERVICE_PORTS
from denodo_ha.drill.reading.resource_reader import TARGET_GROUP
from denodo_ha.environment.derived.topology import HealthCheck
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import PORTS
from denodo_ha.environment.names import NODE_TAG, SERVICE_TAG

_SERVICES: Final = {port: name for ports in PORTS.values() for name, port in ports.services.items()}
_DELAY: Final = "deregistration_delay.timeout_seconds"

Recorded = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Ports of recorded registrations by instance id and name of the target group."""


def target_groups(
    resources: Iterable[FoundResource],
    health: Mapping[str, Sequence[TargetHealth] | None],
    recorded: Recorded,
    names: Mapping[str, str],
) -> tuple[TargetGroup, ...]:
    """Return the target groups of a found cluster: those of services come first.

    Args:
        resources: the resources of the cluster's region.
        health: the targets of each target group by ARN; None if they could not be read.
        recorded: the registrations of drain records.
        names: names of the nodes by instance id.
    """
    found = [one for one in resources if one.type == TARGET_GROUP]
    targets = {one.id: _targets(one, health.get(one.id) or (), recorded, names) for one in found}
    nodes = {arn: {target.node for target in of_group} for arn, of_group in targets.items()}
    shared = max((len(of_group - {None}) for of_group in nodes.values()), default=0) > 1
    auxiliary = {one.id: _auxiliary_node(one, nodes[one.id], shared=shared) for one in found}
    by_service = Counter(_service(one) for one in found if not auxiliary[one.id])
    groups = []
    for one in found:
        is_alb = one.properties.get("TargetType") == "alb"
        service = _service(one)
        if by_service[service] > 1:
            service = one.name
        groups.append(
            TargetGroup(
                logical_id=one.name,
                arn=one.id,
                port=_port(one),
                protocol=str(one.properties.get("Protocol", "TCP")),
                type=str(one.properties.get("TargetType", "instance")),
                service=None if is_alb or auxiliary[one.id] else service,
                node=auxiliary[one.id],
                health=_health_check(one.properties, _port(one)),
                deregistration_delay=_delay(one.properties),
                targets=targets[one.id],
                alb=one.name if is_alb else None,
            )
        )
    return tuple(sorted(groups, key=lambda group: (group.service is None, group.key, group.arn)))


def _targets(
    group: FoundResource,
    health: Iterable[TargetHealth],
    recorded: Recorded,
    names: Mapping[str, str],
) -> tuple[Target, ...]:
    """Return the registered and the recorded targets of a target group."""
    registered = [(target.id, target.port) for target in health if target.state != DRAINING]
    of_records = [
        (id_, port) for id_, by_group in recorded.items() for port in by_group.get(group.name, ())
    ]
    return tuple(
        Target(id_, port, names.get(id_)) for id_, port in dict.fromkeys([*registered, *of_records])
    )


def _auxiliary_node(group: FoundResource, nodes: set[str | None], *, shared: bool) -> str | None:
    """Return the node to whose auxiliary port a group belongs; None for a service's group."""
    tags = _tags(group)
    if SERVICE_TAG in tags or len(nodes) != 1 or not shared:
        return None
    (node,) = nodes
    return node if NODE_TAG in tags or _port(group) not in SERVICE_PORTS else None


def _service(group: FoundResource) -> str:
    """Return the name of a target group's service: by its tag, its port, or its own name."""
    return _tags(group).get(SERVICE_TAG) or _SERVICES.get(_port(group)) or group.name


def _tags(group: FoundResource) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in group.properties.get("Tags", ())}


def _port(group: FoundResource) -> int:
    return int(group.properties.get("Port", 0))


def _delay(properties: Mapping[str, Any]) -> int:
    values = {one["Key"]: one["Value"] for one in properties.get("TargetGroupAttributes", ())}
    return int(values.get(_DELAY, limits.DEREGISTRATION_DELAY_DEFAULT_S))


def _health_check(properties: Mapping[str, Any], port: int) -> HealthCheck:
    checked = str(properties.get("HealthCheckPort", "traffic-port"))
    path = properties.get("HealthCheckPath")
    return HealthCheck(
        protocol=str(properties.get("HealthCheckProtocol", "TCP")).lower(),
        port=int(checked) if checked.isdigit() else port,
        path=None if path is None else str(path),
        interval=int(properties.get("HealthCheckIntervalSeconds", limits.AWS_HEALTH_INTERVAL_S)),
        timeout=int(properties.get("HealthCheckTimeoutSeconds", limits.AWS_HEALTH_TIMEOUT_S)),
        healthy=int(properties.get("HealthyThresholdCount", limits.AWS_HEALTHY_THRESHOLD)),
        unhealthy=int(properties.get("UnhealthyThresholdCount", limits.AWS_UNHEALTHY_THRESHOLD)),
    )
