"""Free ports of this machine's own network, 127.0.0.0/8."""

import socket
from contextlib import ExitStack

PROXY = "127.0.0.1"
NODES = {"node1": "127.0.0.2", "node2": "127.0.0.3"}


def free() -> int:
    """A port that is free on the proxy's address and on every node's."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((PROXY, 0))
            port = int(first.getsockname()[1])
            try:
                for address in NODES.values():
                    stack.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port
