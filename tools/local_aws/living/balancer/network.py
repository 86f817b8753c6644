"""Connections of Network Load Balancers.

Targets see the client's address where the target group keeps it, because every address of
127.0.0.0/8 may be the source of a connection on Linux; on other systems, and for clients that
connect from the server's own address, targets see 127.0.0.1.
"""

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tools.local_aws.emulator.ec2.admission import Peer
from tools.local_aws.living.balancer import counts, endpoints, flows, proxy_protocol, routing
from tools.local_aws.living.balancer.configuration import (
    Balancer,
    Configuration,
    Endpoint,
    Listener,
    Target,
    TargetGroup,
    Zone,
)
from tools.local_aws.living.balancer.counts import Counts
from tools.local_aws.living.balancer.flows import Flow, Streams
from tools.local_aws.living.balancer.routing import Ends

_SEQUENCE_NUMBERS = 2**32

EndpointOf = Callable[[Target], Endpoint | None]
"""Function that returns the endpoint of a target on this machine; None if nothing runs there."""


@dataclass(frozen=True)
class Arrival:
    """Load balancer, listener and zone at which a connection arrived.

    `table` is the forwarding table at the time of the arrival.
    """

    table: Configuration
    balancer: Balancer
    listener: Listener
    zone: Zone

    def peer(self, address: str) -> Peer:
        """Return the client on AWS that a loopback address represents."""
        return routing.client(self.table, self.balancer, address)

    def admits(self, address: str) -> bool:
        """Return whether the zone is reachable, and the security groups admit the client."""
        return not self.zone.cut and routing.client_is_admitted(
            self.table, self.balancer, self.listener, self.peer(address)
        )

    def reaches(self, group: TargetGroup, target: Target, client: str) -> bool:
        """Return whether packets of a client's flow reach a target."""
        ends = Ends(self.peer(client), self.zone.address)
        return not target.cut and routing.target_is_admitted(
            self.table, self.balancer, group, target, ends
        )

    def flow(self, target: Target, idle_after: float, on_reset: Callable[[str], None]) -> Flow:
        """Return a new flow to a target, without connections."""
        return Flow(
            balancer=self.balancer.arn,
            listener=self.listener.arn,
            zone=self.zone.name,
            target=target.key,
            was_healthy=target.is_healthy,
            idle_after=idle_after / self.table.pace,
            on_reset=on_reset,
        )


class NetworkBalancers:
    """Serves the connections of the listeners of all Network Load Balancers.

    Args:
        open_flows: the open flows.
        totals: the counts of flows.
        balancer_endpoint: returns the endpoint of a target that is a load balancer.
    """

    def __init__(
        self, open_flows: set[Flow], totals: Counts, balancer_endpoint: EndpointOf
    ) -> None:
        self._flows, self._counts = open_flows, totals
        self._balancer_endpoint = balancer_endpoint

    async def serve(self, client: Streams, arrival: Arrival) -> None:
        """Serve one connection of a client."""
        writer = client[1]
        peer, here = writer.get_extra_info("peername")[:2], writer.get_extra_info("sockname")[:2]
        arn = arrival.balancer.arn
        if not arrival.admits(peer[0]):
            await flows.drop(client)
            return
        route = routing.route(arrival.table, arrival.balancer, arrival.listener, arrival.zone.name)
        if route.group is None or not route.targets:
            self._counts.add(arn, counts.REJECTED)
            self._counts.add(arn, counts.RESETS["balancer"])
            flows.reset(writer)
            return
        sequence = random.randrange(_SEQUENCE_NUMBERS)  # noqa: S311 - the input of a hash, no secret
        target = routing.flow_target(route, (peer[0], peer[1], *here, sequence))
        if route.fails_open:
            self._counts.add(arn, counts.FAIL_OPEN)
        if not arrival.reaches(route.group, target, peer[0]):
            await flows.drop(client)
            return
        flow = arrival.flow(
            target,
            arrival.listener.idle_timeout,
            lambda side: self._counts.add(arn, counts.RESETS[side]),
        )
        self._flows.add(flow)
        self._counts.add(arn, counts.NEW)
        try:
            await self._forward(flow, client, route.group, target)
        finally:
            flow.end()
            self._flows.discard(flow)
            self._counts.add(arn, counts.ACTIVE)

    async def _forward(
        self, flow: Flow, client: Streams, group: TargetGroup, target: Target
    ) -> None:
        writer = client[1]
        flow.add(writer)
        source, here = (writer.get_extra_info(name)[:2] for name in ("peername", "sockname"))
        endpoint = self._balancer_endpoint(target) if group.type == "alb" else target.endpoint
        try:
            there = await connect(
                endpoint,
                source[0] if group.keeps_client_address else here[0],
                encrypted=group.encrypts,
            )
        except (OSError, ssl.SSLError):
            flow.reset("target")
            return
        if group.is_true("proxy_protocol_v2.enabled"):
            there[1].write(proxy_protocol.header(source, here))
        await flow.pass_data(client, there)


async def connect(endpoint: Endpoint | None, source: str, *, encrypted: bool) -> Streams:
    """Connect to an endpoint from an address of this machine.

    Raises:
        OSError: no server listens at the endpoint.
    """
    if endpoint is None:
        raise ConnectionRefusedError
    context = endpoints.client_context() if encrypted else None
    return await asyncio.open_connection(*endpoint, local_addr=(source, 0), ssl=context)
