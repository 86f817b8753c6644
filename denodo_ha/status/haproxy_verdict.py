"""Health of a cluster behind HAProxy, from the servers that its HAProxy instances report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from denodo_ha.environment.full_command import full_command
from denodo_ha.status.model import HEALTHY, Group, Node, Proxy, Server

InstanceServer = tuple[Proxy, Server]


def problems(
    nodes: Sequence[Node], groups: Sequence[Group], proxies: Sequence[Proxy], *, cluster: str
) -> Iterator[str]:
    """Yield the reasons why a cluster behind HAProxy is not healthy, the worst first."""
    apply = full_command("haproxy apply", cluster=cluster)
    for proxy in proxies:
        if proxy.problem:
            yield f"HAProxy {proxy.instance} did not report its status: {proxy.problem}"
        if proxy.failed_reloads:
            yield (
                f"HAProxy {proxy.instance} could not load its last configuration file and runs "
                f"with the previous file: run `{apply}` to see why"
            )
    if not any(proxy.answered for proxy in proxies):
        return
    for service in _services(groups):
        if service in unserved(groups, proxies):
            yield (
                f"{service}: no HAProxy instance has a node that is up, so its clients are not "
                "served"
            )
    yield from _unapplied(nodes, groups, proxies, apply)
    for node in nodes:
        yield from _node_problems(node, proxies, full_command("enable", node.name, cluster=cluster))


def unserved(groups: Sequence[Group], proxies: Sequence[Proxy]) -> frozenset[str]:
    """Return the services for which no HAProxy instance has a usable node.

    An instance that could not be queried is assumed to have a usable node if its targets in the
    load balancer are healthy.
    """
    answered = [proxy for proxy in proxies if proxy.answered]
    if not answered:
        return frozenset()
    served = {
        server.service
        for _, server in _servers(proxies)
        if server.kind == "service" and server.usable
    }
    silent = {proxy.instance for proxy in proxies if not proxy.answered}
    served |= {
        group.name
        for group in groups
        for target in group.targets
        if target.node in silent and target.state == HEALTHY
    }
    return frozenset(set(_services(groups)) - served)


def unready(node: str, proxies: Sequence[Proxy]) -> dict[str, str]:
    """Return the services for which no HAProxy instance can use a node, each with the reason."""
    servers = [
        server
        for _, server in _servers(proxies)
        if server.node == node and server.kind == "service"
    ]
    up = {server.service for server in servers if server.usable}
    return {server.service: _server_state(server) for server in servers if server.service not in up}


def notes(proxies: Sequence[Proxy]) -> Iterator[str]:
    """Yield the instances that could not be queried, and why."""
    for proxy in proxies:
        if proxy.unasked:
            yield f"HAProxy {proxy.instance} could not be queried: {proxy.unasked}"


def _services(groups: Iterable[Group]) -> list[str]:
    return [group.name for group in groups if group.kind == "service"]


def _servers(proxies: Iterable[Proxy]) -> list[InstanceServer]:
    return [(proxy, server) for proxy in proxies for server in proxy.servers]


def _unapplied(
    nodes: Sequence[Node], groups: Sequence[Group], proxies: Sequence[Proxy], apply: str
) -> Iterator[str]:
    """Yield problems of HAProxy instances that do not have the last deploy's nodes or services."""
    expected = {node.name for node in nodes}, set(_services(groups))
    differ: dict[str, list[str]] = {}
    for proxy in proxies:
        if not proxy.answered:
            continue
        actual = (
            {server.node for server in proxy.servers},
            {server.service for server in proxy.servers if server.kind == "service"},
        )
        missing = sorted((expected[0] - actual[0]) | (expected[1] - actual[1]))
        extra = sorted((actual[0] - expected[0]) | (actual[1] - expected[1]))
        parts = [f"lacks {', '.join(missing)}"] * bool(missing)
        parts += [f"still has {', '.join(extra)}"] * bool(extra)
        if parts:
            differ.setdefault(" and ".join(parts), []).append(proxy.instance)
    for difference, instances in differ.items():
        yield (
            f"HAProxy {', '.join(instances)} {difference}: run `{apply}` to load the last deploy's "
            "configuration file"
        )


def _node_problems(node: Node, proxies: Sequence[Proxy], enable: str) -> Iterator[str]:
    servers = [pair for pair in _servers(proxies) if pair[1].node == node.name]
    if not servers:
        return
    services = [pair for pair in servers if pair[1].kind == "service"]
    outside = [pair for pair in services if pair[1].drained]
    inside = [pair for pair in services if not pair[1].drained]
    if node.drained is not None:
        yield from _drain_problems(
            node.name, str(node.drained), inside, outside, proxies, enable=enable
        )
    elif outside:
        yield (
            f"{node.name} is out of {_scope(outside, proxies)} without a drain tag: it was taken "
            f"out by hand, or a command was interrupted; `{enable}` brings it back"
        )
    closed = [pair for pair in servers if pair[1].kind == "auxiliary" and pair[1].drained]
    if closed:
        yield (
            f"the auxiliary port of {node.name} is closed on {_instances(closed)}, so second "
            f"connections of its clients fail: `{enable}` opens the port"
        )
    if node.state != "running":
        return
    yield from _down(node.name, inside, proxies)


def _drain_problems(
    node: str,
    drain: str,
    inside: list[InstanceServer],
    outside: list[InstanceServer],
    proxies: Sequence[Proxy],
    *,
    enable: str,
) -> Iterator[str]:
    """Yield the drain state of a tagged node, or the HAProxy instances that still use the node."""
    left: dict[str, int] = {}
    for _, server in outside:
        if server.sessions:
            left[server.service] = left.get(server.service, 0) + server.sessions
    if inside:
        yield (
            f"{node} has a drain tag ({drain}) but gets sessions in {_scope(inside, proxies)}: an "
            "HAProxy instance is new, or a drain or enable was interrupted; drain the node again, "
            f"or run `{enable}` to remove the tag"
        )
    elif left:
        counted = ", ".join(f"{service} {count}" for service, count in sorted(left.items()))
        yield f"{node} is being drained {drain}; it has {sum(left.values())} sessions ({counted})"
    else:
        yield f"{node} is drained {drain}"


def _down(node: str, inside: list[InstanceServer], proxies: Sequence[Proxy]) -> Iterator[str]:
    """Yield a text for each reason for which HAProxy instances report a node as down."""
    down: dict[str, list[InstanceServer]] = {}
    for pair in inside:
        if not pair[1].usable:
            down.setdefault(_server_state(pair[1]), []).append(pair)
    for state, pairs in down.items():
        yield f"{_scope(pairs, proxies)}: {node} {state}"
    up = [pair for pair in inside if pair[1].usable]
    partly_up = {server.service for pairs in down.values() for _, server in pairs} & {
        server.service for _, server in up
    }
    if partly_up:
        others = [pair for pair in up if pair[1].service in partly_up]
        yield (
            f"{node} is up on {_instances(others)} for {', '.join(sorted(partly_up))}: the "
            "node's server runs, but the other HAProxy instances cannot reach the server, or have "
            "another configuration file"
        )


def _server_state(server: Server) -> str:
    return f"{server.state}: {server.check}".removesuffix(": ")


def _scope(pairs: Sequence[InstanceServer], proxies: Sequence[Proxy]) -> str:
    """Return a text with services and instances, such as `jdbc, odbc on every HAProxy`."""
    instances_by_service: dict[str, list[str]] = {}
    for proxy, server in pairs:
        instances_by_service.setdefault(server.service, []).append(proxy.instance)
    services_by_instances: dict[tuple[str, ...], list[str]] = {}
    for service, instances in instances_by_service.items():
        services_by_instances.setdefault(tuple(sorted(instances)), []).append(service)
    every = tuple(sorted(proxy.instance for proxy in proxies))
    return " and ".join(
        f"{', '.join(sorted(services))} on "
        f"{'every HAProxy' if instances == every else 'HAProxy ' + ', '.join(instances)}"
        for instances, services in sorted(services_by_instances.items())
    )


def _instances(pairs: Iterable[InstanceServer]) -> str:
    return "HAProxy " + ", ".join(sorted({proxy.instance for proxy, _ in pairs}))


def unusable_services(nodes: Iterable[Node], proxies: Sequence[Proxy]) -> Mapping[str, set[str]]:
    """Return, by node, the services for which at least one HAProxy instance cannot use the node.

    `problems` reports these services, so other parts of the status leave them out.
    """
    services: dict[str, set[str]] = {node.name: set() for node in nodes}
    for _, server in _servers(proxies):
        if not server.usable and server.node in services:
            services[server.node].add(server.service)
    return services
