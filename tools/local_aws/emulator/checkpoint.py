"""Keep what the local AWS knows, so that it outlives the server, however that ends.

MiniStack writes its state when it is stopped politely, a file per service, and not when it is
killed. Here all files are written soon after every change, beside the last ones, and then
take their place at once. While a stack is being deployed nothing is kept: whoever kills the
server then gets back what was before, and never half a stack.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from pathlib import Path

from tools.local_aws.emulator import databases, emulator, stand_ins, systems_manager
from tools.local_aws.emulator.emulator import private

_OWN = "local_aws"
_QUIET = 0.3
"""Seconds without a request before the state is written."""
_log = logging.getLogger("local-aws")


class Checkpoint:
    """The state on disk.

    Attributes:
        place: folder of the files.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._next = place.with_name(f"{place.name}.next")
        self._old = place.with_name(f"{place.name}.old")
        self._changed = 0.0
        self.repair()

    def repair(self) -> None:
        """Undo a writing that was broken off between its two renames."""
        shutil.rmtree(self._next, ignore_errors=True)
        if not self.place.exists() and self._old.exists():
            self._old.rename(self.place)
        shutil.rmtree(self._old, ignore_errors=True)

    def changed(self) -> None:
        """Note that something may have changed."""
        self._changed = time.monotonic()

    async def keep(self) -> None:
        """Write the state whenever something has changed and all is quiet."""
        while True:
            await asyncio.sleep(_QUIET)
            if self._changed and time.monotonic() - self._changed >= _QUIET:
                self.write()

    def write(self) -> bool:
        """Write the state; not while a stack is on its way from one to another."""
        if in_progress():
            return False
        self._changed = 0.0
        states = private(emulator.gateway, "_build_persistence_save_dict")()
        states[_OWN] = _own_state
        emulator.persistence.STATE_DIR = str(self._next)
        emulator.persistence.save_all(states)
        with contextlib.suppress(FileNotFoundError):
            self.place.rename(self._old)
        self._next.rename(self.place)
        shutil.rmtree(self._old, ignore_errors=True)
        return True

    def read_own(self) -> None:
        """Restore what the plugin itself knows."""
        emulator.persistence.STATE_DIR = str(self.place)
        own = emulator.persistence.load_state(_OWN) or {}
        stand_ins.STORE.update(own.get("stand_ins", {}))
        for key, store in _stores().items():
            if key in own:
                store.update(own[key])


def in_progress() -> list[str]:
    """The stacks that an operation is changing."""
    return [
        str(stack["StackName"])
        for _, stack in emulator.all_stacks.all_items()
        if str(stack.get("StackStatus", "")).endswith("_IN_PROGRESS")
        and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
    ]


def _stores() -> dict[str, emulator.AccountRegionScopedDict]:
    return {
        "documents": systems_manager.documents,
        "associations": systems_manager.associations,
        "subscriptions": databases.subscriptions,
    }


def _own_state() -> dict[str, object]:
    return {"stand_ins": stand_ins.STORE, **_stores()}
