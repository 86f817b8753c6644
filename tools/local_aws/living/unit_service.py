"""The server behind `systemctl`, `journalctl` and `logger` of a machine."""

import itertools
import json
import os
import socketserver
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.local_aws.living.journal import Journal
from tools.local_aws.living.units import VERSION, UnitError, Units, full_name

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED, _INACTIVE = 1, 3
"""Exit codes of systemctl: of a failed operation, and of `is-active` for an inactive unit."""


@dataclass(frozen=True)
class Output:
    """Exit code and output of a command."""

    code: int = 0
    output: str = ""
    error: str = ""


class UnitService:
    """Answers the machine's commands `systemctl`, `journalctl` and `logger`."""

    def __init__(self, units: Units, journal: Journal) -> None:
        self._units, self._journal = units, journal
        self._programs: dict[str, Callable[[list[str]], Output]] = {
            "systemctl": self._systemctl,
            "journalctl": self._journalctl,
            "logger": self._logger,
        }

    def listen(self, path: Path) -> None:
        """Answer commands on a Unix socket until the process ends.

        The path is relative, because the path of a socket has at most some hundred characters.
        """
        service = self

        class Handler(socketserver.StreamRequestHandler):
            """Answers one command."""

            def handle(self) -> None:
                request = json.loads(self.rfile.readline())
                result = service.answer(request["program"], request["arguments"])
                with suppress(BrokenPipeError):  # The command has ended without reading the answer.
                    self.wfile.write(json.dumps(vars(result)).encode())

        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        server.daemon_threads = True
        # The user denodo may connect, too: its programs write log lines.
        path.chmod(0o666)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, program: str, arguments: list[str]) -> Output:
        """Run a command of the machine; return the command's exit code and output."""
        try:
            return self._programs[program](arguments)
        except (UnitError, OSError) as error:
            return Output(_FAILED, "", f"{error}\n")

    def _systemctl(self, arguments: list[str]) -> Output:
        flags = [word for word in arguments if word.startswith("-")]
        verb, *names = [word for word in arguments if not word.startswith("-")] or [""]
        if "--version" in flags:
            return Output(output=f"{VERSION} (the units of the local AWS)\n")
        if verb == "show":
            return self._show(names[0], flags)
        if verb in ("is-active", "is-enabled", "is-failed"):
            return self._tested(verb, names[0])
        if verb == "status":
            return Output(output="".join(f"{name}: {self._state(name)}\n" for name in names))
        actions: dict[str, Callable[[str], Any]] = {
            "start": lambda name: self._units.start(name, block="--no-block" not in flags),
            "stop": self._units.stop,
            "restart": self._units.restart,
            "try-restart": lambda name: self._units.restart(name, only_active=True),
            "reload": self._units.reload,
            "enable": self._units.enable,
            "disable": self._units.disable,
            "daemon-reload": lambda _name: None,
            "reset-failed": lambda _name: None,
        }
        action = actions.get(verb)
        if action is None:
            return Output(_FAILED, "", f"Unknown command verb {verb}.\n")
        for name in names:
            action(name)
            if "--now" in flags and verb in ("enable", "disable"):
                (self._units.start if verb == "enable" else self._units.stop)(name)
        return Output()

    def _show(self, name: str, flags: list[str]) -> Output:
        chosen = [
            key
            for flag in flags
            if flag.startswith(("--property=", "-p"))
            for key in flag.removeprefix("--property=").removeprefix("-p").split(",")
        ]
        values = self._units.show(name)
        lines = [f"{key}={value}\n" for key, value in values.items() if not chosen or key in chosen]
        if "--value" in flags:
            lines = [line.partition("=")[2] for line in lines]
        return Output(output="".join(lines))

    def _tested(self, verb: str, name: str) -> Output:
        if verb == "is-enabled":
            is_enabled = self._units.is_enabled(name)
            return Output(int(not is_enabled), "enabled\n" if is_enabled else "disabled\n")
        state = self._state(name)
        expected = "active" if verb == "is-active" else "failed"
        return Output(0 if state == expected else _INACTIVE, f"{state}\n")

    def _state(self, name: str) -> str:
        return self._units.show(name)["ActiveState"]

    def _journalctl(self, arguments: list[str]) -> Output:
        options = dict(word.partition("=")[::2] for word in arguments if "=" in word)
        units = [word.partition("=")[2] for word in arguments if word.startswith("--unit=")]
        units += [name for flag, name in itertools.pairwise(arguments) if flag == "-u"]
        lines = options.get("--lines", "")
        entries = self._journal.read(
            units=tuple(full_name(name) for name in units),
            after=options.get("--after-cursor", ""),
            invocation=options.get("_SYSTEMD_INVOCATION_ID", ""),
            most=int(lines) if lines.isdigit() else None,
        )
        if options.get("--output") == "json":
            return Output(output="".join(f"{json.dumps(entry)}\n" for entry in entries))
        return Output(output="".join(f"{entry['MESSAGE']}\n" for entry in entries))

    def _logger(self, arguments: list[str]) -> Output:
        text = arguments[arguments.index("--") + 1 :] if "--" in arguments else arguments[-1:]
        self._journal.add("cloud-final.service", " ".join(text))
        return Output()


def move_to_unit(folder: Path, name: str) -> None:
    """Create the file by which a program moves its own process to the control group of a unit."""
    group = folder / "system.slice" / full_name(name)
    group.mkdir(parents=True, exist_ok=True)
    (group / "cgroup.procs").touch()
    os.chmod(group / "cgroup.procs", 0o666)  # noqa: PTH101, S103 - the user denodo may start the program
