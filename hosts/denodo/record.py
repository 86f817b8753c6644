"""What the program remembers between its runs, each thing a small file that people can read.

applied.json   the state that the node has, its hash, and since when
failed.json    the last change that did not come up, and why
drained.json   that the node is taken out: by whom, when, why
metadata.json  that its metadata is right: who says so, when, and on which machine
logins.json    which logins the components have at their shared database, as hashes
exported.json  when the metadata was exported last, and why it was not
signal.json    that CloudFormation was told about this machine
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.denodo import files, log
from hosts.denodo.errors import StateError
from hosts.denodo.state import State, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.system import System


@dataclass(frozen=True)
class Record:
    """The files of one node."""

    system: System

    @property
    def applied(self) -> State | None:
        """The state that the node has, None before the first."""
        data = self._read("applied")
        try:
            return parse(json.dumps(data["state"])) if data else None
        except (StateError, KeyError):
            log.warning(f"{self._file('applied')} cannot be used; taken as not there")
            return None

    @property
    def change(self) -> str:
        """The change that brought the node to its state, empty for none."""
        return str((self._read("applied") or {}).get("change", ""))

    def apply(self, state: State, change: str) -> None:
        """Remember that the node has a state, and by which change."""
        self._write("applied", {"hash": state.hash, "change": change, "state": state.raw})
        files.remove(self._file("failed"))

    def fail(self, state: State, reason: str) -> None:
        """Remember why a state did not come up."""
        self._write("failed", {"hash": state.hash, "reason": reason})

    def drain(self, who: str, why: str) -> None:
        """Take the node out."""
        self._write("drained", {"who": who, "why": why})

    def undrain(self) -> None:
        """Bring the node back."""
        files.remove(self._file("drained"))

    def confirm_metadata(self, who: str, how: str) -> None:
        """Say that this machine's metadata is right."""
        self._write("metadata", {"who": who, "how": how, "machine": self.system.machine_id})

    @property
    def metadata_confirmed(self) -> bool:
        """Whether somebody said so of this machine, and not of the one that it was copied from."""
        data = self._read("metadata")
        return data is not None and data.get("machine") == self.system.machine_id

    @property
    def logins(self) -> dict[str, str]:
        """What tells the logins apart that the components were given last."""
        data = (self._read("logins") or {}).get("components", {})
        return {str(name): str(one) for name, one in data.items()} if isinstance(data, dict) else {}

    def know_logins(self, logins: Mapping[str, str]) -> None:
        """Remember the logins that the components have; those of others stay."""
        if {**self.logins, **logins} != self.logins:
            self._write("logins", {"components": {**self.logins, **logins}})

    @property
    def exported(self) -> dict[str, Any]:
        """When the metadata was exported last (`good`), and why it was not since (`reason`)."""
        return self._read("exported") or {}

    def export(self, *, good: str, reason: str = "") -> None:
        """Remember an export, or why there is none."""
        self._write("exported", {"good": good, "reason": reason})

    def signalled(self) -> None:
        """Remember that CloudFormation was told."""
        self._write("signal", {"machine": self.system.machine_id})

    @property
    def was_signalled(self) -> bool:
        """Whether CloudFormation was told about this machine."""
        data = self._read("signal")
        return data is not None and data.get("machine") == self.system.machine_id

    @property
    def drained(self) -> dict[str, Any] | None:
        """By whom, when and why the node was taken out; None if it was not."""
        return self._read("drained")

    def show(self) -> dict[str, Any]:
        """All of it."""
        names = ("applied", "failed", "drained", "metadata", "exported")
        return {name: self._read(name) for name in names}

    def _file(self, name: str) -> Path:
        return self.system.folder / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            data = json.loads(self._file(name).read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            # Written whole or not at all, so somebody edited it. What it says counts as said.
            return {"unreadable": str(self._file(name))}
        return data if isinstance(data, dict) else {"unreadable": str(self._file(name))}

    def _write(self, name: str, data: dict[str, Any]) -> None:
        text = json.dumps({**data, "at": self.system.time}, indent=1)
        files.replace(self._file(name), text.encode() + b"\n")
