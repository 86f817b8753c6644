"""The network of a machine, for the Python programs that run on it.

All machines share the loopback interface of this system, and each has one address of it. What a
program does with its own machine goes to that address: it listens on all addresses, connects to
127.0.0.1, or asks the kernel which address leads to the instance metadata. Python imports this
module at each start, because the machine's environment has its folder in PYTHONPATH.
"""

import json
import socket
from typing import Any

_SETTINGS = "/etc/local-aws.json"
_METADATA = "169.254.169.254"
_OWN = ("", "0.0.0.0", "127.0.0.1", "localhost")  # noqa: S104 - the addresses that are replaced


def _settings() -> dict[str, str]:
    try:
        with open(_SETTINGS) as file:  # noqa: PTH123 - pathlib takes time to import
            result: dict[str, str] = json.load(file)
            return result
    except (OSError, ValueError):
        return {}


class MachineSocket(socket.socket):
    """A socket of the machine."""

    machine = _settings()
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


if MachineSocket.machine:
    socket.socket = MachineSocket  # type: ignore[misc] # replaces the class itself
