"""The load balancers: listening sockets and open flows, according to the forwarding table."""

import asyncio
import logging
import ssl

from tools.local_aws.living.balancer import configuration, routing
from tools.local_aws.living.balancer.application import ApplicationBalancers
from tools.local_aws.living.balancer.configuration import (
    Balancer,
    Configuration,
    Endpoint,
    Listener,
    Target,
    TargetGroup,
)
from tools.local_aws.living.balancer.counts import Counts
from tools.local_aws.living.balancer.endpoints import NONE, ListeningSocket, Settings, Sources
from tools.local_aws.living.balancer.flows import Flow
from tools.local_aws.living.balancer.network import Arrival, NetworkBalancers

_log = logging.getLogger("balancers")

_INSIDE = ""
"""Key instead of a zone, for the socket of an Application Load Balancer to which Network Load
Balancers connect."""
_ALPN = {
    "HTTP1Only": ("http/1.1",),
    "HTTP2Only": ("h2",),
    "HTTP2Optional": ("http/1.1", "h2"),
    "HTTP2Preferred": ("h2", "http/1.1"),
}
"""Protocols of each ALPN policy (AWS, Listeners for your Network Load Balancers, ALPN policies)."""

_Key = tuple[str, str]


class Forwarder:
    """All load balancers of a local AWS.

    Attributes:
        table: the current forwarding table.
        flows: the open flows.
        counts: counts of flows.
    """

    def __init__(self) -> None:
        self.table = configuration.EMPTY
        self.flows: set[Flow] = set()
        self.counts = Counts()
        self._sockets: dict[_Key, ListeningSocket] = {}
        self._inside: dict[tuple[str, int], Endpoint] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._network = NetworkBalancers(self.flows, self.counts, self._endpoint_inside)
        self._application = ApplicationBalancers(self.flows, self.counts, lambda: self.table)

    async def apply(self, table: Configuration) -> None:
        """Apply a new forwarding table: open and close sockets, and end flows."""
        self.table = table
        wanted = {
            (listener.arn, zone): (balancer, listener)
            for balancer in table.balancers.values()
            for listener in balancer.listeners
            for zone in self._zones(balancer, listener)
        }
        for key in [*self._sockets]:
            if key not in wanted or self._sockets[key].settings != _settings(*wanted[key], key[1]):
                self._sockets.pop(key).close()
        self._inside = {key: at for key, at in self._inside.items() if key in _ports(table)}
        for key, (balancer, listener) in wanted.items():
            await self._listen(key, balancer, listener)
        for flow in [*self.flows]:
            self._follow(flow)

    def close(self) -> None:
        """Close all listening sockets, and reset all flows."""
        for item in self._sockets.values():
            item.close()
        for flow in [*self.flows]:
            flow.reset("balancer")

    def _zones(self, balancer: Balancer, listener: Listener) -> list[str]:
        """Return the zones in which a listener's socket is open.

        A Network Load Balancer rejects TCP connections while there is no target, so a TCP listener
        without a target has no open socket. A listener that ends TLS or serves HTTP also accepts
        connections without a target.
        """
        if balancer.kind == "application":
            return [*listener.bind, _INSIDE]
        if listener.ends_tls:
            return [*listener.bind]
        return [
            zone
            for zone in listener.bind
            if routing.route(self.table, balancer, listener, zone).targets
        ]

    async def _listen(self, key: _Key, balancer: Balancer, listener: Listener) -> None:
        sources = Sources(others=True)
        if key[1] != _INSIDE:
            sources = self._sources(balancer, listener, key[1])
        if key in self._sockets:
            self._sockets[key].accept_from(sources)
            return
        opened = ListeningSocket(_settings(balancer, listener, key[1]))
        try:
            await opened.open(sources, lambda *streams: self._accept(streams, key))
        except (OSError, ssl.SSLError) as error:
            _log.warning("listener %s cannot listen in zone %s: %s", listener.arn, key[1], error)
            return
        self._sockets[key] = opened
        if key[1] == _INSIDE:
            self._inside[balancer.arn, listener.port] = opened.endpoint

    def _sources(self, balancer: Balancer, listener: Listener, zone: str) -> Sources:
        """Return the loopback addresses that the load balancer's security groups admit."""
        if balancer.zones[zone].cut:
            return NONE
        if not balancer.groups:
            return Sources(others=True)
        admitted = {
            address: routing.client_is_admitted(self.table, balancer, listener, peer)
            for address, peer in self.table.sources.items()
        }
        usual = routing.client(self.table, balancer, "")
        others = routing.client_is_admitted(self.table, balancer, listener, usual)
        exceptions = {address for address, is_in in admitted.items() if is_in != others}
        return Sources(others, frozenset(exceptions))

    async def _accept(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], key: _Key
    ) -> None:
        arrival = self._arrival(key)
        if arrival is None:
            streams[1].close()
        elif arrival.balancer.kind == "application":
            await self._application.serve(streams, arrival, inside=key[1] == _INSIDE)
        else:
            await self._network.serve(streams, arrival)

    def _arrival(self, key: _Key) -> Arrival | None:
        for balancer in self.table.balancers.values():
            for listener in balancer.listeners:
                if listener.arn == key[0]:
                    zones = [*balancer.zones.values()]
                    usable = [zone for zone in zones if not zone.cut] or zones
                    zone = balancer.zones.get(key[1], usable[0])
                    return Arrival(self.table, balancer, listener, zone)
        return None

    def _endpoint_inside(self, target: Target) -> Endpoint | None:
        return self._inside.get((target.key[1], target.port))

    def _follow(self, flow: Flow) -> None:
        """Cut a flow off, or end it, according to the state of its load balancer and target."""
        balancer = self.table.balancers.get(flow.balancer)
        group = self.table.target_groups.get(flow.target[0])
        there = balancer is not None and any(
            item.arn == flow.listener for item in balancer.listeners
        )
        if balancer is None or not there:
            flow.reset("balancer")
            return
        zone, target = balancer.zones.get(flow.zone), self.table.target(flow.target)
        client_is_cut = zone is None or zone.cut
        flow.cut(is_cut=client_is_cut or (target is not None and target.cut))
        if client_is_cut:
            return
        is_layer_4 = balancer.kind == "network"
        if target is None:
            self._follow_deregistered(flow, group, is_layer_4=is_layer_4)
            return
        flow.is_draining = target.state == "draining"
        if target.is_healthy:
            flow.was_healthy = True
            flow.cancel_end()
        elif target.state == "unhealthy" and flow.was_healthy and is_layer_4:
            assert group is not None  # The target belongs to a group.
            self._follow_unhealthy(flow, group)

    def _follow_deregistered(
        self, flow: Flow, group: TargetGroup | None, *, is_layer_4: bool
    ) -> None:
        """End a flow whose target's deregistration delay is over, if the target group says so.

        AWS, Edit target group attributes, Deregistration delay: a Network Load Balancer keeps the
        connection unless termination is enabled; an Application Load Balancer closes it.
        """
        ends = not is_layer_4 or (
            group is not None
            and group.is_true("deregistration_delay.connection_termination.enabled")
        )
        if flow.is_draining and ends:
            flow.reset("balancer")
        flow.is_draining = False

    def _follow_unhealthy(self, flow: Flow, group: TargetGroup) -> None:
        """End a flow whose target has become unhealthy, as the target group says.

        AWS, Edit target group attributes, Connection termination for unhealthy targets, and
        Unhealthy draining interval.
        """
        flow.was_healthy = False
        prefix = "target_health_state.unhealthy"
        if group.is_true(f"{prefix}.connection_termination.enabled"):
            flow.reset("balancer")
        elif interval := group.seconds(f"{prefix}.draining_interval_seconds"):
            flow.end_after(interval / self.table.pace)


def _settings(balancer: Balancer, listener: Listener, zone: str) -> Settings:
    if zone == _INSIDE:
        host, _ = next(iter(listener.bind.values()))
        bind = (host, 0)
    else:
        bind = listener.bind[zone]
    alpn = _ALPN.get(listener.alpn[0], ()) if listener.alpn else ()
    if balancer.kind == "application":
        alpn = ("http/1.1",)
    return Settings(bind, listener.certificate, alpn)


def _ports(table: Configuration) -> set[tuple[str, int]]:
    return {
        (balancer.arn, listener.port)
        for balancer in table.balancers.values()
        for listener in balancer.listeners
    }
