"""A load balancer during a failure: its healthy targets, addresses, reachable ports and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.machine_states import MachineStates, database_reach
from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model.balancers import Balancer, Listener, TargetGroup
from denodo_ha.drill.model.machines import Key, Machine, Target, TargetHealthCheck, Upstream
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Reach, reach_of_alternatives, reach_of_chain


@dataclass(frozen=True)
class RegisteredTarget:
    """A target that is registered with a target group, its zone, and whether its check passes."""

    target: Target
    zone: str | None
    healthy: bool


class BalancerView:
    """A load balancer while its cluster has the failures of a `ClusterState`.

    Args:
        model: the model of the templates.
        balancer: the load balancer.
        state: the failures in its cluster.
        at_start: the view of the balancer before the failure, from which targets that cannot have
            failed are copied; None for the view at the start itself.
    """

    def __init__(
        self,
        model: Model,
        balancer: Balancer,
        state: ClusterState,
        at_start: "BalancerView | None" = None,
    ) -> None:
        self.model, self.balancer, self.state = model, balancer, state
        self._at_start = at_start
        self._failed_machines = state.failed_machines
        if at_start is not None:
            self._failed_machines |= at_start.state.failed_machines
        self._listeners = {listener.port: listener for listener in balancer.listeners}
        # Target groups of services come first: if several recoveries take equally long, the first
        # one is reported, and operators know services better than auxiliary ports.
        order = sorted(
            balancer.target_groups,
            key=lambda key: (model.target_groups[key].auxiliary_node is not None, key),
        )
        self._target_groups = {key: model.target_groups[key] for key in order}
        # The nodes' readiness depends on the auxiliary port of Virtual DataPort, and not on the
        # Scheduler's.
        ports_of_nodes = {
            group.auxiliary_node: group.targets[0].port
            for group in self._target_groups.values()
            if group.auxiliary_node is not None
            and group.targets
            and group.entry_port == balancer.jdbc_port
        }
        self._auxiliary_ports = {
            (group.entry_port, group.auxiliary_node): listener.port
            for listener in balancer.listeners
            for group in (self._target_groups[key] for key in listener.target_groups)
            if group.auxiliary_node is not None
        }
        self._entry_ports = {entry_port for entry_port, _ in self._auxiliary_ports}
        self.machine_states = MachineStates(model, state, ports_of_nodes)
        self._reaches: dict[tuple[str, int, bool, bool], Reach] = {}
        self._eligible_targets: dict[tuple[Key, str], list[RegisteredTarget]] = {}
        self._counts: dict[tuple[Key, str], tuple[int, int]] = {}

    @property
    def lost(self) -> bool:
        """Return whether the balancer itself is lost."""
        return self.state.region_lost or self.balancer.key in self.state.lost_balancers

    @cached_property
    def registered(self) -> Mapping[Key, Sequence[RegisteredTarget]]:
        """The registered targets of every target group.

        A drained node is registered with the target groups of its auxiliary ports only.
        """
        return {key: self._registered(group) for key, group in self._target_groups.items()}

    def _registered(self, group: TargetGroup) -> list[RegisteredTarget]:
        jdbc = self.balancer.jdbc_port is not None and any(
            group.key in listener.target_groups
            for listener in self.balancer.listeners
            if listener.port == self.balancer.jdbc_port
        )
        shifted = self._shifted_zones
        before = (
            self._at_start.registered_by_target[group.key] if self._at_start is not None else {}
        )
        targets = []
        for target in group.targets:
            if group.auxiliary_node is None and target.machine in self.state.drained_nodes:
                continue
            machine = self.model.machines[target.machine]
            registered = None if self._may_have_failed(machine) else before.get(target)
            if registered is None:
                healthy = machine.zone not in shifted and self.machine_states.passes(
                    target, group.health_check, jdbc=jdbc
                )
                registered = RegisteredTarget(target, machine.zone, healthy)
            targets.append(registered)
        return targets

    def _may_have_failed(self, machine: Machine) -> bool:
        """Return whether a failure may change the results of a machine's health checks.

        The checks of a proxy depend on its nodes, too.
        """
        state = self.state
        return (
            machine.kind == "proxy"
            or state.region_lost
            or machine.key in self._failed_machines
            or machine.zone in state.lost_zones
            or machine.zone in state.shifted_zones
        )

    @cached_property
    def registered_by_target(self) -> Mapping[Key, Mapping[Target, RegisteredTarget]]:
        """The registered targets of every target group, by target."""
        return {
            key: {registered.target: registered for registered in targets}
            for key, targets in self.registered.items()
        }

    @cached_property
    def healthy_targets(self) -> Mapping[Key, frozenset[Target]]:
        """The healthy targets of every target group of a service, without auxiliary ports."""
        return {
            key: frozenset(target.target for target in self.registered[key] if target.healthy)
            for key, group in self._target_groups.items()
            if group.auxiliary_node is None
        }

    @cached_property
    def unhealthy_targets(self) -> Mapping[Key, frozenset[Target]]:
        """The registered, unhealthy targets of every target group of a service."""
        return {
            key: frozenset(target.target for target in self.registered[key] if not target.healthy)
            for key in self.healthy_targets
        }

    @cached_property
    def checked_upstreams(self) -> Sequence[tuple[Key, Target, Upstream, TargetHealthCheck]]:
        """The healthy targets that are proxies whose own check of the nodes is known.

        Each item is (target group, target, the nodes behind the proxy, the proxy's check of them).
        """
        return [
            (key, target.target, upstream, upstream.health_check)
            for key in self.healthy_targets
            for target in self.registered[key]
            if target.healthy
            and (upstream := self.machine_states.upstream(target.target)) is not None
            and upstream.health_check is not None
        ]

    def _eligible(self, group: TargetGroup, zone: str) -> list[RegisteredTarget]:
        """Return the targets to which the balancer's address in a zone may pass connections."""
        # With cross-zone load balancing, the addresses of all zones use the same targets.
        key = (group.key, "" if self.crosses_zones(group) else zone)
        if key not in self._eligible_targets:
            registered = self.registered[group.key]
            indices = aws_rules.eligible(
                [target.zone for target in registered],
                at=zone,
                enabled=self.balancer.zones,
                cross_zone=self.crosses_zones(group),
            )
            self._eligible_targets[key] = [registered[index] for index in indices]
        return self._eligible_targets[key]

    def _eligible_counts(self, group: TargetGroup, zone: str) -> tuple[int, int]:
        """Return how many healthy targets, and how many targets, the address of a zone may use."""
        key = (group.key, "" if self.crosses_zones(group) else zone)
        if key not in self._counts:
            eligible = self._eligible(group, zone)
            self._counts[key] = (sum(target.healthy for target in eligible), len(eligible))
        return self._counts[key]

    def crosses_zones(self, group: TargetGroup) -> bool:
        """Return whether the address in each zone reaches a target group's targets in all zones."""
        return self.balancer.cross_zone if group.cross_zone is None else group.cross_zone

    @property
    def _shifted_zones(self) -> frozenset[str]:
        return self.state.shifted_zones if self.balancer.zonal_shift else frozenset()

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """The zones whose addresses are in the balancer's DNS."""
        if self.lost:
            return ()
        away = self.state.lost_zones | self._shifted_zones
        zones = [zone for zone in self.balancer.zones if zone not in away]
        return tuple(aws_rules.in_dns({zone: self._zone_is_healthy(zone) for zone in zones}))

    def _zone_is_healthy(self, zone: str) -> bool:
        counts = []
        for group in self._target_groups.values():
            if group.targets_unknown:
                continue
            counts.append((group.dns_threshold, *self._eligible_counts(group, zone)))
        return aws_rules.zone_is_healthy(counts)

    @cached_property
    def services(self) -> Mapping[int, Mapping[str, Reach]]:
        """The reach of each service's port, by the zone of each address in DNS."""
        return {
            port: {
                zone: reach_of_chain(
                    self._reach(zone, port, served=True),
                    database_reach(self.model, self.state, port),
                )
                for zone in self.addresses
            }
            for port in self.ports
        }

    @cached_property
    def ports(self) -> tuple[int, ...]:
        """The ports of services, without auxiliary ports."""
        return tuple(
            listener.port
            for listener in self.balancer.listeners
            if not listener.answers_itself
            and any(
                self._target_groups[key].auxiliary_node is None for key in listener.target_groups
            )
        )

    def answers_check(self, port: int, *, only_connects: bool) -> Reach:
        """Return the reach of a port for a Route 53 endpoint check.

        If the balancer itself terminates connections, a check that only connects tests no target.
        """
        listener = self._listeners.get(port)
        itself = listener is not None and (
            listener.answers_itself or (listener.ends_connections and only_connects)
        )
        if itself:
            return Reach.ALL if self.addresses else Reach.NONE
        if port not in self._listeners or not only_connects:
            return self.accepts(port)
        return reach_of_alternatives(
            self._reach(zone, port, served=False, by_proxy=True) for zone in self.addresses
        )

    @cached_property
    def serving_nodes(self) -> Mapping[int, int]:
        """For each service's port: the number of nodes that serve new connections to this port."""
        counts: dict[int, int] = {}
        for port in self.ports:
            nodes: set[Key] = set()
            for key in self._listeners[port].target_groups:
                group = self._target_groups[key]
                for zone in self.addresses:
                    eligible = self._eligible(group, zone)
                    health = [target.healthy for target in eligible]
                    for index in aws_rules.routed(group.routing_threshold, health):
                        nodes.update(self.machine_states.serving_nodes(eligible[index].target))
                    if self.crosses_zones(group):
                        break
            counts[port] = len(nodes)
        return counts

    def accepts(self, port: int) -> Reach:
        """Return the share of connections to a port that targets accept, even if none is served."""
        if port not in self._listeners:
            return Reach.NONE
        return reach_of_alternatives(
            self._reach(zone, port, served=False) for zone in self.addresses
        )

    def auxiliary_reach(self, entry_port: int, node: Key) -> Reach:
        """Return the reach of the auxiliary port to which a node directs a client of `entry_port`.

        The client resolves the balancer's name again, so its second connection may use any of the
        addresses.
        """
        port = self._auxiliary_ports.get((entry_port, node))
        return Reach.NONE if port is None else self.accepts(port)

    def _reach(self, zone: str, port: int, *, served: bool, by_proxy: bool = False) -> Reach:
        """Return the reach of a port at a zone's address.

        Args:
            zone: the zone.
            port: the listener's port.
            served: whether the node must be ready, and not only accept the connection.
            by_proxy: whether a connection counts as soon as the target accepts it, whatever
                `served` is: a proxy also accepts connections without a usable node.
        """
        listener = self._listeners[port]
        groups = [self._target_groups[key] for key in listener.target_groups]
        crosses = all(self.crosses_zones(group) for group in groups)
        key = ("" if crosses else zone, port, served, by_proxy)
        if key not in self._reaches:
            self._reaches[key] = reach_of_alternatives(
                self._through_group(zone, group, listener, served=served, by_proxy=by_proxy)
                for group in groups
            )
        return self._reaches[key]

    def _through_group(
        self,
        zone: str,
        group: TargetGroup,
        listener: Listener,
        *,
        served: bool,
        by_proxy: bool,
    ) -> Reach:
        eligible = self._eligible(group, zone)
        needs_auxiliary = served and listener.port in self._entry_ports
        health = [target.healthy for target in eligible]
        reaches = [
            self.machine_states.connect(
                eligible[index].target,
                served=served,
                auxiliary_reach=(
                    partial(self.auxiliary_reach, listener.port) if needs_auxiliary else None
                ),
            )
            if not by_proxy
            else self.machine_states.accepts(eligible[index].target)
            for index in aws_rules.routed(group.routing_threshold, health)
        ]
        if group.targets_unknown:
            reaches.append(Reach.UNKNOWN)
        return reach_of_alternatives(reaches)

    def healthy_count(self, group: Key) -> int:
        """Return the number of a target group's healthy targets in zones of the balancer.

        If the templates do not list all targets, the missing targets count as one healthy target.
        """
        unknown = int(self._target_groups[group].targets_unknown)
        return unknown + sum(target.healthy for target in self._in_zones(group))

    def _in_zones(self, group: Key) -> list[RegisteredTarget]:
        return [
            target
            for target in self.registered[group]
            if target.zone is None or target.zone in self.balancer.zones
        ]

    @cached_property
    def alias_health(self) -> bool:
        """Return whether an alias is healthy: every target group has a healthy target."""
        return aws_rules.balancer_is_healthy([self.healthy_count(key) for key in self.registered])

    @cached_property
    def alias_health_by_threshold(self) -> bool:
        """Return whether an alias is healthy: every target group meets its DNS threshold."""
        return aws_rules.balancer_is_healthy([self.threshold_count(key) for key in self.registered])

    def threshold_count(self, group: Key) -> int:
        """Return 1 if a target group meets its DNS threshold in at least one zone, else 0."""
        if self._target_groups[group].targets_unknown:
            return 1
        return 1 if self.registered[group] and not self._below_threshold(group) else 0

    def _below_threshold(self, key: Key) -> bool:
        """Return whether a target group is below its DNS threshold in every zone."""
        group = self._target_groups[key]
        for zone in self.balancer.zones:
            healthy, registered = self._eligible_counts(group, zone)
            if not aws_rules.below(group.dns_threshold, healthy=healthy, registered=registered):
                return False
        return True

    def reported(self, key: Key, *, zones_count_all: bool) -> Mapping[str, tuple[int, int]]:
        """Return the counts of a target group's targets that each zone reports to CloudWatch.

        Each item is (number of healthy targets, number of unhealthy targets).
        """
        group = self._target_groups.get(key)
        if self.lost or group is None or not group.reports_host_count:
            return {}
        counts_all = zones_count_all and self.crosses_zones(group)
        counts: dict[str, tuple[int, int]] = {}
        for zone in self.balancer.zones:
            if zone in self.state.lost_zones:
                continue
            targets = [one for one in self._in_zones(key) if counts_all or one.zone in (zone, None)]
            if targets:
                healthy = sum(target.healthy for target in targets)
                counts[zone] = (healthy, len(targets) - healthy)
        return counts
