"""The light servers of nodes speak what `denodo-ha verify` reads from real ones."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import StepLog, StepState
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.rmi_probe import SecondConnection, probe_rmi
from tools.local_aws.living.denodo.denodo_servers import Session
from tools.local_aws.living.denodo.stand_in import Home

HOST = "127.0.0.1"


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Serve the protocols of a node of 7.0, each on a free port."""
    (tmp_path / "VERSION").write_text("7.0")
    (tmp_path / "NODE").write_text("i-1")
    home = Home(tmp_path)
    with ExitStack() as open_sockets:
        listeners = {
            name: open_sockets.enter_context(socket.create_server((HOST, 0)))
            for name in ("rmi", "object", "odbc")
        }
        result = {name: int(item.getsockname()[1]) for name, item in listeners.items()}

        def serve(protocol: str, listener: socket.socket) -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # the test is over
                    return
                talk = Session(home, protocol, (HOST, result["object"])).talk
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        for name, listener in listeners.items():
            threading.Thread(target=serve, args=(name, listener), daemon=True).start()
        yield result
        for listener in listeners.values():
            listener.shutdown(socket.SHUT_RDWR)


def endpoint(port: int) -> Endpoint:
    return Endpoint(HOST, port, HOST, 30.0, Trust())


def test_the_registry_leads_to_the_second_port_of_the_same_server(ports: dict[str, int]) -> None:
    log = StepLog("jdbc")
    expected = SecondConnection(nodes={ports["object"]: ("main/node1",)})
    probe_rmi(log, endpoint(ports["rmi"]), expected)
    assert {step.state for step in log.steps} == {StepState.OK}
    assert log.steps[-1].seen == "the same server answers"


def test_a_session_starts_without_tls(ports: dict[str, int]) -> None:
    log = StepLog("odbc")
    probe_odbc(log, endpoint(ports["odbc"]))
    # Any user may connect, and there is no TLS: what a client needs, and what verify must notice.
    assert {step.finding for step in log.steps} == {"odbc-open", "odbc-no-tls"}
