"""Rotation: taking the nodes of a cluster out of service, and bringing them back.

    rotation = rotation_of(aws, cluster, clock=clock, progress=progress)
    rotation.out("node1", tag=DrainTag.now(clock, why="promotion"))
    rotation.back("node1", ready=lambda: "")

Target groups and HAProxy instances each have an implementation of the same protocol. Both
directions can be interrupted and repeated: the only records of progress are the state of the load
balancer and the node's drain tag (`drain_tag`).
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
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag

EVERY_S: Final = 5
"""Ours: seconds between two polls of health and readiness."""
HEALTHY_S: Final = 600
"""Ours: how long a node that is ready may take to become healthy."""
READY_S: Final = 1800
"""Ours: how long a node may take to become ready; Denodo starts in minutes, not in seconds."""


@dataclass(frozen=True)
class Entrance:
    """A way by which new sessions reach a node: a target group, or all HAProxy instances.

    Attributes:
        id: ARN of the target group; for HAProxy instances a constant.
        label: the entrance's name in messages.
    """

    id: str
    label: str


def without_promise(error: Exception) -> str:
    """Return the message of a refusal, for a state in which something was changed."""
    return str(error).replace(". Nothing was changed", "")


def labels(entrances: Sequence[Entrance]) -> str:
    """Return the labels of entrances as a list with commas."""
    return ", ".join(entrance.label for entrance in entrances)


@dataclass(frozen=True)
class Rotation(ABC):
    """The nodes of a cluster behind their load balancer.

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
        """Return the entrances of which a drained node is out, in words; empty if it has none."""

    @abstractmethod
    def service_scope(self, node: str) -> str:
        """Return where a node in service is healthy, in words, with its preposition."""

    @abstractmethod
    def drain_seconds(self, node: str) -> int:
        """Return the seconds that connections have to end once a node is out."""

    @abstractmethod
    def drain_end(self, node: str) -> str:
        """Return how the connections of a node that is out end, in words."""

    @abstractmethod
    def require_drain_time(self, node: str, timeout: float | None) -> None:
        """Check that a timeout leaves connections their time to end.

        Raises:
            UsageError: The timeout is too short. Nothing was changed.
        """

    @abstractmethod
    def open_entrances(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> tuple[Entrance, ...]:
        """Return the entrances that send new sessions to a node, after a capacity check.

        Args:
            node: the node that is to be taken out.
            minimum: the number of other nodes that must be healthy behind each entrance. None: all
                others, and at least one. 0: no check.
            accept: the option that accepts fewer, for the message.

        Raises:
            Refused: Fewer than the minimum would remain. Nothing was changed.
        """

    @abstractmethod
    def require_capacity(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> None:
        """Check again that enough other nodes serve, once a node is out.

        Raises:
            Refused: Fewer than the minimum remain.
        """

    @abstractmethod
    def close(
        self, node: str, entrances: Sequence[Entrance], *, force: bool = False
    ) -> Iterator[Entrance]:
        """Stop new sessions to a node, and yield each entrance before it is closed.

        Existing connections continue for `drain_seconds`.

        Args:
            node: the node.
            entrances: the result of `open_entrances`.
            force: also if no other node would serve.
        """

    @abstractmethod
    def wait_until_closed(self, node: str) -> None:
        """Wait until AWS shows that a node gets no new sessions: its API is eventually consistent.

        Raises:
            Failed: AWS does not show it in time.
        """

    @abstractmethod
    def wait_until_drained(self, node: str, timeout: float | None = None) -> None:
        """Wait until the connections of a node that was taken out have ended.

        Raises:
            Failed: Connections remain after the timeout.
        """

    @abstractmethod
    def missing_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return the entrances that a node needs for service and that `open` must open."""

    @abstractmethod
    def all_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return every entrance that `open` opens; those that are open already do no harm."""

    @abstractmethod
    def open(self, node: str, entrances: Sequence[Entrance]) -> Iterator[Entrance]:
        """Send new sessions to a node again, and yield each entrance before it is opened."""

    @abstractmethod
    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Wait until a node is healthy behind every entrance.

        Raises:
            Failed: The node is not healthy in time.
        """

    @abstractmethod
    def describe(self, node: str) -> str:
        """Return where a node is now, in words."""

    def is_out(self, node: str) -> bool:
        """Return whether no entrance sends new sessions to a node."""
        return not self.open_entrances(node, minimum=0)

    def out(
        self, node: str, *, tag: DrainTag, minimum: int | None = None, timeout: float | None = None
    ) -> None:
        """Take a node out of service, and wait until its connections have ended.

        Args:
            node: the node.
            tag: the drain tag to write.
            minimum: the number of other nodes that must be healthy behind each entrance; None: all
                others, and at least one.
            timeout: seconds to wait; None: the time that connections have to end, and a margin.

        Raises:
            Refused: Fewer than the minimum would remain. Nothing was changed.
            Failed: Connections remain after the timeout, or another node has left meanwhile. The
                message names the state.
            AwsError: AWS does not answer, or denies access.
        """
        instance_id = self.cluster.node(node).instance_id
        entrances = self.open_entrances(node, minimum=minimum)
        # The tag comes first, so that it explains a node that is found out of service.
        drain_tag.write(self.aws, self.cluster.location.region, instance_id, tag)
        for _ in self.close(node, entrances, force=minimum == 0):
            pass
        try:
            # Again: another node may have left since, or the first look was an old one.
            self.require_capacity(node, minimum=minimum)
        except Refused as error:
            for _ in self.open(node, entrances):
                pass
            drain_tag.remove(self.aws, self.cluster.location.region, instance_id)
            message = f"{without_promise(error)}. {node} was put back"
            raise Failed(message) from error
        self.wait_until_drained(node, timeout)

    def back(
        self,
        node: str,
        *,
        ready: Callable[[], str],
        ready_timeout: float = READY_S,
        timeout: float = HEALTHY_S,
    ) -> None:
        """Bring a node back into service, and remove its drain tag.

        Args:
            node: the node.
            ready: returns why the node is not ready yet, or an empty text. Raises if waiting
                cannot help. No entrance is opened before the node is ready.
            ready_timeout: seconds that the node may take to become ready.
            timeout: seconds that it may then take to become healthy.

        Raises:
            Failed: The node is not ready, or not healthy in time. The message names the state.
            AwsError: AWS does not answer, or denies access.
        """
        instance_id = self.cluster.node(node).instance_id
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
        drain_tag.remove(self.aws, self.cluster.location.region, instance_id)

    def _poll(
        self,
        title: str,
        read: Callable[[], str],
        *,
        done: str,
        timeout: float,
        failure: Callable[[str], str],
    ) -> None:
        """Poll until a reader returns an empty text.

        Args:
            title: the title of the progress step.
            read: returns what is still missing, or an empty text.
            done: the last progress message.
            timeout: seconds to wait.
            failure: makes the error message, from a text such as "after 60 s: jdbc draining".
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
