"""Requests of Application Load Balancers: HTTP/1.1, one target for each request."""

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from tools.local_aws.living.balancer import counts, flows, http, network, routing
from tools.local_aws.living.balancer.configuration import (
    Configuration,
    Target,
    TargetGroup,
    TargetKey,
)
from tools.local_aws.living.balancer.counts import Counts
from tools.local_aws.living.balancer.flows import Flow, Streams
from tools.local_aws.living.balancer.http import Head
from tools.local_aws.living.balancer.network import Arrival
from tools.local_aws.living.balancer.routing import Route
from tools.local_aws.living.balancer.stickiness import stickiness

_REASONS = {
    400: "Bad Request",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_CONNECT_AWS_S = 10
"""Seconds to connect to a target (AWS, Troubleshoot your Application Load Balancers, HTTP 504)."""


@dataclass
class _Client:
    """A client's connection, with the connections to targets that its requests have opened."""

    streams: Streams
    arrival: Arrival
    address: str
    targets: dict[TargetKey, tuple[Flow, Streams]] = field(default_factory=dict)

    @property
    def secure(self) -> bool:
        return self.arrival.listener.ends_tls

    @property
    def patience(self) -> float:
        """The load balancer's idle time-out, in real seconds."""
        return self.arrival.balancer.idle_timeout / self.arrival.table.pace


class _GatewayError(Exception):
    """No usable response from a target; the load balancer answers the client with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ApplicationBalancers:
    """Serves the connections of the listeners of all Application Load Balancers.

    Args:
        open_flows: the open connections to targets.
        totals: the counts of flows.
        table: returns the current forwarding table.
    """

    def __init__(
        self, open_flows: set[Flow], totals: Counts, table: Callable[[], Configuration]
    ) -> None:
        self._flows, self._counts, self._table = open_flows, totals, table
        self._turns: dict[str, count[int]] = {}

    async def serve(self, streams: Streams, arrival: Arrival, *, inside: bool) -> None:
        """Serve one connection of a client.

        Args:
            streams: the connection.
            arrival: load balancer, listener and zone of the connection, by the current table.
            inside: whether a Network Load Balancer has opened the connection, whose own flow was
                admitted.
        """
        address = streams[1].get_extra_info("peername")[0]
        if not inside and not arrival.admits(address):
            await flows.drop(streams)
            return
        client = _Client(streams, arrival, address)
        try:
            while await self._serve_request(client):
                continue
        except (OSError, ssl.SSLError, TimeoutError):
            pass  # The client has closed the connection, or has sent nothing for the idle time-out.
        finally:
            for flow, (_, writer) in client.targets.values():
                self._close(flow, writer)
            streams[1].close()

    async def _serve_request(self, client: _Client) -> bool:
        """Serve one request; return whether the connection stays open for another request."""
        reader, writer = client.streams
        try:
            request = await asyncio.wait_for(http.read_head(reader), client.patience)
        except http.MalformedError:
            await _answer(writer, 400)
            return False
        if request is None:
            return False
        try:
            return await self._through_target(client, request)
        except _GatewayError as error:
            await _answer(writer, error.status)
            return False

    async def _through_target(self, client: _Client, request: Head) -> bool:
        arrival = client.arrival
        # Read the table again, because the health of targets may have changed since the connection
        # began.
        table = self._table()
        route = routing.route(table, arrival.balancer, arrival.listener, arrival.zone.name)
        if route.group is None or not route.targets:
            raise _GatewayError(503)
        sticky, now = stickiness(route.group, arrival.table.pace), time.time()
        named = sticky.target(request, route.targets, now) if sticky is not None else None
        target = named or self._next(route, route.group)
        flow, there = await self._connection(client, route.group, target)
        self._prepare(client, request)
        upload = asyncio.create_task(_send(request, client.streams[0], there[1]))
        try:
            response = await self._response_head(client, there)
            while response.first[1].startswith("1") and response.first[1] != "101":
                client.streams[1].write(response.encode())
                response = await self._response_head(client, there)
            if sticky is not None:
                renews = named is not None
                sticky.mark(response, target, now, secure=client.secure, renews=renews)
            if response.first[1] == "101":
                await upload
                client.streams[1].write(response.encode())
                await flow.pass_data(client.streams, there)
                return False
            return await self._respond(client, request, response, there) and upload.done()
        finally:
            if not upload.done():
                upload.cancel()
            with suppress(asyncio.CancelledError, OSError, ssl.SSLError, http.MalformedError):
                await upload

    def _next(self, route: Route, group: TargetGroup) -> Target:
        """Return the next target of a route, by round robin."""
        turn = next(self._turns.setdefault(group.arn, count()))
        return route.targets[turn % len(route.targets)]

    async def _connection(
        self, client: _Client, group: TargetGroup, target: Target
    ) -> tuple[Flow, Streams]:
        """Return a client's connection to a target; open a connection if the client has none."""
        known = client.targets.get(target.key)
        if known is not None and not known[1][1].is_closing() and not known[1][0].at_eof():
            return known
        arrival = client.arrival
        patience = _CONNECT_AWS_S / arrival.table.pace
        if not arrival.reaches(group, target, client.address):
            await asyncio.sleep(patience)
            raise _GatewayError(504)
        source = client.streams[1].get_extra_info("sockname")[0]
        try:
            there = await asyncio.wait_for(
                network.connect(target.endpoint, source, encrypted=group.encrypts), patience
            )
        except TimeoutError:
            raise _GatewayError(504) from None
        except (OSError, ssl.SSLError):
            raise _GatewayError(502) from None
        flow = arrival.flow(target, float("inf"), lambda _side: None)
        flow.add(there[1])
        self._flows.add(flow)
        self._counts.add(arrival.balancer.arn, counts.NEW)
        client.targets[target.key] = (flow, there)
        return flow, there

    def _prepare(self, client: _Client, request: Head) -> None:
        """Add the headers by which a load balancer informs the target about the client."""
        arrival = client.arrival
        if arrival.balancer.drops_invalid_headers:
            request.remove_invalid()
        before = request.get("x-forwarded-for")
        request.remove("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "keep-alive")
        if not request.get("upgrade"):
            request.remove("connection")
        request.headers += [
            ("X-Forwarded-For", f"{before}, {client.address}" if before else client.address),
            ("X-Forwarded-Proto", "https" if client.secure else "http"),
            ("X-Forwarded-Port", str(arrival.listener.port)),
        ]

    async def _response_head(self, client: _Client, there: Streams) -> Head:
        try:
            response = await asyncio.wait_for(http.read_head(there[0]), client.patience)
        except TimeoutError:
            raise _GatewayError(504) from None
        except (OSError, ssl.SSLError, http.MalformedError):
            raise _GatewayError(502) from None
        if response is None:
            raise _GatewayError(502)
        return response

    async def _respond(
        self, client: _Client, request: Head, response: Head, there: Streams
    ) -> bool:
        """Send a response to the client; return whether the client's connection stays open."""
        writer = client.streams[1]
        empty = http.has_no_body(request, response)
        framed = empty or bool(response.get("transfer-encoding") or response.get("content-length"))
        target_stays = response.keeps_open and framed
        response.remove("connection", "keep-alive")
        stays = request.keeps_open and framed
        response.headers.append(("Connection", "keep-alive" if stays else "close"))
        writer.write(response.encode())
        if not empty:
            try:
                await http.pass_body(response, there[0], writer, until_end=True)
            except http.MalformedError:
                stays = target_stays = False
        await writer.drain()
        if not target_stays:
            there[1].close()
        return stays

    def _close(self, flow: Flow, writer: asyncio.StreamWriter) -> None:
        flow.end()
        writer.close()
        self._flows.discard(flow)
        self._counts.add(flow.balancer, counts.ACTIVE)


async def _send(request: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(request.encode())
    await http.pass_body(request, reader, writer)
    await writer.drain()


async def _answer(writer: asyncio.StreamWriter, status: int) -> None:
    """Send a response of the load balancer itself, and close the connection."""
    reason = f"{status} {_REASONS[status]}"
    body = f"<html><head><title>{reason}</title></head><body>{reason}</body></html>\r\n"
    lines = [
        f"HTTP/1.1 {reason}",
        "Server: awselb/2.0",
        "Content-Type: text/html",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*lines, "", body]).encode())
    await writer.drain()
