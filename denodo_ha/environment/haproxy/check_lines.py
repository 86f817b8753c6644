"""The lines by which HAProxy checks a node.

A TCP connection says little: a hung node and one that accepts and closes take it as a sound one
does. So each service has to answer its own protocol.
"""

from collections.abc import Iterator

from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.haproxy.routes import Check, Route

RMI_HELLO = "4a524d4900024b"
"""Java RMI Specification, RMI Transport Protocol: header, version, stream protocol."""
SSL_REQUEST = "0000000804d2162f"
"""PostgreSQL, Message Formats: SSLRequest, which is answered by one letter."""

_FAST = "250ms"
"""Between checks once one has failed: with `fall 2` a dead node is out in little over a second."""


def lines(check: Check) -> Iterator[str]:
    """The backend's lines that say what is asked."""
    yield f"timeout check {check.timeout}s"
    if check.speaks in ("http", "https"):
        yield from _http(check)
    else:
        yield from _tcp(check)


def options(route: Route) -> str:
    """What `default-server` says of the checks."""
    check = route.check
    if check is None:
        return ""
    times = f"check inter {check.interval}s fastinter {_FAST} fall {check.fall} rise {check.rise}"
    # The certificate is verified where requests are sent, not where a check only asks for life.
    return f"{times} check-ssl verify none" if check.tls and not route.node_tls else times


def _http(check: Check) -> Iterator[str]:
    yield "option httpchk"
    yield f"http-check connect{_port(check)}{' ssl' if check.tls else ''}"
    yield f"http-check send meth GET uri {_quoted(check.path)}"
    # What lies at the root is the site's choice; elsewhere a page that asks to log in is one.
    yield f"http-check expect status {'200-499' if check.path == '/' else '200-399,401,403'}"
    if check.ready:
        yield f"http-check connect port {READY_PORT}"
        yield f"http-check send meth GET uri {check.ready}"
        yield "http-check expect status 200"


def _tcp(check: Check) -> Iterator[str]:
    yield "option tcp-check"
    yield f"tcp-check connect{_port(check)}{' ssl' if check.tls else ''}"
    if check.speaks == "rmi":
        yield f"tcp-check send-binary {RMI_HELLO}"
        yield "tcp-check expect rbinary ^4E"
    elif check.speaks == "postgresql":
        yield f"tcp-check send-binary {SSL_REQUEST}"
        yield "tcp-check expect rbinary ^(4E|53)"
    if check.ready:
        yield f"tcp-check connect port {READY_PORT}"
        yield f'tcp-check send "GET {check.ready} HTTP/1.0\\r\\n\\r\\n"'
        yield 'tcp-check expect rstring "^HTTP/1\\.[01] 200"'


def _port(check: Check) -> str:
    return f" port {check.port}" if check.port else ""


def _quoted(text: str) -> str:
    """A word as HAProxy reads it back; in single quotes nothing is special."""
    return "'" + text.replace("'", "'\\''") + "'"
