"""Taking a node out of its shared groups, and bringing it back.

    rotation = Rotation(aws, cluster, clock=clock, progress=progress)
    rotation.out("node1", mark=DrainTag.now(clock, why="promotion"))
    rotation.back("node1", ready=lambda: "")

The auxiliary group keeps the node, because sessions that began there still need it, and an empty
group would count as unhealthy. Both directions may be interrupted and done again. What they have
done is to be seen in the groups and in the node's mark (`rotation.drain_tag`), and nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, NotFound
from denodo_ha.cli.progress import Progress, lasted
from denodo_ha.deployed import target_health
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.rotation import capacity_check, drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.target_health import GroupHealth, TargetHealth

EVERY_S: Final = 5
"""Ours: how often health and readiness are looked at."""
MARGIN_S: Final = 60
"""Ours: what a target may take longer to leave than its group's deregistration delay."""
HEALTHY_S: Final = 600
"""Ours: how long a node that is ready may take to be healthy in its groups."""
READY_S: Final = 1800
"""Ours: how long a node may take to be ready; Denodo starts in minutes, not in seconds."""

_UNUSED: Final = "unused"


@dataclass(frozen=True)
class Rotation:
    """The nodes of a cluster behind their balancer.

    Attributes:
        aws: the credentials.
        cluster: the cluster as it is deployed.
        clock: the time.
        progress: who is told.
    """

    aws: Aws
    cluster: Cluster
    clock: Clock
    progress: Progress

    def shared(self, node: str) -> tuple[TargetGroup, ...]:
        """The groups that a node leaves when it is taken out."""
        return tuple(group for group in self.cluster.groups_of(node) if group.node is None)

    def is_out(self, node: str) -> bool:
        """Whether none of the shared groups sends anything new to a node."""
        return not self.registered(node, self.look(self.shared(node)))

    def out(
        self, node: str, *, mark: DrainTag, minimum: int | None = None, timeout: float | None = None
    ) -> None:
        """Take a node out, and wait until its connections are gone.

        Args:
            node: the node.
            mark: when, who and why.
            minimum: how many other nodes must be healthy in each group; None: all of them, and
                one at least.
            timeout: seconds to wait; None: the longest deregistration delay and a minute.

        Raises:
            Refused: fewer than the minimum would be left; nothing was changed.
            Failed: it has not left in time; the message says what stands.
            AwsError: AWS does not answer, or does not permit.
        """
        found, groups = self.cluster.node(node), self.shared(node)
        seen = self.look(groups)
        inside = self.registered(node, seen)
        if inside or not groups:
            capacity_check.demand(self.cluster, node, seen, minimum)
        # First, so that whoever finds it out knows why.
        drain_tag.write(self.aws, self.cluster.location.region, found.instance_id, mark)
        for group in inside:
            self.deregister(node, group)
        self.wait_until_gone(node, timeout)

    def back(
        self,
        node: str,
        *,
        ready: Callable[[], str],
        ready_timeout: float = READY_S,
        timeout: float = HEALTHY_S,
    ) -> None:
        """Bring a node back into every group that the deployed template says.

        Args:
            node: the node.
            ready: says why the node is not ready yet, or nothing; raises where that is no
                matter of waiting. It is asked before any group is touched.
            ready_timeout: seconds that the node may take to be ready.
            timeout: seconds that it may take to be healthy then.

        Raises:
            Failed: it is not ready, or not healthy in time; the message says what stands.
            AwsError: AWS does not answer, or does not permit.
        """
        found = self.cluster.node(node)
        self._ready(node, ready, ready_timeout)
        for group in self.cluster.groups_of(node):
            self.register(node, group)
        self.wait_until_healthy(node, timeout)
        drain_tag.remove(self.aws, self.cluster.location.region, found.instance_id)

    def standing(self, node: str) -> str:
        """Where a node is now, in words."""
        groups = self.shared(node)
        if not groups:
            return f"{node} has no shared group"
        inside = {group.key for group in self.registered(node, self.look(groups))}
        if not inside:
            return f"{node} is out of every shared group"
        missing = sorted({group.key for group in groups} - inside)
        if not missing:
            return f"{node} is in every shared group"
        return f"{node} is in {', '.join(sorted(inside))} and out of {', '.join(missing)}"

    def look(self, groups: Iterable[TargetGroup]) -> list[GroupHealth]:
        """How groups are now."""
        return target_health.read_groups_health(self.aws, groups)

    def registered(self, node: str, seen: Iterable[GroupHealth]) -> list[TargetGroup]:
        """The groups that have a node and do not let it go."""
        id_ = self.cluster.node(node).instance_id
        return [
            one.group
            for one in seen
            if any(target.id == id_ and _is_in(target) for target in one.targets)
        ]

    def register(self, node: str, group: TargetGroup) -> None:
        """Put a node into a group, as the deployed template has it; one that is there stays."""
        target = group.target(node)
        assert target is not None  # so the template has it there
        with translated_errors():
            self.aws.client("elbv2", group.region).register_targets(
                TargetGroupArn=group.arn, Targets=[{"Id": target.id, "Port": target.port}]
            )

    def deregister(self, node: str, group: TargetGroup) -> None:
        """Take a node out of a group; its connections stay for the deregistration delay."""
        id_ = self.cluster.node(node).instance_id
        try:
            with translated_errors():
                self.aws.client("elbv2", group.region).deregister_targets(
                    TargetGroupArn=group.arn, Targets=[{"Id": id_}]
                )
        except NotFound:
            # Deleted meanwhile: nobody is sent anywhere from there.
            return

    def wait_until_gone(self, node: str, timeout: float | None = None) -> None:
        """Wait until a node has left its shared groups.

        Raises:
            Failed: it has not in time.
        """
        id_, groups = self.cluster.node(node).instance_id, self.shared(node)
        longest = max((group.deregistration_delay for group in groups), default=0)

        def inside() -> str:
            found = {}
            for one in self.look(groups):
                target = one.target(id_)
                if target is not None and (target.state != _UNUSED or _stays(target.reason)):
                    found[one.group.key] = target.state
            return _listed(found)

        self._wait(
            f"{node}: draining",
            inside,
            done="drained",
            timeout=longest + MARGIN_S if timeout is None else timeout,
            failed=lambda late: (
                f"{node} has not left its groups {late}. It gets nothing new, and keeps its mark; "
                "run it again to go on waiting"
            ),
        )

    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Wait until a node is healthy in every group.

        Raises:
            Failed: it is not in time.
        """
        id_, groups = self.cluster.node(node).instance_id, self.cluster.groups_of(node)

        def sick() -> str:
            seen = self.look(groups)
            for one in seen:
                if one.deleted:
                    message = (
                        f"group {one.group.key} is gone: something was deployed meanwhile. "
                        f"{node} keeps its mark; run it again"
                    )
                    raise Failed(message)
            return _listed(
                {
                    one.group.key: target_health.describe_target(one, id_)
                    for one in seen
                    if id_ not in one.healthy
                }
            )

        self._wait(
            f"{node}: waiting until it is healthy",
            sick,
            done="healthy in every group",
            timeout=timeout,
            failed=lambda late: (
                f"{node} is not healthy {late}. It is in its groups, keeps its mark, and is sent "
                "to once it is healthy; look at the node, and run it again"
            ),
        )

    def _ready(self, node: str, ready: Callable[[], str], timeout: float) -> None:
        self._wait(
            f"{node}: waiting until it is ready",
            ready,
            done="ready",
            timeout=timeout,
            failed=lambda late: f"{node} is not ready {late}. {self.standing(node)}",
        )

    def _wait(
        self,
        title: str,
        look: Callable[[], str],
        *,
        done: str,
        timeout: float,
        failed: Callable[[str], str],
    ) -> None:
        """Wait until there is nothing left to say.

        Args:
            title: what is waited for.
            look: says what it still waits for, or nothing.
            done: what is said in the end.
            timeout: seconds to wait.
            failed: the message when that was not enough, of how long it was and what was said last.
        """
        with self.progress.step(title) as step:
            try:
                poll_until(
                    look,
                    done=lambda left: not left,
                    clock=self.clock,
                    timeout=timeout,
                    every=EVERY_S,
                    progress=lambda left, passed: step.update(f"{left or done}{lasted(passed)}"),
                )
            except PollTimeout as late:
                message = failed(f"after {late.seconds:.0f} s: {late.last or 'not known'}")
                raise Failed(message) from None


def _is_in(target: TargetHealth) -> bool:
    """Whether a target is registered, and does not leave."""
    if target.state == _UNUSED:
        # A stopped instance is unused, and still registered.
        return _stays(target.reason)
    return target.state != target_health.DRAINING


def _stays(reason: str) -> bool:
    """Whether a target that is unused is still registered, such as a stopped instance."""
    return reason != "Target.NotRegistered"


def _listed(states: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {state}" for key, state in sorted(states.items()))
