"""TLS proxy in front of a PostgreSQL server that is built without TLS.

As in PostgreSQL, the client requests TLS in plain text, gets a positive answer, and then uses TLS.
Clients that do not request TLS are refused, as if RDS's parameter rds.force_ssl were set.
"""

import asyncio
import contextlib
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from tests.support.servers.certificates import Identity
from tests.support.servers.postgres import Postgres
from tests.support.servers.web import server_context

_ASKS = bytes.fromhex("0000000804d2162f")
"""An SSLRequest, by which a client asks for TLS (PostgreSQL documentation, Message Formats)."""
_REFUSED = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"
_SECONDS = 60


@contextmanager
def with_tls(server: Postgres, identity: Identity) -> Iterator[Postgres]:
    """Run the proxy until the block ends; yield the server as its TLS clients see it."""
    front = _Front(server, server_context(identity))
    try:
        yield replace(server, port=front.port)
    finally:
        front.stop()


class _Front:
    """TLS proxy in a thread.

    Attributes:
        port: port on which the proxy listens, at the server's address.
    """

    def __init__(self, behind: Postgres, context: ssl.SSLContext) -> None:
        self._behind, self._context = behind, context
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(begun)))
        self._thread.start()
        begun.wait(timeout=_SECONDS)

    def stop(self) -> None:
        """Close the proxy and its connections."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(timeout=_SECONDS)

    async def _main(self, begun: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, self._behind.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        begun.set()
        await self._over.wait()
        server.close()
        for item in self._connections:
            item.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            async with _closed(writer):
                if await reader.readexactly(len(_ASKS)) != _ASKS:
                    length = (len(_REFUSED) + 4).to_bytes(4, "big")
                    writer.write(b"E" + length + _REFUSED)
                    await writer.drain()
                    return
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                inner = await asyncio.open_connection(self._behind.host, self._behind.port)
                async with _closed(inner[1]):
                    await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))
        self._connections.discard(task)


@asynccontextmanager
async def _closed(writer: StreamWriter) -> AsyncIterator[None]:
    """Close a connection after the block; wait for its end, since the event loop may stop next."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
