"""A balancer while something has failed: who is healthy, where it is, and who is reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from denodo_ha.drill.engine import aws_rules, databases
from denodo_ha.drill.engine.machines import Machines
from denodo_ha.drill.engine.reachability import Reach, chained, combined
from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model import Balancer, Group, Key, Listener, Model, Target


@dataclass(frozen=True)
class Registered:
    """A target that is registered with a group, where it is and whether its check passes."""

    target: Target
    zone: str | None
    healthy: bool


class View:
    """A balancer in one state of its cluster."""

    def __init__(self, model: Model, balancer: Balancer, state: ClusterState) -> None:
        self.model, self.balancer, self._state = model, balancer, state
        self._listeners = {listener.port: listener for listener in balancer.listeners}
        groups = {key for listener in balancer.listeners for key in listener.groups}
        # Services first, so that of equal steps a service's is the one that is told.
        order = sorted(groups, key=lambda key: (model.groups[key].node is not None, key))
        self._groups: Mapping[Key, Group] = {key: model.groups[key] for key in order}
        auxiliary = {
            group.node: group.targets[0].port
            for group in self._groups.values()
            if group.node is not None and group.targets
        }
        self._auxiliary = {
            group.node: listener.port
            for listener in balancer.listeners
            for group in (self._groups[key] for key in listener.groups)
            if group.node is not None
        }
        self.machines = Machines(model, state, auxiliary)
        self._memo: dict[tuple[str, int, bool], Reach] = {}
        self._passed_to: dict[tuple[Key, str], list[Registered]] = {}

    @property
    def gone(self) -> bool:
        """Whether the balancer itself has failed."""
        return self._state.region or self.balancer.key in self._state.balancers

    @cached_property
    def registered(self) -> Mapping[Key, Sequence[Registered]]:
        """The registered targets of every group; a drained node is in its auxiliary group only."""
        return {key: self._registered(group) for key, group in self._groups.items()}

    def _registered(self, group: Group) -> list[Registered]:
        jdbc = self.balancer.jdbc is not None and any(
            group.key in listener.groups
            for listener in self.balancer.listeners
            if listener.port == self.balancer.jdbc
        )
        return [
            Registered(
                target,
                self.model.nodes[target.machine].zone,
                self.machines.passes(target, group.probe, jdbc=jdbc),
            )
            for target in group.targets
            if group.node is not None or target.machine not in self._state.drained
        ]

    def _eligible(self, group: Group, zone: str) -> list[Registered]:
        # From every zone the same ones, where all zones are reached.
        key = (group.key, "" if self.crosses(group) else zone)
        if key not in self._passed_to:
            self._passed_to[key] = self._sorted_out(group, zone)
        return self._passed_to[key]

    def _sorted_out(self, group: Group, zone: str) -> list[Registered]:
        found = self.registered[group.key]
        places = aws_rules.eligible(
            [one.zone for one in found],
            at=zone,
            enabled=self.balancer.zones,
            cross_zone=self.crosses(group),
        )
        return [found[place] for place in places]

    def crosses(self, group: Group) -> bool:
        """Whether a group's targets are reached from all zones."""
        own = group.cross_zone
        return self.balancer.cross_zone if own is None else own

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """The zones whose addresses are in the balancer's DNS."""
        if self.gone:
            return ()
        alive = [zone for zone in self.balancer.zones if zone not in self._state.zones]
        return tuple(aws_rules.in_dns({zone: self._zone_is_healthy(zone) for zone in alive}))

    def _zone_is_healthy(self, zone: str) -> bool:
        counts = []
        for group in self._groups.values():
            eligible = self._eligible(group, zone)
            counts.append((group.dns, sum(one.healthy for one in eligible), len(eligible)))
        return aws_rules.zone_is_healthy(counts)

    @cached_property
    def services(self) -> Mapping[int, Mapping[str, Reach]]:
        """How every service is reached, by its port and by the address in DNS."""
        return {
            port: {
                zone: chained(self._reach(zone, port, served=True), self._kept(port))
                for zone in self.addresses
            }
            for port in self.ports
        }

    def _kept(self, port: int) -> Reach:
        """Whether what a service keeps in a shared database is there."""
        return databases.answers(self.model, self._state, port)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of services, which auxiliary ports are not."""
        return tuple(
            listener.port
            for listener in self.balancer.listeners
            if not listener.groups or any(self._groups[key].node is None for key in listener.groups)
        )

    def accepts(self, port: int) -> Reach:
        """How many connections to a port are accepted, whether or not anybody serves them."""
        if port not in self._listeners:
            return Reach.NONE
        return combined(self._reach(zone, port, served=False) for zone in self.addresses)

    def hop(self, node: Key) -> Reach:
        """How a client that a node has answered reaches the node's auxiliary port.

        It looks the balancer's name up again, so it may get any address.
        """
        port = self._auxiliary.get(node)
        if port is None:
            return Reach.NONE
        return combined(self._reach(zone, port, served=False) for zone in self.addresses)

    def _reach(self, zone: str, port: int, *, served: bool) -> Reach:
        """How the connections to a zone's address and a port get through.

        Args:
            zone: the zone.
            port: the listener's port.
            served: whether being accepted is not enough.
        """
        listener = self._listeners[port]
        crosses = all(self.crosses(self._groups[key]) for key in listener.groups)
        key = ("" if crosses else zone, port, served)
        if key not in self._memo:
            self._memo[key] = combined(
                self._from(zone, group, listener, served=served)
                for group in (self._groups[one] for one in listener.groups)
            )
        return self._memo[key]

    def _from(self, zone: str, group: Group, listener: Listener, *, served: bool) -> Reach:
        found = self._eligible(group, zone)
        hop = self.hop if served and listener.port == self.balancer.jdbc else None
        return combined(
            self.machines.connect(found[place].target, served=served, hop=hop)
            for place in aws_rules.routed(group.routing, [one.healthy for one in found])
        )

    def healthy(self, group: Key) -> int:
        """How many of a group's targets are healthy and in a zone of the balancer."""
        return sum(one.healthy for one in self._used(group))

    def _used(self, group: Key) -> list[Registered]:
        zones = self.balancer.zones
        return [one for one in self.registered[group] if one.zone is None or one.zone in zones]

    @cached_property
    def alias_health(self) -> bool:
        """Whether an alias finds it healthy, by a healthy target in every group."""
        return aws_rules.balancer_is_healthy([self.healthy(key) for key in self._groups])

    @cached_property
    def alias_health_by_threshold(self) -> bool:
        """Whether an alias finds it healthy, by every group's DNS threshold."""
        return aws_rules.balancer_is_healthy([self.counted(key) for key in self._groups])

    def counted(self, group: Key) -> int:
        """A group's targets as far as its DNS threshold says: none when it is breached."""
        found = self.registered[group]
        return 1 if found and not self._breached(group) else 0

    def _breached(self, group: Key) -> bool:
        """Whether a group has breached its DNS threshold in every zone."""
        found = self._groups[group]
        for zone in self.balancer.zones:
            eligible = self._eligible(found, zone)
            healthy = sum(one.healthy for one in eligible)
            if not aws_rules.below(found.dns, healthy=healthy, registered=len(eligible)):
                return False
        return True

    def reported(self, group: Key, *, zones_count_all: bool) -> Mapping[str, tuple[int, int]]:
        """The healthy and unhealthy targets that each zone reports to CloudWatch."""
        if self.gone or group not in self._groups or not self._groups[group].counted:
            return {}
        everywhere = zones_count_all and self.crosses(self._groups[group])
        found: dict[str, tuple[int, int]] = {}
        for zone in self.balancer.zones:
            if zone in self._state.zones:
                continue
            seen = [one for one in self._used(group) if everywhere or one.zone in (zone, None)]
            if seen:
                healthy = sum(one.healthy for one in seen)
                found[zone] = (healthy, len(seen) - healthy)
        return found
