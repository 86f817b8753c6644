"""The file with the state of all servers, from which a reload knows the drained nodes.

HAProxy reads the file as root when it starts. HAProxy's own user may own the folder, so the file is
written and read by descriptor.
"""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hosts.common import files, shared_folder
from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import parse_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy

_HAPROXY_USER = "haproxy"


def save(haproxy: LocalHaproxy) -> None:
    """Write the current state of all servers to the file.

    Raises:
        Failed: HAProxy's answer has another form, or the file cannot be written.
    """
    answer = haproxy.query("show servers state")
    parse_states(answer)  # before the file is replaced
    try:
        with _open_folder(haproxy) as folder:
            shared_folder.replace_file(
                haproxy.state.name, answer.encode(), folder=folder, mode=files.PUBLIC
            )
    except OSError as error:
        message = (
            f"{haproxy.state} cannot be written ({error.strerror}): the next reload would forget "
            "which nodes are drained; run this as root, and check that the disk is not full and "
            f"that no folder is in place of the file (`ls -ld {haproxy.state}`)"
        )
        raise Failed(message) from error


def admin_states(haproxy: LocalHaproxy) -> dict[str, int]:
    """Return what a reload would restore: the administrative state of each `backend/node`.

    Raises:
        Failed: The file cannot be read, or has another form.
    """
    try:
        with _open_folder(haproxy) as folder:
            content = shared_folder.read_file(haproxy.state.name, folder=folder)
        rows = parse_states(content.decode(errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"the state file {haproxy.state} cannot be read: {error.strerror}"
        raise Failed(message) from error
    except Failed as error:
        message = f"the state file {haproxy.state} cannot be read: {error}"
        raise Failed(message) from None
    return {f"{row['be_name']}/{row['srv_name']}": int(row["srv_admin_state"]) for row in rows}


@contextmanager
def _open_folder(haproxy: LocalHaproxy) -> Iterator[int]:
    """Open the folder, which belongs to root, to this user or to HAProxy's user."""
    owners = {0, os.geteuid()}
    with suppress(KeyError):
        owners.add(pwd.getpwnam(_HAPROXY_USER).pw_uid)
    with shared_folder.open_folder(haproxy.state.parent, owners=owners) as folder:
        yield folder
