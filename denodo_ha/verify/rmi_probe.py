"""Goes where a Java RMI client goes: to the registry, and on to the host and port that it names.

A Java process puts a number of its own into each answer (`ops.verify.jrmp.Answer`), so that it is
seen, not guessed, whether the second connection reached the node that answered the first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from denodo_ha.verify import jrmp
from denodo_ha.verify.connection import at
from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.jrmp import Stub
from denodo_ha.verify.step import Fault, Log, Step

_NO_OBJECT = "java.rmi.NoSuchObjectException"
_MOST_LOOKED_UP = 8
"""A Virtual DataPort registers few names; more would only be slow."""


@dataclass(frozen=True)
class Second:
    """What is right for the second connection of a client.

    Attributes:
        nodes: who may be behind which port, as `cluster/node`; empty where none is configured.
        hosts: whether the host that a server names is right: a finding's code, or empty.
        instead: connect here, whatever host is named; empty to go where clients go.
        compulsory: whether a server that names no second port is wrong (Virtual DataPort 7.0).
    """

    nodes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    hosts: Callable[[str], str] = lambda _: ""
    instead: str = ""
    compulsory: bool = True


@dataclass(frozen=True)
class Named:
    """What a registry named, and which process it was."""

    process: int
    stubs: tuple[Stub, ...]


def probe(log: Log, place: Place, second: Second) -> None:
    """Ask the registry, and go on to every port that it names.

    Raises:
        Fault: the first connection failed; faults of a second one are steps.
    """
    with place.opened(log) as wire:
        with log.step("RMI handshake") as step:
            step.said = f"sees us as {jrmp.greet(wire)}"
        with log.step("registry lists") as step:
            process, names = jrmp.names(wire)
            step.said = ", ".join(names)
            if not names:
                raise Fault("registry-empty", "no name")
        stubs: dict[Stub, None] = {}
        for name in names[:_MOST_LOOKED_UP]:
            with log.step(f"lookup {name}") as step:
                stub = jrmp.lookup(wire, name)
                if stub is None:
                    step.said = "no remote object"
                    continue
                _judge(step, stub, second)
                stubs.setdefault(stub)
    if not stubs and second.compulsory:
        with log.step("second port"):
            raise Fault("auxiliary-unseen", f"{place} names none")
    if second.compulsory:
        for stub in _apart(stubs):
            go_on(log, place, second, Named(process, (stub,)))


def ask(place: Place) -> Named:
    """What the registry names, on a connection of its own.

    Raises:
        Fault: there is no answer.
    """
    with place.opened() as wire:
        jrmp.greet(wire)
        process, names = jrmp.names(wire)
        found = [jrmp.lookup(wire, name) for name in names[:_MOST_LOOKED_UP]]
    return Named(process, tuple(stub for stub in found if stub is not None))


def go_on(log: Log, place: Place, second: Second, named: Named) -> None:
    """Open the port that a stub names, as clients do, and see who is there; never raises."""
    for stub in named.stubs:
        there = replace(
            place,
            address=second.instead or stub.host,
            port=stub.port,
            tls=bool(stub.factory),
        )
        try:
            with log.step(f"go on at {there}") as step:
                _reached(step, there, stub, named.process)
        except Fault:
            continue


def open_auxiliary(log: Log, place: Place) -> None:
    """See that Java RMI is behind an auxiliary port.

    Raises:
        Fault: it is not.
    """
    with place.opened(log) as wire, log.step("RMI handshake") as step:
        step.said = f"sees us as {jrmp.greet(wire)}"


def _reached(step: Step, there: Place, stub: Stub, process: int) -> None:
    try:
        with there.opened() as wire:
            jrmp.greet(wire)
            answer = jrmp.touch(wire, stub.object_id)
    except Fault as fault:
        raise Fault("auxiliary-unreachable", fault.said) from None
    if answer.process != process:
        raise Fault("auxiliary-other-node", "another server answers than the registry's")
    if answer.exception == _NO_OBJECT:
        raise Fault("auxiliary-other-node", f"the server does not know its own object: {answer}")
    step.said = "the same server answers"


def _judge(step: Step, stub: Stub, second: Second) -> None:
    """Whether host and port are those of the configuration."""
    nodes = second.nodes.get(stub.port, ())
    step.said = f"goes on at {at(stub.host, stub.port)}"
    if nodes:
        step.said += f", {' or '.join(nodes)}"
    if not second.compulsory:
        step.note("names-other-port", step.said)
        return
    code = second.hosts(stub.host)
    if code.endswith("-unsure"):
        step.note(code, step.said)
    elif code:
        step.wrong(code, step.said)
    if not nodes and not step.code.startswith("rmi-host"):
        step.wrong("auxiliary-unknown", step.said)


def _apart(stubs: Mapping[Stub, None]) -> list[Stub]:
    """One stub for each host and port: one connection tells about all."""
    return list({(stub.host, stub.port): stub for stub in stubs}.values())
