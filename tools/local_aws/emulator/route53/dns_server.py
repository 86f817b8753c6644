"""The DNS server of the local AWS: UDP and TCP on a loopback endpoint for each view.

The view `outside` has the public hosted zones and the names of load balancers. Each VPC with a
private hosted zone has a view of its own, which answers as the VPC's resolver on AWS.
"""

import asyncio
import contextlib
import logging
import socket
import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
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
"""Maximum size of a UDP answer for a client that does not announce a size (RFC 1035, section
4.2.1)."""
_MAXIMUM_BYTES = 65535
_CLIENT_S = 10
"""Project default: seconds after which a TCP connection without a question is closed."""
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
        return _wire(response)
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
            section.append(_rrset(item))
    size = (request.payload or _PLAIN_UDP_BYTES) if udp else 0
    return _wire(response, size)


def _rrset(records: dns_answer.RecordSet) -> dns.rrset.RRset:
    """Convert records into the form in which a DNS response contains them.

    A name in a value counts as absolute even without a dot at its end.
    """
    return dns.rrset.from_text_list(
        records.name,
        records.ttl,
        "IN",
        records.kind,
        records.values,
        origin=dns.name.root,
        relativize=False,
    )


def _wire(response: dns.message.Message, size: int = 0) -> bytes:
    """Return a response as bytes, marked as truncated if it is longer than a size (0: any)."""
    wire: bytes = response.to_wire(max_size=size, prefer_truncation=bool(size))
    return wire


def _answered(query: bytes, vpc: str, *, udp: bool) -> bytes | None:
    """Return the response to a query: SERVFAIL if a value or a resource cannot be read.

    None: the query cannot be read.
    """
    try:
        return respond(query, vpc, udp=udp)
    except (dns.exception.DNSException, KeyError, RuntimeError, ValueError):
        _log.warning("a DNS question could not be answered", exc_info=True)
        failure = dns.message.make_response(dns.message.from_wire(query))
        failure.set_rcode(dns.rcode.SERVFAIL)
        return _wire(failure)


class DnsServer:
    """DNS server that listens for each view, on the event loop of the local AWS's server."""

    def __init__(self) -> None:
        self._views: dict[str, _View] = {}
        self._is_on = False

    def start(self) -> None:
        """Open an endpoint for each view, from now on.

        Raises:
            OSError: another process uses an endpoint.
        """
        self._is_on = True
        self.refresh()

    def refresh(self) -> dict[str, loopback.Endpoint]:
        """Open an endpoint for each view that exists now; return the endpoints.

        While the DNS server is off, listen for no view and return no endpoints.

        Raises:
            OSError: another process uses an endpoint.
        """
        if not self._is_on:
            return {}
        wanted = {OUTSIDE: "", **{vpc: vpc for vpc in private_vpcs()}}
        for view in self._views.keys() - wanted.keys():
            self._views.pop(view).stop()
        for view, vpc in wanted.items():
            if view not in self._views:
                self._views[view] = _View(endpoint(view), vpc)
        return {view: endpoint(view) for view in wanted}

    def stop(self) -> None:
        """Stop listening."""
        self._is_on = False
        for view in self._views.values():
            view.stop()
        self._views.clear()


class _View:
    """Server of one view. Its sockets are bound at once, so that early queries wait.

    Raises:
        OSError: another process uses the endpoint.
    """

    def __init__(self, where: loopback.Endpoint, vpc: str) -> None:
        self._vpc = vpc
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for listening in (self._udp, self._tcp):
                listening.settimeout(0)
                listening.bind(where)
            self._tcp.listen()
        except OSError:
            self._close()
            raise
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp, self._answer_datagrams)
        self._serving = loop.create_task(self._serve())

    def stop(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._udp)
        self._serving.cancel()
        self._close()

    def _close(self) -> None:
        self._udp.close()
        self._tcp.close()

    def _answer_datagrams(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                query, client = self._udp.recvfrom(_MAXIMUM_BYTES)
                response = _answered(query, self._vpc, udp=True)
                if response is not None:
                    self._udp.sendto(response, client)

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._converse, sock=self._tcp) as server:
            await server.serve_forever()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one TCP connection (RFC 7766)."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(_CLIENT_S):
                    (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                    query = await reader.readexactly(size)
                response = _answered(query, self._vpc, udp=False)
                if response is None:
                    break
                writer.write(_LENGTH.pack(len(response)) + response)
                await writer.drain()
        writer.close()


def endpoint(view: str) -> loopback.Endpoint:
    """Return the endpoint of a view."""
    return loopback.endpoint("dns", view, _PORT)


def private_vpcs() -> list[str]:
    """Return the VPCs that a private hosted zone is associated with."""
    zones = ministack.zones.to_dict().values()
    return sorted({vpc["VPCId"] for zone in zones for vpc in zone.get("vpcs") or []})
