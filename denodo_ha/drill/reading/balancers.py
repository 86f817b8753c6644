"""Reader of the load balancers in templates, with listeners, target groups and targets."""

from collections.abc import Mapping
from dataclasses import replace

from denodo_ha.drill.model.balancers import Balancer, HealthThreshold, Listener, TargetGroup
from denodo_ha.drill.model.machines import Key, Machine, Target
from denodo_ha.drill.reading.machines import (
    MachineReader,
    forwarded_target_groups,
    listener_rules,
    target_health_check,
)
from denodo_ha.drill.reading.resource_reader import (
    AUTO_SCALING_GROUP,
    LISTENER,
    LOAD_BALANCER,
    TARGET_GROUP,
    UNREAD_METADATA,
    Resource,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true
from denodo_ha.environment.facts.denodo_ports import PORTS
from denodo_ha.environment.names import ALB_TAG, AUXILIARY_TAG, NODE_TAG, SERVICE_TAG

JDBC = "jdbc"
_JDBC_PORT = PORTS["7.0"].services[JDBC]
SERVICE_PORTS = frozenset(
    {port for ports in PORTS.values() for port in ports.occupied}
    - {port for ports in PORTS.values() for port in ports.management if port in (9997, 9995)}
)
"""The default ports of Denodo's services; none of them is an auxiliary port."""


class BalancerReader:
    """Reader of balancers and target groups.

    Args:
        reader: the resources.
        machines: the machines; targets that no template defines are added to them.

    Attributes:
        target_groups: all target groups by key.
        balancers: all balancers by key, except those that are targets of another balancer.
    """

    def __init__(self, reader: ResourceReader, machines: MachineReader) -> None:
        self._reader, self._machines = reader, machines
        self._listeners: dict[Key, list[Resource]] = {}
        for listener in reader.of_type(LISTENER):
            owner = reader.referenced(listener.properties.get("LoadBalancerArn"), LOAD_BALANCER)
            if owner is not None:
                self._listeners.setdefault(owner.key, []).append(listener)
            else:
                reader.notes.unknown_listener_of(listener.key)
        self._rules = listener_rules(reader)
        auto_scaling = _auto_scaling_groups(reader)
        self.target_groups = {
            group.key: self._target_group(group, auto_scaling.get(group.key, []))
            for group in reader.of_type(TARGET_GROUP)
        }
        targets = set(machines.members)
        self.balancers = {
            balancer.key: self._balancer(balancer)
            for balancer in reader.of_type(LOAD_BALANCER)
            if balancer.key not in targets
        }
        for key in [*self.balancers]:
            self._mark_auxiliary_ports(key)

    def _balancer(self, resource: Resource) -> Balancer:
        is_network = str(resource.properties.get("Type", "application")) == "network"
        listeners = tuple(
            self._listener(listener, is_network=is_network)
            for listener in self._listeners.get(resource.key, [])
        )
        cross_zone = resource.attributes.get(
            "load_balancing.cross_zone.enabled", str(not is_network)
        )
        balancer = Balancer(
            resource.key,
            resource.stack.name,
            (),
            is_true(cross_zone),
            resource.properties.get("Scheme") == "internal",
            tuple(sorted(listeners, key=lambda listener: listener.port)),
            zonal_shift=is_true(resource.attributes.get("zonal_shift.config.enabled")),
        )
        return replace(balancer, zones=self._zones(resource, balancer))

    def _listener(self, resource: Resource, *, is_network: bool) -> Listener:
        arns = [*forwarded_target_groups(resource)]
        for rule in self._rules.get(resource.key, []):
            arns += forwarded_target_groups(rule)
        groups = [self._reader.referenced(arn, TARGET_GROUP) for arn in arns]
        keys = tuple(dict.fromkeys(group.key for group in groups if group is not None))
        if None in groups or not (arns or _answers_itself(resource)):
            self._reader.notes.unknown_listener_of(resource.key)
        return Listener(
            resource.integer("Port", 0),
            keys,
            ends_connections=not is_network or resource.properties.get("Protocol") == "TLS",
            answers_itself=not arns,
        )

    def _zones(self, resource: Resource, balancer: Balancer) -> tuple[str, ...]:
        """Return a balancer's zones.

        If the zone of a subnet is unknown, a zone of the targets is used instead. A balancer uses
        no targets in zones that the balancer lacks, so it is likely that a working balancer has all
        zones of its targets. If the list of subnets is unknown, the balancer gets all zones of its
        targets, or one zone without a name if there are none.
        """
        written = [resource.properties.get(name) for name in ("Subnets", "SubnetMappings")]
        subnets = [
            as_mapping(item).get("SubnetId", item) for value in written for item in as_list(value)
        ]
        by_subnet = [self._machines.zone_of_subnet(resource.stack, subnet) for subnet in subnets]
        zones = [zone for zone in by_subnet if zone is not None]
        zones_of_targets = {
            self._machines.machines[target.machine].zone
            for key in balancer.target_groups
            for target in self.target_groups[key].targets
        }
        spare = sorted({zone for zone in zones_of_targets if zone is not None} - set(zones))
        is_unknown_list = any(
            value is not None and not isinstance(value, list) for value in written
        )
        if is_unknown_list or None in by_subnet or not subnets:
            self._reader.notes.unknown_zones(resource.key)
        if is_unknown_list or not subnets:
            return tuple(dict.fromkeys((*zones, *spare))) or ("",)
        for number, zone in enumerate(by_subnet, 1):
            if zone is None:
                zones.append(spare.pop(0) if spare else f"zone {number} of {resource.id}")
        return tuple(dict.fromkeys(zones))

    def _target_group(self, resource: Resource, auto_scaling: list[Key]) -> TargetGroup:
        port = resource.integer("Port", 0)
        targets = [
            Target(machine, as_integer(as_mapping(target).get("Port"), port))
            for target in as_list(resource.properties.get("Targets"))
            for machine in self._machines.targets(as_mapping(target).get("Id"), resource)
        ]
        target_type = str(resource.properties.get("TargetType", "instance"))
        registered = resource.properties.get("Targets", [])
        unknown = not isinstance(registered, list) or any(
            self._reader.is_open(as_mapping(target).get("Id", target)) for target in registered
        )
        is_left_out = "Targets" not in resource.properties and not auto_scaling
        unknown |= is_left_out or target_type == "lambda"
        unknown |= is_true(resource.own_metadata.get(UNREAD_METADATA))
        if unknown:
            self._reader.notes.unknown_targets(resource.key)
        for key in auto_scaling:
            targets += [Target(member, port) for member in self._machines.members[key]]
        attributes, tags = resource.attributes, resource.tags
        cross_zone = attributes.get("load_balancing.cross_zone.enabled")
        return TargetGroup(
            key=resource.key,
            name=tags.get(SERVICE_TAG) or tags.get(ALB_TAG) or str(port),
            auxiliary_node=None,
            targets=tuple(dict.fromkeys(targets)),
            health_check=target_health_check(resource),
            cross_zone=is_true(cross_zone) if cross_zone in ("true", "false") else None,
            dns_threshold=_threshold(attributes, "dns_failover"),
            routing_threshold=_threshold(attributes, "unhealthy_state_routing"),
            reports_host_count=target_type != "alb",
            targets_unknown=unknown,
        )

    def _mark_auxiliary_ports(self, key: Key) -> None:
        """Mark a listener's target groups of auxiliary ports, known by tags or by their targets."""
        balancer = self.balancers[key]
        most_targets = max(
            (len(self.target_groups[group].targets) for group in balancer.target_groups), default=0
        )
        services: dict[Key, str] = {}
        for listener in balancer.listeners:
            for group in listener.target_groups:
                node = self._auxiliary_node(
                    self.target_groups[group], listener.port, shared=most_targets > 1
                )
                if node is not None:
                    tags = self._reader.resources[group].tags
                    services[group] = tags.get(AUXILIARY_TAG, JDBC)
                    name = f"{self._machines.machines[node].name}'s {listener.port}"
                    self.target_groups[group] = replace(
                        self.target_groups[group], auxiliary_node=node, name=name
                    )
        ports = {name: self._service_port(balancer, name) for name in {*services.values()}}
        if JDBC in ports:
            ports[JDBC] = self._jdbc_port(balancer)
            self.balancers[key] = replace(balancer, jdbc_port=ports[JDBC])
        for group, name in services.items():
            self.target_groups[group] = replace(self.target_groups[group], entry_port=ports[name])

    def _service_port(self, balancer: Balancer, name: str) -> int | None:
        """Return the balancer's port of a service, found by this project's tag."""
        for listener in balancer.listeners:
            for key in listener.target_groups:
                if self._reader.resources[key].tags.get(SERVICE_TAG) == name:
                    return listener.port
        return None

    def _auxiliary_node(self, group: TargetGroup, port: int, *, shared: bool) -> Key | None:
        """Return the node to whose auxiliary port a group belongs; None for a service's group.

        Args:
            group: the target group.
            port: the listener's port.
            shared: whether the balancer has target groups with several targets.
        """
        tags = self._reader.resources[group.key].tags
        if {SERVICE_TAG, ALB_TAG} & tags.keys() or not group.targets:
            return None
        machines = [self._machines.machines[target.machine] for target in group.targets]
        nodes = [machine.key for machine in machines if machine.kind == "node"]
        nodes = nodes or _nodes_behind(machines[0], group.targets[0].port)
        if len(set(nodes)) != 1:
            return None
        if NODE_TAG in tags:
            return nodes[0]
        by_default = {port, group.targets[0].port} & SERVICE_PORTS
        return nodes[0] if shared and not by_default else None

    def _jdbc_port(self, balancer: Balancer) -> int | None:
        """Return the jdbc port, on which nodes direct clients to their auxiliary ports."""
        port = self._service_port(balancer, JDBC)
        if port is not None:
            return port
        ports = {
            listener.port
            for listener in balancer.listeners
            for key in listener.target_groups
            if _JDBC_PORT
            in {listener.port, *(target.port for target in self.target_groups[key].targets)}
        }
        if not ports:
            self._reader.notes.no_jdbc_listener(balancer.key)
        return min(ports, default=None)


def _answers_itself(listener: Resource) -> bool:
    """Return whether a listener's default actions redirect or answer requests."""
    actions = as_list(listener.properties.get("DefaultActions"))
    kinds = {str(as_mapping(action).get("Type")) for action in actions}
    return bool(kinds & {"redirect", "fixed-response"})


def _nodes_behind(machine: Machine, port: int) -> list[Key]:
    upstream = machine.upstream(port)
    return [*upstream.nodes] if upstream else []


def _auto_scaling_groups(reader: ResourceReader) -> Mapping[Key, list[Key]]:
    """Return the Auto Scaling groups of every target group."""
    keys: dict[Key, list[Key]] = {}
    for group in reader.of_type(AUTO_SCALING_GROUP):
        for arn in as_list(group.properties.get("TargetGroupARNs")):
            target_group = reader.referenced(arn, TARGET_GROUP)
            if target_group is not None:
                keys.setdefault(target_group.key, []).append(group.key)
    return keys


def _threshold(attributes: Mapping[str, str], feature: str) -> HealthThreshold:
    """Return a health threshold of a target group; by default one target and no percentage."""

    def amount(unit: str, default: int | None) -> int | None:
        name = f"target_group_health.{feature}.minimum_healthy_targets.{unit}"
        value = attributes.get(name)
        if value is None:
            return default
        return None if value in ("off", "false") else as_integer(value, 1)

    return HealthThreshold(amount("count", 1), amount("percentage", None))
