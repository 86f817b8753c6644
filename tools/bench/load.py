"""Load on HAProxy: new RMI connections at a fixed rate, and web requests as fast as possible."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from denodo_ha.environment.haproxy.config_file import RMI_HELLO
from tests.hosts.haproxy.ports import PROXY

PATIENCE_S = 2.0
"""Seconds that a simulated client waits for HAProxy's answer."""


@dataclass(frozen=True)
class Request:
    """Request that a simulated client sends, and the beginning of the correct answer."""

    sent: bytes
    answer: bytes


RMI = Request(bytes.fromhex(RMI_HELLO), b"\x4e")
WEB = Request(b"GET /name HTTP/1.0\r\nHost: denodo\r\n\r\n", b"HTTP/1.1 200 ")


@dataclass
class Outcome:
    """Outcome of all connections of a run, during which an event such as a reload is triggered.

    Attributes:
        failed: start of each failed connection, in seconds since the event.
        seconds: start of the last connection, in seconds since the event.
    """

    failed: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def until_out(self) -> str:
        """Return when the last failed connection started, in seconds since the event.

        Return `never` if connections still failed in the last second of the run.
        """
        last = max(self.failed, default=0.0)
        return "never" if last and last > self.seconds - 1 else f"{last:.1f}"


def connections(
    port: int,
    *,
    total: int,
    rate: int,
    event: Callable[[], None],
    after: int,
    request: Request = RMI,
    patience: float = PATIENCE_S,
) -> Outcome:
    """Open connections at a fixed rate, and trigger an event after some of them.

    Args:
        port: the port of HAProxy.
        total: number of connections.
        rate: connections a second.
        event: triggers the event, such as a reload; the call may take any time.
        after: number of connections that are opened before the event.
        request: what each connection sends and expects.
        patience: seconds that a client waits for its answer.
    """

    async def run() -> Outcome:
        outcome, begun, happened = Outcome(), time.monotonic(), 0.0
        tasks, waiting = [], None
        for number in range(total):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            if number == after:
                happened = time.monotonic()
                waiting = asyncio.create_task(asyncio.to_thread(event))
            since = happened or time.monotonic()
            tasks.append(asyncio.create_task(_one(port, outcome, since, request, patience)))
        outcome.seconds = time.monotonic() - happened
        await asyncio.gather(*tasks, *([waiting] if waiting else []))
        return outcome

    return asyncio.run(run())


async def _one(
    port: int,
    outcome: Outcome,
    happened: float,
    request: Request = RMI,
    patience: float = PATIENCE_S,
) -> None:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(PROXY, port)
            try:
                writer.write(request.sent)
                if await reader.readexactly(len(request.answer)) != request.answer:
                    outcome.failed.append(begun - happened)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        outcome.failed.append(begun - happened)


def requests(port: int, *, seconds: float, clients: int) -> float:
    """Return web requests per second over persistent connections."""

    async def one(end: float) -> int:
        count = 0
        reader, writer = await asyncio.open_connection(PROXY, port)
        while time.monotonic() < end:
            writer.write(b"GET /name HTTP/1.1\r\nHost: denodo\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            count += 1
        writer.close()
        return count

    async def every() -> int:
        end = time.monotonic() + seconds
        return sum(await asyncio.gather(*(one(end) for _ in range(clients))))

    return asyncio.run(every()) / seconds


def handshakes(port: int, *, seconds: float, clients: int) -> float:
    """Return RMI connections per second, opened one after the other."""

    async def one(end: float) -> int:
        count = 0
        while time.monotonic() < end:
            outcome = Outcome()
            await _one(port, outcome, 0.0)
            count += not outcome.failed
        return count

    async def every() -> int:
        end = time.monotonic() + seconds
        return sum(await asyncio.gather(*(one(end) for _ in range(clients))))

    return asyncio.run(every()) / seconds
