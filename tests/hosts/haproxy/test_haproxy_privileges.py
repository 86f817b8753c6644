"""HAProxy's host program, as root, does not trust files that HAProxy's user can write.

An unprivileged user of the operating system owns the folder of the state file, and replaces files
there with links, FIFOs, folders, devices and endless files. Root then runs every command.
"""

import hashlib
import io
import json
import os
import pwd
import random
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path

import pytest

from hosts.common import files
from hosts.haproxy import commands, runtime_api, server_state_file
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.errors import HaproxyError, Refused
from hosts.haproxy.host import Host, apply
from hosts.haproxy.runtime_api import LocalHaproxy
from tests.hosts.haproxy.kill_matrix import CloudOfFiles
from tests.hosts.haproxy.small_haproxy import small_haproxy
from tests.support.combinations import WHOLE, pairwise
from tests.support.servers.haproxy_program import PROGRAM

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_USER = "haproxy-ha-test"
_SECONDS = 600
_SAMPLE = 24
_MEMORY = 2**30
"""Limit of a command's address space in bytes."""
_COMMANDS = (
    "drain node1",
    "enable node1",
    "save",
    "status",
    "verify",
    "reload",
    "prepare",
    "apply",
)
_FILES = ("server-state", f".server-state{files.TEMPORARY_SUFFIX}", "server-state.lock")
_TRAPS = {
    "link": 'ln -s "$root/secret" "$1"',
    "link to nothing": 'ln -s "$root/new" "$1"',
    "hard link": 'ln "$root/secret" "$1" 2>/dev/null || ln -s "$root/secret" "$1"',
    "FIFO": 'mkfifo "$1"',
    "empty folder": 'mkdir "$1"',
    "folder": 'mkdir "$1" && ln -s "$root" "$1/root" && mkdir "$1/inside" && : >"$1/inside/file"',
    "no end": 'ln -s /dev/zero "$1"',
    "too large": 'truncate -s 1T "$1"',
    "unreadable": ': >"$1" && chmod 0 "$1"',
}


@pytest.fixture(scope="module")
def user() -> Iterator[pwd.struct_passwd]:
    """Return an unprivileged user; if the user does not exist, create the user for the test."""
    try:
        yield pwd.getpwnam(_USER)
        return
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", _USER]
    subprocess.run(command, check=True, timeout=60)
    yield pwd.getpwnam(_USER)
    subprocess.run(["userdel", _USER], check=True, timeout=60)


class Machine:
    """A host on which HAProxy's user owns one folder, and root owns all others."""

    def __init__(self, folder: Path, user: pwd.struct_passwd) -> None:
        self.folder, self.user = folder, user
        folder.chmod(0o755)
        self.owned, self.own = folder / "haproxy", folder / "denodo-haproxy"
        self.root = folder / "root"
        self.owned.mkdir()
        os.chown(self.owned, user.pw_uid, user.pw_gid)
        self.root.mkdir()
        (self.root / "secret").write_text("only root writes this\n")
        (folder / "run").mkdir()
        self.haproxy = LocalHaproxy(
            folder / "run", self.owned / "server-state", folder / "haproxy.cfg", PROGRAM
        )

    def as_user(self, script: str, *arguments: str) -> int:
        """Run a shell script as HAProxy's user; return the script's exit status."""
        done = subprocess.run(
            ["sh", "-c", script, "sh", *arguments],
            env={"root": str(self.root), "PATH": os.environ["PATH"]},
            user=self.user.pw_uid,
            group=self.user.pw_gid,
            extra_groups=[],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.returncode

    def clean(self) -> None:
        """Remove everything from the user's folder."""
        for path in self.owned.iterdir():
            files.remove(path)

    def of_root(self) -> dict[str, object]:
        """Return mode, owner and content of root's files, to detect changes by a command."""
        found: dict[str, object] = {}
        for path in (self.root, *self.root.iterdir()):
            status = path.lstat()
            content = path.read_text() if path.is_file() else ""
            found[path.name] = (stat.filemode(status.st_mode), status.st_uid, content)
        return found

    def run(self, command: str) -> tuple[int, str]:
        """Run a command as root; return exit code and output."""
        options = [
            *("--run", str(self.haproxy.run), "--state", str(self.haproxy.state)),
            *("--config", str(self.haproxy.config), "--haproxy", PROGRAM),
        ]
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            if command == "apply":
                code = self._apply()
            else:
                code = commands.main([*options, *command.split()])
        return code, output.getvalue()

    def _apply(self) -> int:
        """Apply a desired state with another configuration file; return the exit code."""
        config = self.haproxy.config.read_bytes() + b"# again\n"
        uri = f"s3://bucket/{hashlib.sha256(config).hexdigest()}.cfg"
        tls, drop_in = self.folder / "tls", self.folder / "systemd/denodo.conf"
        machine = Host(self.haproxy, tls=tls, drop_in=drop_in, systemctl=None, settle=0)
        desired = DesiredState("program", uri, "[Service]\n", "", "", 1)
        try:
            apply(machine, CloudOfFiles(files={uri: config}), desired, commands.report)
        except HaproxyError as error:
            commands.report(str(error))
            return error.code
        return 0

    def wrong(self, command: str, name: str, trap: str) -> str:
        """Replace a file with a trap (a link, FIFO or similar), and run a command.

        Return a description of what the command did wrong; empty if nothing.
        """
        before = self.of_root()
        self.clean()
        self.run("save")
        (self.owned / name).unlink(missing_ok=True)
        if self.as_user(_TRAPS[trap], str(self.owned / name)) != 0:
            return "the trap is not made"
        code, output = self.run(command)
        # A command must replace the planted file; `status` and `verify` may instead report it and
        # fail.
        right = code in ((0, 1) if command in ("status", "verify") else (0,))
        later = [self.run(next_)[0] for next_ in ("enable node1", "verify")]
        is_file = stat.S_ISREG((self.owned / "server-state").lstat().st_mode)
        if right and later == [0, 0] and is_file and self.of_root() == before:
            return ""
        return f"{command}, {trap} as {name}: {code} {output} {later} {is_file} {self.of_root()}"


@contextmanager
def running_machine(user: pwd.struct_passwd) -> Iterator[Machine]:
    """Run a small HAProxy on a host, whose folders replace the fixed paths of the host program."""
    with tempfile.TemporaryDirectory(prefix="hx-") as name, pytest.MonkeyPatch.context() as patch:
        made = Machine(Path(name), user)
        patch.setattr(runtime_api, "STATE_FILE", made.haproxy.state)
        patch.setattr(runtime_api, "OWN_FOLDER", made.own)
        patch.setattr(server_state_file, "_HAPROXY_USER", user.pw_name)
        with small_haproxy(made.haproxy):
            yield made


@pytest.fixture
def machine(user: pwd.struct_passwd) -> Iterator[Machine]:
    """Return a host on which a small HAProxy runs."""
    with running_machine(user) as made:
        yield made


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("cases", [_SAMPLE, pytest.param(0, marks=pytest.mark.long)])
def test_root_follows_nothing_of_the_user(cases: int) -> None:
    """Run cases in a process with a time limit and limited memory.

    If `cases` is 0, the process runs a sample in which each command meets each file and each trap,
    and each file each trap; in `make test-whole`, it runs all cases. Otherwise `cases` is the
    number of random cases.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts.haproxy.test_haproxy_privileges", str(cases)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == []


def test_a_device_is_not_opened(machine: Machine) -> None:
    path = machine.owned / "server-state"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this machine may not create devices")
    code, output = machine.run("verify")
    assert (code, "cannot be read: the path is not a regular file" in output) == (1, True)
    assert machine.run("save")[0] == 0
    assert path.is_file()


@pytest.mark.parametrize("change", ["chown", "chmod", "link", "lock is a link"])
def test_the_program_s_own_folder_is_root_s(machine: Machine, change: str) -> None:
    assert machine.run("save")[0] == 0
    if change == "chown":
        os.chown(machine.own, machine.user.pw_uid, -1)
    elif change == "chmod":
        machine.own.chmod(0o777)
    elif change == "link":
        (machine.own / "lock").unlink()
        machine.own.rmdir()
        machine.own.symlink_to(machine.owned)
    else:
        (machine.own / "lock").unlink()
        (machine.own / "lock").symlink_to(machine.root / "secret")
    before = machine.of_root()
    code, output = machine.run("drain node1")
    assert (code, f"the lock {machine.own}/lock cannot be written" in output) == (3, True)
    assert machine.of_root() == before
    assert not (machine.owned / "lock").exists()


def test_a_folder_of_another_user_is_refused(machine: Machine) -> None:
    machine.haproxy.state.unlink(missing_ok=True)
    os.chown(machine.owned, 65534, 65534)
    code, output = machine.run("save")
    assert (code, "the folder belongs to the user 65534: run `chown root" in output) == (4, True)
    assert not machine.haproxy.state.exists()


def test_users_without_root_s_rights_exclude_root(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_api, "_LOCK_SECONDS", 0.1)
    with machine.haproxy.locked():
        assert (machine.own / "lock").read_text() == f"process {os.getpid()}"
        assert (machine.own / "lock").stat().st_gid == machine.user.pw_gid
        os.setegid(machine.user.pw_gid)
        os.seteuid(machine.user.pw_uid)
        try:
            with (
                pytest.raises(Refused, match=rf"locked by process {os.getpid()}"),
                machine.haproxy.locked(),
            ):
                pass
        finally:
            os.seteuid(0)
            os.setegid(0)


def test_a_user_without_root_s_rights_still_works(machine: Machine) -> None:
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(machine.user.pw_gid)
            os.setuid(machine.user.pw_uid)
            code, _ = machine.run("save")
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert machine.haproxy.state.stat().st_uid == machine.user.pw_uid


def main(count: int) -> None:
    """Run `count` random combinations of command, file and trap (0: a sample); print problems."""
    with running_machine(pwd.getpwnam(_USER)) as machine:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        cases: list[tuple[str, ...]] = list(product(_COMMANDS, _FILES, _TRAPS))
        if count:
            cases = random.Random(16).sample(cases, count)  # noqa: S311 - not for secrets
        elif not WHOLE:
            cases = pairwise(_COMMANDS, _FILES, _TRAPS)
        wrong = [problem for case in cases if (problem := machine.wrong(*case))]
        own = {path.name for path in machine.own.iterdir()}
    sys.stdout.write(json.dumps(wrong if own == {"lock"} else [*wrong, *own]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
