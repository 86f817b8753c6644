"""Only one run at a time changes a node."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hosts.denodo.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.system import System


@contextmanager
def held(system: System, name: str = "lock") -> Iterator[None]:
    """Hold the node's lock; the kernel frees it when the run ends, however that happens.

    Args:
        system: the machine.
        name: what is locked; by default changes of the node.

    Raises:
        BusyError: another run holds it.
    """
    path = system.folder / name
    # 0660 and not read-only: root and the Denodo user both take it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = file.read().strip() or "a run that just started"
            message = f"another run is at work ({other}); nothing was done. Run this again later"
            raise BusyError(message) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {system.time}")
        file.flush()
        yield
