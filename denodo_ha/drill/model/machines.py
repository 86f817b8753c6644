"""Machines, their targets and health checks in the drill's model.

Each object of the model has a key: `STACK/LogicalId`, or, for an object that no template defines,
the text by which a template refers to the object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from denodo_ha.environment.facts.instance_recovery import Recovery

Key = str


MEMBER_MARK: Final = "#"
"""Character in the key of an Auto Scaling group's instance, between the group's key and the number
of the instance."""
READINESS_PATH = "/ready/"
"""The path on which a node's host program reports whether a service is ready
(docs/reference/node.md)."""
JDBC_READINESS_PATH = f"{READINESS_PATH}jdbc"
"""The path on which a node reports whether Virtual DataPort is ready: with Denodo 7.0, the
host program also tests the auxiliary port."""


@dataclass(frozen=True)
class TargetHealthCheck:
    """The health check of a target group; times in seconds.

    Attributes:
        protocol: TCP, HTTP or HTTPS.
        port: the port that is checked, None for the target's own port.
        path: the path that is requested, empty for TCP.
        interval: seconds between two checks.
        timeout: seconds until a check without an answer has failed.
        healthy: number of consecutive passed checks until a target is healthy.
        unhealthy: number of consecutive failed checks until a target is unhealthy.
    """

    protocol: str
    port: int | None
    path: str
    interval: int
    healthy: int
    unhealthy: int
    timeout: int = 0

    @property
    def seconds_to_unhealthy(self) -> int:
        """The seconds until a target that no longer answers gets no more connections."""
        return self.interval * self.unhealthy + self.timeout

    @property
    def seconds_to_healthy(self) -> int:
        """The seconds until a target that answers again gets connections."""
        return self.interval * self.healthy

    @property
    def is_http(self) -> bool:
        """Return whether the check sends an HTTP request instead of only connecting."""
        return self.protocol.startswith("HTTP")

    @property
    def requests_readiness(self) -> bool:
        """Return whether the check requests readiness from the node's host program."""
        return self.protocol in ("HTTP", "HTTPS") and self.path.startswith(READINESS_PATH)


@dataclass(frozen=True)
class Upstream:
    """The nodes to which a proxy passes the connections of one of its ports.

    Attributes:
        nodes: keys of the nodes.
        port: the port on the nodes.
        path: the path that the proxy's check requests; empty if the check only connects.
        health_check: the proxy's check, None if the templates do not contain its interval.
    """

    nodes: tuple[Key, ...]
    port: int
    path: str = ""
    health_check: TargetHealthCheck | None = None


@dataclass(frozen=True)
class Machine:
    """A machine that can be a target: a Denodo node, or a proxy in front of nodes.

    Attributes:
        key: its key.
        name: its name in its cluster.
        cluster: the cluster's name.
        zone: its Availability Zone, None if the templates do not contain it.
        kind: "node", or "proxy" for a machine that passes connections on.
        upstreams: for a proxy, the upstream of each of its ports, None if they are unknown.
        health_port: the port on which a proxy reports whether it has a usable node:
            `/health/SERVICE` for the port of that service, `/health` for any.
        readiness_delay: seconds until a running node reports that it is not ready; 0 if the
            templates do not contain this value.
        recovery: how EC2 recovers the instance if its host fails; None if the templates do not
            contain the instance or its type.
    """

    key: Key
    name: str
    cluster: str
    zone: str | None
    kind: Literal["node", "proxy"] = "node"
    upstreams: Mapping[int, Upstream] | None = None
    health_port: int | None = None
    readiness_delay: int = 0
    recovery: Recovery | None = None

    @property
    def is_balancer(self) -> bool:
        """Return whether this proxy is a load balancer that is a target of another one."""
        return self.kind == "proxy" and self.zone is None and self.health_port is None

    def upstream(self, port: int) -> Upstream | None:
        """Return the upstream of a port, None for a node or if the upstream is unknown."""
        return self.upstreams.get(port) if self.upstreams else None


@dataclass(frozen=True)
class Target:
    """A machine's port in a target group."""

    machine: Key
    port: int
