"""A DNS server with changeable records, and a resolver that queries the server."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from denodo_ha.verify.findings import Fault
from denodo_ha.verify.site import DnsAnswer

_A, _CNAME, _IN = 1, 5, 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183
_SECONDS = 60


@dataclass
class Dns:
    """A running DNS server.

    Attributes:
        port: its UDP port, on 127.0.0.1.
        aliases: the canonical name of each alias.
        addresses: the addresses of each name.
        is_silent: True if the server does not answer.
        asked: the names that were asked for.
    """

    port: int = 0
    aliases: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_silent: bool = False
    asked: list[str] = field(default_factory=list)

    def resolve(self, name: str) -> DnsAnswer:
        """Ask the server for the addresses of a name, as a resolver library does.

        Raises:
            Fault: The server does not know the name, or does not answer.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2 if self.is_silent else _SECONDS)
            question = _name(name) + struct.pack("!HH", _A, _IN)
            client.sendto(_HEADER.pack(7, 0x0100, 1, 0, 0, 0) + question, ("127.0.0.1", self.port))
            try:
                answer = client.recv(4096)
            except TimeoutError:
                raise Fault("dns-unknown", f"{name}: the server does not answer") from None
        _, flags, _, count, _, _ = _HEADER.unpack_from(answer)
        if flags != _ANSWER:
            raise Fault("dns-unknown", f"{name}: Name or service not known")
        position, canonical, found = _HEADER.size + len(question), name, []
        for _ in range(count):
            _, position = _read_name(answer, position)
            kind, _, _, size = _RECORD.unpack_from(answer, position)
            position += _RECORD.size
            if kind == _CNAME:
                canonical, _ = _read_name(answer, position)
            else:
                found.append(socket.inet_ntoa(answer[position : position + size]))
            position += size
        return DnsAnswer(canonical, tuple(found))

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query."""
        id_, *_ = _HEADER.unpack_from(query)
        name, end = _read_name(query, _HEADER.size)
        self.asked.append(name)
        question = query[_HEADER.size : end + 4]
        records, target = [], name
        while target in self.aliases:
            records.append(_record(target, _CNAME, _name(self.aliases[target])))
            target = self.aliases[target]
        records += [
            _record(target, _A, socket.inet_aton(one)) for one in self.addresses.get(target, ())
        ]
        flags = _ANSWER if records else _NO_SUCH_NAME
        return _HEADER.pack(id_, flags, 1, len(records), 0, 0) + question + b"".join(records)


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _name(name) + _RECORD.pack(kind, _IN, 0, len(data)) + data


def _read_name(message: bytes, position: int) -> tuple[str, int]:
    labels = []
    while size := message[position]:
        labels.append(message[position + 1 : position + 1 + size].decode())
        position += 1 + size
    return ".".join(labels), position + 1


@contextmanager
def dns_server() -> Iterator[Dns]:
    """Run a DNS server until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        dns = Dns(server.getsockname()[1])

        def serve() -> None:
            while True:
                query, client = server.recvfrom(4096)
                if not query:
                    return
                if not dns.is_silent:
                    server.sendto(dns.answer(query), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield dns
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"", ("127.0.0.1", dns.port))
            thread.join()
