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
    """Yield local address (in the kernel's form) and inode of each socket that listens on a port.

    The kernel lists listening sockets before all other sockets. Reading stops after the listening
    sockets: for the rest of the table, the kernel would search all connections of the machine,
    which takes tens of milliseconds.

    Args:
        port: number of the TCP port.
        network: folder of the tables. A table that cannot be read is empty.
    """
    for table in _TABLES:
        with suppress(OSError), (network / table).open("rb", buffering=_BUFFER) as lines:
            next(lines, None)  # skip the table's first line: the names of the columns
            for line in lines:
                fields = line.split()
                if fields[3] != _LISTENING:
                    break
                address, _, number = fields[1].decode().rpartition(":")
                if int(number, 16) == port:
                    yield address, fields[9].decode()
