"""What HAProxies find of the nodes, and what of it makes a cluster other than healthy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from denodo_ha.status.model import HEALTHY, Group, Node, Proxy, Server

Seen = tuple[Proxy, Server]


def problems(
    nodes: Sequence[Node], groups: Sequence[Group], proxies: Sequence[Proxy]
) -> Iterator[str]:
    """What makes a cluster behind HAProxy other than healthy, the worst first."""
    for proxy in proxies:
        if proxy.problem:
            yield f"HAProxy {proxy.instance} does not say how it is: {proxy.problem}"
        if proxy.failed_reloads:
            yield (
                f"HAProxy {proxy.instance} could not load its last file, and serves with the one "
                "before: `denodo-ha haproxy apply` says why"
            )
    if not any(proxy.answered for proxy in proxies):
        return
    for service in _services(groups):
        if service in unserved(groups, proxies):
            yield f"{service}: no HAProxy has a node that is up, so nobody is served"
    yield from _unapplied(nodes, groups, proxies)
    for node in nodes:
        yield from _of_node(node, proxies)


def unserved(groups: Sequence[Group], proxies: Sequence[Proxy]) -> frozenset[str]:
    """The services for which no HAProxy has a node that is up.

    One that could not be asked may have one, if the balancer finds it healthy.
    """
    answered = [proxy for proxy in proxies if proxy.answered]
    if not answered:
        return frozenset()
    served = {one.service for _, one in _seen(proxies) if one.kind == "service" and one.usable}
    silent = {proxy.instance for proxy in proxies if not proxy.answered}
    served |= {
        group.name
        for group in groups
        for target in group.targets
        if target.node in silent and target.state == HEALTHY
    }
    return frozenset(set(_services(groups)) - served)


def unready(node: str, proxies: Sequence[Proxy]) -> dict[str, str]:
    """Why a node is not ready as HAProxies find it: for services where none has it up."""
    mine = [one for _, one in _seen(proxies) if one.node == node and one.kind == "service"]
    up = {one.service for one in mine if one.usable}
    return {one.service: _told(one) for one in mine if one.service not in up}


def notes(proxies: Sequence[Proxy]) -> Iterator[str]:
    """Who could not be asked, and why."""
    for proxy in proxies:
        if proxy.unasked:
            yield f"HAProxy {proxy.instance} could not be asked: {proxy.unasked}"


def _services(groups: Iterable[Group]) -> list[str]:
    return [group.name for group in groups if group.kind == "service"]


def _seen(proxies: Iterable[Proxy]) -> list[Seen]:
    return [(proxy, one) for proxy in proxies for one in proxy.servers]


def _unapplied(
    nodes: Sequence[Node], groups: Sequence[Group], proxies: Sequence[Proxy]
) -> Iterator[str]:
    """HAProxies that have another file than the last deploy wrote."""
    wanted = {node.name for node in nodes}, set(_services(groups))
    differ: dict[str, list[str]] = {}
    for proxy in proxies:
        if not proxy.answered:
            continue
        known = (
            {one.node for one in proxy.servers},
            {one.service for one in proxy.servers if one.kind == "service"},
        )
        lacks = sorted((wanted[0] - known[0]) | (wanted[1] - known[1]))
        more = sorted((known[0] - wanted[0]) | (known[1] - wanted[1]))
        parts = [f"lacks {', '.join(lacks)}"] * bool(lacks)
        parts += [f"still has {', '.join(more)}"] * bool(more)
        if parts:
            differ.setdefault(" and ".join(parts), []).append(proxy.instance)
    for what, who in differ.items():
        yield (
            f"HAProxy {', '.join(who)} {what}: `denodo-ha haproxy apply` brings it to what the "
            "last deploy wrote"
        )


def _of_node(node: Node, proxies: Sequence[Proxy]) -> Iterator[str]:
    mine = [pair for pair in _seen(proxies) if pair[1].node == node.name]
    if not mine:
        return
    services = [pair for pair in mine if pair[1].kind == "service"]
    outside = [pair for pair in services if pair[1].ordered]
    inside = [pair for pair in services if not pair[1].ordered]
    back = f"`denodo-ha enable {node.name}`"
    if node.drained is not None:
        yield from _drained(node.name, node.drained.said, inside, outside, proxies)
    elif outside:
        yield (
            f"{node.name} is out of {_where(outside, proxies)} without a mark: taken out by hand, "
            f"or a command ended half way; {back} brings it back"
        )
    closed = [pair for pair in mine if pair[1].kind == "auxiliary" and pair[1].ordered]
    if closed:
        yield (
            f"the auxiliary port of {node.name} is closed on {_who(closed)}, so clients that it "
            f"sends there are lost: {back} opens it"
        )
    if node.state != "running":
        return
    yield from _down(node.name, inside, proxies)


def _drained(
    node: str, said: str, inside: list[Seen], outside: list[Seen], proxies: Sequence[Proxy]
) -> Iterator[str]:
    """That a node has a mark, and whether HAProxies agree."""
    left: dict[str, int] = {}
    for _, one in outside:
        if one.sessions:
            left[one.service] = left.get(one.service, 0) + one.sessions
    if inside:
        yield (
            f"{node} is marked as drained ({said}) and gets sessions in {_where(inside, proxies)}: "
            "a HAProxy is new, or a drain or an enable has not ended; drain it again, or "
            f"`denodo-ha enable {node}` takes the mark away"
        )
    elif left:
        counted = ", ".join(f"{service} {count}" for service, count in sorted(left.items()))
        yield f"{node} is being drained {said}; it has {sum(left.values())} sessions ({counted})"
    else:
        yield f"{node} is drained {said}"


def _down(node: str, inside: list[Seen], proxies: Sequence[Proxy]) -> Iterator[str]:
    """Services of a node that HAProxies find dead, those of one reason in one line."""
    dead: dict[str, list[Seen]] = {}
    for pair in inside:
        if not pair[1].usable:
            dead.setdefault(_told(pair[1]), []).append(pair)
    for told, pairs in dead.items():
        yield f"{_where(pairs, proxies)}: {node} {told}"
    up = [pair for pair in inside if pair[1].usable]
    torn = {one.service for pairs in dead.values() for _, one in pairs} & {
        one.service for _, one in up
    }
    if torn:
        others = [pair for pair in up if pair[1].service in torn]
        yield (
            f"{node} is up on {_who(others)} for {', '.join(sorted(torn))}: its server runs, and "
            "the way from the other HAProxies to it is closed, or they have another file"
        )


def _told(server: Server) -> str:
    return f"{server.state}: {server.check}".removesuffix(": ")


def _where(pairs: Sequence[Seen], proxies: Sequence[Proxy]) -> str:
    """Services and HAProxies in words, such as `jdbc, odbc on every HAProxy`."""
    of: dict[str, list[str]] = {}
    for proxy, one in pairs:
        of.setdefault(one.service, []).append(proxy.instance)
    by: dict[tuple[str, ...], list[str]] = {}
    for service, who in of.items():
        by.setdefault(tuple(sorted(who)), []).append(service)
    every = tuple(sorted(proxy.instance for proxy in proxies))
    return " and ".join(
        f"{', '.join(sorted(services))} on "
        f"{'every HAProxy' if who == every else 'HAProxy ' + ', '.join(who)}"
        for who, services in sorted(by.items())
    )


def _who(pairs: Iterable[Seen]) -> str:
    return "HAProxy " + ", ".join(sorted({proxy.instance for proxy, _ in pairs}))


def by_node(nodes: Iterable[Node], proxies: Sequence[Proxy]) -> Mapping[str, set[str]]:
    """The services that some HAProxy does not have up, by node: they are said already."""
    found: dict[str, set[str]] = {node.name: set() for node in nodes}
    for _, one in _seen(proxies):
        if not one.usable and one.node in found:
            found[one.node].add(one.service)
    return found
