"""The file that keeps what operators ordered over a reload: without it a drained node is back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import states

if TYPE_CHECKING:
    from hosts.haproxy.runtime_api import LocalHaproxy

_MODE = 0o644


def save(haproxy: LocalHaproxy) -> None:
    """Write every server's state as it is now.

    Raises:
        Failed: it cannot be written.
    """
    answer = haproxy.query("show servers state")
    states(answer)  # nothing else is written over what is there
    try:
        write(haproxy.state, answer, _MODE)
    except OSError as wrong:
        message = (
            f"{haproxy.state} cannot be written ({wrong.strerror}): the next reload would forget "
            "which nodes are drained; run this as root, and check that the disk is not full"
        )
        raise Failed(message) from wrong


def kept(haproxy: LocalHaproxy) -> dict[str, int]:
    """What a reload would restore: the operators' orders by `backend/node`."""
    try:
        text = haproxy.state.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as wrong:
        message = f"{haproxy.state} cannot be read: {wrong.strerror}"
        raise Failed(message) from wrong
    return {
        f"{row['be_name']}/{row['srv_name']}": int(row["srv_admin_state"]) for row in states(text)
    }


def write(path: Path, text: str, mode: int) -> None:
    """Replace a file as a whole; a crash leaves the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary = Path(name)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:  # Ctrl-C too: no half file is left beside the old one
        Path(name).unlink()
        raise
