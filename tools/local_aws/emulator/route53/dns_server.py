"""The DNS server of the local AWS: UDP and TCP on a loopback endpoint for each view.

The view `outside` has the public hosted zones and the names of load balancers. Each VPC with a
private hosted zone has a view of its own, as the resolver of the VPC answers.
"""

import asyncio
import logging
import socket
import struct
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from tools.local_aws.emulator import loopback, ministack
from tools.local_aws.emulator.route53 import dns_answer

OUTSIDE = "outside"
_PORT = 53
_LENGTH = struct.Struct("!H")
_PLAIN_UDP_BYTES = 512
"""The size of a UDP answer for a client that names none (RFC 1035, section 4.2.1)."""
_CLIENT_S = 10
"""Project default: seconds until a TCP connection without a question is closed."""
_log = logging.getLogger("local-aws")


def respond(query: bytes, vpc: str, *, udp: bool) -> bytes | None:
    """Return the response to a query; None if the query cannot be read."""
    try:
        request = dns.message.from_wire(query)
    except dns.exception.DNSException:
        return None
    response = dns.message.make_response(request, recursion_available=True)
    if request.opcode() != dns.opcode.QUERY or len(request.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    question = request.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    answer = dns_answer.answer(question.name.to_text(), kind, vpc)
    response.flags |= dns.flags.AA
    response.set_rcode(dns.rcode.from_text(answer.code))
    for section, records in (
        (response.answer, answer.records),
        (response.authority, answer.authority),
    ):
        for item in records:
            section.append(dns.rrset.from_text(item.name, item.ttl, "IN", item.kind, *item.values))
    size = (request.payload or _PLAIN_UDP_BYTES) if udp else 0
    return response.to_wire(max_size=size, prefer_truncation=udp)


class _Udp(asyncio.DatagramProtocol):
    """Answers the datagrams of one view."""

    def __init__(self, vpc: str) -> None:
        self._vpc = vpc
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        response = _answered(data, self._vpc, udp=True)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


def _answered(query: bytes, vpc: str, *, udp: bool) -> bytes | None:
    """Return the response, SERVFAIL if a resource disappears while it is read."""
    try:
        return respond(query, vpc, udp=udp)
    except (KeyError, RuntimeError, ValueError):
        _log.warning("a DNS question could not be answered", exc_info=True)
        failure = dns.message.make_response(dns.message.from_wire(query))
        failure.set_rcode(dns.rcode.SERVFAIL)
        return failure.to_wire()


class DnsServer:
    """Listens for each view, on the server's event loop."""

    def __init__(self) -> None:
        self._views: dict[str, list[asyncio.BaseTransport | asyncio.Server]] = {}

    async def refresh(self) -> dict[str, loopback.Endpoint]:
        """Listen for each view that exists now, and return the endpoint of each."""
        wanted = {OUTSIDE: "", **{vpc: vpc for vpc in private_vpcs()}}
        for view in self._views.keys() - wanted.keys():
            _close(self._views.pop(view))
        for view, vpc in wanted.items():
            if view not in self._views:
                self._views[view] = await _listen(endpoint(view), vpc)
        return {view: endpoint(view) for view in wanted}

    def stop(self) -> None:
        """Stop listening."""
        for listening in self._views.values():
            _close(listening)
        self._views.clear()


def endpoint(view: str) -> loopback.Endpoint:
    """Return the endpoint of a view."""
    return loopback.endpoint("dns", view, _PORT)


def private_vpcs() -> list[str]:
    """Return the VPCs that a private hosted zone is associated with."""
    zones = ministack.zones.to_dict().values()
    return sorted({vpc["VPCId"] for zone in zones for vpc in zone.get("vpcs") or []})


async def _listen(
    where: loopback.Endpoint, vpc: str
) -> list[asyncio.BaseTransport | asyncio.Server]:
    loop = asyncio.get_running_loop()
    address, port = where

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(_CLIENT_S):
                    (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                    query = await reader.readexactly(size)
                response = _answered(query, vpc, udp=False)
                if response is None:
                    return
                writer.write(_LENGTH.pack(len(response)) + response)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    tcp = await asyncio.start_server(serve, address, port, family=socket.AF_INET)
    try:
        udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(vpc), local_addr=where)
    except OSError:
        tcp.close()
        raise
    return [tcp, udp]


def _close(listening: list[asyncio.BaseTransport | asyncio.Server]) -> None:
    for item in listening:
        item.close()
