"""Checkpoints: complete states on disk, even if the server is killed.

Without this module, MiniStack writes its state only when a signal stops it, one file per service.
This module writes all files to a new folder soon after every change, and then renames the folder.
No checkpoint is written while a stack operation runs: after a kill, the server restarts with the
state from before the operation, and never with half a stack.
"""

import asyncio
import contextlib
import json
import logging
import shutil
import time
from pathlib import Path

from tools.local_aws.emulator import cuts, living, loopback, ministack, stand_ins
from tools.local_aws.emulator.ec2 import capacity_reservations
from tools.local_aws.emulator.elb import zonal_shifts
from tools.local_aws.emulator.ministack import private
from tools.local_aws.emulator.rds import instances
from tools.local_aws.emulator.ssm import documents

_PLUGIN_KEY = "local_aws"
_QUIET_S = 0.3
"""Project default: time without a request before the state is written."""
_PAUSE = 20
"""Project default: minimum pause after a write, as a multiple of the write's CPU time. So writes
take at most a twentieth of a core, however large the state is."""
_log = logging.getLogger("local-aws")


class Checkpoint:
    """The server's state on disk.

    Attributes:
        folder: folder of the state files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new = folder.with_name(f"{folder.name}.next")
        self._old = folder.with_name(f"{folder.name}.old")
        self._changed_at = 0.0
        self._written: dict[str, str] = {}
        self._repair()

    def _repair(self) -> None:
        """Restore the old state folder if the last write did not get to rename the new folder."""
        shutil.rmtree(self._new, ignore_errors=True)
        if not self.folder.exists() and self._old.exists():
            self._old.rename(self.folder)
        shutil.rmtree(self._old, ignore_errors=True)

    def note_change(self) -> None:
        """Record that the state may have changed."""
        self._changed_at = time.monotonic()

    async def write_after_changes(self) -> None:
        """Write the state after changes, once no request has arrived for a short time."""
        while True:
            await asyncio.sleep(_QUIET_S)
            if self._changed_at and time.monotonic() - self._changed_at >= _QUIET_S:
                before = time.thread_time()
                self.write()
                await asyncio.sleep(_PAUSE * (time.thread_time() - before))

    def write(self) -> bool:
        """Write the state; return False without writing while a stack operation runs.

        Most requests change nothing, and writing all files takes most of a checkpoint's time. So
        nothing is written if all files would have the same contents again.
        """
        if stacks_in_progress():
            return False
        self._changed_at = 0.0
        contents = self._written | _contents()
        if contents == self._written:
            return True
        self._new.mkdir(exist_ok=True)
        for name, content in contents.items():
            (self._new / name).write_text(content)
        with contextlib.suppress(FileNotFoundError):
            self.folder.rename(self._old)
        self._new.rename(self.folder)
        shutil.rmtree(self._old, ignore_errors=True)
        self._written = contents
        return True

    def restore_plugin_state(self) -> None:
        """Restore the state that the plugin keeps in addition to MiniStack's state."""
        ministack.persistence.STATE_DIR = str(self.folder)
        state = ministack.persistence.load_state(_PLUGIN_KEY) or {}
        stand_ins.STORE.update(state.get("stand_ins", {}))
        loopback.STORE.update(state.get("loopback", {}))
        cuts.STORE.update(state.get("cuts", {}))
        living.STORE.update(state.get("living", {}))
        for key, store in _stores().items():
            if key in state:
                store.update(state[key])


def _contents() -> dict[str, str]:
    """Return the content of each state file, as MiniStack reads it.

    MiniStack writes with `json.dump`, which takes several times as long as `json.dumps`. If another
    thread changes the state of a service meanwhile, the state is left out, so that the service's
    file keeps its content.
    """
    states = private(ministack.gateway, "_build_persistence_save_dict")()
    states[_PLUGIN_KEY] = _plugin_state
    contents = {}
    for service, state in states.items():
        try:
            payload = state()
            if payload is not None:
                file = {
                    "__ministack_format__": ministack.state_format(service),
                    "payload": payload,
                }
                contents[f"{service}.json"] = json.dumps(file, default=ministack.encoded)
        except (KeyError, RuntimeError, TypeError, ValueError):
            _log.exception("the state of %s could not be written", service)
    return contents


def stacks_in_progress() -> list[str]:
    """Return the names of the stacks that an operation is changing."""
    return [
        str(stack["StackName"])
        for _, stack in ministack.all_stacks.all_items()
        if str(stack.get("StackStatus", "")).endswith("_IN_PROGRESS")
        and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
    ]


def _stores() -> dict[str, ministack.AccountRegionScopedDict]:
    return {
        "capacity_reservations": capacity_reservations.reservations,
        "documents": documents.documents,
        "associations": documents.associations,
        "subscriptions": instances.subscriptions,
        "zonal_shifts": zonal_shifts.shifts,
    }


def _plugin_state() -> dict[str, object]:
    return {
        "stand_ins": dict(stand_ins.STORE),
        "loopback": loopback.snapshot(),
        "cuts": cuts.STORE,
        "living": living.STORE,
        **_stores(),
    }
