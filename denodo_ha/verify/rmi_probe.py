"""Probe of Java RMI: the registry, and the second connection to the host that the registry names.

Each Java process puts its own random number into every answer (`jrmp.CallResult`). This number
shows whether the second connection reached the node that answered the first connection.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from denodo_ha.verify import jrmp
from denodo_ha.verify.connection import host_port
from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, Step, StepLog
from denodo_ha.verify.jrmp import Stub

_UNKNOWN_OBJECT = "java.rmi.NoSuchObjectException"
_MAX_LOOKUPS = 8
"""Project limit: number of names to look up. Virtual DataPort registers only a few names."""


@dataclass(frozen=True)
class SecondConnection:
    """The expectations for a client's second connection.

    Attributes:
        nodes: the nodes of each auxiliary port, as `cluster/node`.
        host_finding: returns the finding for the host that a server names; empty if the host is
            correct.
        address: address to connect to instead of the named host; empty for the named host.
        required: True if a server must name a second port of the configuration (Virtual DataPort
            7.0, and a Scheduler with auxiliary ports of its own).
    """

    nodes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    host_finding: Callable[[str], str] = lambda _: ""
    address: str = ""
    required: bool = True


@dataclass(frozen=True)
class Registry:
    """Content of an RMI registry, and the random number of the registry's Java process."""

    process: int
    stubs: tuple[Stub, ...]


def probe_rmi(log: StepLog, endpoint: Endpoint, expected: SecondConnection) -> None:
    """List the registry, and open the second connection to every port that the registry names.

    Raises:
        Fault: The first connection failed. A failed second connection is only recorded in the log.
    """
    with endpoint.open(log) as connection:
        with log.step("RMI handshake") as step:
            step.seen = f"the server sees this machine as {jrmp.handshake(connection)}"
        with log.step("registry lists") as step:
            process, names = jrmp.list_names(connection)
            step.seen = ", ".join(names)
            if not names:
                raise Fault("registry-empty", "the registry lists no name")
        stubs: dict[Stub, None] = {}
        for name in names[:_MAX_LOOKUPS]:
            with log.step(f"lookup {name}") as step:
                stub = jrmp.lookup(connection, name)
                if stub is None:
                    step.seen = "no remote object"
                    continue
                _judge_stub(step, stub, expected)
                stubs.setdefault(stub)
    if not expected.required:
        return
    if not stubs:
        with log.step("second port"):
            raise Fault("auxiliary-unseen", f"{endpoint} names no second port")
    # Test one remote reference for each host and port: further references with the same host and
    # port lead to the same connection.
    for stub in {(stub.host, stub.port): stub for stub in stubs}.values():
        probe_second_connection(log, endpoint, expected, process, stub)


def read_registry(endpoint: Endpoint) -> Registry:
    """Read a registry on a new connection.

    Raises:
        Fault: The registry does not answer.
    """
    with endpoint.open() as connection:
        jrmp.handshake(connection)
        process, names = jrmp.list_names(connection)
        stubs = [jrmp.lookup(connection, name) for name in names[:_MAX_LOOKUPS]]
    return Registry(process, tuple(stub for stub in stubs if stub is not None))


def probe_second_connection(
    log: StepLog, endpoint: Endpoint, expected: SecondConnection, process: int, stub: Stub
) -> None:
    """Connect to a remote reference, and verify that the registry's own Java process answers.

    A failure is recorded in the log and raises no error.
    """
    second = replace(
        endpoint,
        address=expected.address or stub.host,
        port=stub.port,
        tls=bool(stub.factory),
    )
    try:
        with log.step(f"continue at {second}") as step:
            _require_process(step, second, stub, process)
    except Fault:
        return


def probe_auxiliary(log: StepLog, endpoint: Endpoint) -> None:
    """Verify that an auxiliary port speaks Java RMI.

    Raises:
        Fault: The port does not speak Java RMI.
    """
    with endpoint.open(log) as connection, log.step("RMI handshake") as step:
        step.seen = f"the server sees this machine as {jrmp.handshake(connection)}"


def _require_process(step: Step, endpoint: Endpoint, stub: Stub, process: int) -> None:
    try:
        with endpoint.open() as connection:
            jrmp.handshake(connection)
            result = jrmp.call_unknown_method(connection, stub.object_id)
    except Fault as fault:
        raise Fault("auxiliary-unreachable", fault.seen) from None
    if result.process != process:
        seen = "the server that answers is not the server of the registry"
        raise Fault("auxiliary-other-node", seen)
    if result.exception == _UNKNOWN_OBJECT:
        raise Fault("auxiliary-other-node", f"the server does not know its own object: {result}")
    step.seen = "the same server answers"


def _judge_stub(step: Step, stub: Stub, expected: SecondConnection) -> None:
    """Compare a remote reference with the configuration; record the result in the step."""
    nodes = expected.nodes.get(stub.port, ())
    step.seen = f"clients continue at {host_port(stub.host, stub.port)}"
    if nodes:
        step.seen += f", {' or '.join(nodes)}"
    if not expected.required:
        step.note("names-other-port", step.seen)
        return
    finding = expected.host_finding(stub.host)
    if finding.endswith("-unsure"):
        step.note(finding, step.seen)
    elif finding:
        step.fail(finding, step.seen)
    if not nodes and not step.finding.startswith("rmi-host"):
        step.fail("auxiliary-unknown", step.seen)
