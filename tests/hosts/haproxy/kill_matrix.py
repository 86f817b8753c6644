"""Kill HAProxy's program at every step that changes the host, and run the command again.

    python -m tests.hosts.haproxy.kill_matrix [--sample N --seed N]

A step is the creation, renaming or removal of a file, the creation of a folder, the start of a
program, and the moments before and after each command that changes HAProxy's state. After a kill,
every file has its old or its new content. The same command then succeeds, and no temporary file
remains.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosts.common.aws_cli import AwsCli
from hosts.common.errors import HostError
from hosts.haproxy import runtime_api, server_state_file
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.draining import drain
from hosts.haproxy.enabling import enable
from hosts.haproxy.host import Host, apply
from hosts.haproxy.reloading import reload
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.servers import parse_states, servers
from tests.hosts.haproxy.certificates import certificates
from tests.hosts.haproxy.small_haproxy import small_config, small_haproxy
from tests.support.servers.haproxy_program import PROGRAM
from tests.support.servers.ports import free_port

_EVENTS = frozenset({"os.mkdir", "os.remove", "os.rename", "subprocess.Popen"})
_KILLED = -signal.SIGKILL
_SECONDS = 60.0
_LEFT = frozenset({"admin.sock", "master.sock", "haproxy.cfg", "log", "server-state"})
"""Files that belong to a HAProxy host; all other files are leftovers of a killed run."""


@dataclass(frozen=True)
class CloudOfFiles(AwsCli):
    """Stand-in for the AWS CLI, with the file and the secret of the desired state."""

    files: dict[str, bytes] = field(default_factory=dict)

    def copy_beginning(self, uri: str, path: Path, most_bytes: int) -> None:
        path.write_bytes(self.files[uri][:most_bytes])

    def secret(self, arn: str, version: str = "") -> str:  # noqa: ARG002 - the base class's signature
        return self.files[arn].decode()


class Machine:
    """A HAProxy host with two versions of the configuration file and of the certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.haproxy = LocalHaproxy(
            folder, folder / "server-state", folder / "haproxy.cfg", PROGRAM
        )
        self.port = free_port()
        self.host = Host(
            self.haproxy,
            tls=folder / "tls",
            drop_in=folder / "systemd/denodo.conf",
            systemctl=None,
            settle=0,
        )
        self.pem = self.host.tls / "server.pem"
        made = certificates(folder)
        self.certificates = [made.balancer.read_text(), made.nodes.read_text()]
        made.authority.unlink()
        made.balancer.unlink()
        made.nodes.unlink()
        self.pem.parent.mkdir(mode=0o700)
        self.pem.write_text(self.certificates[0])
        self.pem.chmod(0o600)
        listener = f"frontend tls\n    bind 127.0.0.1:{self.port} ssl crt {self.pem}\n"
        self.more = f"{listener}    default_backend jdbc"
        self.configs = [
            small_config(self.haproxy, maxconn=maxconn, more=self.more) for maxconn in (100, 99)
        ]
        self.new = tempfile.NamedTemporaryFile(suffix=".cfg")  # noqa: SIM115 - closed with this object
        self.wanted = 0
        """Index in `configs` and `certificates` of the wanted state: 0 or 1."""

    def write_new(self) -> Path:
        """Write the wanted configuration to a new file, as an operator would before a reload."""
        path = Path(self.new.name)
        path.write_text(self.configs[self.wanted])
        return path

    def apply(self) -> None:
        """Apply the desired state with the wanted file and certificate."""
        config = self.configs[self.wanted].encode()
        uri = f"s3://bucket/{hashlib.sha256(config).hexdigest()}.cfg"
        cloud = CloudOfFiles(
            files={
                uri: config,
                "certificate": self.certificates[self.wanted].encode(),
            }
        )
        desired = DesiredState("program", uri, "[Service]\n", "certificate", "", 1)
        apply(self.host, cloud, desired, _ignore)

    def orders(self) -> dict[str, str]:
        """Return the state of each server, to compare what operators have set, such as a drain."""
        return {server.id: server.state for server in servers(self.haproxy)}

    def problem(self, *, killed: bool) -> str:
        """Return a problem that a killed or a complete run has left, or empty text."""
        config = self.haproxy.config.read_text()
        if config not in self.configs or self.pem.read_text() not in self.certificates:
            return "a file is neither the old nor the new one"
        if stat.S_IMODE(self.pem.stat().st_mode) != 0o600:
            return "another user can read the certificate"
        parse_states(self.haproxy.state.read_text())
        left = {path.name for path in self.folder.iterdir() if path.is_file()} - _LEFT
        left -= {path.name for path in self.folder.glob("server-state.lock")}
        left |= {path.name for path in self.pem.parent.iterdir()} - {self.pem.name}
        return "" if killed or not left else f"left: {sorted(left)}"

    def active(self, *, certificate: bool) -> str:
        """Return how the running HAProxy differs from the wanted state, or empty text."""
        config = self.configs[self.wanted]
        if self.haproxy.config.read_text() != config:
            return "the file is not the wanted one"
        wanted = next(line.split()[1] for line in config.splitlines() if "maxconn" in line)
        if f"Maxconn: {wanted}\n" not in self.haproxy.query("show info"):
            return "the wanted file is not loaded"
        if certificate:
            served = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=_SECONDS)
            if served not in self.certificates[self.wanted]:
                return "the wanted certificate is not loaded"
        return ""


def _ignore(_line: str) -> None:
    """Discard a message (the function `report` of the commands)."""


@dataclass(frozen=True)
class Scenario:
    """A command to kill and run again.

    Attributes:
        before: prepares the machine for the command.
        run: the command.
        after: called after the command has succeeded; returns a problem, or empty text.
    """

    before: Callable[[Machine], None]
    run: Callable[[Machine], None]
    after: Callable[[Machine], str]


def _drain(machine: Machine, node: str = "node1") -> None:
    drain(machine.haproxy, node, _ignore, seconds=_SECONDS, force=False)


def _enable(machine: Machine, node: str = "node1") -> None:
    enable(machine.haproxy, node, _ignore, seconds=_SECONDS)


def _save(machine: Machine) -> None:
    with machine.haproxy.locked():
        server_state_file.save(machine.haproxy)


def _drained_and_other_state(machine: Machine) -> None:
    _drain(machine)
    machine.wanted = 1 - machine.wanted


def _kept(machine: Machine, order: str) -> str:
    kept = server_state_file.admin_states(machine.haproxy)
    expected = {"maint": 1, "up": 0}[order]
    found = {id_: (state, kept[id_]) for id_, state in machine.orders().items() if "node1" in id_}
    return "" if set(found.values()) == {(order, expected)} else f"orders: {found}"


SCENARIOS = {
    "save": Scenario(
        lambda machine: machine.haproxy.execute("set server jdbc/node1 state maint"),
        _save,
        lambda machine: (
            "" if server_state_file.admin_states(machine.haproxy)["jdbc/node1"] else "-"
        ),
    ),
    "drain": Scenario(_enable, _drain, lambda machine: _kept(machine, "maint")),
    "enable": Scenario(_drain, _enable, lambda machine: _kept(machine, "up")),
    "reload": Scenario(
        _drained_and_other_state,
        lambda machine: reload(machine.haproxy, machine.write_new(), _ignore),
        lambda machine: machine.active(certificate=False) or _kept(machine, "maint"),
    ),
    "apply": Scenario(
        _drained_and_other_state,
        Machine.apply,
        lambda machine: machine.active(certificate=True) or _kept(machine, "maint"),
    ),
}


def _forked(run: Callable[[], None], kill_at: int) -> int:
    """Run a function in a process, killed at its n-th step (0: never); return the exit code."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            if kill_at:
                _kill_at(kill_at)
            run()
            code = 0
        except HostError as error:
            sys.stderr.write(f"{error}\n")
            code = error.code
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _kill_at(step: int) -> None:
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS or (event == "open" and arguments[2] & os.O_CREAT):
            count()

    query = runtime_api._query  # noqa: SLF001 - every command passes through this function

    def counted(path: Path, command: str) -> str:
        if not command.startswith(("set ", "reload")):
            return query(path, command)
        count()
        answer = query(path, command)
        count()
        return answer

    runtime_api._query = counted  # noqa: SLF001 - every query passes here
    sys.addaudithook(hook)


def _try(machine: Machine, name: str, step: int) -> str | None:
    """Kill a command at a step and run it again; return the problem, None without such a step."""
    scenario = SCENARIOS[name]
    scenario.before(machine)
    kept = machine.orders()["odbc/node1"]
    ended = _forked(lambda: scenario.run(machine), step)
    if ended != _KILLED:
        return None if ended == 0 else f"{name}, step {step}: not killed, ended with {ended}"
    problem = machine.problem(killed=True)
    if name in ("reload", "apply") and machine.orders()["odbc/node1"] != kept:
        problem = problem or "the killed run lost the drain"
    code = _forked(lambda: scenario.run(machine), 0)
    problem = problem or (f"the next run ended with {code}" if code else "")
    problem = problem or scenario.after(machine) or machine.problem(killed=False)
    return f"{name}, step {step}: {problem}" if problem else ""


@contextmanager
def _machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="hx-") as folder:
        machine = Machine(Path(folder))
        with small_haproxy(machine.haproxy, more=machine.more):
            _save(machine)
            machine.apply()
            yield machine


def main() -> int:
    """Print the number of kills for each command, and all problems found."""
    parser = argparse.ArgumentParser(description="Kill HAProxy's program at every step.")
    parser.add_argument("--sample", type=int, default=0, help="steps per command; default: all")
    parser.add_argument("--seed", type=int, default=16)
    options = parser.parse_args()
    steps = range(1, 1000)
    kills, wrong = {}, []
    with _machine() as machine:
        for name in SCENARIOS:
            chosen = list(steps)
            if options.sample:
                few = range(1, _FEWEST_STEPS[name] + 1)
                chosen = random.Random(options.seed).sample(few, min(options.sample, len(few)))  # noqa: S311 - not for secrets
            kills[name] = 0
            for step in chosen:
                problem = _try(machine, name, step)
                if problem is None:
                    break
                kills[name] += 1
                wrong += [problem] if problem else []
    sys.stdout.write(json.dumps({"kills": kills, "wrong": wrong}, indent=1) + "\n")
    return 1 if wrong else 0


_FEWEST_STEPS = {"save": 3, "drain": 14, "enable": 12, "reload": 14, "apply": 18}
"""Minimum number of steps of each command, of which a sample is chosen."""

if __name__ == "__main__":
    sys.exit(main())
