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

from denodo_ha.deployed.rotation.drain_tag import DrainTag

HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
DOWN: Final = "down"
UNKNOWN: Final = "unknown"
OUT: Final = "out"
"""State of a node that the deployed template registers in a target group, and that is not in it."""


@dataclass(frozen=True)
class Target:
    """A target in a target group.

    Attributes:
        node: the node's name; the target's id if it is not a node.
        state: healthy, initial, unhealthy, draining, unused, unavailable, or out.
        reason: AWS's code; or empty.
        why: the reason in words; or empty.
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
        targets: registered targets and those that the template registers, by name.
        problem: why the targets are not known; or empty.
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
        state: the instance's state; `gone` if EC2 does not list it, `unknown` if not read.
        zone: its zone.
        type: its instance type.
        address: its private address.
        version: a short hash of the state that it has applied; empty if not known.
        waits: whether the last deploy wrote another state; None if not known.
        source: the source of its readiness: `node`; if the node does not answer, `targets` or,
            behind HAProxy, `haproxy`; `nobody` if HAProxy does not answer either.
        unready: why its services are not ready, by service.
        unasked: why it could not be queried; empty if it was.
        drained: its drain tag, None if it has none.
        warnings: what the node itself warns about.
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


@dataclass(frozen=True)
class Server:
    """A server of an HAProxy instance: a node in a service.

    Attributes:
        node: the node's name.
        service: the service, or the node of an auxiliary port.
        kind: service or auxiliary.
        state: up, down, drain, maint, `drain, down` or `no address`.
        usable: whether it gets new sessions.
        sessions: its sessions, those of old workers included.
        check: the result of the last check.
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
        """Whether an operator or a command took it out."""
        return self.state.startswith(("drain", "maint"))


@dataclass(frozen=True)
class Proxy:
    """An HAProxy instance.

    Attributes:
        instance: id of the EC2 instance.
        servers: its servers; none if it did not answer.
        old_workers: number of processes that finish sessions from before a reload.
        failed_reloads: number of failed reloads in a row.
        unasked: why it could not be queried; empty if it was.
        problem: why it did not report its status when queried; empty if it did.
    """

    instance: str
    servers: tuple[Server, ...] = ()
    old_workers: int = 0
    failed_reloads: int = 0
    unasked: str = ""
    problem: str = ""

    @property
    def answered(self) -> bool:
        """Whether it reported its status."""
        return not (self.unasked or self.problem)


@dataclass(frozen=True)
class Balancer:
    """A load balancer: its DNS name, and active, provisioning, failed, gone or unknown.

    Attributes:
        name: its DNS name.
        state: its state.
        problem: why the state is unknown; or empty.
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
        problems: the reasons if it is not healthy.
        notes: other information.
        balancer: its load balancer, None for a node without one.
        nodes: its nodes by name.
        groups: its target groups.
        proxies: its HAProxy instances; none if there are none, or if they were not queried.
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


@dataclass(frozen=True)
class Side:
    """A side of the failover, as its checks see it."""

    cluster: str
    role: str
    state: str
    reason: str


@dataclass(frozen=True)
class Dns:
    """The cluster to which the failover's name resolves.

    Attributes:
        endpoint: the name.
        answers: the cluster; empty if not known.
        by: the source of the answer.
        switch: the cluster that the failover switch selects; empty if not known.
        sides: both sides of the failover.
        problem: why nothing is known; or empty.
        reached: whether it is in the account of the credentials.
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
        at: the time of the reading.
        state: healthy, degraded or down; unknown if nothing could be read.
        dns: the cluster to which its name resolves, None if there is no failover.
        clusters: its clusters by name.
        problems: what else is not known, such as the stacks of a region.
    """

    name: str
    at: datetime
    state: str
    dns: Dns | None
    clusters: tuple[Cluster, ...]
    problems: tuple[str, ...] = ()
