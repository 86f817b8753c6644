"""A connection with a deadline for every exchange: no server can make us wait, or read, for ever.

Whatever the network does becomes a `Fault`.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self, TypeVar

from denodo_ha.verify.step import Fault, shown

MOST_BYTES = 64 * 1024
"""More than this is no answer that any of the protocols here gives to what we ask."""
_GRACE_S = 0.3
"""How long a connection must live to count as accepted; whoever closes at once does it sooner."""
_PIECE = 4096

Found = TypeVar("Found")


class Wire:
    """A connected socket.

    Attributes:
        socket: the socket, plain or TLS.
        place: `host:port`, for messages.
        seconds: how long an exchange may take.
    """

    def __init__(self, connected: socket.socket, place: str, seconds: float) -> None:
        self.socket, self.place, self.seconds = connected, place, seconds
        self._kept = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            Fault: the connection broke, or the other side does not read.
        """
        with self.faults():
            self.socket.settimeout(self.seconds)
            try:
                self.socket.sendall(data)
            except ssl.SSLError as error:
                raise Fault("closed", f"{self.place}: {error}") from None

    def read(self, parse: Callable[[bytes], tuple[Found, int] | None]) -> Found:
        """What `parse` makes of what comes; it gives None until there is enough.

        Args:
            parse: gives what it found and how many bytes that took.

        Raises:
            Fault: nothing more comes, too much comes, or the connection ends.
        """
        until = time.monotonic() + self.seconds
        while True:
            found = parse(self._kept) if self._kept else None
            if found is not None:
                self._kept = self._kept[found[1] :]
                return found[0]
            if len(self._kept) > MOST_BYTES:
                raise Fault("malformed", f"no end after {MOST_BYTES} bytes: {self._beginning}")
            self._kept += self._more(until)

    def exactly(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            Fault: as `read`.
        """
        return self.read(lambda kept: (kept[:count], count) if len(kept) >= count else None)

    def lives(self) -> None:
        """See whether the other side keeps the connection.

        Raises:
            Fault: it was closed at once.
        """
        with self.faults():
            self.socket.settimeout(min(_GRACE_S, self.seconds))
            try:
                said = self.socket.recv(_PIECE)
            except TimeoutError:
                return
        if not said:
            raise Fault("closed", f"{self.place} accepted the connection and closed it at once")
        self._kept += said

    def encrypted(self, context: ssl.SSLContext, name: str) -> "Wire":
        """The same connection after a TLS handshake.

        Raises:
            ssl.SSLError: the handshake failed; what that means depends on who asks.
            Fault: the connection broke.
        """
        with self.faults():
            self.socket.settimeout(self.seconds)
            return Wire(
                context.wrap_socket(self.socket, server_hostname=name), self.place, self.seconds
            )

    @contextmanager
    def faults(self) -> Iterator[None]:
        """The network's errors as faults.

        Raises:
            Fault: instead of an OSError; ssl.SSLError stays as it is.
        """
        try:
            yield
        except ssl.SSLEOFError:
            raise self._ended() from None
        except ssl.SSLError:
            raise
        except OSError as error:
            raise fault(error, self.place, self.seconds, connected=True) from None

    @property
    def _beginning(self) -> str:
        return shown(repr(self._kept[:40]))

    def _more(self, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise self._silent()
        with self.faults():
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(_PIECE)
            except TimeoutError:
                raise self._silent() from None
            except ssl.SSLEOFError:
                raise self._ended() from None
            except ssl.SSLError as error:
                raise Fault("malformed", f"{self.place}: {error}") from None
        if not piece:
            raise self._ended()
        return piece

    def _silent(self) -> Fault:
        if not self._kept:
            return Fault("silent", f"{self.place} said nothing within {self.seconds:g} s")
        said = f"{self.place} stopped after {len(self._kept)} bytes: {self._beginning}"
        return Fault("malformed", said)

    def _ended(self) -> Fault:
        if not self._kept:
            return Fault("closed", f"{self.place} closed the connection without an answer")
        return Fault("malformed", f"{self.place} closed after {self._beginning}")


def connect(address: str, port: int, seconds: float) -> Wire:
    """Connect.

    Raises:
        Fault: nobody is there.
    """
    place = at(address, port)
    try:
        made = socket.create_connection((address, port), seconds)
        # Short messages at once: times would tell of the system's waiting, not of the server's.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(made, place, seconds)
    except OSError as error:
        raise fault(error, place, seconds) from None
    except ValueError:
        # Servers name hosts, and may name what no host can be called.
        raise Fault("dns-unknown", f"{place} is no host name") from None


def at(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def fault(error: OSError, place: str, seconds: float, *, connected: bool = False) -> Fault:
    """A network's error as a fault."""
    if isinstance(error, socket.gaierror):
        return Fault("dns-unknown", f"{place}: {error.strerror}")
    if isinstance(error, ConnectionRefusedError):
        return Fault("refused", f"{place} refused the connection")
    if isinstance(error, TimeoutError):
        if connected:
            return Fault("silent", f"{place} said nothing within {seconds:g} s")
        return Fault("timeout", f"{place} did not answer within {seconds:g} s")
    if isinstance(error, ConnectionError):
        return Fault("closed", f"{place} broke the connection")
    return Fault("unreachable", f"{place}: {error.strerror or error}")
