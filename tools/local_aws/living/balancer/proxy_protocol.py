"""The header of the PROXY protocol, version 2 (HAProxy Technologies, The PROXY protocol)."""

import struct
from ipaddress import ip_address

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP_OVER_IPV4, _TCP_OVER_IPV6 = 0x11, 0x21


def header(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Return the header that names a client and the endpoint to which it has connected."""
    addresses = [ip_address(host) for host, _ in (source, destination)]
    family = _TCP_OVER_IPV4 if addresses[0].version == 4 else _TCP_OVER_IPV6
    content = b"".join(address.packed for address in addresses)
    content += struct.pack("!HH", source[1], destination[1])
    return _SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, family, len(content)) + content
