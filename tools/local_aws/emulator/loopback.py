"""Loopback addresses: where the servers of an instance or a load balancer listen on this machine.

Every owner has an address of its own, with the port numbers of AWS. Owners are instances, load
balancers (with one address in each zone), databases, views of the DNS server, and hosts of License
and Solution Managers. Linux answers for all of 127.0.0.0/8, and each local AWS takes one of the /16
networks in that range, so that several local AWS run on one machine. Other systems, such as macOS,
answer for 127.0.0.1 only: there, all owners share this address, and another port stands for each of
their ports. A port that this user may not bind, such as 443, is replaced by another port, such as
10443, on every system.

Every process that listens, connects or prints uses `endpoint`. Addresses and ports are stable: they
are part of the checkpoint.
"""

import copy
import errno
import socket
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

Endpoint = tuple[str, int]

SHARED = "127.0.0.1"
"""Address of all instances, load balancers and so on, where no other loopback address exists."""
_SHIFT = 10_000
"""Project default: added to a port that this user may not bind, to get the port that stands for
it."""
_FIRST_SHARED_PORT = 21_000
"""Project default: first of the ports of the shared address that stand for ports on AWS; below the
ports of outgoing connections."""
_NETWORKS = range(16, 255)
"""Project default: second octets of the /16 networks of local AWS; other programs use the networks
below."""
_CLAIM_PORT = 4565
"""Project default: port that a local AWS holds in its /16 network while it runs, so that no other
local AWS takes the network."""
_PER_THIRD_OCTET = 250

STORE: dict[str, Any] = {}
"""`network` of this local AWS (empty: addresses are shared), `addresses` by their owner (such as an
instance), and `ports` of the shared address by owner and port."""

_lock = threading.RLock()


class Claims:
    """Networks that this process holds.

    Attributes:
        sockets: listening sockets by network.
        folder: state folder of the local AWS, from which the search for a network starts.
    """

    def __init__(self) -> None:
        self.sockets: dict[str, socket.socket] = {}
        self.folder = Path()


_claims = Claims()


def start(folder: Path) -> None:
    """Restore the network of the checkpoint, or take a free network, for a state folder."""
    with _lock:
        _claims.folder = folder
        network = STORE.get("network")
        if network and network not in _claims.sockets and not _claim(network):
            # Another local AWS has taken this network of loopback addresses since this local AWS
            # stopped.
            STORE.clear()
        _network()


def snapshot() -> dict[str, Any]:
    """Return a copy of the state, which other threads do not change."""
    with _lock:
        return copy.deepcopy(STORE)


def address(kind: str, id_: str, zone: str = "") -> str:
    """Return the loopback address of an instance, of a load balancer in a zone, or another owner.

    Args:
        kind: kind of the address's owner: `instance`, `balancer`, `database`, `dns` or `manager`.
        id_: the owner's id: an instance id, an ARN, a database, a view, or a manager's host.
        zone: Availability Zone of one address of a load balancer.
    """
    with _lock:
        network = _network()
        if not network:
            return SHARED
        addresses: dict[str, str] = STORE.setdefault("addresses", {})
        owner = _owner(kind, id_, zone)
        if owner not in addresses:
            third, fourth = divmod(len(addresses), _PER_THIRD_OCTET)
            addresses[owner] = f"{network}.{third}.{fourth + 1}"
        return addresses[owner]


def endpoint(kind: str, id_: str, port: int, zone: str = "") -> Endpoint:
    """Return the endpoint on this machine that stands for a port of an instance or other owner.

    `address` describes the arguments.
    """
    with _lock:
        own = address(kind, id_, zone)
        if own != SHARED:
            return own, stand_in(port)
        ports: dict[str, int] = STORE.setdefault("ports", {})
        key = f"{_owner(kind, id_, zone)} {port}"
        if key not in ports:
            ports[key] = _free_port(set(ports.values()))
        return own, ports[key]


def stand_in(port: int) -> int:
    """Return the port that stands for a port on AWS, where loopback addresses are not shared."""
    return port if may_bind(port) else port + _SHIFT


def may_bind(port: int) -> bool:
    """Return whether this user has the right to bind a port, even if the port is in use now."""
    return _bind_error(SHARED, port) not in (errno.EACCES, errno.EPERM)


def is_shared() -> bool:
    """Return whether all servers share 127.0.0.1, the only loopback address of this system."""
    with _lock:
        return not _network()


def _owner(kind: str, id_: str, zone: str) -> str:
    return " ".join(part for part in (kind, id_, zone) if part)


def _network() -> str:
    """Return the /16 network of this local AWS; empty if all servers share 127.0.0.1."""
    if "network" not in STORE:
        STORE["network"] = _free_network()
    network: str = STORE["network"]
    return network


def _free_network() -> str:
    """Take a network that no other local AWS uses."""
    if _bind_error("127.16.0.1", 0) is not None:
        return ""
    start_at = sha256(str(_claims.folder).encode()).digest()[0]
    for step in range(len(_NETWORKS)):
        network = f"127.{_NETWORKS[(start_at + step) % len(_NETWORKS)]}"
        if _claim(network):
            return network
    return ""


def _claim(network: str) -> bool:
    """Hold a /16 network until this process ends; return False if another process holds it."""
    claim = socket.socket()
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        claim.bind((f"{network}.255.254", _CLAIM_PORT))
        # Without listening, a second socket could bind the same port.
        claim.listen(1)
    except OSError:
        claim.close()
        return False
    _claims.sockets[network] = claim
    return True


def _free_port(used: set[int]) -> int:
    port = _FIRST_SHARED_PORT
    while port in used or _bind_error(SHARED, port) is not None:
        port += 1
    return port


def _bind_error(host: str, port: int) -> int | None:
    """Try to bind an endpoint; return the error number, None if the bind succeeds."""
    with socket.socket() as trial:
        try:
            trial.bind((host, port))
        except OSError as error:
            return error.errno
    return None
