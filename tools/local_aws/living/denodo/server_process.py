"""The process of a server of a Denodo stand-in: its open ports, and what it records.

The process is named `java`. The process speaks the protocols itself (`denodo_servers`), or starts
real programs for the protocols (`real_servers`) if the installation names such programs.
"""

# ruff: noqa: PLC0415 - each server is a process that must start fast

import json
import os
import select
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.local_aws.living.denodo.denodo_servers import Session
    from tools.local_aws.living.denodo.real_servers import RealServers
    from tools.local_aws.living.denodo.stand_in import Home

_SECONDS = 600
_VDP = "conf/vdp/VDBConfiguration.properties"


def serve(home: "Home", server: str) -> int:
    """Act as a server until killed."""
    # The stand-in is run by its path, so its folder, and no package, is on the import path.
    import denodo_servers  # type: ignore[import-not-found] # found by its path

    _end_with_machine(home.path / "ALIVE")
    started = record_start(home, server)
    options = started["jvm"]
    if "-Ddead" in options:
        # Wait for a connection before the end: even on a slow machine, the program that starts
        # servers must first see that this process runs.
        with socket.create_server(home.endpoint(next(iter(home.ports(server).values())))) as port:
            port.settimeout(_SECONDS)
            with suppress(TimeoutError):
                port.accept()
        return 1
    for word in home.behaves(server):
        if word.startswith("slow="):
            time.sleep(float(word[5:]))
    if "-Ddeaf" in options:
        time.sleep(_SECONDS)
        return 1
    ports = home.ports(server)
    second = home.second_port(server) if "rmi" in ports else 0
    if second:
        ports["object"] = second
    if server == "vdp" and "web" in home.behaves("vdp"):
        home.start_web()
    second_endpoint = (str(started.get("rmi") or home.address), second)
    certificate = home.certificate
    _Listeners(home, ports, _real_servers(home, ports, second_endpoint[0])).serve(
        lambda protocol: denodo_servers.Session(home, protocol, second_endpoint, certificate)
    )
    return 0


def _real_servers(home: "Home", ports: dict[str, int], host: str) -> "RealServers | None":
    """Return the real programs of a server; None if the stand-in itself speaks all protocols.

    The stand-in speaks all protocols if the installation has no file `REAL`, or if servers use TLS.
    """
    if not (home.path / "REAL").exists() or home.certificate or "https" in ports:
        return None
    import real_servers  # type: ignore[import-not-found] # found by its path

    result: RealServers = real_servers.RealServers(home, ports, host)
    return result


def _end_with_machine(file: "Path") -> None:
    """Kill this process when its machine ends, as `machine_paths` does.

    Args:
        file: file with the path of the pipe whose other end the machine holds.
    """
    if not file.exists():
        return
    pipe = os.open(file.read_text(), os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)

    def wait() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class _Listeners:
    """The open ports of a server. At SIGUSR1, the ports in the file `CLOSED` are closed.

    Args:
        home: the installation.
        ports: the ports, by protocol.
        real: real programs that serve some of the protocols; None if there are none.
    """

    def __init__(self, home: "Home", ports: dict[str, int], real: "RealServers | None") -> None:
        self._home, self._ports, self._real = home, ports, real
        self._open: dict[str, socket.socket] = {}
        self._woken, waking = socket.socketpair()
        waking.settimeout(0)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.set_wakeup_fd(waking.fileno())
        self._waking = waking

    def serve(self, session: "Callable[[str], Session]") -> None:
        """Accept connections until the process ends."""
        self._follow()
        while True:
            protocols = {listener: protocol for protocol, listener in self._open.items()}
            for ready in select.select([self._woken, *protocols], [], [])[0]:
                if ready is self._woken:
                    self._woken.recv(100)
                    self._follow()
                    break
                connection, _ = ready.accept()
                talk = session(protocols[ready]).talk
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def _follow(self) -> None:
        file = self._home.path / "CLOSED"
        closed = json.loads(file.read_text()) if file.exists() else []
        if self._real is not None:
            self._real.follow(closed)
        for protocol, port in self._ports.items():
            if self._real is not None and protocol in self._real.protocols:
                continue
            if port in closed:
                listener = self._open.pop(protocol, None)
                if listener is not None:
                    listener.close()
            elif protocol not in self._open:
                try:
                    self._open[protocol] = socket.create_server(self._home.endpoint(port))
                except OSError:
                    # Denodo also starts if another process uses its second port.
                    if protocol != "object":
                        raise


def record_start(home: "Home", server: str) -> dict[str, str]:
    """Write the settings of this server's start to a file, and return the settings."""
    made = home.path / "run/generated.json"
    started = json.loads(made.read_text()) if made.exists() else {}
    started.update(
        port=next(iter(home.ports(server).values())),
        pid=os.getpid(),
        config=home.settings(_VDP) if server == "vdp" else {},
        jvm=started.get("options", {}).get(server, ""),
        java_home=os.environ.get("JAVA_HOME", ""),
    )
    file = home.path / "run" / f"{server}.json"
    new = file.with_suffix(".new")
    new.write_text(json.dumps(started))
    new.replace(file)
    result: dict[str, str] = started
    return result
