"""How ready a node is, and who says so: itself, else who is before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from denodo_ha.status import haproxy_verdict
from denodo_ha.status.model import HEALTHY, Group, Proxy
from denodo_ha.status.node_query import Said

Ready = tuple[str, Mapping[str, str]]
"""Who says it, and why services are not ready (`ops.status_model.Node`)."""


@dataclass(frozen=True)
class Before:
    """What is before the nodes of a cluster.

    Attributes:
        groups: the balancer's groups.
        proxies: the HAProxies that were asked.
        proxied: whether the groups' targets are HAProxies.
    """

    groups: Sequence[Group]
    proxies: Sequence[Proxy]
    proxied: bool

    def ready(self, node: str, said: Said) -> Ready:
        """How ready a node is."""
        if said.status:
            return "node", dict(said.status.unready)
        if any(proxy.answered for proxy in self.proxies):
            return "haproxy", haproxy_verdict.unready(node, self.proxies)
        if self.proxied:
            return "nobody", {}
        return "targets", self._by_targets(node)

    def _by_targets(self, node: str) -> dict[str, str]:
        """Why a node is not ready as the balancer sees it."""
        return {
            group.name: target.why or target.state
            for group in self.groups
            if group.kind == "service"
            for target in group.targets
            if target.node == node and target.state != HEALTHY
        }
