"""Client paths: the names that clients use, the reach of their ports, and a failure's outcome."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from denodo_ha.drill.outcome import (
    DnsChange,
    Failure,
    Outcome,
    Reach,
    ReachGap,
    RecoverySteps,
    longest_steps,
    reach_of_alternatives,
    total_seconds,
)


@dataclass(frozen=True)
class ClientPath:
    """A name that clients use, and the reach of its ports.

    Attributes:
        name: a failover name, or the name of a cluster whose balancer or node clients use directly.
        cluster: the cluster to which the name resolves.
        services: the reach of every port, by the zone of the address in DNS.
        ports: the services' ports.
        serving_nodes: the number of nodes that serve each port.
    """

    name: str
    cluster: str
    services: Mapping[int, Mapping[str, Reach]]
    ports: tuple[int, ...]
    serving_nodes: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def load_percent(self, before: "ClientPath") -> int:
        """Return the highest load of any node, in percent of the node's load before the failure.

        Connections are assumed to be distributed evenly over the nodes that serve a port.

        Args:
            before: the path to which the name resolved before the failure.
        """
        loads = [
            -(-100 * before.serving_nodes[port] // count)
            for port, count in self.serving_nodes.items()
            if count and before.serving_nodes.get(port)
        ]
        return max(loads, default=100)

    def gaps(self) -> Iterator[ReachGap]:
        """Yield a gap for each port, at each address, that some or all connections do not reach."""
        for port in self.ports:
            addresses = self.services.get(port, {})
            if not addresses:
                yield ReachGap(self.name, port, "", Reach.NONE)
            for address, reach in addresses.items():
                if reach is not Reach.ALL:
                    yield ReachGap(self.name, port, address, reach)

    def ports_with(self, reach: Reach) -> tuple[int, ...]:
        """Return the ports whose reach over all addresses together equals the given reach."""
        return tuple(
            port
            for port in self.ports
            if reach_of_alternatives(self.services.get(port, {}).values()) is reach
        )


@dataclass(frozen=True)
class PathOutcome:
    """The outcome of a failure for the clients of one path.

    Attributes:
        path: the path.
        steps: the steps until all connections are served; None if some connections are not served
            before a repair.
        after_repair: a sentence that says what happens after the repair.
        interrupted: ports that are not served while a shared database fails over.
        load_percent: the highest load of a serving node, in percent of its load before the failure.
    """

    path: ClientPath
    steps: RecoverySteps | None
    after_repair: str
    interrupted: tuple[int, ...]
    load_percent: int = 100


def combined_outcome(
    failure: Failure,
    dns_changes: list[DnsChange],
    used: list[PathOutcome],
    own: list[ClientPath],
    *,
    database_lost: bool,
) -> Outcome:
    """Combine the outcomes of a failure for each path into the outcome of the failure.

    Args:
        failure: the failure.
        dns_changes: the DNS answers for the affected failover names.
        used: the outcomes for the paths that clients use after the failure.
        own: the paths through the own names of the failed clusters, which show ports that clients
            do not use after the failure.
        database_lost: whether a path needs a database that is lost.
    """
    steps = [path.steps for path in used if path.steps is not None]
    longest = longest_steps(steps)
    never = len(steps) < len(used)
    paths = {path.name: path for path in (*own, *(one.path for one in used))}
    sentences = [path.after_repair for path in used]
    if database_lost:
        sentences.append("all ports are served after the database answers again")
    return Outcome(
        failure=failure,
        dns_changes=tuple(dns_changes),
        unreachable=_ports_with(Reach.NONE, used),
        partial=_ports_with(Reach.SOME, used),
        unknown=_ports_with(Reach.UNKNOWN, used),
        gaps=tuple(gap for name in sorted(paths) for gap in paths[name].gaps()),
        recovery=None if never else total_seconds(longest),
        steps=() if never else longest,
        after_repair="; ".join(dict.fromkeys(text for text in sentences if text)),
        interrupted=tuple(sorted({port for path in used for port in path.interrupted})),
        load_percent=max((path.load_percent for path in used), default=100),
    )


def _ports_with(reach: Reach, used: list[PathOutcome]) -> tuple[int, ...]:
    return tuple(sorted({port for one in used for port in one.path.ports_with(reach)}))
