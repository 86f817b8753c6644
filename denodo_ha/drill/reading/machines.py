"""Reader of the machines in templates: nodes, and proxies in front of nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.model.machines import MEMBER_MARK, Key, Machine, TargetHealthCheck, Upstream
from denodo_ha.drill.reading.resource_reader import (
    ALARM,
    AUTO_SCALING_GROUP,
    INSTANCE,
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    SUBNET,
    TARGET_GROUP,
    Resource,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, references
from denodo_ha.environment.facts.instance_recovery import Recovery, recovery_of
from denodo_ha.environment.facts.limits import (
    AWS_ALB_HEALTH_TIMEOUT_S,
    AWS_HEALTH_INTERVAL_S,
    AWS_HEALTH_TIMEOUT_S,
    AWS_HEALTHY_THRESHOLD,
    AWS_HTTP_HEALTH_TIMEOUT_S,
    AWS_UNHEALTHY_THRESHOLD,
)
from denodo_ha.environment.names import (
    DELAYS_METADATA,
    HEALTH_PORT_METADATA,
    NODE_TAG,
    NODES_METADATA,
    SERVES_METADATA,
    ZONES_METADATA,
)

_RECOVER = ":ec2:recover"
"""Suffix of the alarm action that recovers an instance (AWS, CloudWatch, PutMetricAlarm)."""
_MAX_INSTANCES = 1000
"""Project limit: instances in an Auto Scaling group. The drill works out the failure of each
instance."""


class MachineReader:
    """Reader of machines.

    Attributes:
        machines: all machines by key. Reading target groups adds those that no template defines.
        members: the proxies of an Auto Scaling group, or of a balancer that is a target, by the
            key of the group or balancer.
    """

    def __init__(self, reader: ResourceReader) -> None:
        self._reader = reader
        self._zones = _zones_of_subnets(reader)
        self.machines: dict[Key, Machine] = {}
        self.members: dict[Key, tuple[Key, ...]] = {}
        self._recovered = frozenset(self._recovered_by_alarms())
        for instance in reader.of_type(INSTANCE):
            self._add_instance(instance)
        for group in reader.of_type(AUTO_SCALING_GROUP):
            self._add_auto_scaling_group(group)

    def zone_of_subnet(self, stack: SynthesisedStack, subnet: object) -> str | None:
        """Return the zone of a subnet to which a stack refers, None if the templates lack it."""
        return self._zones.get((stack.name, str(subnet)))

    def _add_instance(self, instance: Resource) -> None:
        interfaces = as_list(instance.properties.get("NetworkInterfaces"))
        subnet = instance.properties.get("SubnetId") or next(
            (as_mapping(item).get("SubnetId") for item in interfaces), None
        )
        zone = instance.properties.get("AvailabilityZone") or self.zone_of_subnet(
            instance.stack, subnet
        )
        if self._reader.is_open(zone):
            self._reader.notes.zone_by_parameter(instance.key, str(zone))
        upstreams = self._upstreams(instance)
        self.machines[instance.key] = Machine(
            instance.key,
            instance.tags.get(NODE_TAG) or instance.tags.get("Name") or instance.id,
            instance.stack.name,
            str(zone) if zone else None,
            "node" if upstreams is None else "proxy",
            upstreams,
            readiness_delay=self._readiness_delay(instance),
            recovery=self._recovery(instance),
        )

    def _recovery(self, instance: Resource) -> Recovery | None:
        """Return the way in which EC2 recovers an instance; None if its type is unknown.

        An instance type that is recovered by an alarm needs such an alarm in the templates.
        """
        type_ = instance.properties.get("InstanceType")
        if not isinstance(type_, str) or references(type_):
            return None
        recovery = recovery_of(type_)
        if recovery is Recovery.ALARM and instance.key not in self._recovered:
            return Recovery.NONE
        return recovery

    def _recovered_by_alarms(self) -> Iterator[Key]:
        """Yield the instances that an alarm recovers."""
        for alarm in self._reader.of_type(ALARM):
            actions = as_list(alarm.properties.get("AlarmActions"))
            if any(str(action).endswith(_RECOVER) for action in actions):
                for dimension in as_list(alarm.properties.get("Dimensions")):
                    value = as_mapping(dimension).get("Value")
                    if (instance := self._reader.referenced(value, INSTANCE)) is not None:
                        yield instance.key

    def _readiness_delay(self, instance: Resource) -> int:
        """Return the longest seconds until a node reports that it is not ready.

        The seconds are the sum of the delays in this project's metadata of the node, else in that
        of the template.
        """
        of_stack = self._reader.own_metadata(instance.stack).get(DELAYS_METADATA)
        delays = as_mapping(instance.own_metadata.get(DELAYS_METADATA, of_stack))
        return sum(as_integer(seconds, 0) for seconds in delays.values())

    def _add_auto_scaling_group(self, group: Resource) -> None:
        """Add a proxy for each desired instance of an Auto Scaling group, in all its zones."""
        zones: list[str | None] = [
            self.zone_of_subnet(group.stack, subnet)
            for subnet in as_list(group.properties.get("VPCZoneIdentifier"))
        ]
        zones = zones or [str(zone) for zone in as_list(group.properties.get("AvailabilityZones"))]
        count = max(group.integer("DesiredCapacity", group.integer("MinSize", 1)), 1)
        if count > _MAX_INSTANCES:
            message = (
                f"{group.key} has {count} instances, and the drill works out at most "
                f"{_MAX_INSTANCES}: give the drill a template with fewer instances"
            )
            raise UsageError(message)
        upstreams = self._upstreams(group)
        if upstreams is None:
            self._reader.notes.upstreams_unknown(group.key)
        health_port = as_integer(group.own_metadata.get(HEALTH_PORT_METADATA), 0) or None
        keys = [f"{group.key}{MEMBER_MARK}{number}" for number in range(1, count + 1)]
        for index, key in enumerate(keys):
            name = f"{group.id}-{index + 1}"
            zone = zones[index % len(zones)] if zones else None
            self.machines[key] = Machine(
                key, name, group.stack.name, zone, "proxy", upstreams, health_port
            )
        self.members[group.key] = tuple(keys)

    def targets(self, id_: object, group: Resource) -> list[Key]:
        """Return the machines with a target's id; add a machine if no template has the id."""
        reader = self._reader
        instance = reader.referenced(id_, INSTANCE)
        if instance is not None:
            return [instance.key]
        balancer = reader.referenced(id_, LOAD_BALANCER)
        if balancer is not None:
            return [self._add_balancer(balancer)]
        names = {str(value): name for name, value in self._ids_by_name(group.stack).items()}
        tag = group.tags.get(NODE_TAG)
        key = self._add_existing(group.stack, id_, names.get(str(id_)) or tag)
        if tag is not None and self.machines[key].name == str(id_):
            # The machine was first found in a target group with several targets, which does not
            # show its name. The tag of this target group names the node.
            self.machines[key] = replace(self.machines[key], name=tag)
        return [key]

    def _add_existing(self, stack: SynthesisedStack, id_: object, name: str | None) -> Key:
        """Add a machine that no template defines, with its zone from this project's metadata."""
        referenced = references(id_)
        # The same id may exist in two regions, so the key contains the stack.
        key = str(id_) if referenced else f"{stack.name}/{id_}"
        if key not in self.machines:
            default_name = referenced[0][1] if referenced else str(id_)
            zone = self._zones.get((stack.name, str(id_)))
            self.machines[key] = Machine(key, name or default_name, stack.name, zone)
        return key

    def _ids_by_name(self, stack: SynthesisedStack) -> dict[str, object]:
        """Return the ids of nodes by name, from the outputs that this project's metadata lists."""
        outputs = as_mapping(stack.template.get("Outputs"))
        nodes = as_mapping(self._reader.own_metadata(stack).get(NODES_METADATA))
        return {
            str(name): self._reader.resolver.value(stack, as_mapping(outputs[output]).get("Value"))
            for output, name in nodes.items()
            if output in outputs
        }

    def _add_balancer(self, balancer: Resource) -> Key:
        """Add a balancer that is a target of another balancer, as a proxy without a zone."""
        key = balancer.key
        if key not in self.machines:
            upstreams = self._upstreams(balancer) or self._listener_upstreams(balancer)
            self.machines[key] = Machine(
                key, balancer.id, balancer.stack.name, None, "proxy", upstreams
            )
            self.members[key] = (key,)
        return key

    def _listener_upstreams(self, balancer: Resource) -> Mapping[int, Upstream]:
        """Return the upstreams of a balancer that is a target itself, by its listeners' ports."""
        upstreams: dict[int, Upstream] = {}
        for listener in self._reader.of_type(LISTENER):
            owner = self._reader.referenced(
                listener.properties.get("LoadBalancerArn"), LOAD_BALANCER
            )
            if owner is None or owner.key != balancer.key:
                continue
            arns = [*forwarded_target_groups(listener)]
            for rule in listener_rules(self._reader).get(listener.key, []):
                arns += forwarded_target_groups(rule)
            for arn in arns:
                group = self._reader.referenced(arn, TARGET_GROUP)
                if group is not None:
                    upstreams[listener.integer("Port", 0)] = self._group_upstream(group)
        return upstreams

    def _group_upstream(self, group: Resource) -> Upstream:
        nodes: list[Key] = []
        port = group.integer("Port", 0)
        for target in as_list(group.properties.get("Targets")):
            nodes += self.targets(as_mapping(target).get("Id"), group)
            port = as_integer(as_mapping(target).get("Port"), port)
        path = str(group.properties.get("HealthCheckPath", ""))
        return Upstream(tuple(nodes), port, path, target_health_check(group))

    def _upstreams(self, resource: Resource) -> Mapping[int, Upstream] | None:
        """Return a proxy's upstreams from this project's metadata, None if there are none."""
        metadata = resource.own_metadata.get(SERVES_METADATA)
        if not isinstance(metadata, dict):
            return None
        upstreams = {}
        for name, item in metadata.items():
            port, settings = as_integer(name, 0), as_mapping(item)
            path = str(settings.get("Path", ""))
            nodes = (self._node(resource, node) for node in as_list(settings.get("Nodes")))
            upstreams[port] = Upstream(
                tuple(nodes),
                as_integer(settings.get("Port"), port),
                path,
                _proxy_check(as_mapping(settings.get("Check")), path),
            )
        return upstreams

    def _node(self, resource: Resource, node: object) -> Key:
        """Return the key of a node, given a reference to it or its name in the same stack."""
        instance = self._reader.referenced(node, INSTANCE)
        if instance is not None:
            return instance.key
        for other in self._reader.of_type(INSTANCE):
            if other.stack is resource.stack and node in (other.tags.get(NODE_TAG), other.id):
                return other.key
        name = str(node)
        id_ = self._ids_by_name(resource.stack).get(name, name)
        return self._add_existing(resource.stack, id_, name)


def listener_rules(reader: ResourceReader) -> Mapping[Key, list[Resource]]:
    """Return the rules of each listener of an Application Load Balancer."""
    rules: dict[Key, list[Resource]] = {}
    for rule in reader.of_type(LISTENER_RULE):
        listener = reader.referenced(rule.properties.get("ListenerArn"), LISTENER)
        if listener is None:
            reader.notes.unknown_listener_of(rule.key)
        else:
            rules.setdefault(listener.key, []).append(rule)
    return rules


def forwarded_target_groups(listener: Resource) -> Iterator[object]:
    """Yield the ARNs of the target groups to which a listener or a listener rule forwards."""
    actions = listener.properties.get("DefaultActions", listener.properties.get("Actions"))
    for action in as_list(actions):
        settings = as_mapping(action)
        if "TargetGroupArn" in settings:
            yield settings["TargetGroupArn"]
        for item in as_list(as_mapping(settings.get("ForwardConfig")).get("TargetGroups")):
            if as_integer(as_mapping(item).get("Weight"), 1) > 0:
                yield as_mapping(item).get("TargetGroupArn")


def _proxy_check(settings: Mapping[str, object], path: str) -> TargetHealthCheck | None:
    """Return a proxy's own check of its nodes; None if the metadata lacks the check's times."""
    if not settings:
        return None
    unhealthy = as_integer(settings.get("Unhealthy"), 1)
    return TargetHealthCheck(
        "HTTP" if path else "TCP",
        None,
        path,
        as_integer(settings.get("Interval"), 0),
        as_integer(settings.get("Healthy"), 1),
        unhealthy,
        # A proxy waits for the answer to a check before its next check, so each failed check adds
        # its time-out.
        unhealthy * as_integer(settings.get("Timeout"), 0),
    )


def target_health_check(group: Resource) -> TargetHealthCheck:
    """Return a target group's health check, with AWS's defaults for its protocol."""
    port = str(group.properties.get("HealthCheckPort", "traffic-port"))
    of_application = str(group.properties.get("Protocol", "TCP")) in ("HTTP", "HTTPS")
    default = "HTTP" if of_application else "TCP"
    protocol = str(group.properties.get("HealthCheckProtocol", default))
    path = str(group.properties.get("HealthCheckPath", "/" if protocol != "TCP" else ""))
    timeout = AWS_HEALTH_TIMEOUT_S
    if protocol != "TCP":
        timeout = AWS_ALB_HEALTH_TIMEOUT_S if of_application else AWS_HTTP_HEALTH_TIMEOUT_S
    return TargetHealthCheck(
        protocol,
        int(port) if port.isdigit() else None,
        path,
        group.integer("HealthCheckIntervalSeconds", AWS_HEALTH_INTERVAL_S),
        group.integer("HealthyThresholdCount", AWS_HEALTHY_THRESHOLD),
        group.integer("UnhealthyThresholdCount", AWS_UNHEALTHY_THRESHOLD),
        group.integer("HealthCheckTimeoutSeconds", timeout),
    )


def _zones_of_subnets(reader: ResourceReader) -> Mapping[tuple[str, str], str]:
    """Return the zones of subnets and of existing instances, by stack and by id in that stack.

    The zones come from this project's metadata, from subnet resources, and from instances that
    specify both a subnet and a zone.
    """
    zones = {
        (stack.name, str(id_)): str(zone)
        for stack in reader.stacks
        for id_, zone in as_mapping(reader.own_metadata(stack).get(ZONES_METADATA)).items()
    }
    for subnet in reader.of_type(SUBNET):
        zone = subnet.properties.get("AvailabilityZone")
        for stack in reader.stacks if zone else ():
            zones[stack.name, f"${{{subnet.key}}}"] = str(zone)
    for instance in reader.of_type(INSTANCE):
        subnet_id = instance.properties.get("SubnetId")
        zone = instance.properties.get("AvailabilityZone")
        if isinstance(subnet_id, str) and zone:
            zones.setdefault((instance.stack.name, subnet_id), str(zone))
    return zones
