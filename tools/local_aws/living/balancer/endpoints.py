"""Listening sockets: one for each listener in each zone.

Packets that the security groups of a load balancer do not admit are dropped, so that the client's
connection times out, as on AWS. On Linux a socket filter drops such packets in the kernel.
On other systems the connection is accepted, and the client gets no answer (`flows.drop`).
"""

import asyncio
import ctypes
import logging
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tools.local_aws.living.balancer.configuration import Endpoint

_log = logging.getLogger("balancers")

Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; the socket module has no name for it
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_SOURCE_ADDRESS = (-0x100000 + 12) & 0xFFFFFFFF
"""SKF_NET_OFF (linux/filter.h) plus the offset of the source address in an IPv4 header."""
_PASS, _DROP = 0xFFFFFFFF, 0
_BACKLOG = 512


@dataclass(frozen=True)
class Sources:
    """The loopback addresses whose packets a listening socket accepts.

    Attributes:
        others: whether all addresses but those in `exceptions` are accepted.
        exceptions: addresses for which the opposite of `others` holds.
    """

    others: bool
    exceptions: frozenset[str] = frozenset()


NONE = Sources(others=False)


@dataclass(frozen=True)
class Settings:
    """The settings of a listening socket.

    `certificate` and `alpn` are only set if TLS ends at the socket.
    """

    bind: Endpoint
    certificate: tuple[str, str] | None
    alpn: tuple[str, ...]


class ListeningSocket:
    """An open listening socket."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sources: Sources | None = None
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The address and port on which the socket listens."""
        assert self._socket is not None  # The socket is open.
        host, port = self._socket.getsockname()
        return host, port

    async def open(self, sources: Sources, accepted: Accepted) -> None:
        """Listen, and call `accepted` for each connection.

        Raises:
            OSError: the endpoint cannot be bound, or the certificate cannot be read.
        """
        context = _context(self.settings)
        self._socket = socket.socket()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(self.settings.bind)
            self.accept_from(sources)
            self._server = await asyncio.start_server(
                accepted, sock=self._socket, ssl=context, backlog=_BACKLOG
            )
        except OSError:
            self._socket.close()
            raise

    def accept_from(self, sources: Sources) -> None:
        """Drop packets from addresses that are not in `sources`, if the kernel can do so."""
        if self._socket is None or sources == self._sources or not sys.platform.startswith("linux"):
            return
        self._sources = sources
        try:
            _attach(self._socket, sources)
        except OSError as error:
            _log.warning(
                "the kernel cannot drop packets of a listening socket, so connections that "
                "security groups do not admit are accepted and get no answer: %s",
                error,
            )

    def close(self) -> None:
        """Stop listening; connections that are open remain."""
        if self._server is not None:
            self._server.close()


def _context(settings: Settings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*settings.certificate)
    if settings.alpn:
        context.set_alpn_protocols(list(settings.alpn))
    return context


def client_context() -> ssl.SSLContext:
    """Return the TLS settings towards targets, whose certificates AWS does not verify."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _attach(listening: socket.socket, sources: Sources) -> None:
    """Attach a classic BPF program that decides by the source address of a packet."""
    others, exceptions = (_PASS, _DROP) if sources.others else (_DROP, _PASS)
    program = [(_LOAD_WORD, 0, 0, _SOURCE_ADDRESS)]
    for address in sorted(sources.exceptions):
        (number,) = struct.unpack("!I", socket.inet_aton(address))
        program += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, exceptions)]
    program.append((_RETURN, 0, 0, others))
    instructions = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    )
    header = struct.pack("HP", len(program), ctypes.addressof(instructions))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
