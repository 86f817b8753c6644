"""Machines behind HAProxy's servers: a machine has one server in each backend.

The servers of a machine may have the same name in all backends (`node1`) or different names
(`jdbc1` and `odbc1`). Servers with the same address are on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.haproxy.servers import Server

_NONE = "-"


@dataclass(frozen=True)
class Machine:
    """A machine, as HAProxy sees it.

    Attributes:
        address: IP address; if unknown, the host name; without a host name, the server's name.
        ids: the machine's servers, as `backend/server`.
        others: names of servers that have the same address and another port, and belong to
            other nodes.
    """

    address: str
    ids: frozenset[str]
    others: frozenset[str]

    def has(self, server: Server, every: tuple[Server, ...]) -> bool:
        """Return whether a server is on this machine.

        Args:
            server: a server of the serving worker or of an old worker.
            every: all servers of that worker.
        """
        if server.id in self.ids:
            return True
        return server.node not in self.others and _address(server, every) == self.address


def machine(every: Iterable[Server], name: str) -> Machine:
    """Return the machine of a server.

    Args:
        every: all servers.
        name: name of the server in any backend, or `backend/server`.

    Raises:
        UsageError: There is no such server, or servers of that name are on several machines.
    """
    every = tuple(every)
    named = [server for server in every if name in (server.node, server.id)]
    if not named:
        known = ", ".join(sorted({server.node for server in every}))
        message = f"HAProxy has no node {name}; its nodes are {known}"
        raise UsageError(message)
    addresses = {_address(server, every) for server in named}
    if len(addresses) > 1:
        places = ", ".join(f"{server.id} at {_address(server, every)}" for server in named)
        message = (
            f"{name} is the name of several machines ({places}): name one machine as"
            f" BACKEND/SERVER, such as {named[0].id}; nothing was changed"
        )
        raise UsageError(message)
    (address,) = addresses
    at_address = [server for server in every if _address(server, every) == address]
    node = named[0].node
    backends = {server.backend for server in at_address if server.node == node}
    others = frozenset(
        server.node for server in at_address if server.backend in backends and server.node != node
    )
    ids = frozenset(server.id for server in at_address if server.node not in others)
    return Machine(address, ids, others)


def servers_of(every: Iterable[Server], name: str) -> tuple[Server, ...]:
    """Return the servers of a machine in all backends; see `machine`.

    Raises:
        UsageError: There is no such server, or servers of that name are on several machines.
    """
    every = tuple(every)
    ids = machine(every, name).ids
    return tuple(server for server in every if server.id in ids)


def _address(server: Server, every: tuple[Server, ...]) -> str:
    """Return the address of a server's machine; if the address is unknown, return a name.

    If the host name of the server cannot be resolved at the moment, use the address of another
    server with the same node name and host name.
    """
    if server.address != _NONE:
        return server.address
    if server.host == _NONE:
        return server.node
    same = (
        other.address
        for other in every
        if (other.node, other.host) == (server.node, server.host) and other.address != _NONE
    )
    return next(same, server.host)
