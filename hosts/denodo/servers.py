"""Denodo's servers of one installation, and the scripts that start and stop them.

The ports of running servers are read from Denodo's own files: a server listens where the files
said when it started, which may differ from the desired state.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import Result, run
from hosts.denodo import log
from hosts.denodo.configuration import properties_file, settings
from hosts.denodo.errors import ImageError, NotReadyError, NotStoppedError
from hosts.denodo.readiness import probes
from hosts.denodo.state import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_START = {
    "vdp": "vqlserver_startup.sh",
    "data-catalog": "datacatalog_startup.sh",
    "design-studio": "designstudio_startup.sh",
    "scheduler": "scheduler_startup.sh",
    "scheduler-admin": "scheduler_webadmin_startup.sh",
    "diagnostic-monitoring": "diagnosticmonitoringtool_startup.sh",
}

# All web applications run in one process. VDP stops last, because the others query it.
_STOP = {
    "web": "webcontainer_shutdown.sh",
    "scheduler": "scheduler_shutdown.sh",
    "vdp": "vqlserver_shutdown.sh",
}

_REGENERATE = "regenerateFiles.sh"
_REGENERATE_SECONDS = 300
_PING = "ping.sh"
_TLS = "denodo_tls_configurator.sh"
_IMPORT = "import.sh"
_METADATA = "regenerateMetadata.sh"


def process_of(server: str) -> str:
    """Return the process that runs a server: `vdp`, `scheduler` or `web`."""
    return server if server in ("vdp", "scheduler") else "web"


@dataclass(frozen=True)
class Servers:
    """The servers of one installation.

    Attributes:
        system: the machine.
        state: contains home, version, limits, and the port of the Scheduler, which is in no file.
    """

    system: System
    state: State

    def check(self) -> None:
        """Check, before any server is stopped, that all scripts exist.

        Raises:
            ImageError: Scripts are missing; the message lists all of them.
        """
        processes = {process_of(server) for server in self.state.servers}
        needed = [_START[server] for server in self.state.servers]
        needed += [_STOP[process] for process in _STOP if process in processes]
        needed += [_REGENERATE, *([_PING] if "vdp" in processes else [])]
        needed += [_TLS] if self.state.certificate else []
        needed += [_METADATA] if {"vdp"} & set(self.state.catalog) & set(self.state.servers) else []
        needed += [_IMPORT] if self.state.metadata.source == "export" else []
        missing = [name for name in needed if not self._script(name).is_file()]
        if missing:
            message = (
                f"{self._script('').parent} lacks {', '.join(missing)}; is there a Denodo"
                f" {self.state.version} with {', '.join(self.state.servers)} in the image?"
            )
            raise ImageError(message)

    def running(self) -> list[str]:
        """Return the processes that run."""
        ports = ((process, self._port(process)) for process in _STOP)
        return [process for process, port in ports if port and probes.listens(self.system, port)]

    def starting(self) -> bool:
        """Return whether a Java process of this home is so young that it may not listen yet."""
        try:
            ticks, up = os.sysconf("SC_CLK_TCK"), time.clock_gettime(time.CLOCK_BOOTTIME)
            ages = [up - _started(self.system.processes / pid) / ticks for pid in self._java()]
        except (OSError, ValueError, IndexError):
            return True  # a process has just ended; the next look knows more
        return any(age < self.state.start_seconds for age in ages)

    def stop(self, *, force: bool = False) -> None:
        """Stop all processes; queries may end first, within the limit of the state.

        Args:
            force: kill processes that the scripts do not stop, such as half-started servers.

        Raises:
            NotStoppedError: A process continues to run.
        """
        self._stop_listening(force=force)
        # A server may still write its files after its port closes; a starting server listens later.
        ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if force and not ended:
            log.warning("killing processes that do not end")
            for pid in self._java():
                os.kill(int(pid), signal.SIGKILL)
            ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if not ended:
            remaining = ", ".join([*self.running(), *(f"process {pid}" for pid in self._java())])
            message = (
                f"processes of {self.state.home} still run ({remaining}): a server that does not"
                " end, or a tool; end them and run this again"
            )
            raise NotStoppedError(message)

    def _stop_listening(self, *, force: bool) -> bool:
        """Stop the processes that listen; return whether a process still runs."""
        for process in self.running():
            self._stop(process, force=force)
        return bool(self._java() or self.running())

    def regenerate(self) -> None:
        """Let Denodo generate its start scripts from its files.

        Raises:
            NotReadyError: Denodo's script fails.
        """
        self._run_or_fail(_REGENERATE, seconds=_REGENERATE_SECONDS)

    def start(self, servers: Sequence[str], deadline: float) -> None:
        """Start servers and wait until they are ready.

        Raises:
            NotReadyError: A server does not start, or is not ready in time.
        """
        self.launch(servers)
        java = bool(self._java())
        for process in dict.fromkeys(process_of(server) for server in servers):
            self._wait(process, deadline, java=java)

    def launch(self, servers: Sequence[str]) -> None:
        """Start servers that do not run yet.

        Raises:
            NotReadyError: A start script fails.
        """
        running = self.running()
        for server in servers:
            if process_of(server) not in running:
                log.info(f"starting {server}")
                self._run_or_fail(_START[server], seconds=self.state.start_seconds)

    def _wait(self, process: str, deadline: float, *, java: bool) -> None:
        """Wait for one process; `java` tells whether a Java process was visible after its start."""
        port = self._port(process)
        if not port:
            log.warning(f"no port of {process} is known, so the program does not wait for it")
            return
        service = Service(process, port)
        while True:
            reason = probes.why_not_ready(self.system, self.state, service)
            if not reason:
                log.info(f"{process} is ready on port {port}")
                return
            if time.monotonic() >= deadline:
                limit = self.state.start_seconds
                message = f"{process} is not ready after {limit} s: {reason}"
                raise NotReadyError(message)
            if java and not self._java():
                message = f"{process} ended while it was starting: {reason}"
                raise NotReadyError(message)
            time.sleep(self.system.poll)  # Denodo does not announce that it is ready

    def _stop(self, process: str, *, force: bool) -> None:
        port, limit = self._port(process), self.state.stop_seconds
        script = _STOP[process]

        def stopped() -> bool:
            return not probes.listens(self.system, port)

        log.info(f"stopping {process}, up to {limit} s")
        deadline = time.monotonic() + limit
        result = self._run(script, *(["safe"] if process == "vdp" else []), seconds=limit)
        if self._until(stopped, deadline - time.monotonic() if result.succeeded else 0):
            return
        if process == "vdp":
            log.warning(f"{script} safe {result}; stopping without waiting for queries")
            result = self._run(script, seconds=self.system.settle)
            if self._until(stopped, self.system.settle):
                return
        message = f"{process} still listens on port {port}; {script} {result}"
        if not force:
            raise NotStoppedError(message)
        log.warning(message)

    def _run_or_fail(self, script: str, *, seconds: float) -> None:
        result = self._run(script, seconds=seconds)
        if not result.succeeded:
            message = f"{script} {result}"
            raise NotReadyError(message)

    def _run(self, script: str, *arguments: str, seconds: float) -> Result:
        try:
            return run([self._script(script), *arguments], seconds=seconds)
        except OSError as error:
            message = f"{self._script(script)} cannot be run: {error.strerror}"
            raise ImageError(message) from None

    def _script(self, name: str) -> Path:
        return self.state.home / "bin" / name

    def _port(self, process: str) -> int:
        """Return the port of a process, 0 if it is not known."""
        if process == "scheduler":
            return self.state.ports.get("scheduler") or 0
        file, key = (
            (settings.VDP, settings.vdp_port_key(self.state.version))
            if process == "vdp"
            else (settings.WEB, settings.WEB_PORT)
        )
        try:
            text = files.read(self.state.home / file).decode(properties_file.ENCODING)
            return int(properties_file.values(text).get(key, 0))
        except (OSError, ValueError):
            return 0

    def _java(self) -> list[str]:
        """Return ids of the Java processes of this home, which end after their ports close."""
        home = f"{self.state.home}/".encode()
        lines = self._command_lines()
        return [line.parent.name for line in lines if _is_java(line, home)]

    def _command_lines(self) -> Iterable[Path]:
        return self.system.processes.glob("[0-9]*/cmdline")

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(self.system.poll)  # the servers are not child processes of this one
        return True


def _started(process: Path) -> int:
    """Return when a process started, in ticks since the boot (proc(5), /proc/pid/stat, 22)."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19])


def _is_java(command_line: Path, home: bytes) -> bool:
    try:
        program, _, rest = command_line.read_bytes().partition(b"\0")
    except OSError:
        return False
    return program.rsplit(b"/", 1)[-1] == b"java" and (program.startswith(home) or home in rest)
