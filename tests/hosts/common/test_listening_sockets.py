"""Listening sockets are found in the kernel's tables, without all connections of the machine."""

import socket
from pathlib import Path

import pytest

from hosts.common import listening_sockets

_COLUMNS = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid inode"


def _line(port: int, state: str, inode: int) -> str:
    local, remote = f"0100007F:{port:04X}", "00000000:0000"
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0"


def test_a_socket_of_this_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # The accepted connection has the listener's local port, and does not listen.
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0]:
            ((address, _),) = listening_sockets.on_port(port)
            assert bytes.fromhex(address) in {b"\x7f\0\0\x01", b"\x01\0\0\x7f"}
            assert list(listening_sockets.on_port(client.getsockname()[1])) == []
    assert list(listening_sockets.on_port(port)) == []


@pytest.mark.parametrize("tables", [("tcp",), ("tcp6",), ("tcp", "tcp6")])
def test_connections_are_not_read(tmp_path: Path, tables: tuple[str, ...]) -> None:
    lines = [_COLUMNS, _line(80, "0A", 1), _line(443, "0A", 2), _line(80, "01", 3), "unread"]
    for table in tables:
        (tmp_path / table).write_text("".join(f"{line}\n" for line in lines))
    assert list(listening_sockets.on_port(80, tmp_path)) == [("0100007F", "1")] * len(tables)


def test_a_machine_without_tables_has_no_sockets(tmp_path: Path) -> None:
    assert list(listening_sockets.on_port(80, tmp_path)) == []
