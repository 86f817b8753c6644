"""Take nodes behind HAProxy out of service, and bring them back.

    rotation_of(aws, cluster, clock=clock, progress=progress).out("node1", mark=mark)

The balancer's groups hold the HAProxies, so a node is taken out on these.
"""

from collections.abc import Mapping
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.haproxy_instances import HaproxyInstances, has_haproxy
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.target_group_rotation import HEALTHY_S, Rotation


def rotation_of(aws: Aws, cluster: Cluster, *, clock: Clock, progress: Progress) -> Rotation:
    """The rotation of a cluster, by what is deployed in front of its nodes."""
    kind = HaproxyRotation if has_haproxy(cluster) else Rotation
    return kind(aws, cluster, clock, progress)


class HaproxyRotation(Rotation):
    """The nodes of a cluster behind HAProxy."""

    @property
    def proxies(self) -> HaproxyInstances:
        """The HAProxies."""
        return HaproxyInstances(self.aws, self.cluster, self.clock)

    def is_out(self, node: str) -> bool:
        """Whether no HAProxy sends anything new to a node."""
        return all(not _serving(said, node) for said in self.proxies.status().values())

    def out(
        self, node: str, *, mark: DrainTag, minimum: int | None = None, timeout: float | None = None
    ) -> None:
        """Take a node out on every HAProxy, and wait until its sessions are gone.

        Args:
            node: the node.
            mark: when, who and why.
            minimum: how many other nodes must be usable for each service; None: all of them, and
                one at least.
            timeout: seconds to wait.

        Raises:
            Refused: fewer than the minimum would be left; nothing was changed.
            Failed: it has not left in time; the message says what stands.
            AwsError: AWS does not answer, or does not permit.
        """
        found = self.cluster.node(node)
        self.demand(node, max(len(self.cluster.nodes) - 1, 1) if minimum is None else minimum)
        # First, so that whoever finds it out knows why.
        drain_tag.write(self.aws, self.cluster.location.region, found.instance_id, mark)
        self.take_out(node, force=minimum == 0)
        self.wait_until_gone(node, timeout)

    def demand(self, node: str, wanted: int, accept: str = "--minimum") -> None:
        """Go on only if so many others are usable for each service that a node serves.

        Raises:
            Refused: they would be fewer; nothing was changed.
            Failed: a HAProxy does not say how it is.
        """
        for id_, said in self.proxies.status().items():
            for service in sorted({str(one["backend"]) for one in _services(said)}):
                left = {
                    one["node"]
                    for one in _services(said)
                    if one["backend"] == service and one["usable"] and one["node"] != node
                }
                if len(left) < wanted and _serving(said, node):
                    message = (
                        f"without {node}, {len(left)} usable nodes would be left for {service} on "
                        f"HAProxy {id_}, and {wanted} are wanted. Nothing was changed: mend the "
                        f"others first, or accept fewer with {accept}"
                    )
                    raise Refused(message)

    def take_out(self, node: str, *, force: bool = False) -> None:
        """Send nothing new to a node; its sessions go on.

        Raises:
            Refused: nobody else would serve; nothing was changed.
            Failed: some HAProxy did not do it; the message says which.
        """
        with self.progress.step(f"{node}: no new sessions"):
            self.proxies.take_out(node, force=force)

    def wait_until_gone(self, node: str, timeout: float | None = None) -> None:
        """Wait until a node has no sessions on any HAProxy.

        Raises:
            Failed: it has not in time.
        """
        with self.progress.step(f"{node}: draining on every HAProxy"):
            self.proxies.wait_until_gone(node, timeout=timeout)

    def wait_until_healthy(self, node: str, timeout: float = HEALTHY_S) -> None:
        """Bring a node back on every HAProxy, once each finds it well.

        Raises:
            Failed: one does not in time.
        """
        with self.progress.step(f"{node}: waiting until every HAProxy finds it well"):
            self.proxies.enable(node, timeout=timeout)

    def standing(self, node: str) -> str:
        """Where a node is now, in words."""
        try:
            serving = sum(_serving(said, node) for said in self.proxies.status().values())
        except Failed as unknown:
            return f"where {node} is is not known: {unknown}"
        return f"{node} is served by {serving} HAProxies" if serving else f"{node} is out"


def _services(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Servers of services; auxiliary ports keep their node."""
    return [one for one in said["servers"] if not str(one["backend"]).startswith("auxiliary.")]


def _serving(said: Mapping[str, Any], node: str) -> bool:
    return any(one["node"] == node and one["usable"] for one in _services(said))
