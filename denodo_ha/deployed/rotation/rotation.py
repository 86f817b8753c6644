"""Rotation: taking the nodes of a cluster out of service, and bringing them back.

    rotation = rotation_of(aws, cluster, clock=clock, progress=progress)
    rotation.out("node1", tag=DrainTag.now(clock, why="promotion"))
    rotation.back("node1", ready=lambda: "")

`TargetGroupRotation` and `HaproxyRotation` implement this class. `out` and `back` can be
interrupted and repeated: progress is recorded only in the state of the load balancer and in the
node's drain tag (`drain_tag`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.cli.progress import Progress, lasted
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.rotation import drain_tag, watchdog_hold
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.facts.limits import DEREGISTRATION_DELAY_S

EVERY_S: Final = 5
"""Project default: seconds between two polls of health and readiness."""
MARGIN_S: Final = 60
"""Project default: seconds after the deregistration delay for AWS to remove a target."""
LONGEST_DRAIN_S: Final = DEREGISTRATION_DELAY_S.high + MARGIN_S
HEALTHY_S: Final = 600
"""Project default: seconds that a ready node may take to become healthy."""
READY_S: Final = 1800
"""Project default: seconds that a node may take to become ready; Denodo starts in minutes."""


@dataclass(frozen=True)
class Entrance:
    """A target group, or all HAProxy instances together, that sends new sessions to a node.

    Attributes:
        id: ARN of the target group; for HAProxy instances a constant.
        label: name of the target group or the HAProxy instances in messages.
    """

    id: str
    label: str


def without_promise(error: Exception) -> str:
    """Return the message of an error without the words "Nothing was changed"."""
    return str(error).replace(". Nothing was changed", "")


def labels(entrances: Sequence[Entrance]) -> str:
    """Return the labels of target groups or HAProxy instances, separated by commas."""
    return ", ".join(entrance.label for entrance in entrances)


@dataclass(frozen=True)
class Rotation(ABC):
    """Takes the nodes of a cluster out of service behind their load balancer, and brings them back.

    Attributes:
        aws: the credentials.
        cluster: the cluster as it is deployed.
        clock: the clock.
        progress: receives progress messages.
    """

    aws: Aws
    cluster: Cluster
    clock: Clock
    progress: Progress

    @abstractmethod
    def drain_scope(self, node: str) -> str:
        """Return the names of the target groups or HAProxy instances that a drained node leaves."""

    @abstractmethod
    def service_scope(self, node: str) -> str:
        """Return a text that names where a node in service is healthy, such as "in jdbc, odbc"."""

    @abstractmethod
    def drain_seconds(self, node: str) -> int:
        """Return the seconds that connections of a node that was taken out may take to end."""

    @abstractmethod
    def drain_end(self, node: str) -> str:
        """Return a text that says how the connections of a node that was taken out end."""

    @abstractmethod
    def require_drain_time(self, node: str, timeout: float | None) -> None:
        """Check that a timeout is not shorter than the time in which connections may end.

        Raises:
            UsageError: The timeout is too short. Nothing was changed.
        """

    @abstractmethod
    def open_entrances(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> tuple[Entrance, ...]:
        """Check the capacity, and return each `Entrance` that sends new sessions to a node.

        Args:
            node: the node that is to be taken out.
            minimum: the number of other nodes that must be healthy in each target group or on each
                HAProxy instance. None: all other nodes, and at least one. 0: no check.
            accept: the option, named in the error message, with which an operator accepts a lower
                minimum.

        Raises:
            Refused: Without the node, fewer healthy nodes than the minimum would remain. Nothing
                was changed.
        """

    @abstractmethod
    def require_capacity(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> None:
        """Check again that enough other nodes serve, after a node was taken out.

        Raises:
            Refused: Fewer healthy nodes than the minimum remain.
        """

    @abstractmethod
    def close(
        self, node: str, entrances: Sequence[Entrance], *, force: bool = False
    ) -> Iterator[Entrance]:
        """Stop new sessions to a node; yield each `Entrance` before the change.

        Existing connections continue for `drain_seconds`.

        Args:
            node: the node.
            entrances: the target groups or HAProxy instances; the result of `open_entrances`.
            force: True to stop new sessions even if no other node would serve.
        """

    @abstractmethod
    def wait_until_closed(self, node: str) -> None:
        """Wait until AWS (eventually consistent) shows that a node gets no new sessions.

        Raises:
            Failed: AWS still shows the node as registered after the timeout.
        """

    @abstractmethod
    def wait_until_drained(self, node: str, timeout: float | None = None) -> None:
        """Wait until the connections of a node that was taken out have ended.

        Raises:
            Failed: Connections remain after the timeout.
        """

    @abstractmethod
    def missing_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return each `Entrance` that must send sessions to a node in service but does not."""

    @abstractmethod
    def all_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return each `Entrance` of a node, also if it already sends sessions to the node."""

    @abstractmethod
    def open(self, node: str, entrances: Sequence[Entrance]) -> Iterator[Entrance]:
        """Send new sessions to a node again; yield each `Entrance` before the change."""

    @abstractmethod
    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Wait until a node is healthy in every target group, or on every HAProxy instance.

        Raises:
            Failed: The node is not healthy in time.
        """

    @abstractmethod
    def describe(self, node: str) -> str:
        """Return a text that says where a node is in service now."""

    def is_out(self, node: str) -> bool:
        """Return whether no target group and no HAProxy instance sends new sessions to a node."""
        return not self.open_entrances(node, minimum=0)

    def out(
        self, node: str, *, tag: DrainTag, minimum: int | None = None, timeout: float | None = None
    ) -> None:
        """Take a node out of service, hold it, and wait until its connections have ended.

        Args:
            node: the node.
            tag: the drain tag to write.
            minimum: the number of other nodes that must be healthy in each target group or on each
                HAProxy instance; None: all other nodes, and at least one.
            timeout: seconds to wait; None: the time in which connections may end, plus a margin.

        Raises:
            Refused: Without the node, fewer healthy nodes than the minimum would remain. Nothing
                was changed.
            Failed: Connections remain after the timeout, or another node was taken out in the
                meantime. The message says which state the node is in.
            AwsError: AWS does not answer, or denies access.
        """
        entrances = self.open_entrances(node, minimum=minimum)
        # Write the tag before the node is taken out, so that no node is out of service without a
        # tag.
        self.write_drain_tag(node, tag)
        for _ in self.close(node, entrances, force=minimum == 0):
            pass
        try:
            # Check again: another node may have been taken out since the first check, or the state
            # that AWS returned then may have been out of date. A node that an earlier run has taken
            # out is not put back: it may not be ready, and its servers may have been stopped.
            if entrances:
                self.require_capacity(node, minimum=minimum)
        except Refused as error:
            for _ in self.open(node, entrances):
                pass
            self.remove_drain_tag(node)
            message = f"{without_promise(error)}. {node} was put back into service"
            raise Failed(message) from error
        self.hold_watchdog(node, tag)
        self.wait_until_drained(node, timeout)

    def back(
        self,
        node: str,
        *,
        ready: Callable[[], str],
        ready_timeout: float = READY_S,
        timeout: float = HEALTHY_S,
    ) -> None:
        """Bring a node back into service, release its watchdog, and remove its drain tag.

        Args:
            node: the node.
            ready: returns why the node is not ready yet, or an empty text; raises an error if
                further waiting is useless. The node gets no new sessions before it is ready.
            ready_timeout: seconds that the node may take to become ready.
            timeout: seconds that a ready node may take to become healthy.

        Raises:
            Failed: The node is not ready or not healthy in time. The message says where the node
                is in service.
            AwsError: AWS does not answer, or denies access.
        """
        self._poll(
            f"{node}: waiting until it is ready",
            ready,
            done="ready",
            timeout=ready_timeout,
            failure=lambda last: f"{node} is not ready {last}. {self.describe(node)}",
        )
        for _ in self.open(node, self.all_entrances(node)):
            pass
        self.wait_until_healthy(node, timeout)
        self.release_watchdog(node)
        self.remove_drain_tag(node)

    def write_drain_tag(self, node: str, tag: DrainTag) -> None:
        """Write the drain tag of a node, before the node is taken out."""
        location, instance_id = self.cluster.location, self.cluster.node(node).instance_id
        drain_tag.write(self.aws, location.region, instance_id, tag)

    def remove_drain_tag(self, node: str) -> None:
        """Remove the drain tag of a node; no effect if there is none."""
        location, instance_id = self.cluster.location, self.cluster.node(node).instance_id
        drain_tag.remove(self.aws, location.region, instance_id)

    def hold_watchdog(self, node: str, tag: DrainTag) -> None:
        """Hold a drained node: its watchdog starts no server. Warn if that is not possible."""
        watchdog_hold.hold(self._agent, node, tag.why, self.progress)

    def release_watchdog(self, node: str) -> None:
        """End a node's hold: its watchdog starts servers again. Warn if that is not possible."""
        watchdog_hold.release(self._agent, node, self.progress)

    @property
    def _agent(self) -> NodeAgent:
        return NodeAgent(self.aws, self.cluster, self.clock)

    def _poll(
        self,
        title: str,
        read: Callable[[], str],
        *,
        done: str,
        timeout: float,
        failure: Callable[[str], str],
    ) -> None:
        """Call `read` repeatedly until it returns an empty text.

        Args:
            title: the title of the progress step.
            read: returns what is still missing, or an empty text.
            done: the last progress message.
            timeout: seconds to wait.
            failure: returns the error message for a text such as "after 60 s: jdbc draining".
        """
        with self.progress.step(title) as step:
            try:
                poll_until(
                    read,
                    done=lambda missing: not missing,
                    clock=self.clock,
                    timeout=timeout,
                    every=EVERY_S,
                    progress=lambda missing, passed: step.update(
                        f"{missing or done}{lasted(passed)}"
                    ),
                )
            except PollTimeout as late:
                message = failure(f"after {late.seconds:.0f} s: {late.last or 'not known'}")
                raise Failed(message) from None
