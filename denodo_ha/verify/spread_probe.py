"""Opens many connections, and sees which node answers each, as far as answers tell."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import TypeVar

from denodo_ha.verify import rmi_probe as rmi
from denodo_ha.verify import web_probe as web
from denodo_ha.verify.connection import at
from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.rmi_probe import Named, Second
from denodo_ha.verify.spread_judgement import Spread, judge
from denodo_ha.verify.step import Fault, Log, Step
from denodo_ha.verify.web_probe import Question

Asked = TypeVar("Asked")


@dataclass
class Many:
    """Connections to one service, and what is right for them.

    Attributes:
        log: gets the steps.
        places: the same port of every address, taken in turn.
        count: how many connections.
        nodes: names of the nodes that should answer.
        sticks: whether one address should always reach the same node.
    """

    log: Log
    places: tuple[Place, ...]
    count: int
    nodes: tuple[str, ...]
    sticks: bool = False
    failed: list[Fault] = field(default_factory=list)

    def rmi(self, second: Second) -> None:
        """Ask registries, tell them apart, and go on wherever one of them sends clients."""
        answers: list[Named] = []
        with self.log.step(self._what) as step:
            answers += self._each(rmi.ask)
            called = _called(answers, second)
            counts = Counter(called[one.process] for one in answers)
            self._judge(step, counts)
        shared = _shared(answers)
        if shared:
            with self.log.step("second ports differ") as step:
                step.wrong("auxiliary-shared", "; ".join(shared))
        if not second.compulsory:
            return
        apart = {
            (one.process, stub.host, stub.port): Named(one.process, (stub,))
            for one in answers
            for stub in one.stubs
        }
        for named in apart.values():
            rmi.go_on(self.log, self.places[0], second, named)

    def web(self, question: Question) -> None:
        """Ask for a page without a cookie, as new browsers do."""
        with self.log.step(self._what) as step:
            pages = self._each(lambda place: web.ask(place, question, {}))
            if all(page.node for page in pages):
                self._judge(step, Counter(page.node for page in pages))
            else:
                self._counted(step, len(pages))

    def plain(self, probe: Callable[[Log, Place], None]) -> None:
        """Run a probe; its answers do not tell nodes apart."""
        with self.log.step(self._what) as step:
            done = self._each(lambda place: probe(Log(""), place))
            self._counted(step, len(done))

    @property
    def _what(self) -> str:
        return f"{self.count} connections"

    def _each(self, ask: Callable[[Place], Asked]) -> list[Asked]:
        found: list[Asked] = []
        for place in islice(cycle(self.places), self.count):
            try:
                found.append(ask(place))
            except Fault as fault:
                self.failed.append(fault)
        return found

    def _judge(self, step: Step, counts: Counter[str]) -> None:
        judge(step, Spread(self.nodes, counts, len(self.failed), self.sticks))
        self._explain(step)

    def _counted(self, step: Step, answered: int) -> None:
        step.note("spread-unseen", f"{answered} answered")
        if self.failed:
            step.wrong("spread-failed", f"{answered} answered, {len(self.failed)} failed")
            self._explain(step)

    def _explain(self, step: Step) -> None:
        if self.failed:
            step.said += f"; the first: {self.failed[0]}"


def _called(answers: list[Named], second: Second) -> dict[int, str]:
    """A name for every process: its node's, where its port tells, and no name twice."""
    found: dict[int, str] = {}
    for one in answers:
        if one.process in found:
            continue
        nodes = [second.nodes.get(stub.port, ()) for stub in one.stubs]
        name = next((each[0].partition("/")[2] for each in nodes if each), "another node")
        again = sum(known.partition(" (")[0] == name for known in found.values())
        found[one.process] = f"{name} (server {again + 1})" if again else name
    return found


def _shared(answers: list[Named]) -> list[str]:
    """Where several processes send their clients to one port."""
    users: dict[str, set[int]] = {}
    for one in answers:
        for stub in one.stubs:
            users.setdefault(at(stub.host, stub.port), set()).add(one.process)
    return [
        f"{len(those)} servers name {where}" for where, those in users.items() if len(those) > 1
    ]


def everywhere(place: Place, addresses: tuple[str, ...]) -> tuple[Place, ...]:
    """The same port of several addresses."""
    return tuple(replace(place, address=address) for address in addresses)
