"""The ports of a machine where all machines share one loopback address, as on macOS.

For each port of each machine or manager, the local AWS assigns another port on the shared address
(`emulator/loopback.py`). Programs that listen or connect ask the local AWS once for each port.
"""

import json
import socket
from typing import Any

SHARED = "127.0.0.1"
_TIMEOUT_S = 60.0


def settings(root: str) -> Any:
    """Return the machine's settings; empty if this system is not a machine of the local AWS."""
    try:
        with open(f"{root}/etc/local-aws.json") as file:  # noqa: PTH123 - pathlib takes time to import
            return json.load(file)
    except (OSError, ValueError):
        return {}


def actual(root: str, owner: str, port: int) -> int:
    """Return this system's port for a port of a machine (by its instance id) or of a manager."""
    known = settings(root)
    if known.get("address") != SHARED or not port:
        return port
    cache = f"{root}/etc/local-aws-ports/{owner}-{port}"
    try:
        with open(cache) as file:  # noqa: PTH123 - pathlib takes time to import
            return int(file.read())
    except (OSError, ValueError):
        found = _asked(known["endpoint"], f"/_local/endpoints/{owner}/{port}")
    try:
        with open(cache, "w") as file:  # noqa: PTH123 - pathlib takes time to import
            file.write(str(found))
    except OSError:
        pass  # without a cache, each process asks the local AWS again
    return found


def _asked(endpoint: str, path: str) -> int:
    host, port = endpoint.rpartition("/")[2].split(":")
    # Not `socket.socket`, which the machine replaces by a class that calls this module.
    connection = _SOCKET(socket.AF_INET, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(_TIMEOUT_S)
        connection.connect((host, int(port)))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    body = answer.partition(b"\r\n\r\n")[2]
    return int(json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["port"])


_SOCKET = socket.socket
