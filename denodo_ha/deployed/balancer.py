"""The balancer of a cluster and the groups behind it, from its stack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.deployed.nodes import Node, resource_tag
from denodo_ha.deployed.stack import Stack
from denodo_ha.environment import names
from denodo_ha.environment.derived.topology import HealthCheck
from denodo_ha.environment.facts import limits

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
_DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True)
class Target:
    """What the deployed template registers in a group.

    Attributes:
        id: an instance's id; of a group of another type an address or an ARN.
        port: the port on it.
        node: the node's name, None for what is no node, such as an HAProxy.
    """

    id: str
    port: int
    node: str | None


@dataclass(frozen=True)
class TargetGroup:
    """A target group as it is deployed.

    Attributes:
        logical_id: its name in the template.
        arn: its ARN.
        port: port of the targets.
        protocol: TCP, TLS, HTTP or HTTPS.
        type: instance, ip or alb.
        service: the service that all nodes share, None for another group.
        node: the node whose auxiliary port it is, None for another group.
        health: how targets are checked; times in seconds.
        deregistration_delay: seconds that a target which is taken out keeps its connections.
        targets: what the deployed template registers.
        alb: the service whose Application Load Balancer is the only target, None for another group:
            that service's nodes are in the group behind that balancer.
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

    @property
    def key(self) -> str:
        """The service's name, or the node's, or whose balancer, or the name in the template."""
        front = f"{self.alb}'s balancer" if self.alb else None
        return self.service or self.node or front or self.logical_id

    @property
    def region(self) -> str:
        """Its region."""
        return self.arn.split(":")[3]

    def target(self, node: str) -> Target | None:
        """What the deployed template registers of a node here."""
        return next((target for target in self.targets if target.node == node), None)


@dataclass(frozen=True)
class Listener:
    """A port of the balancer.

    Attributes:
        arn: its ARN.
        port: what clients connect to.
        protocol: TCP or TLS.
        group: ARN of the group behind it, None if that is not known.
    """

    arn: str
    port: int
    protocol: str
    group: str | None


@dataclass(frozen=True)
class Balancer:
    """The balancer that clients connect to.

    Attributes:
        arn: its ARN.
        dns_name: its name.
        listeners: its listeners by port.
    """

    arn: str
    dns_name: str
    listeners: tuple[Listener, ...]


def balancer_of_stack(stack: Stack) -> Balancer | None:
    """The balancer that the stack's output names, None where there is none yet."""
    told = stack.template.get("Outputs", {}).get(names.BALANCER_DNS_NAME, {}).get("Value", {})
    # There may be others behind it.
    logical_id = str(told["Fn::GetAtt"][0]) if "Fn::GetAtt" in told else ""
    if logical_id not in stack.physical_ids:
        return None
    listeners = [
        Listener(
            stack.physical_ids[id_],
            int(properties["Port"]),
            str(properties.get("Protocol", "TCP")),
            _forwards_to(stack, properties),
        )
        for id_, properties in stack.resources(_LISTENER)
        if id_ in stack.physical_ids
        and stack.value(properties["LoadBalancerArn"]) == stack.physical_ids[logical_id]
    ]
    return Balancer(
        stack.physical_ids[logical_id],
        stack.outputs.get(names.BALANCER_DNS_NAME, ""),
        tuple(sorted(listeners, key=lambda one: one.port)),
    )


def _forwards_to(stack: Stack, listener: Mapping[str, Any]) -> str | None:
    for action in listener.get("DefaultActions", []):
        if "TargetGroupArn" in action:
            return stack.value(action["TargetGroupArn"])
        for group in action.get("ForwardConfig", {}).get("TargetGroups", []):
            return stack.value(group["TargetGroupArn"])
    return None


def target_groups_of_stack(stack: Stack, nodes: tuple[Node, ...]) -> tuple[TargetGroup, ...]:
    """The groups of a stack: shared ones by service, then the others."""
    return tuple(
        sorted(_groups(stack, nodes), key=lambda group: (group.service is None, group.key))
    )


def _groups(stack: Stack, nodes: tuple[Node, ...]) -> Iterator[TargetGroup]:
    names_of = {node.instance_id: node.name for node in nodes if node.instance_id}
    for id_, properties in stack.resources(_GROUP):
        if id_ not in stack.physical_ids:
            continue
        port = int(properties.get("Port", 0))
        attributes = {
            one["Key"]: one["Value"] for one in properties.get("TargetGroupAttributes", [])
        }
        yield TargetGroup(
            logical_id=id_,
            arn=stack.physical_ids[id_],
            port=port,
            protocol=str(properties.get("Protocol", "TCP")),
            type=str(properties.get("TargetType", "instance")),
            service=resource_tag(properties, names.SERVICE_TAG),
            node=resource_tag(properties, names.NODE_TAG),
            health=_health(properties, port),
            deregistration_delay=int(attributes.get(_DELAY, limits.DEREGISTRATION_DELAY_DEFAULT_S)),
            targets=tuple(_targets(stack, properties, port, names_of)),
            alb=resource_tag(properties, names.ALB_TAG),
        )


def _targets(
    stack: Stack, properties: Mapping[str, Any], port: int, names_of: Mapping[str, str]
) -> Iterator[Target]:
    for target in properties.get("Targets", []):
        id_ = stack.value(target["Id"])
        if id_ is not None:
            yield Target(id_, int(target.get("Port", port)), names_of.get(id_))


def _health(properties: Mapping[str, Any], port: int) -> HealthCheck:
    """The check as the template has it; AWS's defaults where it says nothing."""
    checked = str(properties.get("HealthCheckPort", "traffic-port"))
    path = properties.get("HealthCheckPath")
    return HealthCheck(
        protocol=str(properties.get("HealthCheckProtocol", "TCP")).lower(),
        port=port if checked == "traffic-port" else int(checked),
        path=None if path is None else str(path),
        interval=int(properties.get("HealthCheckIntervalSeconds", limits.AWS_HEALTH_INTERVAL_S)),
        timeout=int(properties.get("HealthCheckTimeoutSeconds", limits.AWS_HEALTH_TIMEOUT_S)),
        healthy=int(properties.get("HealthyThresholdCount", limits.AWS_HEALTHY_THRESHOLD)),
        unhealthy=int(properties.get("UnhealthyThresholdCount", limits.AWS_UNHEALTHY_THRESHOLD)),
    )
