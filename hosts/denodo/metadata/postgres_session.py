"""Session with a PostgreSQL server, limited to what a query for names of tables needs.

The node has no PostgreSQL client, and a query by Denodo's JDBC drivers would start Java each time.
So this module implements the protocol: TLS, the login by SCRAM-SHA-256, and one query.

Sources: PostgreSQL, "Frontend/Backend Protocol" (message flow, message formats, SASL
authentication); RFC 5802 and RFC 7677 (SCRAM-SHA-256).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import time
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0
"""Project default: time limit of a session, from the connection to the last row."""

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_PROTOCOL = 196608
"""Version number of the protocol (3.0) in a startup message."""
_LONGEST_MESSAGE = 2**20
_MOST_ITERATIONS = 1_000_000
"""Project limit: maximum number of SCRAM iterations that a server may request. More iterations
would keep the node's processor busy."""
_SCRAM = "SCRAM-SHA-256"
_WITHOUT_BINDING = "n,,"

_OK, _CLEARTEXT, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 10, 11, 12
_REFUSALS = ("28", "3D")
"""First characters of SQLSTATE codes after which a repeated login cannot succeed: invalid
authorization, and no such database. Other errors may be temporary."""


class SessionError(HostError):
    """The server did not answer the query; a later attempt may succeed."""


class LoginRefusedError(SessionError):
    """The PostgreSQL server refuses the login, or does not have the login's database."""


class UntrustedError(SessionError):
    """The server's certificate is not trusted."""


@dataclass(frozen=True)
class Server:
    """A database on a PostgreSQL server, and the login to it.

    Attributes:
        host: host name of the server, which its certificate must contain.
        port: port of the server.
        dbname: name of the database.
        username: name of the user.
        password: password of the user.
        ca: certificates (PEM) that verify the server; empty: those of the operating system.
    """

    host: str
    port: int
    dbname: str
    username: str
    password: str
    ca: str

    def query(self, statement: str) -> list[str]:
        """Return the first column of the rows of a query.

        Raises:
            LoginRefusedError: The server refuses the login, or has no such database.
            UntrustedError: The server's certificate is not trusted.
            SessionError: The server cannot be reached, or does not answer as it should.
        """
        end = time.monotonic() + SECONDS
        try:
            with socket.create_connection((self.host, self.port), SECONDS) as plain:
                plain.sendall(_SSL_REQUEST)
                if plain.recv(1) != b"S":
                    raise SessionError("the server offers no TLS")
                context = ssl.create_default_context(cadata=self.ca or None)
                with context.wrap_socket(plain, server_hostname=self.host) as secure:
                    return Session(secure, self, end).query(statement)
        except ssl.SSLCertVerificationError as error:
            raise UntrustedError(error.verify_message) from None
        except socket.timeout:  # before Python 3.10, socket.timeout is not a TimeoutError
            message = f"the server does not answer within {SECONDS:.0f} s"
            raise SessionError(message) from None
        except OSError as error:
            raise SessionError(error.strerror or str(error)) from None


class Session:
    """Session with a PostgreSQL server, on a connection after the TLS handshake."""

    def __init__(self, connection: socket.socket, server: Server, end: float) -> None:
        self._connection, self._server, self._end = connection, server, end

    def query(self, statement: str) -> list[str]:
        """Log in, run a query, and return the first column of its rows.

        Raises:
            LoginRefusedError: The server refuses the login, or has no such database.
            SessionError: The server does not answer as it should.
            OSError: The connection broke, or the time limit expired.
        """
        try:
            return self._query(statement)
        except (ValueError, struct.error):
            raise SessionError("the server's answer is not in PostgreSQL's protocol") from None

    def _query(self, statement: str) -> list[str]:
        parameters = (
            *("user", self._server.username, "database", self._server.dbname),
            *("application_name", "denodo-node", ""),
        )
        startup = b"".join(text.encode() + b"\0" for text in parameters)
        self._send(b"", struct.pack("!I", _PROTOCOL) + startup)
        self._log_in()
        self._send(b"Q", statement.encode() + b"\0")
        rows = [_first_column(body) for kind, body in self._until_ready() if kind == b"D"]
        self._send(b"X", b"")
        return rows

    def _log_in(self) -> None:
        scram = _Scram(self._server.password)
        for kind, body in self._until_ready():
            if kind != b"R":
                continue
            (code,), data = struct.unpack("!I", body[:4]), body[4:]
            if code == _SASL and _SCRAM.encode() in data.split(b"\0"):
                first = scram.first.encode()
                length = struct.pack("!I", len(first))
                self._send(b"p", _SCRAM.encode() + b"\0" + length + first)
            elif code == _SASL_CONTINUE:
                self._send(b"p", scram.final(data.decode()).encode())
            elif code == _SASL_FINAL:
                scram.verify(data.decode())
            elif code == _CLEARTEXT:
                self._send(b"p", self._server.password.encode() + b"\0")
            elif code != _OK:
                message = f"the server requires authentication method {code}, not {_SCRAM}"
                raise SessionError(message)

    def _until_ready(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the server's messages until the server is ready for a query."""
        while True:
            kind, length = struct.unpack("!cI", self._receive(5))
            if not 4 <= length <= _LONGEST_MESSAGE:
                raise SessionError("the server's answer is not in PostgreSQL's protocol")
            body = self._receive(length - 4)
            if kind == b"E":
                raise _refusal(body)
            if kind == b"Z":
                return
            yield kind, body

    def _send(self, kind: bytes, body: bytes) -> None:
        self._connection.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._connection.settimeout(max(self._end - time.monotonic(), 0.001))
            more = self._connection.recv(count - len(data))
            if not more:
                raise SessionError("the server closed the connection")
            data += more
        return data


class _Scram:
    """The client's side of a login by SCRAM-SHA-256, without channel binding.

    Attributes:
        first: the first message of the client.
    """

    def __init__(self, password: str) -> None:
        # This normalisation equals SASLprep (RFC 4013) for passwords without control characters.
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = secrets.token_urlsafe(18)
        self._bare = f"n=,r={self._nonce}"
        self._signature = b""
        self.first = _WITHOUT_BINDING + self._bare

    def final(self, server_first: str) -> str:
        """Return the client's last message, which proves that the client knows the password."""
        fields = _fields(server_first, "rsi")
        nonce, iterations = fields["r"], int(fields["i"])
        if not nonce.startswith(self._nonce) or not 0 < iterations <= _MOST_ITERATIONS:
            raise SessionError("the server's message in the login (SCRAM) is not valid")
        salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        client_key = _hmac(salted, b"Client Key")
        without_proof = f"c={base64.b64encode(_WITHOUT_BINDING.encode()).decode()},r={nonce}"
        signed = ",".join((self._bare, server_first, without_proof)).encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), signed)
        self._signature = _hmac(_hmac(salted, b"Server Key"), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, server_final: str) -> None:
        """Verify by the server's last message that the server knows the password too."""
        if base64.b64decode(_fields(server_final, "v")["v"]) != self._signature:
            raise SessionError("the server does not prove that it knows the password")


def _fields(message: str, required: str) -> dict[str, str]:
    """Return the fields of a SCRAM message by the letter of each field."""
    fields = {part[:1]: part[2:] for part in message.split(",")}
    if not set(required) <= set(fields):
        raise SessionError("the server's message in the login (SCRAM) is not valid")
    return fields


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _first_column(row: bytes) -> str:
    (length,) = struct.unpack("!i", row[2:6])
    return row[6 : 6 + max(length, 0)].decode()


def _refusal(body: bytes) -> SessionError:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0")}
    code = fields.get(b"C", "")
    message = fields.get(b"M", code)
    return LoginRefusedError(message) if code.startswith(_REFUSALS) else SessionError(message)
