"""A client's connection to a service: the handshake of the service's protocol, without a login.

The handshakes are those of `denodo-ha verify`, which also follows a Denodo 7.0 server's registry to
the second port. Certificates are not verified: the local AWS makes its own.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.connection import Connection, connect
from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import Fault, Step, StepLog, StepState
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.rmi_probe import SecondConnection, probe_rmi
from denodo_ha.verify.tcp_probe import probe_flight, probe_tcp
from denodo_ha.verify.verification import VerifiedPort, auxiliary_nodes
from denodo_ha.verify.web_probe import WebRequest, probe_web

_ASYNC_RMI = b"asyncrmi\x01"
"""The first bytes that a client of Virtual DataPort 8.0 and later sends."""
_ACCEPTED = (
    "odbc-certificate",
    "odbc-no-tls",
    "odbc-open",
    "rmi-host",
    "auxiliary-unknown",
    "names-other-port",
    "redirect-elsewhere",
)
"""Beginnings of findings that do not count as faults, because clients of the rehearsal do not
verify certificates, names and redirects."""


class AnyCertificate(Trust):
    """Trust that accepts every certificate, with one handshake.

    To describe a certificate that it rejects, `Trust` makes three more handshakes. With three more
    handshakes, a series of hundreds of connections would be too slow for the time limit of a
    client.
    """

    def open_judged(self, step: Step, opener: Callable[[], Connection], name: str) -> Connection:
        """Return a connection after its TLS handshake; no finding is noted on `step`.

        Raises:
            Fault: The server does not speak TLS.
        """
        del step
        return self.open_unjudged(opener, name)


def client_address() -> str:
    """Return an address to connect from; empty where this system has one loopback address.

    Each call returns another address: with stickiness by the client's address, connections from one
    address would never reach a second node.
    """
    if not sys.platform.startswith("linux"):
        return ""
    third, fourth = (random.randint(1, 250) for _ in range(2))  # noqa: S311 - any address
    return f"127.0.{third}.{fourth}"


@dataclass(frozen=True)
class Client:
    """A client of one service.

    Attributes:
        environment: the configuration.
        port: the service's port and protocol.
        host: the name that the client connects to.
        timeout: real seconds for each step.
    """

    environment: Environment
    port: VerifiedPort
    host: str
    timeout: float

    def fault(self, address: str, port: int) -> str:
        """Connect once; return why the client is not served, empty if the client is served."""
        source = client_address()
        endpoint = Endpoint(
            address, port, self.host, self.timeout, AnyCertificate(), self.port.tls, source
        )
        log = StepLog(self.port.name)
        try:
            self._probe(log, endpoint)
        except Fault as fault:
            return f"{fault.finding}: {fault.seen}"
        for step in log.steps:
            if step.state is StepState.WRONG and not step.finding.startswith(_ACCEPTED):
                return f"{step.finding}: {step.seen}"
        return ""

    def _probe(self, log: StepLog, endpoint: Endpoint) -> None:
        match self.port.protocol:
            case "rmi" | "scheduler":
                nodes = auxiliary_nodes(
                    self.environment,
                    self.environment.clusters,
                    scheduler=self.port.protocol == "scheduler",
                )
                required = self.port.protocol == "rmi"
                second = SecondConnection(nodes, address=endpoint.address, required=required)
                probe_rmi(log, endpoint, second)
            case "odbc":
                probe_odbc(log, endpoint)
            case "web":
                probe_web(log, endpoint, WebRequest("/", "no", [], ""))
            case "flight":
                probe_flight(log, endpoint)
            case _ if self.port.name == "jdbc":
                _probe_async_rmi(endpoint)
            case _:
                probe_tcp(log, endpoint)


def _probe_async_rmi(endpoint: Endpoint) -> None:
    """Begin a connection to Virtual DataPort 8.0 or later, whose client speaks first.

    Raises:
        Fault: the server does not answer.
    """
    with connect(endpoint.address, endpoint.port, endpoint.timeout) as connection:
        connection.send(_ASYNC_RMI)
        connection.read_bytes(len(_ASYNC_RMI))
