"""The state file of all servers, from which HAProxy restores drained nodes after a reload.

HAProxy reads the file as root when HAProxy starts. HAProxy's own user may own the file's
folder, and could replace the file with a link or a FIFO. So this module does not follow links, and
reads only a regular file.
"""

from __future__ import annotations

import errno
import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.haproxy import next_states
from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import parse_states

if TYPE_CHECKING:
    from hosts.haproxy.runtime_api import LocalHaproxy

_HAPROXY_USER = "haproxy"


def save(haproxy: LocalHaproxy) -> None:
    """Write the current state of all servers to the state file.

    Raises:
        Failed: HAProxy's answer has an unexpected format, or the file cannot be written.
    """
    write(haproxy, next_states.as_they_are(next_states.running_rows(haproxy)))


def write(haproxy: LocalHaproxy, content: bytes) -> None:
    """Replace the content of the state file.

    Raises:
        Failed: The state file cannot be written.
    """
    try:
        _require_owner(haproxy)
        if haproxy.state.is_dir() and not haproxy.state.is_symlink():
            files.remove(haproxy.state)  # `write_atomically` cannot replace a folder
        files.write_atomically(haproxy.state, content, mode=files.PUBLIC)
    except OSError as error:
        message = (
            f"{haproxy.state} cannot be written ({error.strerror}): the next reload would forget "
            "which nodes are drained; run the command as root, and check that the disk is not full"
        )
        raise Failed(message) from error


def admin_states(haproxy: LocalHaproxy) -> dict[str, int]:
    """Return the administrative states that a reload would restore, by `backend/node`.

    Raises:
        Failed: The file cannot be read, or has an unexpected format.
    """
    return {next_states.key(row): int(row["srv_admin_state"]) for row in saved_rows(haproxy)}


def saved_rows(haproxy: LocalHaproxy) -> list[dict[str, str]]:
    """Return the rows of the state file; an empty list if the file does not exist.

    Raises:
        Failed: The file cannot be read, or has an unexpected format.
    """
    try:
        _require_owner(haproxy)
        content = files.read(haproxy.state, follow=False)
        return parse_states(content.decode(errors="replace"))
    except FileNotFoundError:
        return []
    except OSError as error:
        message = f"the state file {haproxy.state} cannot be read: {error.strerror}"
        raise Failed(message) from error
    except Failed as error:
        message = f"the state file {haproxy.state} cannot be read: {error}"
        raise Failed(message) from None


def _require_owner(haproxy: LocalHaproxy) -> None:
    """Check that the state file's folder belongs to root, to this user or to HAProxy's user.

    Raises:
        OSError: The folder belongs to another user, who could change which nodes are drained.
    """
    owners = {0, os.geteuid()}
    with suppress(KeyError):
        owners.add(pwd.getpwnam(_HAPROXY_USER).pw_uid)
    folder = haproxy.state.parent
    owner = folder.stat().st_uid
    if owner not in owners:
        message = f"the folder belongs to the user {owner}: run `chown root {folder}`"
        raise PermissionError(errno.EPERM, message, str(folder))
