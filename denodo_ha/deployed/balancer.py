"""The load balancer of a cluster and the target groups behind it, read from its stack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.deployed.stack import Stack, mapping_in, resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.derived.topology import HealthCheck
from denodo_ha.environment.facts import limits

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
_DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True)
class Target:
    """A target that the deployed template registers in a target group.

    Attributes:
        id: the instance's id; in a target group of another type an IP address or an ARN.
        port: the target's port.
        node: the node's name, None for a target that is not a node, such as HAProxy.
    """

    id: str
    port: int
    node: str | None


@dataclass(frozen=True)
class TargetGroup:
    """A deployed target group.

    Attributes:
        logical_id: its logical id in the template.
        arn: its ARN.
        port: port of the targets.
        protocol: TCP, TLS, HTTP or HTTPS.
        type: instance, ip or alb.
        service: the service for which all nodes are registered; None for other target groups.
        node: the node for whose auxiliary port the target group exists; None for other target
            groups.
        auxiliary_of: for an auxiliary port of the Scheduler, the service whose clients use it.
        health: the health check of its targets; times in seconds.
        deregistration_delay: seconds for which a deregistered target keeps its connections.
        targets: the targets that the deployed template registers.
        alb: the service whose Application Load Balancer is the only target; None for other target
            groups. The service's nodes are registered in the target group behind that load
            balancer.
    """

    logical_id: str
    arn: str
    port: int
    protocol: str
    type: str
    service: str | None
    node: str | None
    health: HealthCheck
    deregistration_delay: int
    targets: tuple[Target, ...]
    alb: str | None = None
    auxiliary_of: str | None = None

    @property
    def key(self) -> str:
        """Return the target group's name for messages, such as its service or its node."""
        if self.node and self.auxiliary_of:
            return f"{self.node} ({self.auxiliary_of})"
        inner = f"{self.alb}'s balancer" if self.alb else None
        return self.service or self.node or inner or self.logical_id

    @property
    def region(self) -> str:
        """Return the target group's region."""
        return self.arn.split(":")[3]

    def target(self, node: str) -> Target | None:
        """Return the target that the deployed template registers for a node."""
        return next((target for target in self.targets if target.node == node), None)


@dataclass(frozen=True)
class Listener:
    """A listener of the load balancer.

    Attributes:
        arn: its ARN.
        port: the port that clients connect to.
        protocol: TCP or TLS.
        group: ARN of the target group behind it, None if it is not known.
    """

    arn: str
    port: int
    protocol: str
    group: str | None


@dataclass(frozen=True)
class Balancer:
    """The load balancer that clients connect to.

    Attributes:
        arn: its ARN.
        dns_name: its DNS name.
        listeners: its listeners by port.
    """

    arn: str
    dns_name: str
    listeners: tuple[Listener, ...]


def balancer_of_stack(stack: Stack) -> Balancer | None:
    """Return the load balancer that the stack's output names, None if it does not exist yet."""
    output = mapping_in(mapping_in(stack.template, "Outputs"), names.BALANCER_DNS_NAME)
    attribute = mapping_in(output, "Value").get("Fn::GetAtt")
    if isinstance(attribute, str):
        attribute = attribute.split(".")
    # Do not use the stack's first load balancer: the stack may also have Application Load Balancers
    # that are targets of the load balancer for clients.
    logical_id = str(attribute[0]) if isinstance(attribute, list) and attribute else ""
    if logical_id not in stack.physical_ids:
        return None
    arn = stack.physical_ids[logical_id]
    listeners = [
        Listener(
            stack.physical_ids[id_],
            stack.number(properties.get("Port"), f"the port of listener {id_}"),
            str(properties.get("Protocol", "TCP")),
            _group_behind(stack, properties),
        )
        for id_, properties in stack.resources(_LISTENER)
        if id_ in stack.physical_ids and stack.value(properties.get("LoadBalancerArn")) == arn
    ]
    return Balancer(
        arn,
        stack.outputs.get(names.BALANCER_DNS_NAME, ""),
        tuple(sorted(listeners, key=lambda listener: listener.port)),
    )


def _group_behind(stack: Stack, listener: Mapping[str, Any]) -> str | None:
    for action in stack.entries(listener.get("DefaultActions"), "the action of a listener"):
        if "TargetGroupArn" in action:
            return stack.value(action["TargetGroupArn"])
        groups = mapping_in(action, "ForwardConfig").get("TargetGroups")
        for group in stack.entries(groups, "the target group of a listener"):
            return stack.value(group.get("TargetGroupArn"))
    return None


def target_groups_of_stack(stack: Stack, node_names: Mapping[str, str]) -> tuple[TargetGroup, ...]:
    """Return the target groups of a stack: those of services first, then the others.

    Args:
        stack: the stack.
        node_names: names of the nodes by instance id.
    """
    groups = _groups(stack, node_names)
    return tuple(sorted(groups, key=lambda group: (group.service is None, group.key)))


def _groups(stack: Stack, node_names: Mapping[str, str]) -> Iterator[TargetGroup]:
    for id_, properties in stack.resources(_GROUP):
        if id_ not in stack.physical_ids:
            continue
        port = stack.number(properties.get("Port", 0), f"the port of target group {id_}")
        subject = f"the deregistration delay of target group {id_}"
        attributes = {
            stack.value(attribute.get("Key")): attribute.get("Value")
            for attribute in stack.entries(properties.get("TargetGroupAttributes"), subject)
        }
        delay = attributes.get(_DELAY, limits.DEREGISTRATION_DELAY_DEFAULT_S)
        yield TargetGroup(
            logical_id=id_,
            arn=stack.physical_ids[id_],
            port=port,
            protocol=str(properties.get("Protocol", "TCP")),
            type=str(properties.get("TargetType", "instance")),
            service=resource_tag(properties, names.SERVICE_TAG),
            node=resource_tag(properties, names.NODE_TAG),
            health=_health_check(stack, id_, properties, port),
            deregistration_delay=stack.number(delay, subject),
            targets=tuple(_targets(stack, id_, properties, port, node_names)),
            alb=resource_tag(properties, names.ALB_TAG),
            auxiliary_of=resource_tag(properties, names.AUXILIARY_TAG),
        )


def _targets(
    stack: Stack,
    group: str,
    properties: Mapping[str, Any],
    port: int,
    node_names: Mapping[str, str],
) -> Iterator[Target]:
    subject = f"the list of targets of target group {group}"
    for target in stack.entries(properties.get("Targets"), subject):
        id_ = stack.value(target.get("Id"))
        if id_ is not None:
            target_port = stack.number(target.get("Port", port), subject)
            yield Target(id_, target_port, node_names.get(id_))


def _health_check(
    stack: Stack, group: str, properties: Mapping[str, Any], port: int
) -> HealthCheck:
    """Return a target group's health check in the template; AWS's defaults replace missing keys."""

    def number(key: str, default: int) -> int:
        subject = f"{key} of target group {group}"
        return stack.number(properties.get(key, default), subject)

    checked = stack.value(properties.get("HealthCheckPort", "traffic-port"))
    path = properties.get("HealthCheckPath")
    return HealthCheck(
        protocol=str(properties.get("HealthCheckProtocol", "TCP")).lower(),
        port=port if checked == "traffic-port" else number("HealthCheckPort", port),
        path=None if path is None else str(path),
        interval=number("HealthCheckIntervalSeconds", limits.AWS_HEALTH_INTERVAL_S),
        timeout=number("HealthCheckTimeoutSeconds", limits.AWS_HEALTH_TIMEOUT_S),
        healthy=number("HealthyThresholdCount", limits.AWS_HEALTHY_THRESHOLD),
        unhealthy=number("UnhealthyThresholdCount", limits.AWS_UNHEALTHY_THRESHOLD),
    )
