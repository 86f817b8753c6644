"""The machines of the templates: nodes, and proxies in front of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model import Key, Node, Serving
from denodo_ha.drill.reading.expressions import marks
from denodo_ha.drill.reading.probes import probe
from denodo_ha.drill.reading.resource_reader import (
    FLEET,
    GROUP,
    INSTANCE,
    LISTENER,
    LOAD_BALANCER,
    SUBNET,
    Reader,
    Resource,
    listed,
    mapping,
    number,
)
from denodo_ha.environment.names import (
    HEALTH_PORT_METADATA,
    NODE_TAG,
    NODES_METADATA,
    SERVES_METADATA,
    ZONES_METADATA,
)


@dataclass
class Machines:
    """The machines by key, and which of them a target or a fleet means.

    Attributes:
        nodes: all of them.
        members: the proxies of a fleet or of a balancer that is a target, by its key.
    """

    nodes: dict[Key, Node] = field(default_factory=dict)
    members: dict[Key, tuple[Key, ...]] = field(default_factory=dict)


class FindNodes:
    """Finds machines.

    Args:
        reader: the resources.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._zones = _zones_of_subnets(reader)
        self.found = Machines()
        for instance in reader.of(INSTANCE):
            self._instance(instance)
        for fleet in reader.of(FLEET):
            self._fleet(fleet)

    def zone_of_subnet(self, of: Resource, subnet: object) -> str | None:
        """The zone of a subnet that a resource names, where the templates say it."""
        return self.zone_of_subnet_in(of.stack, subnet)

    def zone_of_subnet_in(self, stack: SynthesisedStack, subnet: object) -> str | None:
        """The zone of a subnet that a stack knows."""
        return self._zones.get((stack.name, str(subnet)))

    def _instance(self, instance: Resource) -> None:
        subnet = instance.properties.get("SubnetId")
        zone = instance.properties.get("AvailabilityZone") or self.zone_of_subnet(instance, subnet)
        tags = instance.tags
        name = tags.get(NODE_TAG) or tags.get("Name") or instance.id
        serves = self._serves(instance)
        self.found.nodes[instance.key] = Node(
            instance.key,
            name,
            instance.stack.name,
            str(zone) if zone else None,
            "node" if serves is None else "proxy",
            serves,
        )

    def target(self, value: object, group: Resource) -> list[Key]:
        """The machines that a target's id means; one that no template has is made up from it."""
        reader = self._reader
        instance = reader.named(value, INSTANCE)
        if instance is not None:
            return [instance.key]
        balancer = reader.named(value, LOAD_BALANCER)
        if balancer is not None:
            return [self._balancer(balancer)]
        names = {str(id_): name for name, id_ in self._given(group.stack).items()}
        name = names.get(str(value)) or group.tags.get(NODE_TAG)
        key = self._made_up(group.stack, value, name)
        if NODE_TAG in group.tags and self.found.nodes[key].name == str(value):
            # Its shared groups came first, and did not know its name.
            self._rename(key, group.tags[NODE_TAG])
        return [key]

    def _made_up(self, stack: SynthesisedStack, id_: object, name: str | None) -> Key:
        """A machine that no template has, with the zone that our metadata says."""
        found = marks(id_)
        # Two regions may well have the same id.
        key = str(id_) if found else f"{stack.name}/{id_}"
        if key not in self.found.nodes:
            shown = found[0][1] if found else str(id_)
            zone = self._zones.get((stack.name, str(id_)))
            self.found.nodes[key] = Node(key, name or shown, stack.name, zone)
        return key

    def _given(self, stack: SynthesisedStack) -> dict[str, object]:
        """The ids of nodes by name, by the outputs that give them."""
        outputs = mapping(stack.template.get("Outputs"))
        return {
            str(name): self._reader.resolver.value(stack, mapping(outputs[output]).get("Value"))
            for output, name in mapping(self._reader.ours(stack).get(NODES_METADATA)).items()
            if output in outputs
        }

    def _rename(self, key: Key, name: str) -> None:
        one = self.found.nodes[key]
        self.found.nodes[key] = Node(key, name, one.cluster, one.zone, one.kind, one.serves)

    def _fleet(self, fleet: Resource) -> None:
        """An Auto Scaling group: as many proxies as it has at least, spread over its zones."""
        zones: list[str | None] = [
            self.zone_of_subnet(fleet, one)
            for one in listed(fleet.properties.get("VPCZoneIdentifier"))
        ]
        zones = zones or [str(one) for one in listed(fleet.properties.get("AvailabilityZones"))]
        least = fleet.number("MinSize", 1)
        wanted = fleet.number("DesiredCapacity", least)
        serves = self._serves(fleet)
        health_port = number(fleet.ours.get(HEALTH_PORT_METADATA), 0) or None
        if serves is None:
            self._reader.note(
                f"{fleet.key}: nothing says which nodes its instances serve (metadata "
                "Denodo.Serves), so what lies behind it is unknown"
            )
        keys = []
        for place in range(max(wanted, 1)):
            zone = zones[place % len(zones)] if zones else None
            key, name = f"{fleet.key}#{place + 1}", f"{fleet.id}-{place + 1}"
            self.found.nodes[key] = Node(
                key, name, fleet.stack.name, zone, "proxy", serves, health_port
            )
            keys.append(key)
        self.found.members[fleet.key] = tuple(keys)

    def _balancer(self, balancer: Resource) -> Key:
        """A balancer behind a balancer: one machine of its region, in no zone of its own."""
        key = balancer.key
        if key not in self.found.nodes:
            serves = self._serves(balancer) or self._listeners(balancer)
            self.found.nodes[key] = Node(
                key, balancer.id, balancer.stack.name, None, "proxy", serves
            )
            self.found.members[key] = (key,)
        return key

    def _listeners(self, balancer: Resource) -> Mapping[int, Serving]:
        """What the listeners of a balancer behind a balancer lead to."""
        found: dict[int, Serving] = {}
        for listener in self._reader.of(LISTENER):
            owner = self._reader.named(listener.properties.get("LoadBalancerArn"), LOAD_BALANCER)
            if owner is None or owner.key != balancer.key:
                continue
            for arn in forwarded(listener):
                group = self._reader.named(arn, GROUP)
                if group is not None:
                    found[listener.number("Port", 0)] = self._serving(group)
        return found

    def _serving(self, group: Resource) -> Serving:
        nodes, port = [], group.number("Port", 0)
        for target in listed(group.properties.get("Targets")):
            nodes += self.target(mapping(target).get("Id"), group)
            port = number(mapping(target).get("Port"), port)
        path = str(group.properties.get("HealthCheckPath", ""))
        return Serving(tuple(nodes), port, path, probe(group))

    def _serves(self, resource: Resource) -> Mapping[int, Serving] | None:
        """What our metadata says of a machine that passes connections on."""
        said = resource.ours.get(SERVES_METADATA)
        if not isinstance(said, dict):
            return None
        found = {}
        for port, one in said.items():
            settings = mapping(one)
            nodes = tuple(self._by_name(resource, node) for node in listed(settings.get("Nodes")))
            found[number(port, 0)] = Serving(
                nodes, number(settings.get("Port"), number(port, 0)), str(settings.get("Path", ""))
            )
        return found

    def _by_name(self, resource: Resource, node: object) -> Key:
        """A node by reference, or by its name in the same stack."""
        instance = self._reader.named(node, INSTANCE)
        if instance is not None:
            return instance.key
        for other in self._reader.of(INSTANCE):
            if other.stack is resource.stack and node in (other.tags.get(NODE_TAG), other.id):
                return other.key
        name = str(node)
        return self._made_up(resource.stack, self._given(resource.stack).get(name, name), name)


def forwarded(listener: Resource) -> Iterator[object]:
    """The target groups that a listener's default actions forward to."""
    for action in listed(listener.properties.get("DefaultActions")):
        if "TargetGroupArn" in mapping(action):
            yield action["TargetGroupArn"]
        for one in listed(mapping(mapping(action).get("ForwardConfig")).get("TargetGroups")):
            if number(mapping(one).get("Weight"), 1) > 0:
                yield mapping(one).get("TargetGroupArn")


def _zones_of_subnets(reader: Reader) -> Mapping[tuple[str, str], str]:
    """The zones of subnets and of existing instances, by their stack and what it calls them.

    From our metadata, from the subnets themselves, and from instances that name both.
    """
    found = {
        (stack.name, str(id_)): str(zone)
        for stack in reader.stacks
        for id_, zone in mapping(reader.ours(stack).get(ZONES_METADATA)).items()
    }
    for subnet in reader.of(SUBNET):
        zone = subnet.properties.get("AvailabilityZone")
        for stack in reader.stacks if zone else ():
            found[stack.name, f"${{{subnet.key}}}"] = str(zone)
    for instance in reader.of(INSTANCE):
        subnet_id = instance.properties.get("SubnetId")
        zone = instance.properties.get("AvailabilityZone")
        if isinstance(subnet_id, str) and zone:
            found.setdefault((instance.stack.name, subnet_id), str(zone))
    return found
