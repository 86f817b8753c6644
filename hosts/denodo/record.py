"""Records that the program keeps between its runs, each a small JSON file that people can read.

applied.json   the applied state, its hash, and the time
failed.json    the last change that failed, the reason, and the request that made it
held.json      an operator's hold: the watchdog must not start servers; by whom, when, why
drain-hold.json  the hold while `denodo-ha` has drained the node: by whom, when, why, and on which
               machine (a copy of the disk on another machine is not held)
paused.json    the pause of the node: until when, by whom, why, namespace of the silencing metric
watchdog.json  the processes that the watchdog has seen, and those that it has started again
behind.json    why the last boot started the servers with the previously applied state instead of
               the desired state
drained.json   the drain of the node: by whom, when, why
metadata.json  the confirmation of the metadata: by whom, when, on which machine
logins.json    hashes of the components' logins to their shared database
exported.json  the time of the last metadata export, and why a later export failed
signal.json    the machine for which CloudFormation was signalled
readiness.json facts for the readiness checks: whether `ping.sh` has `-r` (`ping`), and whether the
               rules of this version or of an earlier version judge the services (`rules`)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.denodo import log
from hosts.denodo.errors import StateError
from hosts.denodo.state_reader import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System


CURRENT_RULES = "current"
EARLIER_RULES = "earlier"

_LIMIT = 2**20
"""Size in bytes above which a record is not read."""

_LOCK = "record-lock"
_LOCK_SECONDS = 10.0
"""Project default: seconds to wait while another process holds the lock of the records, which it
does for milliseconds."""


@dataclass(frozen=True)
class Record:
    """The records of one node."""

    system: System

    @property
    def applied(self) -> State | None:
        """Return the applied state, None before the first apply."""
        data = self._read("applied")
        try:
            return parse(json.dumps(data["state"])) if data else None
        except (StateError, KeyError, RecursionError):
            log.warning(f"{self._file('applied')} cannot be used, and is ignored")
            return None

    @property
    def change(self) -> str:
        """Return the id of the change that applied the state, empty if there is none."""
        return str((self._read("applied") or {}).get("change", ""))

    def apply(self, state: State, change: str) -> None:
        """Record the applied state with the change's id; remove the record of a failed change."""
        self._write("applied", {"hash": state.hash, "change": change, "state": state.raw})
        files.remove(self._file("failed"))

    @property
    def behind(self) -> str:
        """Return why the servers run with a previously applied state; empty if they do not."""
        data = self._read("behind")
        return str(data.get("reason", "")) if data is not None else ""

    def fall_behind(self, reason: str) -> None:
        """Record why the servers of the node run with a previously applied state."""
        self._write("behind", {"reason": reason})

    def catch_up(self) -> None:
        """Remove the record `behind`, because the node has applied its desired state."""
        files.remove(self._file("behind"))

    def fail(self, state: State, reason: str, request: str = "") -> None:
        """Record why a state could not be applied, and the id of the request to apply it."""
        values = {"hash": state.hash, "reason": reason}
        self._write("failed", {**values, "request": request} if request else values)

    def refusal(self, state: State, request: str) -> str:
        """Return why the change of a request was undone; empty if the change was not undone."""
        failed = (self._read("failed") or {}) if request else {}
        same = (failed.get("hash"), failed.get("request")) == (state.hash, request)
        return str(failed.get("reason", "")) if same else ""

    @property
    def drained(self) -> dict[str, Any] | None:
        """Return by whom (`who`), when (`at`) and why the node is drained; None if not drained."""
        return self._read("drained")

    def drain(self, who: str, why: str) -> None:
        """Record that the node is drained."""
        self._write("drained", {"who": who, "why": why})

    def undrain(self) -> None:
        """Remove the record that the node is drained."""
        files.remove(self._file("drained"))

    @property
    def held(self) -> dict[str, Any] | None:
        """Return by whom (`who`), when (`at`) and why the node is held; None if it is not."""
        return self._read("held")

    def hold(self, who: str, why: str) -> None:
        """Record that the watchdog must not start servers again."""
        self._write("held", {"who": who, "why": why})

    def release(self) -> None:
        """Remove the record that the node is held."""
        files.remove(self._file("held"))

    @property
    def drain_hold(self) -> dict[str, Any] | None:
        """Return by whom, when and why `denodo-ha` holds the drained node; None if it does not.

        The record contains the id of the machine: on another machine with a copy of the disk, the
        result is None.
        """
        data, machine = self._read("drain-hold"), self.system.machine_id
        other = (data or {}).get("machine", machine)
        return data if not (machine and other) or machine == other else None

    def hold_for_drain(self, who: str, why: str) -> None:
        """Record that the watchdog must not start servers, because the node is drained."""
        machine = self.system.machine_id
        self._write("drain-hold", {"who": who, "why": why, "machine": machine})

    def release_from_drain(self) -> None:
        """Remove the hold of a drained node; an operator's own hold remains."""
        files.remove(self._file("drain-hold"))

    @property
    def paused(self) -> dict[str, Any] | None:
        """Return until when (`until`), by whom and why the node is paused; None if it is not.

        The result is also None if the pause has ended, or if the record cannot be read: a fault of
        the record must not make a pause endless.
        """
        data = self._read("paused")
        try:
            return (
                data if data and self.system.now() < datetime.fromisoformat(data["until"]) else None
            )
        except (KeyError, TypeError, ValueError):
            return None

    def pause(self, who: str, why: str, until: str, namespace: str) -> None:
        """Record that the node is paused until a time."""
        self._write("paused", {"who": who, "why": why, "until": until, "namespace": namespace})

    @property
    def pause_file(self) -> Path:
        """Path of the record of a pause, which may have ended."""
        return self._file("paused")

    def resume(self) -> None:
        """Remove the record that the node is paused."""
        files.remove(self._file("paused"))

    @property
    def rests(self) -> bool:
        """Return whether the watchdog must not start servers."""
        records = (self.drained, self.held, self.drain_hold, self.paused)
        return any(record is not None for record in records)

    @property
    def watched(self) -> Sequence[str]:
        """Return the processes that the watchdog has seen running."""
        seen = (self._read("watchdog") or {}).get("seen", [])
        return [str(process) for process in seen] if isinstance(seen, list) else []

    def watch(self, seen: Sequence[str]) -> None:
        """Record the processes that the watchdog has seen running."""
        data = self._read("watchdog") or {}
        self._write("watchdog", {**data, "seen": list(seen)})

    def revive(self, processes: Sequence[str], *, last: bool) -> None:
        """Record that the watchdog starts processes again.

        Args:
            processes: the processes.
            last: whether the watchdog starts no process again for a while after this start.
        """
        data = self._read("watchdog") or {}
        count = data.get("count", 0)
        self._write(
            "watchdog",
            {
                **data,
                "count": (count if isinstance(count, int) else 0) + 1,
                "processes": list(processes),
                "last": self.system.time,
                "gave_up": last,
            },
        )

    @property
    def revival(self) -> tuple[str, Sequence[str]]:
        """Return when the watchdog last started processes again, and the processes; else empty."""
        data = self._read("watchdog") or {}
        processes = data.get("processes", [])
        names = [str(name) for name in processes] if isinstance(processes, list) else []
        return str(data.get("last", "")), names

    def forget_watchdog(self) -> None:
        """Remove the watchdog's record; each boot of the node calls this method first."""
        files.remove(self._file("watchdog"))

    @property
    def metadata_confirmed(self) -> bool:
        """Return whether the metadata is confirmed on this machine.

        The record contains the id of the machine: on another machine with a copy of the disk, the
        result is False.
        """
        data = self._read("metadata")
        return data is not None and data.get("machine") == self.system.machine_id

    @property
    def metadata_time(self) -> str:
        """Return the recorded time of the metadata's confirmation, empty without a record."""
        return str((self._read("metadata") or {}).get("at", ""))

    def confirm_metadata(self, who: str, how: str) -> None:
        """Record that the metadata of this machine is confirmed."""
        self._write("metadata", {"who": who, "how": how, "machine": self.system.machine_id})

    @property
    def logins(self) -> dict[str, str]:
        """Return the recorded fingerprints of the components' logins."""
        data = (self._read("logins") or {}).get("components", {})
        if not isinstance(data, dict):
            return {}
        return {str(name): str(fingerprint) for name, fingerprint in data.items()}

    def remember_logins(self, fingerprints: Mapping[str, str]) -> None:
        """Record fingerprints of some components' logins, and keep those of other components."""
        if {**self.logins, **fingerprints} != self.logins:
            self._write("logins", {"components": {**self.logins, **fingerprints}})

    @property
    def exported(self) -> dict[str, Any]:
        """Return the time of the last export (`good`), and why a later export failed (`reason`)."""
        return self._read("exported") or {}

    def export(self, *, good: str, reason: str = "") -> None:
        """Record the time of the last good metadata export, and why a later export failed."""
        self._write("exported", {"good": good, "reason": reason})

    @property
    def readiness(self) -> dict[str, Any]:
        """Return the recorded facts for the readiness checks."""
        return self._read("readiness") or {}

    def remember_readiness(self, **values: str) -> None:
        """Record facts for the readiness checks, and keep the other facts."""
        current = {key: value for key, value in self.readiness.items() if key != "at"}
        if {**current, **values} != current:
            self._write("readiness", {**current, **values})

    @property
    def has_current_rules(self) -> bool:
        """Return whether the rules of this version judge readiness (`readiness.earlier_rules`)."""
        return self.readiness.get("rules") == CURRENT_RULES

    @property
    def was_signalled(self) -> bool:
        """Return whether this machine has sent its signal to CloudFormation."""
        data = self._read("signal")
        return data is not None and data.get("machine") == self.system.machine_id

    def signalled(self) -> None:
        """Record that this machine has sent its signal to CloudFormation."""
        self._write("signal", {"machine": self.system.machine_id})

    def warnings(self) -> Iterator[str]:
        """Yield the warnings in the records, for operators."""
        if behind := self.behind:
            yield f"the last boot started the servers with the previously applied state: {behind}"
        watchdog = self._read("watchdog") or {}
        if count := watchdog.get("count"):
            again = ", ".join(map(str, watchdog.get("processes", ())))
            text = f"servers died and were started again {count} times, last {again} at "
            text += f"{watchdog.get('last')}; see `journalctl -u denodo-node-watchdog`"
            yield text + (
                "; no server is started again for an hour" if watchdog.get("gave_up") else ""
            )
        if held := self.held:
            yield f"the node is held by {held.get('who')} since {held.get('at')}: {held.get('why')}"

    def contents(self) -> dict[str, Any]:
        """Return the records that `status` prints."""
        names = (
            *("applied", "failed", "drained", "metadata", "exported", "readiness"),
            *("held", "watchdog"),
        )
        return {
            **{name: self._read(name) for name in names},
            "drain_hold": self.drain_hold,
            "paused": self.paused,
        }

    def _file(self, name: str) -> Path:
        return self.system.folder / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            data = json_object.parse(files.read(self._file(name), limit=_LIMIT, follow=False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            data = None
        if isinstance(data, dict):
            return data
        # The program writes records atomically, so this file was changed by another program. Treat
        # the record as existing.
        return {"unreadable": str(self._file(name))}

    def _write(self, name: str, data: dict[str, Any]) -> None:
        text = json.dumps({**data, "at": self.system.time}, indent=1)
        path = self._file(name)
        with self.locked():
            if path.is_symlink() or not path.is_file():
                files.remove(path)
            files.replace(path, text.encode() + b"\n")

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock of all records, for one write.

        The lock for changes of the node is a different lock, so that a node can be drained during a
        change.

        Raises:
            BusyError: Another run holds the lock.
        """
        return self.system.locked(_LOCK, seconds=_LOCK_SECONDS)
