"""What `denodo-ha status` knows, as plain data.

Environment
├── dns         where the failover's name leads
└── clusters
    ├── balancer
    ├── nodes   instance, version, readiness, mark
    ├── groups  services, then auxiliary ports, each with its targets
    └── proxies HAProxies, each with what it finds of every node in every service
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
DOWN: Final = "down"
UNKNOWN: Final = "unknown"
OUT: Final = "out"
"""The state of a node that belongs into a group and is not in it."""


@dataclass(frozen=True)
class Target:
    """A node in a group.

    Attributes:
        node: its name; of what is no node its id.
        state: healthy, initial, unhealthy, draining, unused, unavailable, or out.
        reason: AWS's code; or empty.
        why: the same in words; or empty.
    """

    node: str
    state: str
    reason: str = ""
    why: str = ""


@dataclass(frozen=True)
class Group:
    """A group as its balancer sees it.

    Attributes:
        name: the service, or the node whose auxiliary port it is.
        kind: service, auxiliary or other.
        port: port of the targets.
        targets: what is in it or belongs into it, by name.
        problem: why nothing is known of it; or empty.
    """

    name: str
    kind: str
    port: int
    targets: tuple[Target, ...]
    problem: str = ""

    @property
    def healthy(self) -> int:
        """How many targets are healthy."""
        return sum(target.state == HEALTHY for target in self.targets)


@dataclass(frozen=True)
class Drained:
    """That a node is taken out, by its mark."""

    since: datetime
    who: str
    why: str
    said: str = field(repr=False)


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        name: its name.
        instance: id of its instance.
        state: the instance's state; `gone` where EC2 does not know it, `unknown` if not asked.
        zone: its zone.
        type: its instance type.
        address: its private address.
        version: a short hash of the configuration that it has applied; empty if not known.
        waits: whether the last deploy wants another one; None if not known.
        source: who says how it is: `node`; where it could not be asked `targets`, behind HAProxy
            `haproxy`; `nobody` where HAProxy could not be asked either.
        unready: why its services are not ready, by service.
        unasked: why it could not be asked; empty if it was.
        drained: its mark; None where it has none.
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
    drained: Drained | None


@dataclass(frozen=True)
class Server:
    """A node in a service, as a HAProxy has it.

    Attributes:
        node: its name.
        service: the service, or the node whose auxiliary port it is.
        kind: service or auxiliary.
        state: up, down, drain, maint, `drain, down` or `no address`.
        usable: whether it gets new sessions.
        sessions: its sessions, those of old workers included.
        check: what the last check found.
    """

    node: str
    service: str
    kind: str
    state: str
    usable: bool
    sessions: int
    check: str

    @property
    def ordered(self) -> bool:
        """Whether somebody took it out."""
        return self.state.startswith(("drain", "maint"))


@dataclass(frozen=True)
class Proxy:
    """A HAProxy.

    Attributes:
        instance: id of its instance.
        servers: its nodes in its services; none where it does not say.
        old_workers: how many processes finish sessions from before a reload.
        failed_reloads: how many reloads in a row did not come up.
        unasked: why it could not be asked; empty if it was.
        problem: why it does not say how it is although it was asked; empty if it does.
    """

    instance: str
    servers: tuple[Server, ...] = ()
    old_workers: int = 0
    failed_reloads: int = 0
    unasked: str = ""
    problem: str = ""

    @property
    def answered(self) -> bool:
        """Whether it says how it is."""
        return not (self.unasked or self.problem)


@dataclass(frozen=True)
class Balancer:
    """A balancer: its name, and active, provisioning, failed, gone or unknown."""

    name: str
    state: str


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
        problems: what makes it other than healthy.
        notes: what is worth knowing beside it.
        balancer: its balancer; None for a node without one.
        nodes: its nodes by name.
        groups: its groups.
        proxies: its HAProxies; none where there are none, or they were not asked.
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
    """Where the failover's name leads.

    Attributes:
        endpoint: the name.
        answers: the cluster; empty if not known.
        by: who says so.
        switch: the cluster that the switch is at; empty if not known.
        sides: both sides.
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
        at: when it was looked at.
        state: healthy, degraded or down; unknown if nothing could be read.
        dns: where its name leads; None where there is no failover.
        clusters: its clusters by name.
    """

    name: str
    at: datetime
    state: str
    dns: Dns | None
    clusters: tuple[Cluster, ...]
