"""A machine: the programs of one instance of the local AWS.

    python -m tools.local_aws.living.machine FOLDER/settings.json

At its first boot a machine runs the user data of its instance, at later boots its enabled units. A
machine receives commands of Systems Manager on a port of its address, and registers as the stand-in
of its instance. At SIGTERM, a machine stops its units as at a shutdown. If the server of the local
AWS ends, all processes of the machine end at once.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.local_aws.living import isolation, machine_files, parent
from tools.local_aws.living.commands.unit_command import SOCKET
from tools.local_aws.living.journal import Journal
from tools.local_aws.living.machine_files import Settings
from tools.local_aws.living.machine_root import MachineRoot
from tools.local_aws.living.unit_service import UnitService, move_to_unit
from tools.local_aws.living.units import Units

FIRST_BOOT_UNIT = "cloud-final.service"
"""Unit that runs user data (cloud-init, boot stages)."""
_TIMED_OUT = 137
"""Exit code of a document's script that was killed because of its time-out."""


class Machine:
    """The first program of a machine.

    Args:
        settings: the settings that the local AWS has written for the instance.
        root: the root folder.
        is_new: whether this is the first boot.
        denodo_uid: id of Denodo's user.
    """

    def __init__(
        self, settings: Settings, root: MachineRoot, *, is_new: bool, denodo_uid: int
    ) -> None:
        self._settings, self._is_new, self._denodo_uid = settings, is_new, denodo_uid
        self._root = root
        self._environment = {
            "LANG": "C.UTF-8",
            "HOME": str(root.path("/root")),
            **machine_files.environment(root),
        }
        self._journal = Journal(root.path("/var/log/journal.jsonl"))
        self._units = Units(self._journal, self._environment, root)

    def run(self) -> int:
        """Boot, and run until a signal arrives."""
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        os.chdir(self._root.folder)
        _clear(self._root.path("/run"))
        self._root.end_with()
        self._journal.shorten()
        self._give()
        UnitService(self._units, self._journal).listen(Path(SOCKET))
        move_to_unit(self._root.path("/sys/fs/cgroup"), "denodo-node")
        self._start_agent()
        threading.Thread(target=self._boot, daemon=True).start()
        stopping.wait()
        self._units.stop_all()
        return 0

    def _boot(self) -> None:
        self._journal.add("init.scope", "boot")
        # At the first boot, only the image's own units are enabled: user data adds the others.
        self._units.start_enabled()
        if self._is_new:
            self.run_user_data()

    def run_user_data(self) -> None:
        """Run the script that a new instance runs once, as cloud-init does."""
        if not self._settings.user_data.startswith("#!"):
            self._start_without_program()
            return
        script = self._root.path("/var/lib/cloud/user-data")
        script.write_text(self._root.text(self._settings.user_data))
        script.chmod(0o700)
        process = subprocess.Popen(
            [script],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        self._journal.follow(FIRST_BOOT_UNIT, "", process.stdout)
        self._journal.add(FIRST_BOOT_UNIT, f"user data ended with exit code {process.wait()}")

    def _start_without_program(self) -> None:
        """Start Denodo on an instance without user data, as an init script of its image would."""
        if not self._settings.denodo:
            return
        scripts = self._root.path(self._settings.denodo["home"]) / "bin"
        for name in ("regenerateFiles.sh", "vqlserver_startup.sh", "datacatalog_startup.sh"):
            process = subprocess.Popen(
                [scripts / name],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            assert process.stdout is not None
            # Read the script's output in a thread: the server that the script starts keeps the
            # output open.
            follow = partial(self._journal.follow, "denodo.service", "", process.stdout)
            threading.Thread(target=follow, daemon=True).start()
            self._journal.add("denodo.service", f"{name} ended with {process.wait()}")

    def _start_agent(self) -> None:
        """Receive commands as the SSM agent does, and register with the local AWS."""
        machine = self

        class Handler(BaseHTTPRequestHandler):
            """Runs the script of each SSM document that the local AWS sends."""

            def do_POST(self) -> None:
                command = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(machine.run_document(command)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer((self._settings.address, 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._register(server.server_port)

    def _register(self, commands: int) -> None:
        where = urllib.parse.urlsplit(self._settings.endpoint)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        details = {"address": self._settings.address, "commands": commands}
        path = f"/_local/stand-ins/{self._settings.id}"
        try:
            connection.request("PUT", path, json.dumps(details))
            connection.getresponse().read()
        finally:
            connection.close()

    def run_document(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run the script of a document, as the SSM agent does; return its output."""
        script = self._root.text(command["script"])
        return self._command(["/bin/sh", "-c", script], float(command["timeout"]))

    def _command(self, command: Sequence[str], limit: float) -> dict[str, Any]:
        process = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        try:
            output, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, error = process.communicate()
            return {"code": _TIMED_OUT, "output": output, "error": error}
        return {"code": process.returncode, "output": output, "error": error}

    def _give(self) -> None:
        """Make Denodo's user the owner of the user's home folder and of the Denodo installation."""
        account = self._denodo_uid
        folders = [self._root.path(f"/home/{self._settings.user}")]
        if self._settings.denodo:
            folders.append(self._root.path(self._settings.denodo["home"]))
        for folder in folders:
            if folder.stat().st_uid == account:
                continue
            for path in (folder, *folder.rglob("*")):
                os.chown(path, account, account, follow_symlinks=False)


def _clear(folder: Path) -> None:
    """Remove all files below a folder, such as `/run`, which is empty after a boot."""
    for file in folder.rglob("*"):
        if not file.is_dir() or file.is_symlink():
            file.unlink()


def main() -> int:
    """Run the machine of the settings in a file."""
    settings = Settings.read(Path(sys.argv[1]))
    # Ignore the signals in this process. At a shutdown, the process of `Machine.run` handles them,
    # stops the units, and ends.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent.end_with_parent()
    root = MachineRoot() if settings.is_isolated else MachineRoot(settings.root)
    is_new = machine_files.prepare(settings, root)
    # Python imports some encodings when the first host name is resolved: do this before the root
    # folder changes.
    socket.getaddrinfo("127.0.0.1", 0)
    uid = machine_files.denodo_uid(root)
    machine = Machine(settings, root, is_new=is_new, denodo_uid=uid)
    if root.is_rewritten:
        return machine.run()
    return isolation.run(settings.root, machine_files.shared_folders(settings), machine.run)


if __name__ == "__main__":
    sys.exit(main())
