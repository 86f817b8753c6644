"""Child processes of the server: parts of the local AWS that run in processes of their own.

Each child has a process group of its own and ends with the server: see
`tools.local_aws.living.parent`. A child that ends is started again, after a pause that grows while
the child ends soon after its start. A server that starts ends the children that an earlier server
has left behind. A child remains only if it was suspended by a signal when the server was killed. A
file has the children's process ids and start times.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_RESTART_S = 1.0
"""Project default: the first pause before a child is started again."""
_LONGEST_PAUSE_S = 60.0
"""Project default: the longest pause before a child is started again. The pause doubles up to this
limit while the child ends soon after each start."""
_END_S = 10.0
"""Project default: a child that has not ended this long after SIGTERM is killed."""
_log = logging.getLogger("local-aws")


class ChildProcesses:
    """The child processes of this server.

    Attributes:
        folder: the server's state folder; logs of the children are in `logs` in it.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()

    def install(self, folder: Path) -> None:
        """Use a state folder, and end the children that an earlier server has left behind."""
        with self._lock:
            self.folder = folder
            with suppress(OSError, ValueError):
                for name, (pid, started) in json.loads(self._record.read_text()).items():
                    if start_time(pid) == started:
                        _log.warning("child %s of an earlier server still runs: killing it", name)
                        _signal_group(pid, signal.SIGKILL)
            self._record.unlink(missing_ok=True)

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start a module with this server's Python, unless a child of this name runs."""
        with self._lock:
            if name not in self._children:
                self._children[name] = _Child(self, name, module, arguments)
                self._children[name].start()

    def stop(self, name: str) -> None:
        """End a child and its process group, and wait for the end."""
        with self._lock:
            child = self._children.pop(name, None)
        if child is not None:
            child.stop()
            self.write_record()

    def kill(self, name: str) -> None:
        """Kill a child and its process group, as a power failure would."""
        with self._lock:
            child = self._children.pop(name, None)
        if child is not None:
            child.kill()
            self.write_record()

    def stop_all(self) -> None:
        """End all children."""
        with self._lock:
            names = [*self._children]
        for name in names:
            self.stop(name)

    def pid(self, name: str) -> int | None:
        """Return the process id of a child; None if the child does not run."""
        with self._lock:
            child = self._children.get(name)
            return child.pid if child is not None else None

    def write_record(self) -> None:
        """Write the ids and start times of the children."""
        with self._lock:
            pids = {name: child.pid for name, child in self._children.items()}
            record = {name: [pid, start_time(pid)] for name, pid in pids.items() if pid is not None}
            new = self._record.with_suffix(".new")
            new.write_text(json.dumps(record))
            new.rename(self._record)

    @property
    def _record(self) -> Path:
        return self.folder / "processes.json"


class _Child:
    """A child process, which is started again each time it ends, until `stop` is called."""

    def __init__(
        self, owner: ChildProcesses, name: str, module: str, arguments: tuple[str, ...]
    ) -> None:
        self._owner, self._name = owner, name
        self._command = [sys.executable, "-E", "-s", "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        self._launch()
        threading.Thread(target=self._keep_running, name=self._name, daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        assert process is not None  # `start` has been called
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # `_clean_up` also ends programs that the child has started and left running.
            _clean_up(process)

    def kill(self) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        assert process is not None  # `start` has been called
        _clean_up(process)

    def _launch(self) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            logs = self._owner.folder / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            with (logs / f"{self._name}.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        self._owner.write_record()

    def _keep_running(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            process = self._process
            assert process is not None
            status = process.wait()
            pause = pause_before_restart(pause, time.monotonic() - started)
            if self._stopping.wait(pause):
                return
            _log.warning("child %s ended with status %s: starting it again", self._name, status)
            _clean_up(process)
            self._launch()


CHILDREN = ChildProcesses()


def pause_before_restart(last_pause: float, ran_for: float) -> float:
    """Return the pause before an ended child starts again, doubled after each short run.

    Args:
        last_pause: the pause before the start of the process that has ended, 0 for the first
            process.
        ran_for: how long the process has run, in seconds.
    """
    if ran_for >= _LONGEST_PAUSE_S:
        return 0.0
    return min(max(_RESTART_S, 2 * last_pause), _LONGEST_PAUSE_S)


def start_time(pid: int) -> str:
    """Return the start time of a process in this system's unit; empty if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        if Path("/proc/self").exists():
            return ""
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.strip()
    # The name of the program is in parentheses and may contain spaces (proc_pid_stat(5)).
    fields = status.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _clean_up(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of a child's process group, and close the pipe to the child."""
    _signal_group(process.pid, signal.SIGKILL)
    process.wait(_END_S)
    assert process.stdin is not None  # a pipe: its end tells the child that the server has ended
    process.stdin.close()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
