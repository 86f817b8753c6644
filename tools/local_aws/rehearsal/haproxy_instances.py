"""The HAProxy instances of a rehearsal: a real HAProxy for each, on the instance's address."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.drill.model.machines import Key
from hosts.common.errors import HostError
from hosts.haproxy.draining import drain
from hosts.haproxy.errors import NoAnswer
from hosts.haproxy.machines import servers_of
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.servers import servers
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT
from tools.local_aws.rehearsal.haproxy_files import CONFIG, HaproxyFiles, Shift, write_files

_START_S = 60.0
"""Project default: real seconds within which HAProxy must start, which takes a fraction of a
second."""
_POLL_S = 0.05
_LOG_LINES = 5


@dataclass(frozen=True)
class _Instance:
    """An instance: its key, its cluster, the path of HAProxy, and the folder of its files."""

    key: Key
    cluster: str
    program: str
    folder: Path

    @property
    def haproxy(self) -> LocalHaproxy:
        return LocalHaproxy(
            run=self.folder, state=self.folder / "server-state", config=self.folder / CONFIG
        )


class HaproxyInstances:
    """The processes of all HAProxy instances."""

    def __init__(self) -> None:
        self._instances: dict[Key, _Instance] = {}
        self._processes: dict[Key, subprocess.Popen[bytes]] = {}
        self._drained: set[tuple[str, str]] = set()

    def __contains__(self, key: object) -> bool:
        return key in self._instances

    def start(
        self, key: Key, cluster: str, program: str, files: HaproxyFiles, shift: Shift
    ) -> None:
        """Start HAProxy of an instance with the deployed files, and wait until HAProxy answers.

        Args:
            key: the instance's key in the drill's model.
            cluster: the instance's cluster.
            program: path of HAProxy.
            files: the deployed files.
            shift: values of this machine that replace values of the deployed files.

        Raises:
            LocalAwsError: HAProxy does not start.
        """
        write_files(files, shift)
        self._instances[key] = _Instance(key, cluster, program, shift.folder)
        self._start(self._instances[key])

    def _start(self, instance: _Instance) -> None:
        folder = instance.folder
        log = folder / "haproxy.log"
        # Remove the state file, in which servers that were drained in an earlier failure remain
        # drained.
        instance.haproxy.state.unlink(missing_ok=True)
        arguments = ["-W", "-f", str(folder / CONFIG), "-S", str(folder / "master.sock")]
        module = "tools.local_aws.rehearsal.haproxy_program"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, instance.program, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[instance.key] = process
        deadline = time.monotonic() + _START_S
        while not _answers(instance.haproxy):
            if process.poll() is not None or time.monotonic() > deadline:
                log_end = " ".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
                message = f"HAProxy of {instance.key} does not start: {log_end or 'no output'}"
                raise LocalAwsError(message)
            time.sleep(_POLL_S)

    def kill(self, key: Key) -> None:
        """Kill HAProxy of an instance, as the loss of the instance would."""
        self._signal(key, signal.SIGKILL)
        self._processes[key].wait(30)

    def suspend(self, key: Key) -> None:
        """Suspend HAProxy of an instance."""
        self._signal(key, signal.SIGSTOP)

    def _signal(self, key: Key, number: signal.Signals) -> None:
        process = self._processes[key]
        if process.poll() is None:
            os.killpg(process.pid, number)

    def drain(self, cluster: str, node: str) -> None:
        """Drain a node on all instances of a cluster, with the program of HAProxy's hosts.

        Raises:
            LocalAwsError: HAProxy does not execute the commands.
        """
        self._drained.add((cluster, node))
        for haproxy in self._of_cluster(cluster):
            with _as_errors_of_the_rehearsal():
                drain(haproxy, node, _silent, seconds=None, force=True)

    def _of_cluster(self, cluster: str) -> list[LocalHaproxy]:
        return [item.haproxy for item in self._instances.values() if item.cluster == cluster]

    def repair(self) -> None:
        """Bring the HAProxy processes of all instances back to their state after `start`.

        Raises:
            LocalAwsError: HAProxy does not start, or does not execute the commands.
        """
        for key, instance in self._instances.items():
            if self._processes[key].poll() is None:
                self._signal(key, signal.SIGCONT)
            else:
                self._close_input(key)
                self._start(instance)
        for cluster, node in self._drained:
            for haproxy in self._of_cluster(cluster):
                with _as_errors_of_the_rehearsal():
                    own = servers_of(servers(haproxy), node)
                    haproxy.execute(*(f"set server {item.id} state ready" for item in own))
        self._drained.clear()

    def stop(self) -> None:
        """End the HAProxy processes of all instances."""
        for key in self._processes:
            self.kill(key)
            self._close_input(key)
        self._processes.clear()

    def _close_input(self, key: Key) -> None:
        pipe = self._processes[key].stdin
        if pipe is not None:
            pipe.close()


@contextmanager
def _as_errors_of_the_rehearsal() -> Iterator[None]:
    """Replace errors of the program of HAProxy's hosts by LocalAwsError."""
    try:
        yield
    except HostError as error:
        raise LocalAwsError(str(error)) from error


def _answers(haproxy: LocalHaproxy) -> bool:
    if not (haproxy.run / "admin.sock").exists():
        return False
    try:
        haproxy.query("show version")
    except NoAnswer:
        return False
    return True


def _silent(_line: str) -> None:
    """Ignore a line of progress."""
