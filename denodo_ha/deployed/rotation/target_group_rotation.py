"""Rotation of nodes that are themselves targets of the load balancer's target groups.

A node that is taken out is deregistered from the target groups that all nodes share. The node stays
registered in the target group of its auxiliary port: open sessions still need this port, and an
empty target group would count as unhealthy.
"""

# ruff: noqa: ARG002 - both implementations of `Rotation` take the same arguments

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, NotFound, UsageError
from denodo_ha.deployed import target_health
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.instances import read_instances
from denodo_ha.deployed.rotation import capacity_check
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.rotation import (
    HEALTHY_S,
    MARGIN_S,
    Entrance,
    Rotation,
    labels,
)
from denodo_ha.deployed.target_health import GroupHealth, TargetHealth

VISIBLE_S: Final = 60
"""Project default: seconds until AWS shows a deregistration; AWS's API is eventually consistent."""
VISIBLE_EVERY_S: Final = 2

_UNUSED: Final = "unused"


def shared_groups(cluster: Cluster, node: str) -> tuple[TargetGroup, ...]:
    """Return the target groups that a node shares with other nodes; a drained node leaves them."""
    return tuple(group for group in cluster.groups_of(node) if group.node is None)


@dataclass(frozen=True)
class TargetGroupRotation(Rotation):
    """Rotation of nodes that are targets of the cluster's target groups.

    Attributes:
        not_counted: ARNs of the target groups that `open_entrances` left out of the capacity check.
    """

    not_counted: set[str] = field(default_factory=set, init=False, compare=False, repr=False)

    def drain_scope(self, node: str) -> str:
        """Return the names of the target groups that a node shares with other nodes."""
        return labels(self._shared(node))

    def service_scope(self, node: str) -> str:
        """Return the names of all target groups of a node, with the word "in" before them."""
        return f"in {labels(self.all_entrances(node)) or 'no target group'}"

    def drain_seconds(self, node: str) -> int:
        """Return the longest deregistration delay of a node's shared target groups."""
        delays = [group.deregistration_delay for group in shared_groups(self.cluster, node)]
        return max(delays, default=0)

    def drain_end(self, node: str) -> str:
        """Return a text which says that connections end within the deregistration delay."""
        return f"its connections end within {self.drain_seconds(node)} s"

    def require_drain_time(self, node: str, timeout: float | None) -> None:
        """Check that a timeout is not shorter than the deregistration delay.

        Raises:
            UsageError: The timeout is too short. Nothing was changed.
        """
        delay = self.drain_seconds(node)
        if timeout is not None and timeout < delay:
            message = (
                f"--timeout {timeout:.0f} is less than the deregistration delay of {delay} s, for "
                f"which {node} keeps its connections, so the wait would always fail. Nothing was "
                "changed. Give a longer timeout, or shorten balancer.deregistration_delay and "
                "deploy"
            )
            raise UsageError(message)

    def open_entrances(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> tuple[Entrance, ...]:
        """Return the shared target groups in which a node is registered, after a capacity check.

        Raises:
            Refused: Without the node, fewer healthy targets than the minimum would remain. Nothing
                was changed.
        """
        groups = shared_groups(self.cluster, node)
        health = self._read_health(groups)
        registered = self._registered(node, health)
        if registered or not groups:
            counted = capacity_check.counted_services(
                health, minimum, lambda group: bool(group.healthy)
            )
            arns = {each.group.arn for each in counted}
            self.not_counted.update(each.group.arn for each in health if each.group.arn not in arns)
            self._require_others(node, counted, minimum=minimum, accept=accept)
        return tuple(map(_entrance, registered))

    def require_capacity(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> None:
        """Check again that enough other nodes are healthy in the shared target groups.

        Raises:
            Refused: Fewer healthy targets than the minimum remain.
        """
        if minimum == 0:
            return
        groups = shared_groups(self.cluster, node)
        health = poll_until(
            lambda: self._read_health(groups),
            done=lambda _: True,
            clock=self.clock,
            timeout=VISIBLE_S,
            every=VISIBLE_EVERY_S,
        )
        # A target group that was deleted in the meantime routes no traffic, so it needs no targets.
        remaining = [
            each for each in health if not each.deleted and each.group.arn not in self.not_counted
        ]
        self._require_others(node, remaining, minimum=minimum, accept=accept)

    def _require_others(
        self, node: str, health: Sequence[GroupHealth], *, minimum: int | None, accept: str
    ) -> None:
        others = {each.instance_id: each.name for each in self.cluster.nodes if each.name != node}
        drained: dict[str, DrainTag] = {}
        if minimum != 0 and others:
            region = self.cluster.location.region
            instances = read_instances(self.aws, region, others)
            for id_, name in others.items():
                tag = DrainTag.from_tags(instances[id_].tags) if id_ in instances else None
                if tag is not None:
                    drained[name] = tag
        capacity_check.require_healthy_targets(
            self.cluster, node, health, minimum=minimum, accept=accept, drained=drained
        )

    def close(
        self, node: str, entrances: Sequence[Entrance], *, force: bool = False
    ) -> Iterator[Entrance]:
        """Deregister a node from target groups; connections may last for the deregistration delay.

        The call needs the port that a target was registered with: with another port it finds no
        target, but reports success (AWS, Elastic Load Balancing API, DeregisterTargets).
        """
        instance_id = self.cluster.node(node).instance_id
        for entrance, group in self._groups(entrances):
            yield entrance
            (health,) = self._read_health([group])
            ports = [
                target.port
                for target in health.targets
                if target.id == instance_id and target.port and is_registered(target)
            ]
            targets = [{"Id": instance_id, "Port": port} for port in ports or [group.port]]
            try:
                with translated_errors():
                    self.aws.client("elbv2", group.region).deregister_targets(
                        TargetGroupArn=group.arn, Targets=targets
                    )
            except NotFound:
                # The target group was deleted in the meantime, so it routes no traffic to the node.
                continue

    def wait_until_closed(self, node: str) -> None:
        """Wait until AWS no longer shows a node as registered in a shared target group.

        Raises:
            Failed: AWS still shows the node as registered after the timeout.
        """
        groups = shared_groups(self.cluster, node)
        registered: list[TargetGroup] = []

        def observe() -> bool:
            registered[:] = self._registered(node, self._read_health(groups))
            return not registered

        try:
            poll_until(
                observe,
                done=lambda closed: closed,
                clock=self.clock,
                timeout=VISIBLE_S,
                every=VISIBLE_EVERY_S,
            )
        except PollTimeout as late:
            message = (
                f"AWS still shows {node} as registered in "
                f"{labels(tuple(map(_entrance, registered)))} after {late.seconds:.0f} s"
            )
            raise Failed(message) from None

    def wait_until_drained(self, node: str, timeout: float | None = None) -> None:
        """Wait until a node has left its shared target groups.

        Raises:
            Failed: The node has not left in time, or another operator has put the node back.
        """
        instance_id = self.cluster.node(node).instance_id
        groups = shared_groups(self.cluster, node)
        looks: list[bool] = []

        def leaving() -> str:
            states = {}
            health = self._read_health(groups)
            for group in health:
                target = group.target(instance_id)
                if target is not None and (target.state != _UNUSED or _stays(target)):
                    states[group.group.key] = target.state
            registered = self._registered(node, health)
            looks.append(bool(registered))
            # The node counts as registered again only if AWS returns it twice in a row after an
            # answer without the node: a single answer may be out of date.
            if False in looks and looks[-2:] == [True, True]:
                message = (
                    f"{node} was put back meanwhile, into "
                    f"{labels(tuple(map(_entrance, registered)))}, and gets new connections. To "
                    f"take {node} out nevertheless, run the command again"
                )
                raise Failed(message)
            return _listed(states)

        self._poll(
            f"{node}: draining",
            leaving,
            done="drained",
            timeout=self.drain_seconds(node) + MARGIN_S if timeout is None else timeout,
            failure=lambda last: (
                f"{node} has not left its target groups {last}. {node} gets no new connections, "
                "and keeps its drain tag. Run the command again to continue waiting"
            ),
        )

    def missing_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return the target groups that lack a node which the deployed template registers there."""
        groups = self.cluster.groups_of(node)
        present = {group.arn for group in self._registered(node, self._read_health(groups))}
        return tuple(_entrance(group) for group in groups if group.arn not in present)

    def all_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return the target groups in which the deployed template registers a node."""
        return tuple(map(_entrance, self.cluster.groups_of(node)))

    def open(self, node: str, entrances: Sequence[Entrance]) -> Iterator[Entrance]:
        """Register a node in target groups, with the port from the deployed template."""
        for entrance, group in self._groups(entrances):
            yield entrance
            targets = [
                {"Id": target.id, "Port": target.port}
                for target in group.targets
                if target.node == node
            ]
            with translated_errors():
                self.aws.client("elbv2", group.region).register_targets(
                    TargetGroupArn=group.arn, Targets=targets
                )

    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Wait until a node is healthy in every target group.

        Raises:
            Failed: The node is not healthy in time, or a target group was deleted.
        """
        instance_id, groups = self.cluster.node(node).instance_id, self.cluster.groups_of(node)

        def unhealthy() -> str:
            health = self._read_health(groups)
            for group in health:
                if group.deleted:
                    message = (
                        f"target group {group.group.key} does not exist any more: the stack was "
                        f"deployed meanwhile. {node} keeps its drain tag. Run the command again"
                    )
                    raise Failed(message)
            return _listed(
                {
                    group.group.key: target_health.describe_target(group, instance_id)
                    for group in health
                    if not self._is_healthy(group, node)
                }
            )

        self._poll(
            f"{node}: waiting until it is healthy",
            unhealthy,
            done="healthy in every target group",
            timeout=timeout,
            failure=lambda last: (
                f"{node} is not healthy {last}. {node} is registered in its target groups, keeps "
                "its drain tag, and serves clients as soon as it is healthy. Examine the node, and "
                "run the command again"
            ),
        )

    def _is_healthy(self, group: GroupHealth, node: str) -> bool:
        """Return whether a node is healthy in a target group."""
        return self.cluster.node(node).instance_id in group.healthy

    def describe(self, node: str) -> str:
        """Return a text that says which of the target groups for several nodes have a node."""
        shared = self._shared(node)
        if not shared:
            return f"{node} has no shared target group"
        present = self.open_entrances(node, minimum=0)
        missing = [entrance for entrance in shared if entrance not in present]
        if not present:
            return f"{node} is out of every shared target group"
        if not missing:
            return f"{node} is in every shared target group"
        return f"{node} is in {labels(present)} and out of {labels(missing)}"

    def _shared(self, node: str) -> tuple[Entrance, ...]:
        return tuple(map(_entrance, shared_groups(self.cluster, node)))

    def _groups(self, entrances: Sequence[Entrance]) -> Iterator[tuple[Entrance, TargetGroup]]:
        groups = {group.arn: group for group in self.cluster.groups}
        for entrance in entrances:
            yield entrance, groups[entrance.id]

    def _read_health(self, groups: Iterable[TargetGroup]) -> list[GroupHealth]:
        return target_health.read_groups_health(self.aws, groups)

    def _registered(self, node: str, health: Iterable[GroupHealth]) -> list[TargetGroup]:
        """Return the target groups in which a node is registered and not draining."""
        instance_id = self.cluster.node(node).instance_id
        return [
            group.group
            for group in health
            if any(target.id == instance_id and is_registered(target) for target in group.targets)
        ]


def _entrance(group: TargetGroup) -> Entrance:
    return Entrance(group.arn, group.key)


def is_registered(target: TargetHealth) -> bool:
    """Return whether a target is registered and not draining."""
    if target.state == _UNUSED:
        return _stays(target)
    return target.state != target_health.DRAINING


def _stays(target: TargetHealth) -> bool:
    """Return whether a target with state "unused" is still registered, like a stopped instance."""
    return target.reason != "Target.NotRegistered"


def _listed(states: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {state}" for key, state in sorted(states.items()))
