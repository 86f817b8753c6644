"""Connection spread: the distribution of many connections over the nodes, tested for evenness.

A Network Load Balancer selects a node by a hash of the flow (AWS, "What is a Network Load
Balancer?"), so connections from different ports of one client are distributed at random. The test
calculates how probable the observed result is with an even random distribution; a result with a
probability below `SIGNIFICANCE` counts as a fault.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from math import ceil, comb, log
from typing import Final, TypeVar

from denodo_ha.verify.connection import host_port
from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, Step, StepLog
from denodo_ha.verify.rmi_probe import (
    Registry,
    SecondConnection,
    probe_second_connection,
    read_registry,
)
from denodo_ha.verify.web_probe import WebRequest, send_request

SIGNIFICANCE: Final = 0.001
"""Project default: at most one in a thousand tests reports a correct load balancer as wrong."""

Answer = TypeVar("Answer")


@dataclass
class ConnectionSeries:
    """A series of connections to one service.

    Attributes:
        log: receives the steps.
        endpoints: the service's port on each address of its name; the connections use the endpoints
            in turn.
        count: the number of connections.
        nodes: names of the nodes that should answer.
        sticky: True if all connections from one client address should reach the same node.
        faults: the failed connections.
    """

    log: StepLog
    endpoints: tuple[Endpoint, ...]
    count: int
    nodes: tuple[str, ...]
    sticky: bool = False
    faults: list[Fault] = field(default_factory=list)

    def probe_rmi(self, expected: SecondConnection) -> None:
        """Read the RMI registry on each connection, and test each second connection once."""
        registries: list[Registry] = []
        with self.log.step(self._name) as step:
            registries += self._run(read_registry)
            names = _process_names(registries, expected)
            self._judge(step, Counter(names[registry.process] for registry in registries))
        shared = _shared_second_ports(registries)
        if shared:
            with self.log.step("second ports differ") as step:
                step.fail("auxiliary-shared", "; ".join(shared))
        if not expected.required:
            return
        second_ports = {
            (registry.process, stub.host, stub.port): (registry.process, stub)
            for registry in registries
            for stub in registry.stubs
        }
        for process, stub in second_ports.values():
            probe_second_connection(self.log, self.endpoints[0], expected, process, stub)

    def probe_web(self, request: WebRequest) -> None:
        """Send a request without cookies on each connection, like a browser's first request."""
        with self.log.step(self._name) as step:
            responses = self._run(lambda endpoint: send_request(endpoint, request, {}))
            if all(response.node for response in responses):
                self._judge(step, Counter(response.node for response in responses))
            else:
                self._count(step, len(responses))

    def probe(self, probe: Callable[[StepLog, Endpoint], None]) -> None:
        """Run a probe on each connection. The probe's answers do not show which node answered."""
        with self.log.step(self._name) as step:
            answers = self._run(lambda endpoint: probe(StepLog(""), endpoint))
            self._count(step, len(answers))

    @property
    def _name(self) -> str:
        return f"{self.count} connections"

    def _run(self, probe: Callable[[Endpoint], Answer]) -> list[Answer]:
        answers: list[Answer] = []
        for endpoint in islice(cycle(self.endpoints), self.count):
            try:
                answers.append(probe(endpoint))
            except Fault as fault:
                self.faults.append(fault)
        return answers

    def _judge(self, step: Step, counts: Counter[str]) -> None:
        judge_spread(step, Spread(self.nodes, counts, len(self.faults), self.sticky))
        self._add_first_fault(step)

    def _count(self, step: Step, answered: int) -> None:
        step.note("spread-unseen", f"{answered} answered")
        if self.faults:
            step.fail("spread-failed", f"{answered} answered, {len(self.faults)} failed")
            self._add_first_fault(step)

    def _add_first_fault(self, step: Step) -> None:
        if self.faults:
            step.seen += f"; the first: {self.faults[0]}"


def _process_names(registries: list[Registry], expected: SecondConnection) -> dict[int, str]:
    """Return a unique name for every Java process: the name of its node, if the node is known."""
    names: dict[int, str] = {}
    for registry in registries:
        if registry.process in names:
            continue
        candidates = [expected.nodes.get(stub.port, ()) for stub in registry.stubs]
        node = next((nodes[0].partition("/")[2] for nodes in candidates if nodes), "another node")
        namesakes = sum(name.partition(" (")[0] == node for name in names.values())
        names[registry.process] = f"{node} (server {namesakes + 1})" if namesakes else node
    return names


def _shared_second_ports(registries: list[Registry]) -> list[str]:
    """Return descriptions of the second ports that several Java processes name to clients."""
    processes: dict[str, set[int]] = {}
    for registry in registries:
        for stub in registry.stubs:
            endpoint = host_port(stub.host, stub.port)
            processes.setdefault(endpoint, set()).add(registry.process)
    return [
        f"{len(users)} servers name the second port {endpoint}"
        for endpoint, users in processes.items()
        if len(users) > 1
    ]


@dataclass(frozen=True)
class Spread:
    """The number of connections that each node answered.

    Attributes:
        nodes: the nodes that should answer.
        counts: number of connections by the node that answered: its name, or another identifier.
        failed: connections without an answer.
        sticky: True if all connections of one client should reach the same node.
    """

    nodes: Sequence[str]
    counts: Counter[str]
    failed: int = 0
    sticky: bool = False

    @property
    def total(self) -> int:
        """Number of connections with an answer."""
        return self.counts.total()

    def __str__(self) -> str:
        """Return a text like `node1 11, node2 9`."""
        parts = [f"{name} {self.counts[name]}" for name in sorted({*self.nodes, *self.counts})]
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)


def judge_spread(step: Step, spread: Spread) -> None:
    """Record in a step how connections were distributed; a wrong distribution is a finding."""
    step.seen = str(spread)
    if spread.failed:
        step.fail("spread-failed", step.seen)
        return
    if spread.sticky:
        if len(spread.counts) > 1:
            step.fail("spread-sticky", step.seen)
        return
    count = max(len(spread.nodes), len(spread.counts))
    if count < 2 or not spread.total:
        return
    missing = count - len(spread.counts)
    chance = (
        chance_of_missing(count, spread.total)
        if missing
        else chance_of_uneven(count, spread.counts)
    )
    if missing and chance >= SIGNIFICANCE:
        seen = f"{step.seen}; {connections_needed(count)} connections are needed for a result"
        step.note("spread-few", seen)
    elif chance < SIGNIFICANCE:
        finding = "spread-missing" if missing else "spread-uneven"
        seen = f"{step.seen}; the probability of this distribution by chance is {chance:.1g}"
        step.fail(finding, seen)
    elif set(spread.counts) <= set(spread.nodes):
        step.seen += ", distributed evenly"


def chance_of_missing(nodes: int, connections: int) -> float:
    """Return an upper bound of the probability that an even distribution leaves out a node."""
    return min(1.0, nodes * (1 - 1 / nodes) ** connections)


def chance_of_uneven(nodes: int, counts: Counter[str]) -> float:
    """Return an upper bound of the probability that chance alone gives counts this uneven."""
    total = counts.total()
    return min(1.0, 2 * nodes * min(_tail(total, nodes, count) for count in counts.values()))


def connections_needed(nodes: int) -> int:
    """Return how many connections leave out a node with a probability below `SIGNIFICANCE`."""
    return 1 if nodes < 2 else ceil(log(SIGNIFICANCE / nodes) / log(1 - 1 / nodes))


def _tail(total: int, nodes: int, count: int) -> float:
    """Return the probability that a node gets a share as extreme as `count` connections.

    The result is the lower of two probabilities: that a node gets at most `count` connections, and
    that a node gets at least `count` connections.
    """
    ways = [comb(total, share) * (nodes - 1) ** (total - share) for share in range(total + 1)]
    at_most, at_least, all_ways = sum(ways[: count + 1]), sum(ways[count:]), nodes**total
    return float(min(at_most, at_least) / all_ways)
