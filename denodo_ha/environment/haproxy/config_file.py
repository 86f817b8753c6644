"""HAProxy's configuration file, for HAProxy 2.6 and later.

    text(environment, "active", Host())

The same model gives the same text: nothing here depends on order, time or machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from denodo_ha.environment.haproxy import check_lines
from denodo_ha.environment.haproxy.routes import AUXILIARY, Route, Server, plan
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.haproxy import Haproxy


@dataclass(frozen=True)
class Host:
    """The machine that HAProxy runs on; the defaults are Debian's and Amazon Linux's.

    Attributes:
        behind_proxy: whether a balancer in front speaks the PROXY protocol. Only then may the
            header be believed, and only if nobody else reaches the ports.
        address: the address to listen on, empty for all.
        user: who the workers are, None for who starts HAProxy.
        group: who may change HAProxy by its socket.
        monitor_group: who may read its state by the other socket.
        folder: where the configuration is.
        certificate: file with the certificate chain and the key that clients see. None leaves TLS
            out, for a check of the file where there is no certificate.
        authority: file with what the nodes' certificates are verified by.
        run: where the sockets are.
        state: where the servers' state is kept over reloads; nothing else lies in its folder.
        program: HAProxy.
        chroot: whether the workers see nothing but the state's folder.
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
    chroot: bool = True


Section = tuple[str, list[str]]


def text(environment: Environment, cluster_name: str, host: Host) -> str:
    """The file of a cluster's HAProxy."""
    routes = plan(environment, cluster_name)
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


def _sections(routes: tuple[Route, ...], settings: Haproxy, host: Host) -> Iterator[Section]:
    yield "global", list(_global(settings, host, encrypted=any(one.tls for one in routes)))
    if any(server.followed for one in routes for server in one.servers):
        yield "resolvers nodes", _RESOLVERS
    yield "defaults tcp", list(_tcp_defaults(settings))
    if any(one.mode == "http" for one in routes):
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
    # The checks say which node is dead; a DNS that says nothing must not take nodes out.
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


# Shorter than the 350 s after which a Network Load Balancer forgets a silent connection.
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
    # A node may take longer over an answer than a balancer in front remembers.
    yield from _KEEP_ALIVE
    # Without it a reload resets connections that a client is about to use.
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
        # What a client writes there itself is no truth about it.
        yield "http-request del-header X-Forwarded-For"
        if route.forwards:
            yield "option forwardfor"
        yield f"http-request set-header X-Forwarded-Proto {'https' if route.tls else 'http'}"
        yield "http-request set-header X-Forwarded-Port %[dst_port]"
        # A request that changes something must not be sent twice.
        yield "http-request disable-l7-retry unless METH_GET"
    yield f"default_backend {route.name}"


def _backend(route: Route, settings: Haproxy, host: Host) -> Iterator[str]:
    if route.balance:
        yield f"balance {route.balance}"
    if route.balance == "source":
        # The same on every HAProxy and after every reload, and a lost node moves its clients only.
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
        yield from check_lines.lines(route.check)
    options = check_lines.options(route)
    if route.mode == "tcp" and route.check:
        options += " on-marked-down shutdown-sessions"
    if options:
        yield f"default-server {options}"
    for server in route.servers:
        yield f"server {server.name} {server.host}:{server.port}" + "".join(
            f" {one}" for one in _server(route, server, settings, host)
        )


def _server(route: Route, server: Server, settings: Haproxy, host: Host) -> Iterator[str]:
    if route.cookie:
        yield f"cookie {server.name}"
    if route.node_tls:
        name = settings.tls and settings.tls.node_name
        # An address is no name that a certificate is verified by.
        name = name or (server.name if _is_address(server.host) else server.host)
        yield f"ssl verify required ca-file {host.authority} verifyhost {name}"
        yield f"sni str({name}) check-sni {name}"
    if server.followed:
        yield "resolvers nodes init-addr last,libc,none"
    elif not _is_address(server.host):
        yield "init-addr libc,last,none"


def _health(routes: tuple[Route, ...], settings: Haproxy, host: Host) -> Iterator[str]:
    """`/health/SERVICE`: a node serves it; `/health`: a node serves anything."""
    yield f"bind {host.address}:{settings.health_port}{_proxied(host)}"
    yield "http-response set-header Cache-Control no-store"
    services = [one.name for one in routes if not one.name.startswith(AUXILIARY)]
    for name in services:
        yield f"acl usable-{name} nbsrv({name}) ge 1"
    ok = "http-request return status 200 content-type text/plain string usable"
    # A service that is added has a group at once, and this file knows it only when it is loaded.
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
    # Behind a balancer, too: who reads metrics comes by himself.
    address = "" if settings.metrics_clients else "127.0.0.1"
    yield f"bind {address}:{settings.metrics_port}"
    if settings.metrics_clients:
        yield f"http-request deny unless {{ src {' '.join(settings.metrics_clients)} }}"
    yield "http-request use-service prometheus-exporter if { path /metrics }"
    yield "http-request return status 404"


def _proxied(host: Host) -> str:
    return " accept-proxy" if host.behind_proxy else ""


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True
