"""The node program, as root, does not trust files that the Denodo user can write.

An unprivileged user of the operating system owns the Denodo home and the records, and replaces
files there with links, FIFOs, folders, devices, and endless files. Root then runs every command.
"""

import errno
import http.client
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hosts.common import files
from hosts.common.program import Interrupted
from hosts.denodo import commands, privileges, record
from hosts.denodo.configuration import environment_file
from hosts.denodo.errors import ImageError, SystemRefusedError
from hosts.denodo.privileges import Account
from hosts.denodo.state_reader import parse
from tests.hosts.denodo.cloud import PARAMETER, Cloud
from tests.hosts.denodo.home import Home
from tests.support.combinations import WHOLE
from tests.support.host_program import unpacked
from tests.support.servers.ports import free_ports
from tests.support.waiting import until
from tools.local_aws.living.denodo import denodo_servers, metadata_scripts, server_process, stand_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_USER = f"denodo-ha-{os.getpid()}"
"""Unique to this process: a concurrent test run creates and removes a user of its own."""
_MEMORY = 2**30
"""Limit of a command's address space in bytes."""
_COMMANDS = (
    ("status",),
    ("drain", "--why=test"),
    ("undrain",),
    ("confirm-metadata",),
    ("export",),
    ("metrics",),
    ("check", "--state"),
    ("apply", "--state"),
    ("boot", "--state"),
    ("hold", "a reason"),
    ("release",),
    ("hold", "--for-drain", "a reason"),
    ("pause", "--until=2999-01-01T00:00:00+00:00", "--why=test"),
    ("resume",),
    ("silence",),
    ("look", "--act"),
    ("accept-readiness",),
    ("catalog-settings",),
    ("digest-test",),
    ("import-export", "--uri", "s3://exports/node1/export.json"),
    ("license-manager", "--state"),
    ("send-logs", "--state"),
    ("stop",),
)
_BY_ROOT = ("install", "update", "mount", "send-journal")
"""Commands that run as root from beginning to end; they do not open the records."""
_WITHOUT_AN_END = ("serve", "watch")
_RECORDS = (
    *("applied.json", "failed.json", "drained.json", "metadata.json", "logins.json"),
    *("exported.json", "signal.json", "journal.json", "behind.json", "held.json", "watchdog.json"),
    *("readiness.json", "drain-hold.json", "paused.json"),
    *("lock", "export-lock", "record-lock", "run", "export", "import", "metadata.properties"),
    *(".drained.json.denodo-node", ".applied.json.denodo-node", ".journal.json.denodo-node"),
)


@pytest.fixture(scope="module")
def user() -> Iterator[pwd.struct_passwd]:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", _USER]
    subprocess.run(command, check=True, timeout=60)
    yield pwd.getpwnam(_USER)
    subprocess.run(["userdel", _USER], check=True, timeout=60)


class Node:
    """A node: the user owns the Denodo home and the records, and root owns all other files."""

    def __init__(self, folder: Path, user: pwd.struct_passwd) -> None:
        self.folder, self.user = folder, user
        self.home = Home(folder / "machine", "8.0")
        self.program = unpacked("denodo", folder / "program")
        self.state = self.home.folder / "state.json"
        self.state.write_text(json.dumps(self.home.data(denodo__user=user.pw_name)))
        self.secret = folder / "secret"
        self.secret.write_text("only root writes this\n")
        self.secret.chmod(0o644)
        (folder / "root").mkdir()
        Cloud(self.home.folder)
        # The user may lack permission to read the clone of the repository and its Python.
        copy = shutil.copy(stand_in.__file__, folder / "stand_in.py")
        for file in (denodo_servers.__file__, metadata_scripts.__file__, server_process.__file__):
            shutil.copy(file, folder)
        for script in (self.home.path / "bin").iterdir():
            text = script.read_text().replace(stand_in.__file__, str(copy))
            script.write_text(text.replace(sys.executable, _python()))
        self.give(self.home.path)
        self.give(self.records)

    @property
    def records(self) -> Path:
        """Return the folder that contains the node program's records."""
        return self.home.system.folder

    def give(self, path: Path) -> None:
        """Make the Denodo user the owner of a folder and the folder's contents."""
        for file in (path, *path.rglob("*")):
            os.chown(file, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def install(self) -> None:
        """Write the environment file of the systemd units."""
        state = parse(self.state.read_text())
        file = self.home.system.environment
        environment_file.write(file, state, parameter=PARAMETER, region="")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as root, with limited memory."""
        given = [f"--state={self.state}" if one == "--state" else one for one in arguments]
        return subprocess.run(
            [_python(), "-m", "node", *self.home.arguments, *given],
            cwd=self.program,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            stdin=subprocess.DEVNULL,
            preexec_fn=_little_memory,
        )

    def of_root(self) -> dict[str, tuple[int, int, bytes]]:
        """Return owner, mode and content of each file and folder outside the user's folders."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if {self.home.path, self.records} & {
                path,
                *path.parents,
            } or "__pycache__" in path.parts:
                continue
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            if path.name in ("hosts", "aws-calls"):
                content = b""
            found[str(path)] = (status.st_uid, status.st_mode, content)
        return found


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _python() -> str:
    """Return a Python that the unprivileged user can run."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable


@pytest.fixture
def node(user: pwd.struct_passwd) -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = Node(Path(folder), user)
        yield made
        made.home.end()


def _link(node: Node, path: Path) -> None:
    path.symlink_to(node.secret)


def _new(node: Node, path: Path) -> None:
    path.symlink_to(node.folder / "root" / "made-by-root")


def _fifo(_node: Node, path: Path) -> None:
    os.mkfifo(path)


def _folder(_node: Node, path: Path) -> None:
    path.mkdir()
    (path / "file").write_text("")


def _endless(_node: Node, path: Path) -> None:
    path.symlink_to("/dev/zero")


def _device(node: Node, path: Path) -> None:
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:  # the container does not let root create devices
        _endless(node, path)


def _large(_node: Node, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


_REPLACEMENTS = (_link, _new, _fifo, _folder, _endless, _large, _device)


def _replace_records(node: Node, replacement: Callable[[Node, Path], None]) -> None:
    for name in _RECORDS:
        path = node.records / name
        files.remove(path)
        replacement(node, path)
    node.give(node.records)


def _try_commands(
    node: Node,
    replacement: Callable[[Node, Path], None],
    chosen: Sequence[tuple[str, ...]],
) -> None:
    before = node.of_root()
    for command in chosen:
        _replace_records(node, replacement)
        done = node.run(*command)
        assert "Traceback" not in done.stderr, (command, done)
        assert done.returncode not in (1, 70), (command, done)
        assert node.of_root() == before, command


def test_every_command_and_every_record_is_tried() -> None:
    tried = {command for command, *_ in _COMMANDS}
    assert {*commands.REGISTRY} == tried | {*_BY_ROOT, *_WITHOUT_AN_END}
    source = Path(record.__file__).read_text()
    names = set(re.findall(r"_(?:read|write|file)\(\s*\"(\w+)\"", source))
    assert names
    assert {f"{name}.json" for name in names} <= {*_RECORDS}


@pytest.mark.parametrize("continues", [False, True])
def test_a_signal_ends_the_process_and_a_caller_that_would_continue(
    monkeypatch: pytest.MonkeyPatch, *, continues: bool
) -> None:
    """SIGTERM during a check ends the whole watchdog, not only the check."""
    sent: list[int] = []

    class Process(subprocess.Popen[bytes]):
        """A process that ends normally; this program gets SIGTERM while it waits for that end."""

        def communicate(self, *given: Any, **more: Any) -> Any:
            if not sent:
                raise Interrupted(signal.SIGTERM)
            return super().communicate(*given, **more)

        def send_signal(self, sig: int) -> None:
            sent.append(sig)
            super().send_signal(sig)

    monkeypatch.setattr(subprocess, "Popen", Process)
    own = Account.named(pwd.getpwuid(os.geteuid()).pw_name)
    if continues:
        with pytest.raises(Interrupted, match="SIGTERM"):
            privileges.run_as(own, ["serve", "--port=0"], continues=True)
    else:
        assert privileges.run_as(own, ["serve", "--port=0"]) == 128 + signal.SIGTERM
    assert sent == [signal.SIGTERM]


@pytest.mark.parametrize("replacement", [_link, _fifo, _endless])
@pytest.mark.parametrize("command", _WITHOUT_AN_END)
def test_a_command_without_an_end_changes_nothing_of_root(
    node: Node, command: str, replacement: Callable[[Node, Path], None]
) -> None:
    """The readiness endpoint answers that the node is not ready; the watchdog keeps running."""
    node.install()
    before = node.of_root()
    _replace_records(node, replacement)
    (port,), watched = free_ports(1), node.folder / "root/watched"
    more = [f"--port={port}"] if command == "serve" else [f"--watchdog-folder={watched}"]
    with subprocess.Popen(
        [_python(), "-u", "-m", "node", *node.home.arguments, command, *more],
        cwd=node.program,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_little_memory,  # noqa: PLW1509 - no thread runs here
    ) as process:
        assert process.stdout
        try:
            if command == "serve":
                assert any(f"port {port}" in line for line in process.stdout)
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                connection.request("GET", "/ready/jdbc")
                assert connection.getresponse().status == 503
                connection.close()
            if command == "watch":
                until(lambda: watched.exists() or process.poll() is not None)
                assert watched.exists()
        finally:
            process.terminate()
            try:
                output, _ = process.communicate(timeout=300)
            finally:
                process.kill()
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "Traceback" not in output
    shutil.rmtree(watched, ignore_errors=True)
    assert node.of_root() == before


@pytest.mark.parametrize("replacement", _REPLACEMENTS)
def test_replaced_records_change_nothing_of_root(
    node: Node, replacement: Callable[[Node, Path], None]
) -> None:
    node.install()
    names = ("status", "drain", "confirm-metadata", "stop")
    _try_commands(node, replacement, [item for item in _COMMANDS if item[0] in names])


_SAMPLED = (_link, _fifo, _large, _device)


@pytest.mark.long
@pytest.mark.parametrize("replacement", _REPLACEMENTS if WHOLE else _SAMPLED)
def test_replaced_files_change_nothing_of_root_with_any_command(
    node: Node, replacement: Callable[[Node, Path], None]
) -> None:
    """Try a fourth of the commands for each replacement in each folder (`test-whole`: all).

    Each command is tried with each replacement, and in each folder, but not with each pair of
    replacement and folder.
    """
    node.install()
    assert node.run("apply", "--state").returncode == 0
    begin = 0 if WHOLE else _SAMPLED.index(replacement)
    _try_commands(node, replacement, _chosen(begin))
    for place, folder in enumerate(("conf", "resources", "bin"), begin + 1):
        kept = node.home.path / f"{folder}.kept"
        shutil.copytree(node.home.path / folder, kept)
        for file in [path for path in (node.home.path / folder).rglob("*") if path.is_file()]:
            files.remove(file)
            replacement(node, file)
        node.give(node.home.path)
        _try_commands(node, replacement, _chosen(place))
        shutil.rmtree(node.home.path / folder)
        kept.rename(node.home.path / folder)
        node.give(node.home.path)


def _chosen(begin: int) -> Sequence[tuple[str, ...]]:
    """Return every fourth command from a position; four successive positions have all commands."""
    return _COMMANDS if WHOLE else _COMMANDS[begin % 4 :: 4]


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("command", ["stop", "status", "export"])
def test_a_forged_state_does_not_run_its_script_as_root(
    node: Node, command: str, *, installed: bool
) -> None:
    if installed:
        node.install()
    evil = node.records / "evil"
    (evil / "bin").mkdir(parents=True)
    noted = node.records / "noted"
    for name in ("ping.sh", "vqlserver_shutdown.sh", "export.sh"):
        (evil / "bin" / name).write_text(f"#!/bin/sh\nid -u >> {noted}\n")
        (evil / "bin" / name).chmod(0o755)
    exports = {"bucket": "exports", "prefix": "n/", "login": "arn:aws:secretsmanager:eu-west-1:"}
    exports["login"] += "111122223333:secret:login"
    forged = node.home.data(denodo__user="root", denodo__home=str(evil))
    forged["exports"] = {**exports, "every": 1}
    applied = {"hash": "", "change": "", "state": forged}
    (node.records / "applied.json").write_text(json.dumps(applied))
    node.give(node.records)
    assert node.home.system.folder.stat().st_uid == node.user.pw_uid
    node.run(command)
    ran_by = set(noted.read_text().split()) if noted.exists() else set()
    assert "0" not in ran_by


def test_an_unknown_user_is_refused_with_the_command_to_run(node: Node) -> None:
    shutil.rmtree(node.records)
    done = node.run("status")
    assert done.returncode == SystemRefusedError.code
    assert "python3 -m node install --parameter NAME" in done.stdout


def test_an_environment_that_others_can_write_is_refused(node: Node) -> None:
    node.install()
    file = node.home.system.environment
    file.chmod(0o666)
    assert "users other than root can write the file" in node.run("stop").stdout
    file.chmod(0o644)
    os.chown(file.parent, node.user.pw_uid, -1)
    assert "root does not write files in the folder" in node.run("stop").stdout
    os.chown(file.parent, 0, -1)
    assert node.run("drain", "--why=test").returncode == 0
    assert (node.records / "drained.json").stat().st_uid == node.user.pw_uid


def test_root_s_session_does_not_reach_the_denodo_user(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_COMMAND", "secret")
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    script = node.home.path / "bin/regenerateFiles.sh"
    script.write_text(f"#!/bin/sh\nenv > {node.home.path}/seen; ps -o tty= $$ >&2\nfalse\n")
    assert node.run("apply", "--state").returncode == 7
    seen = (node.home.path / "seen").read_text().splitlines()
    assert not [line for line in seen if line.startswith("SUDO_")]
    assert "JAVA_HOME=/opt/java" in seen
    assert f"USER={_USER}" in seen


def test_a_hosts_file_in_a_folder_of_the_user_is_not_written(node: Node) -> None:
    os.chown(node.home.folder, node.user.pw_uid, node.user.pw_gid)
    done = node.run("apply", "--state")
    assert done.returncode == SystemRefusedError.code
    assert "node1" not in node.home.system.hosts.read_text()


def test_root_is_refused_as_the_denodo_user_at_first_boot_only(node: Node) -> None:
    data = node.home.data(denodo__user="root")
    node.state.write_text(json.dumps(data))
    install = ("install", "--state", f"--root={node.home.folder}", f"--parameter={PARAMETER}")
    done = node.run(*install)
    assert done.returncode == ImageError.code
    assert "Denodo runs as root" in done.stdout
    file = node.home.folder / "etc/denodo-node/environment"
    file.parent.mkdir(parents=True)
    file.write_text(f"DENODO_NODE_PARAMETER={PARAMETER}\n")
    done = node.run(*install)
    assert done.returncode == 0, done
    assert "Denodo runs as root" in done.stdout
    told = json.loads(node.run("status").stdout)
    assert "Denodo runs as root" in told["warnings"][0]


def test_sudo_rights_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    account = privileges.Account("denodo", 1234, 1234, "/")
    for output, found in (
        ("User denodo is not allowed to run sudo on host.", 0),
        ("User denodo may run the following commands on host:\\n    (ALL) NOPASSWD: ALL", 1),
    ):
        sudo.write_text(f"#!/bin/sh\nprintf '{output}\\n'\n")
        sudo.chmod(0o755)
        assert len(privileges.warnings(account)) == found


def test_the_denodo_user_runs_what_it_may(node: Node) -> None:
    node.install()
    done = node.run("apply", "--state")
    assert done.returncode == 0, done
    status: dict[str, Any] = json.loads(node.run("status").stdout)
    assert "warnings" not in status
    assert node.home.running()
    assert node.run("stop").returncode == 0
    assert node.home.running() is None


def test_a_signal_to_root_s_process_ends_the_user_s_process(node: Node) -> None:
    node.install()
    (port,) = free_ports(1)
    command = [_python(), "-m", "node", *node.home.arguments, "serve", f"--port={port}"]
    with subprocess.Popen(command, cwd=node.program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert f"port {port}" in process.stdout.readline()
        process.terminate()
        process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_a_boot_whose_user_is_killed_says_so(node: Node) -> None:
    cloud = Cloud(node.home.folder)
    cloud.answer("signal-resource", {})
    for file in ("aws-calls", "answers.json"):
        path = node.home.folder / file
        path.touch()
        path.chmod(0o666)
    signal_ = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}
    data = node.home.data(denodo__user=node.user.pw_name, signal=signal_)
    node.state.write_text(json.dumps(data))
    aws = node.home.folder / "aws"
    aws.write_text(aws.read_text().replace(sys.executable, _python()))
    script = node.home.path / "bin/regenerateFiles.sh"
    # The parent process of this shell is the node program.
    script.write_text("#!/bin/sh\nkill -9 $PPID\n")
    assert node.run("boot", "--state").returncode == 128 + signal.SIGKILL
    assert [status for status, _ in cloud.signals()] == ["FAILURE"]
    assert (node.records / "signal.json").stat().st_uid == node.user.pw_uid
