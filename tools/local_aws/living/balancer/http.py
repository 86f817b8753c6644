"""Messages of HTTP/1.1 on streams: the head of a message, and its body, which is passed on."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LARGEST_HEAD = 65536
"""Maximum size of a head: request line 16 K, headers 60 K in all (AWS, Quotas for your Application
Load Balancers).
"""
_CHUNK = 65536
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""Pattern of a header's name (RFC 9110, section 5.6.2, token)."""
_AWS_NAME = re.compile(r"[-A-Za-z0-9]+")
"""Pattern of the names of headers that `routing.http.drop_invalid_header_fields.enabled` keeps
(AWS, Application Load Balancers, Load balancer attributes)."""


class MalformedError(ValueError):
    """A message that is not HTTP/1.1."""


@dataclass
class Head:
    """The head of a message: the first line and the headers of a request or a response."""

    first: list[str]
    headers: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str:
        """Return a header's values, joined with commas; empty if there is no such header."""
        return ", ".join(self.all(name))

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def remove(self, *names: str) -> None:
        """Remove the headers with the given names, which are in lower case."""
        self.headers = [item for item in self.headers if item[0].lower() not in names]

    def remove_invalid(self) -> None:
        """Remove headers whose names AWS considers invalid."""
        self.headers = [item for item in self.headers if _AWS_NAME.fullmatch(item[0])]

    def encode(self) -> bytes:
        """Return the bytes of the head, as a connection carries them."""
        lines = [" ".join(self.first), *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def cookies(self) -> Iterator[tuple[str, str]]:
        """Yield the cookies of a request."""
        for part in self.get("cookie").split(";"):
            name, _, value = part.strip().partition("=")
            yield name, value

    @property
    def keeps_open(self) -> bool:
        """Return whether the connection stays open after this message."""
        version = self.first[0] if self.first[0].startswith("HTTP/") else self.first[-1]
        wish = self.get("connection").lower()
        return "close" not in wish and (version != "HTTP/1.0" or "keep-alive" in wish)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read a head; return None at the end of the connection.

    Raises:
        MalformedError: the data is not the head of a message.
    """
    lines: list[bytes] = []
    size = 0
    while True:
        try:
            line = await reader.readline()
        except ValueError as error:
            raise MalformedError from error
        size += len(line)
        if not line:
            if lines:
                raise MalformedError
            return None
        if size > _LARGEST_HEAD:
            raise MalformedError
        text = line.rstrip(b"\r\n")
        if text:
            lines.append(text)
        elif lines:
            break
    first = lines[0].decode("latin-1").split(" ", 2)
    if len(first) < 2 or not (first[0].startswith("HTTP/") or first[-1].startswith("HTTP/1.")):
        raise MalformedError
    return Head(first, [_header(line) for line in lines[1:]])


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise MalformedError
    return name.decode("latin-1"), value.strip().decode("latin-1")


async def pass_body(
    head: Head,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    until_end: bool = False,
) -> None:
    """Pass the body of a message on, unchanged.

    Args:
        head: the head of the message.
        reader: source of the body.
        writer: where the body goes.
        until_end: whether a body without length continues until the end of the connection, as in a
            response.

    Raises:
        MalformedError: the body is shorter than announced, or its form is wrong.
    """
    try:
        if "chunked" in head.get("transfer-encoding").lower():
            await _pass_chunks(reader, writer)
        elif length := head.get("content-length"):
            await _pass_bytes(int(length), reader, writer)
        elif until_end:
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
    except (ValueError, asyncio.IncompleteReadError) as error:
        raise MalformedError from error


async def _pass_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        line = await reader.readline()
        size = int(line.partition(b";")[0], 16)
        writer.write(line)
        if size == 0:
            break
        await _pass_bytes(size + len(b"\r\n"), reader, writer)
    while True:  # Pass on the trailers of a chunked body.
        line = await reader.readline()
        writer.write(line)
        if not line.strip():
            await writer.drain()
            return


async def _pass_bytes(
    length: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while length > 0:
        data = await reader.read(min(length, _CHUNK))
        if not data:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(data)
        writer.write(data)
        await writer.drain()


def has_no_body(request: Head, response: Head) -> bool:
    """Return whether a response has no body whatever its headers say (RFC 9112, section 6.3)."""
    status = response.first[1]
    return request.first[0] == "HEAD" or status in ("204", "304") or status.startswith("1")
