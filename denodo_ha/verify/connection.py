"""A TCP connection with a timeout for every exchange and a size limit for answers.

Every network error becomes a `Fault`.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, Self, TypeVar

from denodo_ha.verify.findings import Fault, one_line

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Project limit: maximum bytes of an answer; real answers to the probes are shorter."""
_ACCEPT_S: Final = 0.3
"""Project default: seconds after which a connection that the server has not closed counts as
accepted."""
_CHUNK_BYTES: Final = 4096

Parsed = TypeVar("Parsed")


class Connection:
    """A connection to an endpoint.

    Attributes:
        socket: the socket, plain or TLS.
        endpoint: `host:port`, for messages.
        timeout: seconds that an exchange may take.
    """

    def __init__(self, connected: socket.socket, endpoint: str, timeout: float) -> None:
        self.socket, self.endpoint, self.timeout = connected, endpoint, timeout
        self._buffer = b""

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
        """Send data, and return when all of it is sent.

        Raises:
            Fault: The connection broke, or the server does not receive the data.
        """
        with self.network_faults():
            self.socket.settimeout(self.timeout)
            try:
                self.socket.sendall(data)
            except ssl.SSLError as error:
                raise Fault("closed", f"{self.endpoint}: {error}") from None

    def read(self, parse: Callable[[bytes], tuple[Parsed, int] | None]) -> Parsed:
        """Read until `parse` returns a result.

        Args:
            parse: returns the result and the number of parsed bytes, or None if more bytes are
                needed.

        Raises:
            Fault: The timeout expired, the answer is too long, or the connection ended.
        """
        deadline = time.monotonic() + self.timeout
        while True:
            result = parse(self._buffer) if self._buffer else None
            if result is not None:
                self._buffer = self._buffer[result[1] :]
                return result[0]
            if len(self._buffer) > MAX_ANSWER_BYTES:
                seen = (
                    f"{self.endpoint}: the answer has no end after {MAX_ANSWER_BYTES} bytes: "
                    f"{self._beginning}"
                )
                raise Fault("malformed", seen)
            self._buffer += self._receive(deadline)

    def read_bytes(self, count: int) -> bytes:
        """Read a number of bytes.

        Raises:
            Fault: The timeout expired, the answer is too long, or the connection ended.
        """
        return self.read(lambda data: (data[:count], count) if len(data) >= count else None)

    def require_open(self) -> None:
        """Verify that the server keeps the connection open.

        Raises:
            Fault: The server closed the connection.
        """
        with self.network_faults():
            self.socket.settimeout(min(_ACCEPT_S, self.timeout))
            try:
                data = self.socket.recv(_CHUNK_BYTES)
            except TimeoutError:
                return
        if not data:
            seen = f"{self.endpoint} accepted the connection and closed it at once"
            raise Fault("closed", seen)
        self._buffer += data

    def start_tls(self, context: ssl.SSLContext, server_name: str) -> "Connection":
        """Return the same connection after a TLS handshake.

        Raises:
            ssl.SSLError: The handshake failed; the caller decides what this means.
            Fault: The connection broke.
        """
        with self.network_faults():
            self.socket.settimeout(self.timeout)
            secure = context.wrap_socket(self.socket, server_hostname=server_name)
            return Connection(secure, self.endpoint, self.timeout)

    @contextmanager
    def network_faults(self) -> Iterator[None]:
        """Convert network errors in the block to `Fault`.

        Raises:
            Fault: An OSError occurred; ssl.SSLError is not converted.
        """
        try:
            yield
        except ssl.SSLEOFError:
            raise self._ended() from None
        except ssl.SSLError:
            raise
        except OSError as error:
            raise _fault(error, self.endpoint, self.timeout, connected=True) from None

    @property
    def _beginning(self) -> str:
        return one_line(repr(self._buffer[:40]))

    def _receive(self, deadline: float) -> bytes:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise self._timed_out()
        with self.network_faults():
            self.socket.settimeout(remaining)
            try:
                data = self.socket.recv(_CHUNK_BYTES)
            except TimeoutError:
                raise self._timed_out() from None
            except ssl.SSLEOFError:
                raise self._ended() from None
            except ssl.SSLError as error:
                raise Fault("malformed", f"{self.endpoint}: {error}") from None
        if not data:
            raise self._ended()
        return data

    def _timed_out(self) -> Fault:
        if not self._buffer:
            return Fault("silent", f"{self.endpoint} sent nothing within {self.timeout:g} s")
        seen = f"{self.endpoint} stopped sending after {len(self._buffer)} bytes: {self._beginning}"
        return Fault("malformed", seen)

    def _ended(self) -> Fault:
        if not self._buffer:
            return Fault("closed", f"{self.endpoint} closed the connection without an answer")
        seen = f"{self.endpoint} closed the connection after {self._beginning}"
        return Fault("malformed", seen)


def connect(address: str, port: int, timeout: float, source: str = "") -> Connection:
    """Connect to a port, from the address `source` of this machine; empty: from any address.

    Raises:
        Fault: The connection failed.
    """
    endpoint = host_port(address, port)
    try:
        connected = socket.create_connection(
            (address, port), timeout, source_address=(source, 0) if source else None
        )
        # Disable Nagle's algorithm: it delays sending, which would falsify the measured times.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(connected, endpoint, timeout)
    except OSError as error:
        raise _fault(error, endpoint, timeout) from None
    except ValueError:
        # The host may be from a server's answer, and so may not be a valid host name.
        raise Fault("dns-unknown", f"{endpoint} is not a host name") from None


def host_port(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _fault(error: OSError, endpoint: str, timeout: float, *, connected: bool = False) -> Fault:
    """Return the `Fault` for a network error."""
    if isinstance(error, socket.gaierror):
        return Fault("dns-unknown", f"{endpoint}: {error.strerror}")
    if isinstance(error, ConnectionRefusedError):
        return Fault("refused", f"{endpoint} refused the connection")
    if isinstance(error, TimeoutError):
        if connected:
            return Fault("silent", f"{endpoint} sent nothing within {timeout:g} s")
        return Fault("timeout", f"{endpoint} did not answer within {timeout:g} s")
    if isinstance(error, ConnectionError):
        return Fault("closed", f"{endpoint} broke the connection")
    return Fault("unreachable", f"{endpoint}: {error.strerror or error}")
