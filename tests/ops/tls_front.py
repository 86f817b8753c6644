"""TLS in front of a PostgreSQL server that was built without it, as PostgreSQL does it itself.

The client asks for TLS in the clear, is told yes, and speaks TLS from then on. Who does not ask is
refused, as a server does that has no `host` line in pg_hba.conf, or RDS with rds.force_ssl.
"""

import asyncio
import contextlib
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from pathlib import Path

_ASKS = bytes.fromhex("0000000804d2162f")
"""An SSLRequest (PostgreSQL documentation, Message Formats)."""
_REFUSED = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"


class TlsFront:
    """A front, in a thread of its own.

    Attributes:
        port: where it listens on 127.0.0.1.
        behind: where the server listens.
    """

    def __init__(self, behind: int, certificate: Path, key: Path) -> None:
        self.behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.port = 0
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(begun)))
        self._thread.start()
        begun.wait(timeout=10)

    def stop(self) -> None:
        """End it and its connections."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(timeout=10)

    async def _main(self, begun: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        begun.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            try:
                if await reader.readexactly(len(_ASKS)) != _ASKS:
                    length = (len(_REFUSED) + 4).to_bytes(4, "big")
                    writer.write(b"E" + length + _REFUSED)
                    await writer.drain()
                    return
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                inner = await asyncio.open_connection("127.0.0.1", self.behind)
                await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))
            finally:
                writer.close()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
