"""The script for the Solution Manager and the option `--host`, with real HAProxy instances.

For this machine, no program is replaced by a stand-in. For other hosts, a stand-in for ssh checks
its arguments and runs the command in a shell on this machine.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed.rotation.haproxy_fleet import failure_reason
from denodo_ha.haproxy.remote_hosts import SshSession
from tests.hosts.haproxy.clients import handshaken, lives
from tests.hosts.haproxy.running import Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tests.support.assembly import ROOT
from tests.support.host_program import unpacked
from tests.support.waiting import read_until

TIMEOUT_S = 300
PASSWORD = "pa55word"  # noqa: S105 - a password of no account
SERVICES = ("jdbc", "odbc", "web")

SSH = r"""
import os, sys
from pathlib import Path

hosts = Path(__file__).parent.parent / "hosts"
*options, target, command = sys.argv[1:]
with (hosts / "asked").open("a") as asked:
    asked.write(f"{target} {command}\n")
wanted = "-T -a -x -o BatchMode=yes -o ConnectTimeout=10"
alive = "-o ServerAliveInterval=15 -o ServerAliveCountMax=3"
if options != f"{wanted} {alive} --".split():
    sys.exit(f"unexpected: {options}")
user, _, host = target.rpartition("@")
there = (hosts / host).resolve()
if not there.is_dir():
    sys.stderr.write(f"ssh: Could not resolve hostname {host}\n")
    sys.exit(255)
before, after = command.split(" -m haproxy ")
before = before.replace("cd /opt/denodo-ha ", f"cd {hosts.parent}/program ")
after = f"--run {there} --state {there}/server-state {after}"
os.execv("/bin/sh", ["sh", "-c", f"{before} -m haproxy {after}"])
"""
"""Stand-in for ssh: each host is a link to the folder of a running HAProxy."""


class Network:
    """The hosts that the stand-in for ssh can connect to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._hosts = folder, folder / "hosts"
        self._hosts.mkdir()
        unpacked("haproxy", folder / "program")
        binaries = folder / "bin"
        binaries.mkdir()
        # Python runs without site-packages, as on a host that has only the host program.
        for name, text in {
            "ssh": f"#!{sys.executable} -SE\n{SSH}",
            "python3": f'#!/bin/sh\nexec {sys.executable} -SE "$@"\n',
        }.items():
            (binaries / name).write_text(text)
            (binaries / name).chmod(0o755)
        self.path = f"{binaries}:{os.environ['PATH']}"

    def add(self, name: str, proxy: Running) -> None:
        (self._hosts / name).symlink_to(proxy.folder)

    @property
    def asked(self) -> list[str]:
        """Return the ssh calls in order, each as host and arguments of the host program."""
        file = self._hosts / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        parts = [line.split() for line in lines]
        return [" ".join([part[0], *part[part.index("haproxy") + 1 :]]) for part in parts]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    return made


@pytest.fixture
def pair(proxy: Running, site: Site, network: Network) -> Iterator[tuple[Running, Running]]:
    """Run two HAProxy instances for the same nodes, on the hosts lb1 and lb2."""
    with running(configuration(site.ports)) as other:
        network.add("lb1", proxy)
        network.add("lb2", other)
        yield proxy, other


def states(proxy: Running, node: str = "node1") -> set[str]:
    states_by_host = proxy.states()
    return {states_by_host[f"{service}/{node}"] for service in SERVICES}


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(build_program(COMMANDS), ["haproxy", *arguments])


class Manager:
    """A host of the Solution Manager."""

    def __init__(self, network: Network) -> None:
        self.log = network.folder / "manager.log"
        self.environment = {
            "PATH": network.path,
            "HOME": str(network.folder),
            "DENODO_HA_LOG": str(self.log),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [ROOT / "solution-manager/haproxy", *arguments],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            said, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, said


@pytest.fixture
def manager(network: Network) -> Manager:
    return Manager(network)


def test_the_haproxy_of_this_machine(manager: Manager, proxy: Running, network: Network) -> None:
    program = network.folder / "denodo-ha"
    there = f"--run {proxy.haproxy.run} --state {proxy.haproxy.state}"
    program.write_text(f'#!/bin/sh\nexec {ROOT}/tools/denodo-ha "$@" {there}\n')
    program.chmod(0o755)
    manager.environment["DENODO_HA"] = str(program)
    code, said = manager.run("node1", "maint", "admin", PASSWORD, "localhost", "300")
    assert code == 0, said
    assert states(proxy) == {"maint"}
    assert "node1: drained, no session is left" in said
    refused, said = manager.run("node2", "maint", "admin", PASSWORD, "-", "300")
    assert refused == exit_codes.REFUSED
    assert "no other node would serve jdbc, odbc, web" in said
    assert states(proxy, "node2") == {"up"}
    code, said = manager.run("node1", "ready", "admin", PASSWORD, "-", "300")
    assert code == 0, said
    assert states(proxy) == {"up"}
    assert PASSWORD not in manager.log.read_text()
    assert network.asked == []


def test_the_haproxies_of_other_hosts(
    manager: Manager, pair: tuple[Running, Running], network: Network
) -> None:
    code, said = manager.run("node1", "maint", "sm", PASSWORD, "lb1,lb2", "300")
    assert code == 0, said
    assert [states(one) for one in pair] == [{"maint"}, {"maint"}]
    assert "lb2: node1: drained, no session is left" in said
    begun, waited = network.asked[:2], network.asked[2:]
    both = ["sm@lb1 drain node1", "sm@lb2 drain node1"]
    assert sorted(begun) == [f"{one} --timeout 300 --no-wait" for one in both]
    assert [one.rsplit(" ", 2)[0] for one in sorted(waited)] == [f"{one} --timeout" for one in both]
    assert all(one.endswith("--force") for one in waited)
    code, said = manager.run("node1", "ready", "sm", PASSWORD, "lb1,lb2", "300")
    assert code == 0, said
    assert [states(one) for one in pair] == [{"up"}, {"up"}]
    assert PASSWORD not in manager.log.read_text() + "".join(network.asked)


def test_a_signal_ends_what_waits_and_says_what_stands(
    manager: Manager, pair: tuple[Running, Running]
) -> None:
    sessions = [handshaken(pair[0].port("jdbc")) for _ in range(2)]
    with manager.start("node1", "maint", "-", "-", "lb1,lb2", "100") as process:
        read_until(process.stdout, "lb1: node1: waiting for 1 session (jdbc 1)")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == exit_codes.INTERRUPTED
    assert "interrupted: node1 gets no new sessions on lb1, lb2; existing sessions continue" in rest
    assert states(pair[0]) == {"drain", "maint"}
    assert all(lives(session) for session in sessions)
    for session in sessions:
        session.close()


def test_what_one_host_refuses_is_called_off_on_the_other(pair: tuple[Running, Running]) -> None:
    first, second = pair
    for service in SERVICES:
        second.haproxy.execute(f"set server {service}/node2 state maint")
    done = ran("drain", "node1", "--host", "lb1,lb2")
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert "HAProxy on lb2: no other node would serve jdbc, odbc, web" in done.stderr
    assert [states(one) for one in pair] == [{"up"}, {"up"}]
    forced = ran("drain", "node1", "--no-wait", "--force", "--host", "lb1,lb2")
    assert forced.exit_code == exit_codes.DONE
    assert states(first) == {"drain", "maint"}


def test_a_host_that_does_not_answer_is_a_failure(pair: tuple[Running, Running]) -> None:
    done = ran("drain", "node1", "--host", "lb1,lb3", "--user", "sm")
    assert done.exit_code == exit_codes.FAILED
    assert (
        "HAProxy on lb3: ssh: Could not resolve hostname lb3; the drain was undone on lb1"
        in done.stderr
    )
    assert states(pair[0]) == {"up"}
    # A node that was already drained remains drained after the undo.
    assert ran("drain", "node1", "--host", "lb1").exit_code == exit_codes.DONE
    assert ran("drain", "node1", "--host", "lb1,lb3").exit_code == exit_codes.FAILED
    assert states(pair[0]) == {"maint"}
    done = ran("enable", "node1", "--host", "lb1,lb3")
    assert done.exit_code == exit_codes.FAILED
    assert "node1 is not back on every HAProxy instance. HAProxy on lb3: ssh:" in done.stderr
    assert states(pair[0]) == {"up"}


def test_sessions_that_do_not_end_are_said(pair: tuple[Running, Running]) -> None:
    sessions = [handshaken(pair[0].port("jdbc")) for _ in range(2)]
    done = ran("drain", "node1", "--host", "lb1,lb2", "--timeout", "2")
    assert done.exit_code == exit_codes.FAILED
    assert "node1 gets no new sessions. HAProxy on lb1: node1 gets no new" in done.stderr
    assert "still has 1 session (jdbc 1)" in done.stderr
    assert states(pair[0]) == {"drain", "maint"}
    assert states(pair[1]) == {"maint"}
    assert all(lives(session) for session in sessions)
    for session in sessions:
        session.close()


def test_an_unknown_node_is_a_wrong_usage(pair: tuple[Running, Running]) -> None:
    assert pair
    done = ran("drain", "node3", "--host", "lb1,lb2")
    assert done.exit_code == exit_codes.USAGE
    assert "HAProxy on lb1: HAProxy has no node node3; its nodes are node1, node2" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("a;id", "--host", "lb1"), "'a;id' is not a node name"),
        (("node1", "--host", "lb1,-oProxyCommand=id"), "'-oProxyCommand=id' is not a host name"),
        (("node1", "--host", "lb1,"), "'' is not a host name"),
        (("node1", "--host", "600"), "'600' is not a host name"),
        (("node1", "--host", "lb1,lb1"), "--host names lb1 twice"),
        (("node1", "--host", "lb1", "--user", "-l root"), "--user is not a login name"),
        (("node1", "--user", "root"), "--user is the login name on the hosts of --host"),
    ],
)
@pytest.mark.parametrize("command", ["drain", "enable"])
def test_names_that_a_shell_could_misread_are_refused(
    network: Network, command: str, arguments: tuple[str, ...], wrong: str
) -> None:
    done = ran(command, *arguments)
    assert done.exit_code == exit_codes.USAGE
    assert wrong in done.stderr
    assert "nothing was changed" in done.stderr
    assert network.asked == []


def test_without_ssh_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = ran("drain", "node1", "--host", "lb1")
    assert done.exit_code == exit_codes.USAGE
    assert "there is no ssh in PATH" in done.stderr


def test_a_host_that_never_ends_is_given_up(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit expires after the first line of the command's output has arrived."""
    (network.folder / "bin/ssh").write_text("#!/bin/sh\necho begun\nexec sleep 300\n")
    told: list[str] = []
    begun = threading.Event()

    class Timer(threading.Timer):
        def run(self) -> None:
            begun.wait(TIMEOUT_S)
            self.function()

    def report(line: str) -> None:
        told.append(line)
        begun.set()

    monkeypatch.setattr(threading, "Timer", Timer)
    with SshSession() as session:
        ended = session.run("lb1", "true", seconds=30, report=report)
    assert (ended.code, told) == (exit_codes.FAILED, ["begun"])
    assert failure_reason(ended) == "the command did not end within 30 s"
