"""The units of a machine: a replacement for the parts of systemd that this project's units use.

Supported are the types `oneshot`, `simple` and `notify`, timers with `OnCalendar`, restarts, and
drop-ins. Restrictions of a unit, such as `ProtectSystem`, have no effect: a machine is isolated as
a whole.
"""

import itertools
import os
import pwd
import re
import shlex
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.local_aws.living.journal import Journal
from tools.local_aws.living.machine_root import MachineRoot

VERSION = "systemd 252"
FOLDERS = ("/etc/systemd/system", "/lib/systemd/system")
_WANTS = {"timer": "timers.target.wants"}
_STOP_S = 90.0
"""Default of DefaultTimeoutStopSec (systemd-system.conf(5))."""
_RESTART_S = 0.1
"""Default of RestartSec (systemd.service(5))."""

Settings = dict[str, list[str]]


class UnitError(Exception):
    """A unit does not exist, or its start has failed."""


@dataclass
class Unit:
    """The state of a unit, in systemd's words (systemctl(1))."""

    name: str
    active: str = "inactive"
    sub: str = "dead"
    status: int = 0
    invocation: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    generation: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)


class Units:
    """The units of a machine.

    Args:
        journal: receives the output of the units.
        environment: variables of all processes of the machine.
        root: the machine's root folder.
    """

    def __init__(self, journal: Journal, environment: dict[str, str], root: MachineRoot) -> None:
        self._journal, self._environment, self._machine = journal, environment, root
        self._root = root.folder
        self._units: dict[str, Unit] = {}
        self._lock = threading.RLock()

    def unit(self, name: str) -> Unit:
        """Return the state of a unit."""
        with self._lock:
            return self._units.setdefault(full_name(name), Unit(full_name(name)))

    def settings(self, name: str) -> Settings | None:
        """Return the settings of a unit with its drop-ins, None if the unit does not exist."""
        for folder in FOLDERS:
            file = self._root / folder.lstrip("/") / full_name(name)
            if file.is_file():
                break
        else:
            return None
        result: Settings = {}
        drop_ins = self._root / f"etc/systemd/system/{full_name(name)}.d"
        for part in (file, *sorted(drop_ins.glob("*.conf"))):
            for line in part.read_text().replace("\\\n", " ").splitlines():
                key, separator, value = line.strip().partition("=")
                if not separator or key.startswith(("#", ";")):
                    continue
                # An empty value resets a list (systemd.service(5)).
                result[key] = [*result.get(key, []), value] if value else []
        return result

    def start(self, name: str, *, block: bool = True) -> None:
        """Start a unit; with `block`, wait for the end of a oneshot unit.

        Raises:
            UnitError: the unit does not exist, or its start has failed.
        """
        unit, settings = self.unit(name), self._required(name)
        with unit.lock:
            if unit.active in ("active", "activating") and unit.sub != "auto-restart":
                return
            unit.active, unit.sub = "activating", "start"
            unit.invocation = uuid.uuid4().hex
            unit.generation += 1
        if unit.name.endswith(".timer"):
            self._set(unit, "active", "waiting")
            self._thread(self._run_timer, unit, settings, unit.generation)
        elif _one(settings, "Type", "simple") == "oneshot":
            if not block:
                self._thread(self._run_oneshot, unit, settings, unit.generation)
            elif not self._run_oneshot(unit, settings, unit.generation):
                message = f"Job for {unit.name} failed: the control process has failed."
                raise UnitError(message)
        else:
            self._spawn(unit, settings, unit.generation)

    def stop(self, name: str) -> None:
        """Stop a unit, and wait until the unit's process has ended."""
        unit, settings = self.unit(name), self._required(name)
        with unit.lock:
            was_active, unit.generation = unit.active == "active", unit.generation + 1
            if unit.active in ("active", "activating"):
                unit.active, unit.sub = "deactivating", "stop"
        if was_active:
            for line in settings.get("ExecStop", []):
                self._execute(unit, settings, line).wait()
        limit = _seconds(_one(settings, "TimeoutStopSec", ""), _STOP_S)
        if unit.process is not None:
            _end(unit.process, limit)
        with unit.lock:
            unit.process = None
            if unit.active != "failed":
                unit.active, unit.sub = "inactive", "dead"

    def restart(self, name: str, *, only_active: bool = False) -> None:
        """Stop and start a unit; with `only_active`, only if the unit is active."""
        if only_active and self.unit(name).active not in ("active", "activating"):
            return
        self.stop(name)
        self.start(name)

    def reload(self, name: str) -> None:
        """Run the reload commands of a unit."""
        unit, settings = self.unit(name), self._required(name)
        for line in settings.get("ExecReload", []):
            if self._execute(unit, settings, line).wait():
                message = f"Job for {unit.name} failed."
                raise UnitError(message)

    def stop_all(self) -> None:
        """Stop all active units, as at a shutdown."""
        for unit in reversed(list(self._units.values())):
            if unit.active in ("active", "activating"):
                with suppress(UnitError, OSError):
                    self.stop(unit.name)

    def enable(self, name: str) -> None:
        """Let a unit start at each boot."""
        self._required(name)
        link = self._link(name)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(f"{FOLDERS[0]}/{full_name(name)}")

    def disable(self, name: str) -> None:
        """Let a unit start no longer at each boot."""
        self._link(name).unlink(missing_ok=True)

    def is_enabled(self, name: str) -> bool:
        """Return whether a unit starts at each boot."""
        return self._link(name).is_symlink()

    def start_enabled(self) -> None:
        """Start all enabled units, as at a boot."""
        wants = self._root / "etc/systemd/system"
        for folder in ("timers.target.wants", "multi-user.target.wants"):
            for link in sorted((wants / folder).glob("*")):
                try:
                    self.start(link.name, block=False)
                except (UnitError, OSError) as error:
                    self._journal.add(link.name, str(error))

    def show(self, name: str) -> dict[str, str]:
        """Return the properties of a unit (systemctl(1), show)."""
        unit, loaded = self.unit(name), self.settings(name) is not None
        process = unit.process
        return {
            "Id": unit.name,
            "LoadState": "loaded" if loaded else "not-found",
            "ActiveState": unit.active,
            "SubState": unit.sub,
            "ControlGroup": f"/system.slice/{unit.name}" if unit.active != "inactive" else "",
            "ExecMainStatus": str(unit.status),
            "MainPID": str(process.pid if process and process.poll() is None else 0),
            "InvocationID": unit.invocation,
            "UnitFileState": "enabled" if self.is_enabled(name) else "disabled",
        }

    def _required(self, name: str) -> Settings:
        settings = self.settings(name)
        if settings is None:
            message = f"Unit {full_name(name)} not found."
            raise UnitError(message)
        return settings

    def _link(self, name: str) -> Path:
        target = _WANTS.get(full_name(name).rpartition(".")[2], "multi-user.target.wants")
        return self._root / "etc/systemd/system" / target / full_name(name)

    def _set(self, unit: Unit, active: str, sub: str) -> None:
        with unit.lock:
            unit.active, unit.sub = active, sub

    def _run_oneshot(self, unit: Unit, settings: Settings, generation: int) -> bool:
        for line in settings.get("ExecStart", []):
            process = self._execute(unit, settings, line)
            unit.process = process
            unit.status = process.wait()
            if generation != unit.generation:
                return False
            if unit.status not in _success(settings):
                self._failed(unit, settings, generation)
                return False
        remains = _one(settings, "RemainAfterExit", "no") == "yes"
        self._set(unit, *(("active", "exited") if remains else ("inactive", "dead")))
        return True

    def _spawn(self, unit: Unit, settings: Settings, generation: int) -> None:
        for line in settings.get("ExecStartPre", []):
            self._execute(unit, settings, line).wait()
        (line,) = settings.get("ExecStart", [])
        unit.process = self._execute(unit, settings, line)
        self._set(unit, "active", "running")
        self._thread(self._watch, unit, settings, generation)

    def _watch(self, unit: Unit, settings: Settings, generation: int) -> None:
        process = unit.process
        if process is None:
            return
        status = process.wait()
        if generation != unit.generation:
            return
        unit.status = status
        restarts = _one(settings, "Restart", "no")
        if status in _success(settings) and restarts != "always":
            self._set(unit, "inactive", "dead")
        else:
            self._failed(unit, settings, generation)

    def _failed(self, unit: Unit, settings: Settings, generation: int) -> None:
        """Start a unit again after `RestartSec` if its settings say so, else mark it as failed."""
        prevented = _numbers(_one(settings, "RestartPreventExitStatus", ""))
        restarts = _one(settings, "Restart", "no") in ("always", "on-failure")
        if not restarts or unit.status in prevented:
            self._set(unit, "failed", "failed")
            return
        self._set(unit, "activating", "auto-restart")
        self._thread(self._start_again, unit, settings, generation)

    def _start_again(self, unit: Unit, settings: Settings, generation: int) -> None:
        time.sleep(_seconds(_one(settings, "RestartSec", ""), _RESTART_S))
        if generation == unit.generation:
            with suppress(UnitError, OSError):
                self.start(unit.name, block=False)

    def _run_timer(self, unit: Unit, settings: Settings, generation: int) -> None:
        calendar = _one(settings, "OnCalendar", "hourly")
        while True:
            time.sleep(seconds_until(calendar, time.time()))
            if generation != unit.generation:
                return
            with suppress(UnitError, OSError):
                self.start(f"{unit.name.rpartition('.')[0]}.service", block=False)

    def _execute(self, unit: Unit, settings: Settings, line: str) -> "subprocess.Popen[bytes]":
        user = _one(settings, "User", "")
        # Without namespaces, all users of a machine are this system's user.
        account = pwd.getpwnam(user) if user and not self._machine.is_rewritten else None
        for name in shlex.split(_one(settings, "RuntimeDirectory", "")):
            (self._root / "run" / name).mkdir(parents=True, exist_ok=True)
        more: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            if account is not None and account.pw_uid != os.geteuid()
            else {}
        )
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self._words(unit, line),
            cwd=self._machine.text(_one(settings, "WorkingDirectory", str(self._root))),
            env=self._variables(unit, settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **more,
        )
        assert process.stdout is not None
        self._thread(self._journal.follow, unit.name, unit.invocation, process.stdout)
        return process

    def _words(self, unit: Unit, line: str) -> list[str]:
        """Return the words of a command; `$MAINPID` becomes the id of the unit's main process."""
        main = str(unit.process.pid if unit.process else 0)
        line = self._machine.text(line.lstrip("@-:+!"))
        return [word.replace("$MAINPID", main) for word in shlex.split(line)]

    def _variables(self, unit: Unit, settings: Settings) -> dict[str, str]:
        result = {**self._environment, "INVOCATION_ID": unit.invocation}
        for name in settings.get("EnvironmentFile", []):
            with suppress(FileNotFoundError):
                for line in (self._root / name.lstrip("-/")).read_text().splitlines():
                    for word in shlex.split(line, comments=True):
                        key, _, value = word.partition("=")
                        result[key] = value
        for line in settings.get("Environment", []):
            result.update(word.partition("=")[::2] for word in shlex.split(line))
        return result

    def _thread(self, action: Callable[..., object], *arguments: object) -> None:
        threading.Thread(target=action, args=arguments, daemon=True).start()


def full_name(name: str) -> str:
    """Return the name of a unit with its suffix, such as `.service`."""
    return name if re.search(r"\.(service|timer|mount)$", name) else f"{name}.service"


def seconds_until(calendar: str, now: float) -> float:
    """Return the seconds until the next time of `hourly`, `daily` or `*:FIRST/STEP` (minutes)."""
    if calendar == "daily":
        first, step = 0, 24 * 60
    elif (match := re.fullmatch(r"\*:(\d+)/(\d+)", calendar)) is not None:
        first, step = int(match[1]), int(match[2])
    else:
        first, step = 0, 60
    minutes = itertools.count(int(now // 60) + 1)
    return next(minute for minute in minutes if (minute - first) % step == 0) * 60 - now


def _one(settings: Settings, key: str, default: str) -> str:
    values = settings.get(key) or [default]
    return values[-1]


def _numbers(text: str) -> set[int]:
    return {int(word) for word in text.split() if word.isdigit()}


def _success(settings: Settings) -> set[int]:
    """Return the exit codes that count as success; SIGTERM counts as well (systemd.service(5))."""
    return {0, -signal.SIGTERM, *_numbers(_one(settings, "SuccessExitStatus", ""))}


def _seconds(text: str, default: float) -> float:
    if text == "infinity":
        return 86_400.0
    return float(text) if text.replace(".", "", 1).isdigit() else default


def _end(process: "subprocess.Popen[bytes]", limit: float) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
