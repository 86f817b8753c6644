"""The network of a machine, for the Python programs that run on it.

All machines share the loopback interface of this system, and each machine has one of its addresses.
This module replaces other addresses by the machine's address where a program means its own machine:
where a program listens on all addresses, connects to 127.0.0.1, or asks the kernel from which of
the machine's addresses a connection to the instance metadata comes. Python imports this module at
each start (`sitecustomize.py`, `machine_paths.py`).
"""

import socket
from typing import Any, ClassVar

import machine_ports  # type: ignore[import-not-found] # beside this file on the import path

_METADATA = "169.254.169.254"
_OWN = ("", "0.0.0.0", "127.0.0.1", "localhost")  # noqa: S104 - the machine's own address replaces these


class MachineSocket(socket.socket):
    """A socket of the machine."""

    machine: ClassVar[Any] = {}
    root = ""
    issued: ClassVar[Any] = set()
    """Ports on the shared loopback address that name resolution has already put in place of a
    manager's port, so that `connect` does not replace them again."""
    _is_asking = False

    def bind(self, address: Any) -> None:
        """Listen on the machine's address instead of on all addresses."""
        super().bind(self._moved(address))

    def connect(self, address: Any) -> None:
        """Connect to the machine's address instead of to 127.0.0.1."""
        if self.type == socket.SOCK_DGRAM and address[0] == _METADATA:
            self._is_asking = True
            return
        super().connect(self._moved(address))

    def connect_ex(self, address: Any) -> int:
        """Connect to the machine's address instead of to 127.0.0.1."""
        return super().connect_ex(self._moved(address))

    def getsockname(self) -> Any:
        """Return the instance's private address once the socket is connected to the metadata."""
        return (self.machine["private_ip"], 0) if self._is_asking else super().getsockname()

    def _moved(self, address: Any) -> Any:
        if self.family == socket.AF_INET and address[0] in _OWN:
            port = address[1]
            if self.machine["address"] == machine_ports.SHARED and port not in self.issued:
                port = machine_ports.actual(self.root, self.machine["id"], port)
            return (self.machine["address"], port, *address[2:])
        return address


def _names(root: str) -> "dict[str, str]":
    """Return the addresses in the machine's hosts file, by name."""
    with open(f"{root}/etc/hosts") as file:  # noqa: PTH123 - pathlib takes time to import
        lines = [line.partition("#")[0].split() for line in file]
    return {name: address for address, *names in filter(None, lines) for name in names}


def install(root: str = "") -> None:
    """Replace the class of sockets on a machine.

    The resolution of names is replaced too if the machine has no namespaces, or if all machines
    share one address.
    """
    known = MachineSocket.machine = machine_ports.settings(root)
    MachineSocket.root = root
    if not known:
        return
    socket.socket = MachineSocket  # type: ignore[misc] # replaces the class itself
    if root or known["address"] == machine_ports.SHARED:
        resolved = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
            """Resolve a name as the machine's hosts file says.

            A manager's port is replaced by the port that stands for it on the shared address.
            """
            if host in known.get("names", {}) and isinstance(port, int):
                actual = machine_ports.actual(root, host, port)
                if actual != port:
                    MachineSocket.issued.add(actual)
                port = actual
            return resolved(_names(root).get(host, host), port, *arguments, **options)

        socket.getaddrinfo = getaddrinfo
