"""A DNS client that asks one server on any port, and keeps answers for their TTL.

libc and Java only ask port 53 of the servers in `resolv.conf`, so they cannot ask the DNS server of
the local AWS where it has another port.
"""

import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Endpoint = tuple[str, int]

_KINDS = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 28: "AAAA"}
_NUMBERS = {name: number for number, name in _KINDS.items()}
_CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_IN, _RECURSION_DESIRED, _TRUNCATED, _CODE_MASK = 1, 0x0100, 0x0200, 0xF
_HEADER, _QUESTION, _RECORD = struct.Struct("!6H"), struct.Struct("!2H"), struct.Struct("!2HIH")
_LENGTH = struct.Struct("!H")
_POINTER = 0xC0
_BYTES = 4096
_TIMEOUT_S, _ATTEMPTS = 5.0, 3


@dataclass(frozen=True)
class DnsRecord:
    """One record of a response; the value of a type that this client does not know is empty."""

    name: str
    kind: str
    ttl: int
    value: str


@dataclass(frozen=True)
class Response:
    """A response: its code, such as NOERROR, and the records of its first two sections."""

    code: str
    answers: tuple[DnsRecord, ...]
    authority: tuple[DnsRecord, ...]
    is_truncated: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv4 addresses in the response."""
        return tuple(item.value for item in self.answers if item.kind == "A")

    @property
    def ttl(self) -> int:
        """The seconds for which a client may keep the response."""
        return min((item.ttl for item in self.answers or self.authority), default=0)


def ask(
    server: Endpoint, name: str, kind: str = "A", *, tcp: bool = False, timeout: float = _TIMEOUT_S
) -> Response:
    """Ask a DNS server; use TCP if `tcp` is true or if the answer is too long for UDP.

    Raises:
        OSError: the server does not answer.
    """
    query = _query(name, kind)
    if not tcp:
        response = _parse(_datagram(server, query, timeout))
        if not response.is_truncated:
            return response
    with socket.create_connection(server, timeout=timeout) as client, client.makefile("rb") as file:
        client.sendall(_LENGTH.pack(len(query)) + query)
        (size,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return _parse(file.read(size))


def _datagram(server: Endpoint, query: bytes, timeout: float) -> bytes:
    """Return the response to a UDP query, which is sent again if no response arrives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect(server)
        for attempt in range(_ATTEMPTS):
            client.send(query)
            try:
                return client.recv(_BYTES)
            except TimeoutError:
                if attempt == _ATTEMPTS - 1:
                    raise
    raise TimeoutError


class CachingResolver:
    """Resolver of one client: keeps each answer for its TTL, or for a fixed time.

    Args:
        server: the DNS server.
        keeps: seconds for which each answer is kept; None: for the answer's TTL.
        clock: returns seconds.
    """

    def __init__(
        self,
        server: Endpoint,
        *,
        keeps: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._keeps, self._clock = server, keeps, clock
        self._kept: dict[str, tuple[float, tuple[str, ...]]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name; empty if the name has none.

        Raises:
            OSError: the server does not answer.
        """
        now = self._clock()
        until, addresses = self._kept.get(name, (now, ()))
        if now < until:
            return addresses
        response = ask(self._server, name)
        keeps = response.ttl if self._keeps is None else self._keeps
        self._kept[name] = (now + keeps, response.addresses)
        return response.addresses


def _query(name: str, kind: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    header = _HEADER.pack(secrets.randbits(16), _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encoded + _QUESTION.pack(_NUMBERS[kind], _IN)


def _parse(message: bytes) -> Response:
    _, flags, questions, answers, authority, _ = _HEADER.unpack_from(message)
    position = _HEADER.size
    for _ in range(questions):
        _, position = _name(message, position)
        position += _QUESTION.size
    records = _records(message, position, answers + authority)
    code = _CODES.get(flags & _CODE_MASK, str(flags & _CODE_MASK))
    both = tuple(records)
    return Response(code, both[:answers], both[answers:], bool(flags & _TRUNCATED))


def _records(message: bytes, position: int, count: int) -> Iterator[DnsRecord]:
    for _ in range(count):
        name, position = _name(message, position)
        number, _, ttl, size = _RECORD.unpack_from(message, position)
        position += _RECORD.size
        kind, value = _KINDS.get(number, str(number)), ""
        if kind == "A":
            value = socket.inet_ntoa(message[position : position + size])
        elif kind in ("CNAME", "NS", "SOA"):
            value, _ = _name(message, position)
        yield DnsRecord(name, kind, ttl, value)
        position += size


def _name(message: bytes, position: int) -> tuple[str, int]:
    """Return a name in a message, and the position after the name.

    A part of a name may be a pointer to an earlier name in the message.
    """
    labels: list[str] = []
    while size := message[position]:
        if size & _POINTER == _POINTER:
            (target,) = _LENGTH.unpack_from(message, position)
            rest, _ = _name(message, target & 0x3FFF)
            return ".".join([*labels, rest]), position + _LENGTH.size
        labels.append(message[position + 1 : position + 1 + size].decode())
        position += 1 + size
    return ".".join(labels), position + 1
