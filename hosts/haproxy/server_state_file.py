"""The file with the state of all servers, from which a reload knows the drained nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.common import files
from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import parse_states

if TYPE_CHECKING:
    from hosts.haproxy.runtime_api import LocalHaproxy


def save(haproxy: LocalHaproxy) -> None:
    """Write the current state of all servers to the file.

    Raises:
        Failed: HAProxy's answer has another form, or the file cannot be written.
    """
    answer = haproxy.query("show servers state")
    parse_states(answer)  # before the file is replaced
    try:
        files.write_atomically(haproxy.state, answer.encode(), mode=files.PUBLIC)
    except OSError as error:
        message = (
            f"{haproxy.state} cannot be written ({error.strerror}): the next reload would forget "
            "which nodes are drained; run this as root, and check that the disk is not full"
        )
        raise Failed(message) from error


def admin_states(haproxy: LocalHaproxy) -> dict[str, int]:
    """Return what a reload would restore: the administrative state of each `backend/node`.

    Raises:
        Failed: The file cannot be read, or has another form.
    """
    try:
        text = haproxy.state.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"{haproxy.state} cannot be read: {error.strerror}"
        raise Failed(message) from error
    return {
        f"{row['be_name']}/{row['srv_name']}": int(row["srv_admin_state"])
        for row in parse_states(text)
    }
