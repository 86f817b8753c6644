"""A flow: a client's connection, the connection to its target, and the data between the two."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress

from tools.local_aws.living.balancer.configuration import TargetKey

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0: closing sends a reset (socket(7))."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Flow:
    """A flow through a load balancer to a target.

    Attributes:
        balancer: ARN of the load balancer.
        listener: ARN of the listener.
        zone: zone of the load balancer's address.
        target: the target.
        was_healthy: whether the target has been healthy during the flow.
        is_draining: whether the target is being deregistered.
    """

    def __init__(
        self,
        *,
        balancer: str,
        listener: str,
        zone: str,
        target: TargetKey,
        was_healthy: bool,
        idle_after: float,
        on_reset: Callable[[str], None],
    ) -> None:
        """Create a flow without connections.

        Args:
            balancer: ARN of the load balancer.
            listener: ARN of the listener.
            zone: zone of the load balancer's address.
            target: the target.
            was_healthy: whether the target is healthy now.
            idle_after: real seconds without data after which the load balancer forgets the flow.
            on_reset: called once with the side that reset the flow: client, target or balancer.
        """
        self.balancer, self.listener, self.zone, self.target = balancer, listener, zone, target
        self.was_healthy, self.is_draining = was_healthy, False
        self._timer: asyncio.TimerHandle | None = None
        self._idle_after, self._on_reset = idle_after, on_reset
        self._writers: list[asyncio.StreamWriter] = []
        self._passable = asyncio.Event()
        self._passable.set()
        self._ended = False
        self._last_data = asyncio.get_running_loop().time()

    @property
    def is_idle(self) -> bool:
        """Return whether the flow has had no data for so long that the load balancer forgets it."""
        return asyncio.get_running_loop().time() - self._last_data > self._idle_after

    def add(self, writer: asyncio.StreamWriter) -> None:
        """Add a connection that ends with the flow."""
        self._writers.append(writer)

    def cut(self, *, is_cut: bool) -> None:
        """Let no data pass while the flow's path is cut."""
        (self._passable.clear if is_cut else self._passable.set)()

    def reset(self, side: str) -> None:
        """End the flow with a reset to each end."""
        if self._ended:
            return
        self.end()
        self._on_reset(side)
        for writer in self._writers:
            reset(writer)

    def end(self) -> None:
        """Record that the flow has ended."""
        self._ended = True
        self.cancel_end()

    def end_after(self, seconds: float) -> None:
        """Reset the flow after some seconds, unless `cancel_end` is called earlier."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.reset, "balancer")

    def cancel_end(self) -> None:
        """Cancel the reset that `end_after` has planned."""
        if self._timer is not None:
            self._timer.cancel()

    async def pass_data(self, client: Streams, target: Streams) -> None:
        """Pass data in both directions until both ends have closed, or an end has sent a reset."""
        self.add(client[1])
        self.add(target[1])
        try:
            await asyncio.gather(
                self._pass("client", client[0], target[1]),
                self._pass("target", target[0], client[1]),
            )
        finally:
            self.end()
            for _, writer in (client, target):
                writer.close()

    async def _pass(
        self, side: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass the data that one end of the flow sends to the other end.

        A flow that was idle too long is forgotten without notice to its ends; the next data gets a
        reset (AWS, Network Load Balancers, Connection idle timeout).
        """
        data = b"-"
        while data and not self._ended:
            try:
                data = await reader.read(_CHUNK)
            except (OSError, ssl.SSLError):
                await self._passable.wait()
                self.reset(side)
                return
            if self.is_idle:
                self.reset("balancer")
                return
            self._last_data = asyncio.get_running_loop().time()
            await self._passable.wait()
            with suppress(OSError, ssl.SSLError, RuntimeError):
                if data:
                    writer.write(data)
                    await writer.drain()
                elif writer.can_write_eof():
                    writer.write_eof()
                else:
                    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset."""
    with suppress(OSError, AttributeError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def drop(client: Streams) -> None:
    """Send nothing until the client ends its side, as if its packets were dropped; then reset.

    A health check of Route 53 that only connects ends its side. The reset then shows to the health
    check that the connection has reached no target (`probe.stays_open`).
    """
    reader, writer = client
    with suppress(OSError, ssl.SSLError):
        while await reader.read(_CHUNK):
            continue
    reset(writer)
