"""HAProxy's configuration file, for HAProxy 2.6 and later.

    render_config(environment, "active", Host())

The text of the file depends only on the values of the configuration, not on the order of keys, the
time or the machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.haproxy.routes import AUXILIARY, Check, Route, Server, haproxy_routes
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.haproxy import Haproxy

RMI_HELLO = "4a524d4900024b"
"""First bytes from a Java RMI client, in hexadecimal digits: header, version, stream protocol (Java
RMI Specification, RMI Transport Protocol)."""

_SSL_REQUEST = "0000000804d2162f"
"""PostgreSQL's message SSLRequest, in hexadecimal digits. A server answers this message with one
letter (PostgreSQL, Message Formats)."""

_FAST_INTERVAL = "250ms"
"""Interval until the next check after a failed check. With two failed checks (`fall 2`), a dead
node is out of service after about a second."""

Section = tuple[str, list[str]]
"""Section of HAProxy's configuration file: title and lines."""


@dataclass(frozen=True)
class Host:
    """Machine that HAProxy runs on. The defaults are those of Debian and Amazon Linux.

    Attributes:
        behind_proxy: whether a load balancer in front of HAProxy sends the PROXY protocol header.
            HAProxy may trust this header only if no other machine can reach the ports.
        address: the address to listen on; empty for all addresses.
        user: user of the workers; None for the user that starts HAProxy.
        group: group that may change HAProxy through the admin socket.
        monitor_group: group that may read HAProxy's state through the monitor socket.
        folder: folder of the configuration file.
        certificate: file with the certificate chain and the key for clients. With None, the
            configuration file has no TLS, so that the file can be checked on a machine without the
            certificate.
        authority: file with the certificates that verify the nodes' certificates.
        run: folder of HAProxy's sockets.
        state: file that keeps the servers' state across reloads; its folder contains no other file.
        program: path of HAProxy's program file.
        tool: folder of this project's HAProxy program, which prepares each start; None without it.
        chroot: whether the workers run in a chroot, the folder of the state file.
    """

    behind_proxy: bool = False
    address: str = ""
    user: str | None = "haproxy"
    group: str = "haproxy"
    monitor_group: str = "haproxy"
    folder: str = "/etc/haproxy"
    certificate: str | None = "/etc/haproxy/tls/server.pem"
    authority: str = "/etc/haproxy/tls/nodes-ca.pem"
    run: str = "/run/haproxy"
    state: str = "/var/lib/haproxy/server-state"
    program: str = "/usr/sbin/haproxy"
    tool: str | None = "/opt/denodo-ha"
    chroot: bool = True


def render_config(environment: Environment, cluster_name: str, host: Host) -> str:
    """Return the text of a cluster's `haproxy.cfg`."""
    routes = haproxy_routes(environment, cluster_name)
    settings = environment.clusters[cluster_name].balancer.proxy
    head = (
        f"# HAProxy of {environment.name}, cluster {cluster_name}, "
        f"Denodo {environment.denodo.version}.\n"
        "# Written by `denodo-ha haproxy render`: change the configuration, not this file.\n"
    )
    sections = list(_sections(routes, settings, host))
    return head + "".join(
        f"\n{title}\n" + "".join(f"    {line}\n" for line in lines) for title, lines in sections
    )


@contextmanager
def temporary_file(text: str) -> Iterator[str]:
    """Yield the path of a file `haproxy.cfg` that contains a text, and delete the file afterwards.

    CDK assets and `haproxy -c` accept only files.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        yield str(path)


def _sections(routes: tuple[Route, ...], settings: Haproxy, host: Host) -> Iterator[Section]:
    yield "global", list(_global(settings, host, encrypted=any(route.tls for route in routes)))
    if any(server.followed for route in routes for server in route.servers):
        yield "resolvers nodes", _RESOLVERS
    yield "defaults tcp", list(_tcp_defaults(settings))
    if any(route.mode == "http" for route in routes):
        yield "defaults http", list(_http_defaults(settings))
    for route in routes:
        yield f"frontend {route.name} from {route.mode}", list(_frontend(route, host))
        yield f"backend {route.name} from {route.mode}", list(_backend(route, settings, host))
    yield "defaults own", _OWN_DEFAULTS
    yield "frontend denodo.health from own", list(_health(routes, settings, host))
    yield "frontend denodo.metrics from own", list(_metrics(settings))


def _global(settings: Haproxy, host: Host, *, encrypted: bool) -> Iterator[str]:
    yield "log stdout format raw local0 info"
    if host.user:
        yield f"user {host.user}"
        yield f"group {host.group}"
    if host.chroot:
        yield f"chroot {host.state.rpartition('/')[0]}"
    yield f"maxconn {settings.maxconn}"
    yield (
        f"stats socket {host.run}/admin.sock mode 660 group {host.group} level admin "
        "expose-fd listeners"
    )
    yield f"stats socket {host.run}/monitor.sock mode 660 group {host.monitor_group} level user"
    yield f"server-state-file {host.state}"
    yield f"hard-stop-after {settings.timeouts.old_worker}s"
    if encrypted:
        yield "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets"
        yield "ssl-default-server-options ssl-min-ver TLSv1.2"
        yield "tune.ssl.default-dh-param 2048"


_RESOLVERS = [
    "parse-resolv-conf",
    "hold valid 10s",
    # Health checks detect dead nodes. A failure of DNS must not take nodes out of service, so
    # HAProxy keeps the nodes' last addresses.
    *(f"hold {answer} 24h" for answer in ("nx", "timeout", "refused", "other")),
]


def _common(settings: Haproxy) -> Iterator[str]:
    yield "log global"
    yield "option dontlognull"
    yield "option redispatch 1"
    yield "retries 3"
    yield f"timeout connect {settings.timeouts.connect}s"
    yield "load-server-state-from-file global"


def _tcp_defaults(settings: Haproxy) -> Iterator[str]:
    yield "mode tcp"
    yield "option tcplog"
    yield from _common(settings)
    yield from _KEEP_ALIVE
    yield f"timeout client {settings.timeouts.tcp}s"
    yield f"timeout server {settings.timeouts.tcp}s"


# 240 s is shorter than the 350 s after which a Network Load Balancer drops an idle connection.
_KEEP_ALIVE = [
    line
    for side in ("cli", "srv")
    for line in (
        f"option {side}tcpka",
        f"{side}tcpka-idle 240s",
        f"{side}tcpka-intvl 15s",
        f"{side}tcpka-cnt 4",
    )
]


def _http_defaults(settings: Haproxy) -> Iterator[str]:
    times = settings.timeouts
    yield "mode http"
    yield "option httplog"
    yield from _common(settings)
    # Send keep-alive packets: while a node works on a long request, the load balancer in front may
    # drop the idle connection.
    yield from _KEEP_ALIVE
    # Without this option a reload resets connections that a client is about to use.
    yield "option idle-close-on-response"
    yield "retry-on conn-failure empty-response"
    yield f"timeout client {times.http}s"
    yield f"timeout server {times.http}s"
    yield f"timeout http-request {times.http_request}s"
    yield f"timeout http-keep-alive {times.keep_alive}s"
    yield f"timeout tunnel {times.tcp}s"


_OWN_DEFAULTS = [
    "mode http",
    "timeout client 5s",
    "timeout http-request 5s",
    "timeout http-keep-alive 30s",
]


def _frontend(route: Route, host: Host) -> Iterator[str]:
    encrypted = route.tls and host.certificate
    tls = f" ssl crt {host.certificate} alpn h2,http/1.1" if encrypted else ""
    yield f"bind {host.address}:{route.port}{_proxied(host)}{tls}"
    if route.idle and route.mode == "tcp":
        yield f"timeout client {route.idle}s"
    if route.mode == "http":
        # Remove this header from the client's request: the client can write any address into the
        # header.
        yield "http-request del-header X-Forwarded-For"
        if route.forwards:
            yield "option forwardfor"
        yield f"http-request set-header X-Forwarded-Proto {'https' if route.tls else 'http'}"
        yield "http-request set-header X-Forwarded-Port %[dst_port]"
        # Only GET may be retried: a request that changes something must not be sent twice.
        yield "http-request disable-l7-retry unless METH_GET"
    yield f"default_backend {route.name}"


def _backend(route: Route, settings: Haproxy, host: Host) -> Iterator[str]:
    if route.balance:
        yield f"balance {route.balance}"
    if route.balance == "source":
        # Every instance selects the same node for a client, also after a reload. If a node is lost,
        # only the clients of this node get another node.
        yield "hash-type consistent"
    if route.cookie:
        secure = " secure" if route.tls else ""
        yield (
            f"cookie denodo-{route.name} insert indirect nocache httponly{secure} "
            'attr "SameSite=Lax"'
        )
    if route.idle:
        yield f"timeout server {route.idle}s"
    if route.check:
        yield from _check(route.check)
    options = _check_options(route)
    if route.mode == "tcp" and route.check and route.ends_unhealthy:
        options += " on-marked-down shutdown-sessions"
    if options:
        yield f"default-server {options}"
    for server in route.servers:
        yield f"server {server.name} {server.host}:{server.port}" + "".join(
            f" {option}" for option in _server_options(route, server, settings, host)
        )


def _check(check: Check) -> Iterator[str]:
    """Yield the lines of a backend's health check.

    A TCP connection is not sufficient: a hung node accepts connections too, and so does a node that
    closes each connection at once. Therefore each service must answer in its own protocol.
    """
    yield f"timeout check {check.timeout}s"
    if check.speaks in ("http", "https"):
        yield from _http_check(check)
    else:
        yield from _tcp_check(check)


def _http_check(check: Check) -> Iterator[str]:
    yield "option httpchk"
    yield f"http-check connect{_check_port(check)}{' ssl' if check.tls else ''}"
    yield f"http-check send meth GET uri {_quoted(check.path)}"
    # Every installation decides what is at `/`, so any status code below 500 shows that the node
    # answers. On another path, a page that requires a login also shows that the node answers.
    yield f"http-check expect status {'200-499' if check.path == '/' else '200-399,401,403'}"
    if check.ready:
        yield f"http-check connect port {READY_PORT}"
        yield f"http-check send meth GET uri {check.ready}"
        yield "http-check expect status 200"


def _tcp_check(check: Check) -> Iterator[str]:
    yield "option tcp-check"
    yield f"tcp-check connect{_check_port(check)}{' ssl' if check.tls else ''}"
    if check.speaks == "rmi":
        yield f"tcp-check send-binary {RMI_HELLO}"
        yield "tcp-check expect rbinary ^4E"
    elif check.speaks == "postgresql":
        yield f"tcp-check send-binary {_SSL_REQUEST}"
        yield "tcp-check expect rbinary ^(4E|53)"
    if check.ready:
        yield f"tcp-check connect port {READY_PORT}"
        yield f'tcp-check send "GET {check.ready} HTTP/1.0\\r\\n\\r\\n"'
        yield 'tcp-check expect rstring "^HTTP/1\\.[01] 200"'


def _check_port(check: Check) -> str:
    return f" port {check.port}" if check.port else ""


def _check_options(route: Route) -> str:
    """Return the options of `default-server` for health checks."""
    check = route.check
    if check is None:
        return ""
    times = (
        f"check inter {check.interval}s fastinter {_FAST_INTERVAL} "
        f"fall {check.fall} rise {check.rise}"
    )
    # With `node_tls`, the check uses the server's own TLS settings, which verify the certificate.
    # Without `node_tls`, a check over TLS needs only an answer.
    return f"{times} check-ssl verify none" if check.tls and not route.node_tls else times


def _server_options(route: Route, server: Server, settings: Haproxy, host: Host) -> Iterator[str]:
    if route.cookie:
        yield f"cookie {server.name}"
    if route.node_tls:
        name = settings.tls and settings.tls.node_name
        # A certificate is verified against a name, not against an address.
        name = name or (server.name if _is_address(server.host) else server.host)
        yield f"ssl verify required ca-file {host.authority} verifyhost {name}"
        yield f"sni str({name}) check-sni {name}"
    if server.followed:
        yield "resolvers nodes init-addr last,libc,none"
    elif not _is_address(server.host):
        yield "init-addr libc,last,none"


def _health(routes: tuple[Route, ...], settings: Haproxy, host: Host) -> Iterator[str]:
    """Yield the lines of the frontend for HAProxy's own health.

    `/health/SERVICE` returns 200 while a node serves the service, and `/health` returns 200 while a
    node serves any service.
    """
    yield f"bind {host.address}:{settings.health_port}{_proxied(host)}"
    yield "http-response set-header Cache-Control no-store"
    services = [route.name for route in routes if not route.name.startswith(AUXILIARY)]
    for name in services:
        yield f"acl usable-{name} nbsrv({name}) ge 1"
    ok = "http-request return status 200 content-type text/plain string usable"
    # A deployment creates the target group of a new service before this file contains the service.
    # Until HAProxy is reloaded, the path of the new service is healthy while any service is
    # healthy.
    yield f"acl known path {' '.join(f'/health/{name}' for name in services)}"
    for name in services:
        yield f"{ok} if {{ path_beg /health/ }} !known usable-{name}"
        yield f"{ok} if {{ path /health /health/{name} }} usable-{name}"
    yield (
        "http-request return status 503 content-type text/plain string unusable "
        "if { path /health } || { path_beg /health/ }"
    )
    yield "http-request return status 404"


def _metrics(settings: Haproxy) -> Iterator[str]:
    # This port has no `accept-proxy`: clients of the metrics connect directly, even if a load
    # balancer is in front of HAProxy.
    address = "" if settings.metrics_clients else "127.0.0.1"
    yield f"bind {address}:{settings.metrics_port}"
    if settings.metrics_clients:
        yield f"http-request deny unless {{ src {' '.join(settings.metrics_clients)} }}"
    yield "http-request use-service prometheus-exporter if { path /metrics }"
    yield "http-request return status 404"


def _proxied(host: Host) -> str:
    return " accept-proxy" if host.behind_proxy else ""


def _quoted(text: str) -> str:
    """Return a text in single quotes, so that HAProxy does not interpret special characters."""
    return "'" + text.replace("'", "'\\''") + "'"


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True
