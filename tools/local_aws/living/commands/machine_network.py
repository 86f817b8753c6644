"""The network of a machine, for the Python programs that run on it.

All machines share the loopback interface of this system, and each has one address of it. What a
program does with its own machine goes to that address: it listens on all addresses, connects to
127.0.0.1, or asks the kernel which address leads to the instance metadata. Python imports this
module at each start (`sitecustomize.py`, `machine_paths.py`).
"""

import json
import socket
from typing import Any, ClassVar

_METADATA = "169.254.169.254"
_OWN = ("", "0.0.0.0", "127.0.0.1", "localhost")  # noqa: S104 - the addresses that are replaced


def _settings(root: str) -> "dict[str, str]":
    try:
        with open(f"{root}/etc/local-aws.json") as file:  # noqa: PTH123 - pathlib takes time to import
            result: dict[str, str] = json.load(file)
            return result
    except (OSError, ValueError):
        return {}


class MachineSocket(socket.socket):
    """A socket of the machine."""

    machine: ClassVar[Any] = {}
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
        """Return the private address of the instance after a connect to the metadata."""
        return (self.machine["private_ip"], 0) if self._is_asking else super().getsockname()

    def _moved(self, address: Any) -> Any:
        if self.family == socket.AF_INET and address[0] in _OWN:
            return (self.machine["address"], *address[1:])
        return address


def _names(root: str) -> "dict[str, str]":
    """Return the addresses in the machine's hosts file, by name."""
    with open(f"{root}/etc/hosts") as file:  # noqa: PTH123 - see above
        lines = [line.partition("#")[0].split() for line in file]
    return {name: address for address, *names in filter(None, lines) for name in names}


def install(root: str = "") -> None:
    """Replace sockets, and the resolution of names, where the root folder is not `/`."""
    MachineSocket.machine = _settings(root)
    if not MachineSocket.machine:
        return
    socket.socket = MachineSocket  # type: ignore[misc] # replaces the class itself
    if root:
        resolved = socket.getaddrinfo

        def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
            """Resolve a name as the machine's hosts file says."""
            return resolved(_names(root).get(host, host), *arguments, **options)

        socket.getaddrinfo = getaddrinfo
