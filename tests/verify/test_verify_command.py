"""`denodo-ha verify`: targets, calls to AWS, output and exit codes."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.verify.findings import StepLog
from denodo_ha.verify.site import DnsAnswer
from denodo_ha.verify.verification import Verification, VerifiedPort
from tests.support.configurations import changed, minimal, twins, write
from tests.support.servers.certificates import authority
from tests.support.servers.web import Web, web

HOST = "127.0.0.1"


@pytest.fixture
def port() -> Iterator[int]:
    with web(Web()) as server:
        yield server.port


def run(*arguments: object) -> Result:
    return CliRunner().invoke(
        build_program(COMMANDS), ["verify", *map(str, arguments)], env={"COLUMNS": "200"}
    )


def one(folder: Path, port: int) -> Path:
    return write(folder, changed(minimal(), {"services": {"web": port}}))


def write_managed(folder: Path, port: int, manager: int) -> Path:
    """Write a configuration with a License Manager, and a Solution Manager without a host."""
    changes = {
        "services": {"web": port},
        "license_manager": {"host": HOST, "port": manager},
        "solution_manager": {"cidrs": ["10.9.0.0/16"]},
    }
    return write(folder, changed(minimal(), changes))


def two(folder: Path, port: int) -> Path:
    return write(folder, changed(twins(), {"services": {"web": port}}))


def test_all_right(port: int, tmp_path: Path) -> None:
    result = run("-c", one(tmp_path, port), "--host", HOST)
    assert result.exit_code == exit_codes.DONE
    assert result.stdout.startswith(f"test, main, {HOST}: all right\n")
    assert f"connect {HOST}:{port}" in result.stdout


@pytest.mark.parametrize("connections", [0, 2])
def test_ports_are_verified_in_parallel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    """Ports are verified in parallel, as each port of a lost region waits for its timeouts.

    With --connections, which tests the distribution over nodes, ports are verified one by one.
    """
    together, running, most = threading.Barrier(3), 0, 0

    def verify(_: object, log: StepLog, port: VerifiedPort) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if not connections:
            together.wait(timeout=120)
        with log.step(port.name):
            running -= 1

    monkeypatch.setattr(Verification, "verify", verify)
    services = {"services": {"web": 9090, "jdbc": 9999, "odbc": 9996}}
    file = write(tmp_path, changed(minimal(), services))
    done = run("-c", file, "--host", HOST, "--connections", connections, "--format", "json")
    subjects = [port["name"] for port in json.loads(done.stdout)["subjects"]]
    assert [subject.split()[0] for subject in subjects] == ["names", "jdbc", "odbc", "web"]
    assert most == 1 or not connections


def test_wrong(tmp_path: Path) -> None:
    """The output names the fault, explains it, and says where to look for its cause."""
    with web(Web(status=500)) as server:
        result = run("-c", one(tmp_path, server.port), "--host", HOST)
    assert result.exit_code == exit_codes.NO
    assert "http-status (web" in result.stdout
    assert "status 500\n  The server answers with an error of its own." in result.stdout


def test_json(tmp_path: Path) -> None:
    with web(Web(status=500)) as server:
        result = run("-c", one(tmp_path, server.port), "--host", HOST, "--format", "json")
    assert result.exit_code == exit_codes.NO
    told = json.loads(result.stdout)
    assert (told["state"], told["cluster"]) == ("wrong", "main")
    assert [subject["name"] for subject in told["subjects"]] == ["names", f"web {server.port}"]
    last = told["subjects"][1]["steps"][-1]
    assert (last["step"], last["finding"], last["seen"]) == ("GET /", "http-status", "status 500")
    assert last["seconds"] >= 0


def test_certificates_of_an_own_authority(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().certificate)
    with web(Web(), identity=authority().issue("denodo.example.org")) as server:
        options = ("--tls", "web", "--ca-bundle", bundle, "--host", HOST)
        right = run("-c", one(tmp_path, server.port), *options, "--name", "denodo.example.org")
        wrong = run("-c", one(tmp_path, server.port), *options)
    assert right.exit_code == exit_codes.DONE
    assert wrong.exit_code == exit_codes.NO
    assert "certificate-name" in wrong.stdout


@pytest.fixture
def leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve the failover name to this machine, and every other name, an address, to itself."""

    def resolver(name: str) -> DnsAnswer:
        return DnsAnswer(name, (HOST if name == "denodo.example.com" else name,))

    monkeypatch.setattr("denodo_ha.verify.target_selection.resolve", resolver)


@pytest.mark.parametrize(
    ("names", "state", "said"),
    [
        ({"main": HOST, "spare": "127.0.0.9"}, "all right", "main, the primary"),
        ({"main": "127.0.0.9", "spare": HOST}, "right, with notes", "dns-secondary"),
    ],
)
@pytest.mark.usefixtures("leads_here")
def test_failover_name(
    names: dict[str, str], state: str, said: str, port: int, tmp_path: Path
) -> None:
    """If the load balancers' names are given as options, AWS is not called."""
    given = [f"--balancer={cluster}={name}" for cluster, name in names.items()]
    result = run("-c", two(tmp_path, port), *given)
    assert result.exit_code == exit_codes.DONE
    assert f"test, failover, denodo.example.com: {state}" in result.stdout
    assert said in result.stdout


def test_balancer_that_is_given(port: int, tmp_path: Path) -> None:
    result = run("-c", two(tmp_path, port), "--through", "spare", f"--balancer=spare={HOST}")
    assert result.exit_code == exit_codes.DONE
    assert result.stdout.startswith(f"test, spare, {HOST}: all right\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no configuration is given"),
        (("-c", "{two}", "--through", "mian"), "did you mean main?"),
        (("-c", "{two}", "--through", "main/nod1"), "did you mean node1?"),
        (("-c", "{one}", "--through", "failover"), "there is no failover name"),
        (("-c", "{one}", "--service", "jdbc"), "has no service 'jdbc'; write one of web"),
        (("-c", "{one}", "--tls", "jdbc"), "has no service 'jdbc'"),
        (("-c", "{one}", "--balancer", "main"), "is not CLUSTER=NAME"),
        (("-c", "{one}", "--balancer", "x=y"), "clusters are main"),
        (("-c", "{one}", "--ca-bundle", "/nowhere"), "cannot be read"),
        (("-c", "{one}", "--ca-bundle", "{one}"), "no certificate"),
        (("-c", "{one}", "--connections", "-1"), "--connections"),
        (("-c", "nowhere"), "neither"),
    ],
)
def test_usage(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    files = {"one": one(tmp_path / "1", 9090), "two": two(tmp_path / "2", 9090)}
    result = run(*(option.format(**files) for option in options))
    assert result.exit_code == exit_codes.USAGE
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
