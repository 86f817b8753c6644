"""Listening TCP sockets, from the kernel's tables in /proc/net.

Source: "The proc/net/tcp and proc/net/tcp6 variables", Linux kernel documentation.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES = ("tcp", "tcp6")
_LISTENING = b"0A"
"""State of a listening socket (Linux, include/net/tcp_states.h, TCP_LISTEN)."""
_BUFFER = 1024
"""Number of bytes to read at once from a table of /proc/net: a few lines."""


def on_port(port: int, network: Path = Path("/proc/net")) -> Iterator[tuple[str, str]]:
    """Yield the local address, as the kernel writes it, and the inode of each listening socket.

    The kernel lists listening sockets before all other sockets. Reading stops after them: for the
    rest of the table, the kernel would search all connections of the machine, which takes tens of
    milliseconds.

    Args:
        port: the port.
        network: folder of the tables. A table that cannot be read is empty.
    """
    for table in _TABLES:
        with suppress(OSError), (network / table).open("rb", buffering=_BUFFER) as lines:
            next(lines, None)  # skip the line with the names of the columns
            for line in lines:
                fields = line.split()
                if fields[3] != _LISTENING:
                    break
                address, _, number = fields[1].decode().rpartition(":")
                if int(number, 16) == port:
                    yield address, fields[9].decode()
