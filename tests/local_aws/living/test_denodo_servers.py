"""The nodes' light servers speak the protocols that `denodo-ha verify` reads from real servers."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import StepLog, StepState
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.rmi_probe import SecondConnection, probe_rmi
from denodo_ha.verify.tcp_probe import probe_flight
from denodo_ha.verify.web_probe import WebRequest, probe_web
from tests.support.servers import certificates
from tools.local_aws.living.denodo import installation, metadata_scripts, server_process
from tools.local_aws.living.denodo.denodo_servers import Session
from tools.local_aws.living.denodo.stand_in import Home

HOST = "127.0.0.1"


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Serve the protocols of a node of 7.0, each on a free port."""
    (tmp_path / "VERSION").write_text("7.0")
    (tmp_path / "NODE").write_text("i-1")
    with served(Home(tmp_path), "rmi", "object", "odbc") as result:
        yield result


@contextmanager
def served(
    home: Home, *protocols: str, certificate: Path | None = None
) -> Iterator[dict[str, int]]:
    """Serve protocols, each on a free port, until the end of the context."""
    with ExitStack() as open_sockets:
        listeners = {
            name: open_sockets.enter_context(socket.create_server((HOST, 0))) for name in protocols
        }
        result = {name: int(item.getsockname()[1]) for name, item in listeners.items()}

        def serve(protocol: str, listener: socket.socket) -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # the listener is closed at the end of the test
                    return
                second = (HOST, result.get("object", 0))
                talk = Session(home, protocol, second, certificate).talk
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        for name, listener in listeners.items():
            threading.Thread(target=serve, args=(name, listener), daemon=True).start()
        yield result
        for listener in listeners.values():
            listener.shutdown(socket.SHUT_RDWR)


def endpoint(port: int, *, tls: bool = False, trust: Trust | None = None) -> Endpoint:
    return Endpoint(HOST, port, HOST, 30.0, trust or Trust(), tls)


def test_the_registry_leads_to_the_second_port_of_the_same_server(ports: dict[str, int]) -> None:
    log = StepLog("jdbc")
    expected = SecondConnection(nodes={ports["object"]: ("main/node1",)})
    probe_rmi(log, endpoint(ports["rmi"]), expected)
    assert {step.state for step in log.steps} == {StepState.OK}
    assert log.steps[-1].seen == "the same server answers"


def test_a_session_starts_without_tls(ports: dict[str, int]) -> None:
    log = StepLog("odbc")
    probe_odbc(log, endpoint(ports["odbc"]))
    # The stand-in accepts any user, and has no TLS. Clients need no more, but `verify` must report
    # both.
    assert {step.finding for step in log.steps} == {"odbc-open", "odbc-no-tls"}


def test_the_record_of_a_start_is_replaced_whole(tmp_path: Path) -> None:
    """A program that reads the record during a start sees the whole old or the whole new record."""
    installation.copy_files(tmp_path, "9.0")
    home, run = Home(tmp_path), tmp_path / "run"
    server_process.record_start(home, "vdp")
    (run / "old.json").hardlink_to(run / "vdp.json")
    (run / "generated.json").write_text('{"rmi": "balancer.example.com"}')
    server_process.record_start(home, "vdp")
    assert "rmi" not in json.loads((run / "old.json").read_text())
    assert home.running("vdp")["rmi"] == "balancer.example.com"


def test_servers_speak_tls_once_denodo_s_script_has_run(tmp_path: Path) -> None:
    installation.copy_files(tmp_path, "9.0")
    home = Home(tmp_path)
    stores = [home.certificate]
    authority = certificates.authority()
    identity = authority.issue(HOST)
    files = {"keystore": identity.chain + identity.key, "truststore": authority.certificate}
    for name, content in {**files, "cert-cer-file": b"", "credentials-file": b""}.items():
        (tmp_path / name).write_bytes(content)
    options = ("denodo-home", "keystore", "truststore", "cert-cer-file", "credentials-file")
    arguments = [word for name in options for word in (f"--{name}", str(tmp_path / name))]
    # The script runs again for each renewed certificate.
    for _ in range(2):
        assert metadata_scripts.tls(home, ["--denodo-home", str(tmp_path), *arguments[2:]]) == 0
        stores.append(home.certificate)
    assert stores == [None, *2 * [tmp_path / "keystore"]]
    trust = Trust(str(tmp_path / "truststore"))

    log = StepLog("all")
    with served(home, "odbc", "flight", "https", "vdp", certificate=home.certificate) as ports:
        probe_odbc(log, endpoint(ports["odbc"], trust=trust))
        probe_flight(log, endpoint(ports["flight"], tls=True, trust=trust))
        probe_web(
            log, endpoint(ports["https"], tls=True, trust=trust), WebRequest("/", "no", [], "")
        )
        with endpoint(ports["vdp"], tls=True, trust=trust).open(log) as connection:
            connection.send(b"asyncrmi\x01")
            assert connection.read_bytes(9) == b"asyncrmi\x02"
    assert {step.finding for step in log.steps if step.state is not StepState.OK} == {"odbc-open"}
