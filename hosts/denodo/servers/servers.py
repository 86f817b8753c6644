"""Denodo's servers of one installation, and the scripts that start and stop them.

The ports of running servers are read from Denodo's own files: a server listens on the ports that
the files had when it started, which may differ from the desired state. Denodo's scripts exit with 0
even after an error, so the program checks ports, processes and answers.

Virtual DataPort starts first and must be ready before the others start: web applications that
start earlier often crash, and then do not recover.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.configuration import heap, properties_file, settings
from hosts.denodo.errors import ImageError, NotReadyError, NotStoppedError
from hosts.denodo.readiness import ping, probes
from hosts.denodo.record import Record
from hosts.denodo.servers import processes, web_container
from hosts.denodo.servers.scripts import (
    REGENERATE,
    START,
    STOP,
    missing_java,
    missing_scripts,
    process_of,
    run_script,
)
from hosts.denodo.state import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hosts.common.process import Result
    from hosts.denodo.servers.processes import JavaProcess
    from hosts.denodo.state import State
    from hosts.denodo.system import System

_FILES = {"vdp": settings.VDP, "web": settings.WEB, "scheduler": settings.SCHEDULER}

_REGENERATE_SECONDS = 300

_APPLICATION_SECONDS = 300.0
"""Project default: seconds in which web applications must start. Applications that do not answer
after this time are restarted."""
_RESTART_SECONDS = 300.0
"""Project default: seconds in which web applications must start after their restart."""


@dataclass(frozen=True)
class Servers:
    """The servers of one installation.

    Attributes:
        system: the machine.
        state: contains DENODO_HOME, version and time limits.
    """

    system: System
    state: State
    _looked: set[str] = field(default_factory=set, repr=False, compare=False)
    """Names of facts about the installation that this run has looked up already, such as `ping`."""

    def check(self) -> None:
        """Check, before any server is stopped, that the servers can be started again.

        Raises:
            ImageError: Scripts, a Java or a port are missing; the message lists all of them.
        """
        problems = [problem] if (problem := missing_scripts(self.state)) else []
        # Check only a Java that the state names: otherwise, the scripts may find a Java by other
        # means.
        if self.state.java_home and (problem := missing_java(self.state)):
            problems.append(problem)
        has_web = any(process_of(server) == "web" for server in self.state.servers)
        if has_web and not self.state.certificate and not web_container.connectors(self.state.home):
            problems.append(
                f"{self.state.home / settings.WEB} sets neither {settings.HTTP_PORT} nor"
                f" {settings.HTTPS_PORT}, so the web container would not listen on any port; set"
                f" {settings.HTTP_PORT} or {settings.HTTPS_PORT}"
            )
        if problems:
            raise ImageError("\n  ".join(problems))

    def running(self) -> list[str]:
        """Return the names of Denodo's processes that run, such as `vdp`."""
        return [process for process in STOP if self._runs(process)]

    def _runs(self, process: str) -> bool:
        """Return whether a process listens on a port; of the web container, whether it exists."""
        if any(probes.listens(self.system, port) for port in self._ports(process)):
            return True
        return process == "web" and any(java.is_web_container for java in self._java())

    def starting(self) -> bool:
        """Return whether a Java process of this installation may be too young to listen already."""
        ages = [processes.age(self.system, java.pid) for java in self._java()]
        return any(age < self.state.start_seconds for age in ages)

    def stop(self, *, force: bool = False) -> None:
        """Stop all processes; running queries have `stop_seconds` of the state to end.

        Args:
            force: kill processes that the scripts do not stop, such as half-started servers.

        Raises:
            NotStoppedError: A process continues to run.
        """
        self._stop_listening(force=force)
        # A server may still write its files after its port is closed, and a server that is starting
        # may open its port later.
        ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if force and not ended:
            log.warning("killing processes that do not end")
            for java in self._java():
                with suppress(ProcessLookupError):
                    os.kill(java.pid, signal.SIGKILL)
            ended = self._until(lambda: not self._stop_listening(force=force), self.system.settle)
        if not ended:
            remaining = ", ".join(
                [*self.running(), *(f"process {java.pid}" for java in self._java())]
            )
            message = (
                f"processes of {self.state.home} still run ({remaining}); end these servers or"
                " tools, and run the command again"
            )
            raise NotStoppedError(message)

    def _stop_listening(self, *, force: bool) -> bool:
        """Stop the processes that listen on a port; return whether a process still runs."""
        for process in self.running():
            self._stop(process, force=force)
        return bool(self._java() or self.running())

    def regenerate(self) -> None:
        """Let Denodo's script generate the start scripts from the configuration files.

        Raises:
            NotReadyError: Denodo's script fails.
        """
        self._run_or_fail(REGENERATE, seconds=_REGENERATE_SECONDS)

    def start(self, servers: Sequence[str], deadline: float) -> None:
        """Start servers and wait until they are ready, Virtual DataPort before all others.

        Raises:
            NotReadyError: A server does not start, or is not ready in time.
        """
        groups = (["vdp"], [server for server in servers if server != "vdp"])
        for group in groups:
            started = [server for server in group if server in servers]
            results = self.launch(started)
            java = bool(self._java())
            for process in dict.fromkeys(process_of(server) for server in started):
                self._wait(process, deadline, results.get(process), java=java)
        self._wait_for_applications(servers, deadline)
        for warning in self.heap_warnings():
            log.warning(warning)

    def look(self, record: Record) -> None:
        """Record whether `ping.sh` has `-r`, if Virtual DataPort is alive; only once in a run."""
        ports = self._ports("vdp") if "vdp" in self.state.servers else []
        if self._looked or not any(probes.listens(self.system, port) for port in ports):
            return
        if not ping.ask(self.system, self.state, ports[0], ready=False).reason:
            self._find_ready_option(record, ports[0])

    def _find_ready_option(self, record: Record, port: int) -> None:
        if "ping" not in self._looked:
            ping.find_ready_option(self.system, self.state, record, port)
            self._looked.add("ping")

    def launch(self, servers: Sequence[str]) -> Mapping[str, Result]:
        """Start servers that do not run yet; return the results of the scripts, by process.

        Raises:
            NotReadyError: A start script fails, or does not end in time.
        """
        running = self.running()
        results = {}
        for server in servers:
            process = process_of(server)
            if process not in running or self._application_failure(server):
                log.info(f"starting {server}")
                limit = self.state.start_seconds
                results[process] = self._run_or_fail(START[server], seconds=limit)
        return results

    def heap_warnings(self) -> list[str]:
        """Return a warning for each process with another maximum heap than Denodo's file sets."""
        warnings = []
        for process, file in _FILES.items():
            options = self._values(process).get(settings.JVM_OPTIONS, "")
            expected = heap.maximum_bytes(options.split())
            java = self._listener(process) if expected is not None else None
            if expected is None or java is None:
                continue
            actual = heap.maximum_bytes(java.arguments)
            if actual != expected:
                has = f"a heap of {actual >> 20} MiB" if actual else "Java's default heap size"
                warnings.append(
                    f"{process} (process {java.pid}) runs with {has}, but {file} sets"
                    f" {expected >> 20} MiB: run bin/{REGENERATE} and restart {process}, or check"
                    f" whether another script starts {process}"
                )
        return warnings

    def application_failures(self, servers: Iterable[str]) -> dict[str, str]:
        """Return why web applications do not answer: the reason by the name of each server."""
        failures = ((server, self._application_failure(server)) for server in servers)
        return {server: reason for server, reason in failures if reason}

    def _application_failure(self, server: str) -> str:
        path = web_container.APPLICATIONS.get(server)
        if path is None:
            return ""
        connector = self._connector()
        if connector is None:
            return "the web container does not listen on a port"
        failure = probes.application_failure(self.system, connector.port, path, tls=connector.tls)
        return failure.reason if failure else ""

    def _connector(self) -> web_container.Connector | None:
        """Return the web container's port for probes: HTTP if open, else HTTPS; None if closed."""
        for connector in web_container.connectors(self.state.home):
            if probes.listens(self.system, connector.port):
                return connector
        return None

    def _wait(self, process: str, deadline: float, result: Result | None, *, java: bool) -> None:
        """Wait until one process is ready.

        Args:
            process: the process.
            deadline: time of the monotonic clock.
            result: the result of its start script, None if the process ran already.
            java: whether a Java process was visible after the start.
        """
        if not self._ports(process):
            log.warning(f"no port of {process} is known, so the start does not wait for {process}")
            return
        while True:
            reason = self._why_not_ready(process)
            if not reason:
                log.info(f"{process} is ready on port {self._ports(process)[0]}")
                return
            if result is not None:
                reason = f"{reason} (the start script {result})"
            if time.monotonic() >= deadline:
                limit = self.state.start_seconds
                message = f"{process} is not ready after {limit} s: {reason}"
                raise NotReadyError(message)
            if java and not self._java():
                message = f"{process} ended while it was starting: {reason}"
                raise NotReadyError(message)
            time.sleep(self.system.poll)  # Denodo's servers do not announce readiness

    def _why_not_ready(self, process: str) -> str:
        if process == "web":
            connector = self._connector()
            if connector is None:
                ports = ", ".join(str(port) for port in self._ports(process))
                return f"nothing listens on port {ports}"
            service = Service("web", connector.port, tls=connector.tls)
        else:
            tls = process == "scheduler" and settings.scheduler_uses_tls(self.state)
            service = Service(process, self._ports(process)[0], tls=tls)
        failure = probes.failure(self.system, service)
        if failure is not None or process != "vdp":
            return failure.reason if failure else ""
        return self._why_virtual_dataport_is_not_ready(service.port)

    def _why_virtual_dataport_is_not_ready(self, port: int) -> str:
        record = Record(self.system)
        answer = ping.ask(self.system, self.state, port, ready=False)
        if answer.reason:
            return answer.reason
        self._find_ready_option(record, port)
        if not ping.asks_readiness(self.state, record):
            return ""
        return ping.ask(self.system, self.state, port, ready=True).reason

    def _wait_for_applications(self, servers: Sequence[str], deadline: float) -> None:
        """Wait for web applications; restart once those that do not answer.

        Raises:
            NotReadyError: An application does not answer, and the current rules require an answer.
        """
        begin = time.monotonic()
        limit = min(deadline, begin + _APPLICATION_SECONDS + _RESTART_SECONDS)
        restart_at = begin + min(_APPLICATION_SECONDS, (limit - begin) / 2)
        restarted = False
        while failures := self.application_failures(servers):
            text = ", ".join(f"{server}: {reason}" for server, reason in failures.items())
            if time.monotonic() >= limit:
                if Record(self.system).has_current_rules:
                    message = f"web applications do not answer, even after their restart: {text}"
                    raise NotReadyError(message)
                log.warning(f"web applications do not answer: {text}")
                return
            if not restarted and time.monotonic() >= restart_at:
                log.warning(f"restarting web applications that do not answer: {text}")
                for server in failures:
                    self._restart_application(server)
                restarted = True
            time.sleep(self.system.poll)  # the web container does not announce applications

    def _restart_application(self, server: str) -> None:
        stop = START[server].replace("_startup.sh", "_shutdown.sh")
        if self._script(stop).is_file():
            self._run(stop, seconds=self.state.stop_seconds)
        self._run_or_fail(START[server], seconds=self.state.start_seconds)

    def _stop(self, process: str, *, force: bool) -> None:
        limit = self.state.stop_seconds
        script = STOP[process]

        def stopped() -> bool:
            return not self._runs(process)

        log.info(f"stopping {process}, which may take up to {limit} s")
        deadline = time.monotonic() + limit
        result = self._run(script, *(["safe"] if process == "vdp" else []), seconds=limit)
        if self._until(stopped, deadline - time.monotonic() if result.succeeded else 0):
            return
        if process == "vdp":
            log.warning(f"{script} safe {result}; stopping {process} without waiting for queries")
            result = self._run(script, seconds=self.system.settle)
            if self._until(stopped, self.system.settle):
                return
        ports = " or ".join(str(port) for port in self._ports(process))
        message = f"{process} still listens on port {ports}, or still runs; {script} {result}"
        if not force:
            raise NotStoppedError(message)
        log.warning(message)

    def _run_or_fail(self, script: str, *, seconds: float) -> Result:
        result = self._run(script, seconds=seconds)
        if not result.succeeded:
            message = f"{script} {result}"
            raise NotReadyError(message)
        return result

    def _run(self, script: str, *arguments: str, seconds: float) -> Result:
        try:
            return run_script(self.state, script, *arguments, seconds=seconds)
        except OSError as error:
            message = f"{self._script(script)} cannot be run: {error.strerror}"
            raise ImageError(message) from None

    def _script(self, name: str) -> Path:
        return self.state.home / "bin" / name

    def _ports(self, process: str) -> list[int]:
        """Return the ports of a process, in the order of probes; none if they are unknown."""
        if process == "web":
            return [connector.port for connector in web_container.connectors(self.state.home)]
        values = self._values(process)
        key = (
            settings.SCHEDULER_PORT
            if process == "scheduler"
            else settings.vdp_port_key(self.state.version)
        )
        port = values.get(key, "").strip()
        if not port.isdecimal() and process == "scheduler":
            return [self.state.ports.get("scheduler") or 0]
        return [int(port)] if port.isdecimal() else []

    def _values(self, process: str) -> Mapping[str, str]:
        """Return the values in a process's settings file; empty if the file cannot be read."""
        return properties_file.values_or_none(self.state.home / _FILES[process])

    def _listener(self, process: str) -> JavaProcess | None:
        for port in self._ports(process):
            java = processes.listening_on(self.system, self.state.home, port)
            if java is not None:
                return java
        return None

    def _java(self) -> list[JavaProcess]:
        """Return the Java processes of this installation, which may run after their ports close."""
        return processes.of_home(self.system, self.state.home)

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(self.system.poll)  # the servers are not child processes of this process
        return True
