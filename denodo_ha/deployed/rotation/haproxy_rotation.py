"""Rotation of nodes behind HAProxy.

The targets of the load balancer are the HAProxy instances, so a node is taken out of service on
each of these instances.
"""

# ruff: noqa: ARG002 - both implementations of `Rotation` take the same arguments

from collections.abc import Iterator, Sequence
from typing import Final

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.haproxy_instances import HaproxyInstances
from denodo_ha.deployed.rotation import capacity_check
from denodo_ha.deployed.rotation.haproxy_fleet import DRAIN_S
from denodo_ha.deployed.rotation.rotation import HEALTHY_S, Entrance, Rotation

EVERY_INSTANCE: Final = Entrance("haproxy", "every HAProxy instance")


class HaproxyRotation(Rotation):
    """Rotation of nodes that are servers of the cluster's HAProxy instances."""

    @property
    def instances(self) -> HaproxyInstances:
        """The HAProxy instances of the cluster."""
        return HaproxyInstances(self.aws, self.cluster, self.clock)

    def drain_scope(self, node: str) -> str:
        """Return the text for messages that names where a drained node is out of service."""
        return EVERY_INSTANCE.label

    def service_scope(self, node: str) -> str:
        """Return the text for messages that names where a node in service is healthy."""
        return f"on {EVERY_INSTANCE.label}"

    def drain_seconds(self, node: str) -> int:
        """Return the seconds that HAProxy waits for the sessions of a drained node to end."""
        return DRAIN_S

    def drain_end(self, node: str) -> str:
        """Return a text which says that the clients end the sessions: HAProxy does not end them."""
        return "its sessions last until their clients end them"

    def require_drain_time(self, node: str, timeout: float | None) -> None:
        """Do nothing: sessions behind HAProxy may end at any time, so every timeout is allowed."""

    def open_entrances(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> tuple[Entrance, ...]:
        """Return `EVERY_INSTANCE` if at least one instance sends sessions to a node, else nothing.

        Raises:
            Refused: Without the node, fewer usable nodes than the minimum would remain. Nothing was
                changed.
            Failed: An HAProxy instance does not report its status.
        """
        statuses = self.instances.status()
        capacity_check.require_usable_servers(
            self.cluster, node, statuses, minimum=minimum, accept=accept
        )
        usable = any(capacity_check.is_usable(status, node) for status in statuses.values())
        return (EVERY_INSTANCE,) if usable else ()

    def require_capacity(
        self, node: str, *, minimum: int | None, accept: str = "--minimum"
    ) -> None:
        """Do nothing: the HAProxy instances checked the capacity when they took the node out."""

    def close(
        self, node: str, entrances: Sequence[Entrance], *, force: bool = False
    ) -> Iterator[Entrance]:
        """Take a node out on every instance, also where the node's health checks fail at present.

        Raises:
            Refused: No other node would serve. Nothing was changed.
            Failed: An instance did not take the node out; the message names the instance.
        """
        yield EVERY_INSTANCE
        with self.progress.step(f"{node}: stopping new sessions on every HAProxy instance"):
            self.instances.take_out(node, force=force)

    def wait_until_closed(self, node: str) -> None:
        """Return at once: an HAProxy instance answers only after it has taken the node out."""

    def wait_until_drained(self, node: str, timeout: float | None = None) -> None:
        """Wait until a node has no sessions on any instance.

        Raises:
            Failed: Sessions remain after the timeout.
        """
        with self.progress.step(f"{node}: draining on every HAProxy instance"):
            self.instances.wait_until_gone(node, timeout=timeout)

    def missing_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return nothing: there is no entrance to open; `wait_until_healthy` enables the node."""
        return ()

    def all_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return nothing: there is no entrance to open; `wait_until_healthy` enables the node."""
        return self.missing_entrances(node)

    def open(self, node: str, entrances: Sequence[Entrance]) -> Iterator[Entrance]:
        """Enable a node on every instance."""
        for entrance in entrances:
            yield entrance
            self.wait_until_healthy(node)

    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Enable a node, and wait until its health checks pass on every instance.

        Raises:
            Failed: The health checks of an instance do not pass in time.
        """
        with self.progress.step(f"{node}: waiting until healthy on every HAProxy instance"):
            self.instances.enable(node, timeout=timeout)

    def describe(self, node: str) -> str:
        """Return a text that says how many instances send sessions to a node."""
        try:
            statuses = self.instances.status()
        except Failed as error:
            return f"the state of {node} on the HAProxy instances is not known: {error}"
        usable = sum(capacity_check.is_usable(status, node) for status in statuses.values())
        number = f"{usable} HAProxy instances send" if usable else "no HAProxy instance sends"
        return f"{number} sessions to {node}"
