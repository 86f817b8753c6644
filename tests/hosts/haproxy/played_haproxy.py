"""Stand-in for HAProxy's two sockets, for answers that a real HAProxy rarely gives."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hosts.haproxy.runtime_api import LocalHaproxy

GOOD: dict[str, str] = json.loads(Path(__file__).with_name("answers.json").read_text())
"""Answers of HAProxy 2.8 to each command."""


@contextmanager
def played_haproxy(folder: Path, answers: dict[str, bytes]) -> Iterator[LocalHaproxy]:
    """Answer on the sockets of a HAProxy whose state file and configuration are in a folder.

    Args:
        folder: an empty folder with a short path.
        answers: answers that replace those of `GOOD`, by command.
    """
    given = {command: text.encode() for command, text in GOOD.items()} | answers
    haproxy = LocalHaproxy(folder, folder / "server-state", folder / "haproxy.cfg", "true")
    haproxy.config.write_text("global\n")
    haproxy.state.write_text(GOOD["show servers state"])
    listeners = []
    try:
        for name in ("admin", "master"):
            listener = socket.socket(socket.AF_UNIX)
            listeners.append(listener)
            listener.bind(str(folder / f"{name}.sock"))
            listener.listen()
            threading.Thread(target=_serve, args=(listener, given), daemon=True).start()
        yield haproxy
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def _serve(listener: socket.socket, answers: dict[str, bytes]) -> None:
    with suppress(OSError):  # raised when the listener is closed at the end
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as commands:
                connection.sendall(answers.get(commands.readline().decode().strip(), b"\n"))
