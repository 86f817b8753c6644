"""The balancers of the templates with their listeners, groups and targets."""

from collections.abc import Mapping
from dataclasses import replace

from denodo_ha.drill.model import Balancer, Group, Key, Listener, Minimum, Node, Target
from denodo_ha.drill.reading.nodes import FindNodes, forwarded
from denodo_ha.drill.reading.probes import probe
from denodo_ha.drill.reading.resource_reader import (
    FLEET,
    GROUP,
    LISTENER,
    LOAD_BALANCER,
    Reader,
    Resource,
    is_true,
    listed,
    mapping,
    number,
)
from denodo_ha.environment.facts.denodo_ports import PORTS
from denodo_ha.environment.names import ALB_TAG, NODE_TAG, SERVICE_TAG

"""The service, on a group of the balancer that leads to the one that keeps its clients."""
JDBC = "jdbc"
_JDBC_PORT = PORTS["7.0"].services[JDBC]
_SERVICE_PORTS = frozenset(
    {port for ports in PORTS.values() for port, of in ports.occupied.items()}
    - {port for ports in PORTS.values() for port in ports.management if port in (9997, 9995)}
)
"""Ports that Denodo's services have by default; none of them is an auxiliary port."""


class FindBalancers:
    """Finds balancers and groups.

    Args:
        reader: the resources.
        nodes: the machines, to which targets add.
    """

    def __init__(self, reader: Reader, nodes: FindNodes) -> None:
        self._reader, self._nodes = reader, nodes
        self._listeners: dict[Key, list[Resource]] = {}
        for listener in reader.of(LISTENER):
            owner = reader.named(listener.properties.get("LoadBalancerArn"), LOAD_BALANCER)
            if owner is not None:
                self._listeners.setdefault(owner.key, []).append(listener)
        self._fleets = _fleets(reader)
        self.machines = nodes.found.nodes
        self.groups = {one.key: self._group(one) for one in reader.of(GROUP)}
        behind = set(nodes.found.members)
        self.balancers = {
            one.key: self._balancer(one)
            for one in reader.of(LOAD_BALANCER)
            # One that is itself a target is a machine behind the other.
            if one.key not in behind
        }
        for key in [*self.balancers]:
            self._sort_out(key)

    def _balancer(self, one: Resource) -> Balancer:
        listeners = tuple(
            Listener(
                listener.number("Port", 0),
                tuple(
                    group.key
                    for arn in forwarded(listener)
                    if (group := self._reader.named(arn, GROUP)) is not None
                ),
            )
            for listener in self._listeners.get(one.key, [])
        )
        network = str(one.properties.get("Type", "application")) == "network"
        crosses = one.attributes.get("load_balancing.cross_zone.enabled", str(not network))
        return Balancer(
            one.key,
            one.stack.name,
            self._zones(one, listeners),
            is_true(crosses),
            one.properties.get("Scheme") == "internal",
            tuple(sorted(listeners, key=lambda listener: listener.port)),
        )

    def _zones(self, one: Resource, listeners: tuple[Listener, ...]) -> tuple[str, ...]:
        """The balancer's zones. Where only subnet ids are known, its targets' zones fit as many.

        A target in a zone that its balancer lacks is not used, so a balancer that works has all
        zones of its targets.
        """
        subnets = [*listed(one.properties.get("Subnets"))]
        pairs = listed(one.properties.get("SubnetMappings"))
        subnets += [mapping(pair).get("SubnetId") for pair in pairs]
        known = [self._nodes.zone_of_subnet(one, subnet) for subnet in subnets]
        zones = [zone for zone in known if zone is not None]
        groups = {key for listener in listeners for key in listener.groups}
        of_targets = sorted(
            {
                zone
                for key in groups
                for target in self.groups[key].targets
                if (zone := self._nodes.found.nodes[target.machine].zone) is not None
            }
            - set(zones)
        )
        for place, zone in enumerate(known):
            if zone is None:
                zones.append(of_targets.pop(0) if of_targets else f"zone {place + 1} of {one.id}")
        return tuple(dict.fromkeys(zones)) or (f"the zone of {one.id}",)

    def _group(self, one: Resource) -> Group:
        port = one.number("Port", 0)
        alb = one.properties.get("TargetType") == "alb"
        targets = [
            Target(machine, number(mapping(target).get("Port"), port))
            for target in listed(one.properties.get("Targets"))
            for machine in self._nodes.target(mapping(target).get("Id"), one)
        ]
        for fleet in self._fleets.get(one.key, []):
            targets += [Target(member, port) for member in self._nodes.found.members[fleet]]
        attributes = one.attributes
        prefix = "target_group_health"
        crosses = attributes.get("load_balancing.cross_zone.enabled")
        return Group(
            key=one.key,
            name=one.tags.get(SERVICE_TAG) or one.tags.get(ALB_TAG) or str(port),
            node=None,
            targets=tuple(dict.fromkeys(targets)),
            probe=probe(one),
            cross_zone=is_true(crosses) if crosses in ("true", "false") else None,
            dns=_minimum(attributes, f"{prefix}.dns_failover.minimum_healthy_targets"),
            routing=_minimum(
                attributes, f"{prefix}.unhealthy_state_routing.minimum_healthy_targets"
            ),
            counted=not alb,
        )

    def _sort_out(self, key: Key) -> None:
        """Tell services from auxiliary ports: by our tags, else by what stands behind them."""
        balancer = self.balancers[key]
        shared = max(
            (len(self.groups[group].targets) for one in balancer.listeners for group in one.groups),
            default=0,
        )
        auxiliary = False
        for listener in balancer.listeners:
            for group in listener.groups:
                node = self._auxiliary(self.groups[group], listener.port, shared)
                if node is not None:
                    auxiliary = True
                    name = f"{self._nodes.found.nodes[node].name}'s {listener.port}"
                    self.groups[group] = replace(self.groups[group], node=node, name=name)
        if auxiliary:
            self.balancers[key] = replace(balancer, jdbc=self._jdbc(balancer))

    def _auxiliary(self, group: Group, port: int, shared: int) -> Key | None:
        """The node whose auxiliary port a group is, if it is one."""
        resource = self._reader.resources[group.key]
        tags = resource.tags
        if {SERVICE_TAG, ALB_TAG} & tags.keys() or not group.targets:
            return None
        machines = [self._nodes.found.nodes[target.machine] for target in group.targets]
        nodes = [one.key for one in machines if one.kind == "node"] or [
            *_behind(machines[0], group.targets[0].port)
        ]
        if len(set(nodes)) != 1:
            return None
        if NODE_TAG in tags:
            return nodes[0]
        usual = {port, group.targets[0].port} & _SERVICE_PORTS
        return nodes[0] if shared > 1 and not usual else None

    def _jdbc(self, balancer: Balancer) -> int | None:
        """The port whose answer sends clients on to an auxiliary port."""
        for listener in balancer.listeners:
            for key in listener.groups:
                if self._reader.resources[key].tags.get(SERVICE_TAG) == JDBC:
                    return listener.port
        ports = {
            listener.port
            for listener in balancer.listeners
            for key in listener.groups
            if _JDBC_PORT in {listener.port, *(one.port for one in self.groups[key].targets)}
        }
        if not ports:
            self._reader.note(
                f"{balancer.key}: has auxiliary ports and no listener for jdbc, so no client is "
                "sent on to them"
            )
        return min(ports, default=None)


def _behind(machine: Node, port: int) -> tuple[Key, ...]:
    serving = machine.serves.get(port) if machine.serves else None
    return serving.nodes if serving else ()


def _fleets(reader: Reader) -> Mapping[Key, list[Key]]:
    """The Auto Scaling groups of every target group."""
    found: dict[Key, list[Key]] = {}
    for fleet in reader.of(FLEET):
        for arn in listed(fleet.properties.get("TargetGroupARNs")):
            group = reader.named(arn, GROUP)
            if group is not None:
                found.setdefault(group.key, []).append(fleet.key)
    return found


def _minimum(attributes: Mapping[str, str], prefix: str) -> Minimum:
    """A threshold; by default one target, and no percentage."""

    def amount(suffix: str, default: int | None) -> int | None:
        said = attributes.get(f"{prefix}.{suffix}")
        if said is None:
            return default
        return None if said in ("off", "false") else number(said, 1)

    return Minimum(amount("count", 1), amount("percentage", None))
