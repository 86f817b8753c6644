"""Node programs that are forked from one process, which has imported their modules once.

A new Python takes 0.15 s of CPU time to import the modules, which is most of a node program's time.
`tests/hosts/denodo/test_program.py` and machines of the local AWS start the program as nodes do.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.waiting import until

_CLIENT = """\
#!{python} -ISs
import json, os, socket, sys
there = socket.socket(socket.AF_UNIX)
there.connect({address!r})
said = dict(arguments=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
socket.send_fds(there, [json.dumps(said).encode() + b"\\n"], [0, 1, 2])
sys.exit(int(there.makefile().readline()))
"""
_ROOT = Path(__file__).parents[2]
_LINE = 1 << 20
_END_S = 120


class NodePrograms:
    """The process from which node programs are forked.

    Attributes:
        command: path of a program that runs the node program with its own arguments, working
            folder, environment and streams.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="denodo-ha-programs-")
        address = Path(self._folder.name, "socket")
        self.command = Path(self._folder.name, "node")
        self.command.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
        self.command.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.node_programs", str(address)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
        )
        until(lambda: address.exists() or self._process.poll() is not None)
        assert address.exists()

    def end(self) -> None:
        """End the process from which node programs are forked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_END_S)
        self._folder.cleanup()


@cache
def node_programs() -> NodePrograms:
    """Return this test run's process of node programs, started at the first call."""
    return NodePrograms()


def finish() -> None:
    """End the process of the node programs, if a test has started the process."""
    if node_programs.cache_info().currsize:
        node_programs().end()
        node_programs.cache_clear()


def _serve(address: str) -> None:
    """Fork a node program for each connection, until stdin is closed."""
    # Import the modules of node programs here: once before the forks, and not in the tests'
    # process.
    from hosts.denodo import commands  # noqa: F401, PLC0415 - imported once for all forks

    new = f"{address}.new"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(new)
        server.listen(128)
        # The socket gets its name when it listens, because a client that finds the name connects at
        # once.
        Path(new).rename(address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    os._exit(_handle(connection))


def _handle(connection: socket.socket) -> int:
    """Run a program, and send its exit code; end the program if its client ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, streams, _, _ = socket.recv_fds(connection, _LINE, 3)
    while not text.endswith(b"\n"):
        more = connection.recv(_LINE)
        if not more:
            return 1
        text += more
    child = os.fork()
    if child == 0:
        connection.close()
        _run(json.loads(text), streams)
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, connection.fileno()], [], [])[0]:
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    with suppress(ConnectionError):
        connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    return 0


def _run(said: dict[str, Any], streams: list[int]) -> None:
    from hosts.common import program  # noqa: PLC0415 - imported in `_serve`
    from hosts.denodo.commands import main  # noqa: PLC0415 - imported in `_serve`

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - for the process's whole life
    sys.stderr = open(2, "w", buffering=1)  # noqa: SIM115 - for the process's whole life
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environment"])
    sys.argv[1:] = said["arguments"]
    code = program.run(main)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
