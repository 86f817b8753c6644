"""Model of `denodo-ha status`; `--format json` prints these fields.

Environment
├── dns         the cluster to which the failover's name resolves
└── clusters
    ├── balancer
    ├── nodes   instance, version, readiness, drain tag
    ├── groups  target groups of services, then of auxiliary ports, each with its targets
    └── proxies HAProxy instances, each with every node in every service
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from denodo_ha.deployed.pause_record import Pause
from denodo_ha.deployed.rotation.drain_tag import DrainTag

HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
DOWN: Final = "down"
UNKNOWN: Final = "unknown"
OUT: Final = "out"
"""State of a node that is not in a target group in which the deployed template registers it."""


@dataclass(frozen=True)
class Target:
    """A target in a target group.

    Attributes:
        node: the node's name; the target's id if it is not a node.
        state: AWS's state (healthy, initial, unhealthy, draining, unused, unavailable), or `out` if
            the target is not registered.
        reason: AWS's reason code; empty if there is none.
        why: the reason in words; empty if there is none.
    """

    node: str
    state: str
    reason: str = ""
    why: str = ""


@dataclass(frozen=True)
class Group:
    """A target group.

    Attributes:
        name: the service, or the node of an auxiliary port.
        kind: service, auxiliary or other.
        port: port of the targets.
        targets: targets that are registered or that the template registers, by name.
        problem: why the targets are not known; empty if they are known.
    """

    name: str
    kind: str
    port: int
    targets: tuple[Target, ...]
    problem: str = ""

    @property
    def healthy(self) -> int:
        """Number of healthy targets."""
        return sum(target.state == HEALTHY for target in self.targets)


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        name: its name.
        instance: id of its instance.
        state: the instance's state; `gone` if EC2 does not list the instance, `unknown` if it was
            not read.
        zone: its zone.
        type: its instance type.
        address: its private address.
        version: a short hash of the desired state that the node has applied; empty if not known.
        waits: True if the last deploy wrote a state that is not applied yet; None if not known.
        source: the source of its readiness: `node` for the node's own report. If the node does not
            answer, `targets` for target health; behind HAProxy `haproxy`, or `nobody` if HAProxy
            does not answer either.
        unready: the reason for each service that is not ready, by service.
        unasked: why the node could not be queried; empty if it was queried.
        drained: its drain tag, None if it has none.
        warnings: the warnings that the node itself reports.
        remedy: what brings the node back if its instance no longer exists; empty if it exists.
    """

    name: str
    instance: str
    state: str
    zone: str
    type: str
    address: str
    version: str
    waits: bool | None
    source: str
    unready: Mapping[str, str]
    unasked: str
    drained: DrainTag | None
    warnings: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Server:
    """A server of an HAProxy instance: a node in a service.

    Attributes:
        node: the node's name.
        service: the service, or the node of an auxiliary port.
        kind: service or auxiliary.
        state: up, down, drain, maint, `drain, down` or `no address`.
        usable: True if the server gets new sessions.
        sessions: number of its sessions, including those of old workers.
        check: the result of the last health check.
    """

    node: str
    service: str
    kind: str
    state: str
    usable: bool
    sessions: int
    check: str

    @property
    def drained(self) -> bool:
        """True if an operator or a command took the server out of service."""
        return self.state.startswith(("drain", "maint"))


@dataclass(frozen=True)
class Proxy:
    """An HAProxy instance.

    Attributes:
        instance: id of the EC2 instance.
        servers: its servers; none if it did not answer.
        old_workers: number of HAProxy processes that still have sessions from before a reload.
        failed_reloads: number of failed reloads in a row.
        unasked: why the instance could not be queried; empty if it was queried.
        problem: why the queried instance did not report its status; empty if the status is known.
    """

    instance: str
    servers: tuple[Server, ...] = ()
    old_workers: int = 0
    failed_reloads: int = 0
    unasked: str = ""
    problem: str = ""

    @property
    def answered(self) -> bool:
        """True if the HAProxy instance reported its status."""
        return not (self.unasked or self.problem)


@dataclass(frozen=True)
class Balancer:
    """A load balancer with its state.

    Attributes:
        name: its DNS name.
        state: active, provisioning, failed, gone or unknown.
        problem: why the state is unknown; empty if it is known.
    """

    name: str
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        name: its name.
        region: its region.
        account: its account.
        stack: name of its stack.
        stack_status: the stack's status; empty if not known.
        state: healthy, degraded, down or unknown.
        problems: the reasons why the cluster is not healthy.
        notes: information that is not a problem.
        balancer: its load balancer, None for a single node without a load balancer.
        nodes: its nodes by name.
        groups: its target groups.
        proxies: its HAProxy instances; empty if the cluster has none, or if they were not queried.
        paused: its pause, None if the cluster is not paused, or if no pause could be read.
    """

    name: str
    region: str
    account: str
    stack: str
    stack_status: str
    state: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    balancer: Balancer | None
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    proxies: tuple[Proxy, ...] = ()
    paused: Pause | None = None


@dataclass(frozen=True)
class Side:
    """A side of the failover: a cluster with the state that its health checks report."""

    cluster: str
    role: str
    state: str
    reason: str


@dataclass(frozen=True)
class Dns:
    """The cluster to which the failover's name resolves.

    Attributes:
        endpoint: the failover's DNS name.
        answers: the cluster to which the name resolves; empty if not known.
        by: the source of the answer.
        switch: the cluster that the failover switch selects; empty if not known.
        sides: both sides of the failover.
        problem: why the DNS state is not known; empty if it is known.
        reached: True if the failover is in the account of the credentials.
    """

    endpoint: str
    answers: str
    by: str
    switch: str
    sides: tuple[Side, ...]
    problem: str = ""
    reached: bool = True


@dataclass(frozen=True)
class Environment:
    """An environment.

    Attributes:
        name: its name.
        at: the time at which the status was read.
        state: healthy, degraded or down; unknown if nothing could be read.
        dns: the cluster to which the failover's name resolves, None if there is no failover.
        clusters: its clusters by name.
        problems: other parts that are not known, such as the stacks of a region, with the reason.
    """

    name: str
    at: datetime
    state: str
    dns: Dns | None
    clusters: tuple[Cluster, ...]
    problems: tuple[str, ...] = ()
