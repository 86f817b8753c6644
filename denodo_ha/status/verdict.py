"""Whether a cluster, and an environment, is healthy, degraded or down, and why."""

from collections.abc import Iterator, Sequence
from typing import Final

from denodo_ha.status import haproxy_verdict
from denodo_ha.status.model import (
    DEGRADED,
    DOWN,
    HEALTHY,
    OUT,
    UNKNOWN,
    Balancer,
    Cluster,
    Dns,
    Group,
    Node,
    Proxy,
    Target,
)

JDBC: Final = "jdbc"
"""The service that the failover's checks follow; what decides whether a cluster is down."""
_DRAINING: Final = "draining"


def problems(
    nodes: Sequence[Node],
    groups: Sequence[Group],
    balancer: Balancer | None,
    stack_status: str,
    proxies: Sequence[Proxy] = (),
) -> Iterator[str]:
    """What makes a cluster other than healthy, the worst first."""
    if stack_status.endswith("_FAILED"):
        yield f"its stack is {stack_status}: repair it before the next deploy"
    if balancer is not None and balancer.state not in {"active", UNKNOWN}:
        yield f"its balancer is {balancer.state}"
    for group in groups:
        if group.problem:
            yield f"{group.name}: {group.problem}"
        elif not group.healthy and group.kind == "service":
            what = "HAProxy" if _is_proxied(group, nodes) else "node"
            yield f"{group.name}: no healthy {what}, so nobody is served"
    yield from _of_proxies(nodes, groups)
    yield from haproxy_verdict.problems(nodes, groups, proxies)
    answered = any(proxy.answered for proxy in proxies)
    told = haproxy_verdict.by_node(nodes, proxies)
    for node in nodes:
        yield from _of_node(node, groups, told[node.name], by_proxies=answered)


def _is_proxied(group: Group, nodes: Sequence[Node]) -> bool:
    """Whether none of a group's targets is a node."""
    known = {node.name for node in nodes}
    return bool(group.targets) and not any(target.node in known for target in group.targets)


def _of_proxies(nodes: Sequence[Node], groups: Sequence[Group]) -> Iterator[str]:
    """Targets that are no nodes: HAProxies in front of them."""
    known = {node.name for node in nodes}
    sick: dict[tuple[str, str, str], list[str]] = {}
    for group in groups:
        for target in group.targets:
            proxy = target.node.startswith("i-") and target.node not in known
            if proxy and target.state not in {HEALTHY, _DRAINING}:
                sick.setdefault((target.node, target.state, target.why), []).append(group.name)
    for (id_, state, why), names in sick.items():
        yield f"{', '.join(names)}: HAProxy {id_} {state}: {why}".removesuffix(": ")


def _of_node(
    node: Node, groups: Sequence[Group], told: set[str], *, by_proxies: bool
) -> Iterator[str]:
    """A node, but for what HAProxies say of it."""
    if node.state not in {"running", UNKNOWN}:
        yield f"{node.name}: its instance {node.instance} is {node.state}".replace("  ", " ")
    seen = [
        (group, target) for group in groups for target in group.targets if target.node == node.name
    ]
    shared = [(group, target) for group, target in seen if group.kind != "auxiliary"]
    if not by_proxies:
        yield from _rotated(node, shared)
    if node.state not in {"running", UNKNOWN}:
        return
    for group, target in seen:
        if target.state in {HEALTHY, _DRAINING} or (target.state == OUT and group in _of(shared)):
            continue
        yield f"{group.name}: {node.name} {target.state}: {target.why}".removesuffix(": ")
    sick = {group.name for group, target in seen if target.state != HEALTHY} | told
    if node.source == "node" and node.drained is None:
        for service, why in node.unready.items():
            if service not in sick:
                yield f"{node.name} says that {service} is not ready: {why}"


def _rotated(node: Node, shared: Sequence[tuple[Group, Target]]) -> Iterator[str]:
    """Whether a node is in its shared groups, and marked if it is not."""
    inside = [group.name for group, target in shared if target.state not in {OUT, _DRAINING}]
    outside = [group.name for group, target in shared if target.state == OUT]
    leaving = [group.name for group, target in shared if target.state == _DRAINING]
    if node.drained is not None and not shared:
        yield f"{node.name} is marked as drained {node.drained.said}"
    elif node.drained is not None:
        yield from _drained(node.name, node.drained.said, inside, leaving)
    elif outside or leaving:
        out = f"out of {', '.join([*outside, *leaving])}"
        yield (
            f"{node.name} is {out} without a mark: taken out by hand, or a command ended half "
            f"way; `denodo-ha enable {node.name}` brings it back"
        )


def _of(pairs: Sequence[tuple[Group, object]]) -> list[Group]:
    return [group for group, _ in pairs]


def _drained(node: str, said: str, inside: list[str], leaving: list[str]) -> Iterator[str]:
    if inside:
        yield (
            f"{node} is marked as drained ({said}) and is in {', '.join(inside)}: something put "
            f"it back, such as a deploy, or a drain or an enable has not ended; drain it again, "
            f"or `denodo-ha enable {node}` takes the mark away"
        )
    elif leaving:
        yield f"{node} is being drained {said}; its connections end in {', '.join(leaving)}"
    else:
        yield f"{node} is drained {said}"


def notes(nodes: Sequence[Node], stack_status: str) -> Iterator[str]:
    """What is worth knowing and nobody's harm."""
    if stack_status.endswith("_IN_PROGRESS"):
        yield f"its stack is being changed: {stack_status}"
    waiting = [node.name for node in nodes if node.waits]
    if waiting:
        yield f"{', '.join(waiting)}: another configuration waits; `denodo-ha roll` applies it"


def of_cluster(
    nodes: Sequence[Node],
    groups: Sequence[Group],
    found: Sequence[str],
    proxies: Sequence[Proxy] = (),
) -> str:
    """The state of a cluster that could be read.

    It is down when no node serves jdbc; without jdbc, when no node serves any service; a node
    without a balancer, when it does not run or says that it is not ready. Behind HAProxy a node
    serves when a HAProxy has it up, and the balancer finds that HAProxy healthy.
    """
    unserved = haproxy_verdict.unserved(groups, proxies)
    services = [group for group in groups if group.kind == "service" and not group.problem]
    decisive = [group for group in services if group.name == JDBC] or services
    if decisive:
        down = not any(group.healthy for group in decisive if group.name not in unserved)
    elif any(group.kind == "service" for group in groups):
        return UNKNOWN
    else:
        down = all(_dead(node) for node in nodes)
    if down:
        return DOWN
    return DEGRADED if found else HEALTHY


def _dead(node: Node) -> bool:
    return node.state not in {"running", UNKNOWN} or (
        node.source == "node" and JDBC in node.unready
    )


def of_environment(clusters: Sequence[Cluster], dns: Dns | None) -> str:
    """The state of an environment.

    With a failover it is down when the cluster that its name leads to is, or none serves. Without
    one each cluster has its own clients, so one that is down is enough. Clusters of another
    account do not count.
    """
    states = {cluster.name: cluster.state for cluster in clusters}
    counted = [cluster.state for cluster in clusters if cluster.problems or cluster.stack_status]
    if set(counted) <= {UNKNOWN}:
        return UNKNOWN
    serving = [state for state in counted if state in {HEALTHY, DEGRADED}]
    if dns is None:
        down = DOWN in counted
    else:
        down = (DOWN in counted and not serving) or states.get(dns.answers) == DOWN
    if down:
        return DOWN
    well = set(counted) == {HEALTHY} and not (dns and _sick(dns))
    return HEALTHY if well else DEGRADED


def _sick(dns: Dns) -> bool:
    if not dns.reached:
        return False
    return bool(dns.problem) or any(side.state not in {HEALTHY, UNKNOWN} for side in dns.sides)
