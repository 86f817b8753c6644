"""Denodo's servers of one home: whether they run, and its scripts that stop and start them.

Their ports are read from Denodo's own files: a server listens where they said when it started,
which is not where the wanted state says.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.denodo import log, probes, properties_file, settings
from hosts.denodo.errors import ImageError, NotReadyError, NotStoppedError
from hosts.denodo.process import Result, run
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

# The web applications live and end together. VDP ends last: the others query it.
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
    """The process that a server lives in: `vdp`, `scheduler` or `web`."""
    return server if server in ("vdp", "scheduler") else "web"


@dataclass(frozen=True)
class Servers:
    """The servers of one home.

    Attributes:
        system: the machine.
        state: says home, version, limits, and the Scheduler's port, which no known key holds.
    """

    system: System
    state: State

    def check(self) -> None:
        """Make sure, before anything is stopped, that every script is there.

        Raises:
            ImageError: with all that are missing.
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
        """The processes that run."""
        ports = ((process, self._port(process)) for process in _STOP)
        return [process for process, port in ports if port and probes.listens(self.system, port)]

    def stop(self, *, force: bool = False) -> None:
        """Stop what runs; queries may end first, up to the limit.

        Args:
            force: kill what never came up and cannot be asked to stop.

        Raises:
            NotStoppedError: something runs on.
        """
        self._stop_listening(force=force)
        # A server may write its files when it listens no more, and one that starts listens later.
        ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if force and not ended:
            log.warning("killing what does not end")
            for pid in self._java():
                os.kill(int(pid), signal.SIGKILL)
            ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if not ended:
            left = ", ".join([*self.running(), *(f"process {pid}" for pid in self._java())])
            message = (
                f"something of {self.state.home} still runs ({left}): a server that does not end,"
                " or a tool; end it and run this again"
            )
            raise NotStoppedError(message)

    def _stop_listening(self, *, force: bool) -> bool:
        """Stop what listens; tells whether anything still runs."""
        for process in self.running():
            self._stop(process, force=force)
        return bool(self._java() or self.running())

    def regenerate(self) -> None:
        """Let Denodo write its start scripts anew.

        Raises:
            NotReadyError: it could not.
        """
        self._need(_REGENERATE, seconds=_REGENERATE_SECONDS)

    def start(self, servers: Sequence[str], deadline: float) -> None:
        """Start servers and wait until they are ready.

        Raises:
            NotReadyError: one of them does not start, or is not ready in time.
        """
        self.launch(servers)
        java = bool(self._java())
        for process in dict.fromkeys(process_of(server) for server in servers):
            self._wait(process, deadline, java=java)

    def launch(self, servers: Sequence[str]) -> None:
        """Start servers that do not run yet.

        Raises:
            NotReadyError: a start script fails.
        """
        running = self.running()
        for server in servers:
            if process_of(server) not in running:
                log.info(f"starting {server}")
                self._need(_START[server], seconds=self.state.start_seconds)

    def _wait(self, process: str, deadline: float, *, java: bool) -> None:
        """Wait for one process; `java` says whether its Java could be seen when it was started."""
        port = self._port(process)
        if not port:
            log.warning(f"no port of {process} is known; not waited for")
            return
        service = Service(process, port)
        while True:
            reason = probes.ask(self.system, self.state, service)
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
            time.sleep(self.system.poll)  # Denodo tells nobody when it is ready: it is asked

    def _stop(self, process: str, *, force: bool) -> None:
        port, limit = self._port(process), self.state.stop_seconds
        script = _STOP[process]

        def stopped() -> bool:
            return not probes.listens(self.system, port)

        log.info(f"stopping {process}, up to {limit} s")
        deadline = time.monotonic() + limit
        result = self._run(script, *(["safe"] if process == "vdp" else []), seconds=limit)
        if self._until(stopped, deadline - time.monotonic() if result.ended_well else 0):
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

    def _need(self, script: str, *, seconds: float) -> None:
        result = self._run(script, seconds=seconds)
        if not result.ended_well:
            message = f"{script} {result}"
            raise NotReadyError(message)

    def _run(self, script: str, *arguments: str, seconds: float) -> Result:
        try:
            return run([self._script(script), *arguments], seconds=seconds)
        except OSError as wrong:
            message = f"{self._script(script)} cannot be run: {wrong.strerror}"
            raise ImageError(message) from None

    def _script(self, name: str) -> Path:
        return self.state.home / "bin" / name

    def _port(self, process: str) -> int:
        """Where a process listens, 0 if that is not known."""
        if process == "scheduler":
            return self.state.ports.get("scheduler") or 0
        file, key = (
            (settings.VDP, settings.vdp_port_key(self.state.version))
            if process == "vdp"
            else (settings.WEB, settings.WEB_PORT)
        )
        try:
            text = (self.state.home / file).read_text(properties_file.ENCODING)
            return int(properties_file.values(text).get(key, 0))
        except (OSError, ValueError):
            return 0

    def _java(self) -> list[str]:
        """Ids of the Java processes of this home: a server ends some time after its ports close."""
        home = f"{self.state.home}/".encode()
        return [one.parent.name for one in self._command_lines() if _is_java(one, home)]

    def _command_lines(self) -> Iterable[Path]:
        return self.system.processes.glob("[0-9]*/cmdline")

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() >= deadline:
                return False
            time.sleep(self.system.poll)  # servers are no children of ours, to be waited for
        return True


def _is_java(command_line: Path, home: bytes) -> bool:
    try:
        program, _, rest = command_line.read_bytes().partition(b"\0")
    except OSError:
        return False
    return program.rsplit(b"/", 1)[-1] == b"java" and (program.startswith(home) or home in rest)
