"""State of a cluster and of an environment: healthy, degraded or down, with the reasons."""

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final

from denodo_ha.environment.full_command import full_command
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
"""The service that the failover's health checks monitor. A cluster with this service is down if no
node serves it."""
_DRAINING: Final = "draining"


class Part(StrEnum):
    """Parts of the status that some operators' IAM roles are not permitted to read."""

    dns = "dns"
    balancer = "balancer"
    instances = "instances"
    haproxy = "haproxy"


def problems(
    nodes: Sequence[Node],
    groups: Sequence[Group],
    balancer: Balancer | None,
    stack_status: str,
    proxies: Sequence[Proxy] = (),
    *,
    cluster: str,
    accepted: Collection[Part] = (),
) -> Iterator[str]:
    """Yield the reasons why a cluster is not healthy or its state is not known, the worst first."""
    if stack_status.endswith("_FAILED"):
        yield f"the cluster's stack is {stack_status}: repair the stack before the next deploy"
    ignored = UNKNOWN if Part.balancer in accepted else ""
    if balancer is not None and balancer.state not in {"active", ignored}:
        yield f"its load balancer is {balancer.state}: {balancer.problem}".removesuffix(": ")
    for group in groups:
        if group.problem:
            yield f"{group.name}: {group.problem}"
        elif not group.healthy and group.kind == "service":
            target = "HAProxy instance" if _is_proxied(group, nodes) else "node"
            yield f"{group.name}: no healthy {target}, so its clients are not served"
    yield from _haproxy_problems(nodes, groups)
    yield from haproxy_verdict.problems(nodes, groups, proxies, cluster=cluster)
    answered = any(proxy.answered for proxy in proxies)
    reported = haproxy_verdict.unusable_services(nodes, proxies)
    for node in nodes:
        enable = full_command("enable", node.name, cluster=cluster)
        yield from _node_problems(
            node, groups, reported[node.name], behind_haproxy=answered, enable=enable
        )


def _is_proxied(group: Group, nodes: Sequence[Node]) -> bool:
    """Return whether the targets of a target group are HAProxy instances and not nodes."""
    known = {node.name for node in nodes}
    return bool(group.targets) and not any(target.node in known for target in group.targets)


def _haproxy_problems(nodes: Sequence[Node], groups: Sequence[Group]) -> Iterator[str]:
    """Yield a problem for each HAProxy instance that is an unhealthy target."""
    known = {node.name for node in nodes}
    unhealthy: dict[tuple[str, str, str], list[str]] = {}
    for group in groups:
        for target in group.targets:
            proxy = target.node.startswith("i-") and target.node not in known
            if proxy and target.state not in {HEALTHY, _DRAINING}:
                unhealthy.setdefault((target.node, target.state, target.why), []).append(group.name)
    for (id_, state, why), names in unhealthy.items():
        yield f"{', '.join(names)}: HAProxy {id_} {state}: {why}".removesuffix(": ")


def _node_problems(
    node: Node,
    groups: Sequence[Group],
    reported: set[str],
    *,
    behind_haproxy: bool,
    enable: str,
) -> Iterator[str]:
    """Yield the problems of a node, except those that HAProxy instances report."""
    if node.state not in {"running", UNKNOWN}:
        what = f"{node.name}: its instance {node.instance} is {node.state}".replace("  ", " ")
        yield f"{what}; {node.remedy}".removesuffix("; ")
    targets = [
        (group, target) for group in groups for target in group.targets if target.node == node.name
    ]
    shared = [(group, target) for group, target in targets if group.kind != "auxiliary"]
    if not behind_haproxy:
        yield from _rotation_problems(node, shared, enable)
    if node.state not in {"running", UNKNOWN}:
        return
    for group, target in targets:
        if target.state in {HEALTHY, _DRAINING} or (
            target.state == OUT and group in _groups(shared)
        ):
            continue
        yield f"{group.name}: {node.name} {target.state}: {target.why}".removesuffix(": ")
    explained = {group.name for group, target in targets if target.state != HEALTHY} | reported
    if node.source == "node" and node.drained is None:
        for service, why in node.unready.items():
            if service not in explained:
                yield f"{node.name} reports that {service} is not ready: {why}"


def _rotation_problems(
    node: Node, shared: Sequence[tuple[Group, Target]], enable: str
) -> Iterator[str]:
    """Yield a problem if a node has a drain tag or is not registered in a shared target group."""
    inside = [group.name for group, target in shared if target.state not in {OUT, _DRAINING}]
    outside = [group.name for group, target in shared if target.state == OUT]
    leaving = [group.name for group, target in shared if target.state == _DRAINING]
    if node.drained is not None and not shared:
        yield f"{node.name} has a drain tag {node.drained!s}"
    elif node.drained is not None:
        yield from _drain_problems(node.name, str(node.drained), inside, leaving, enable)
    elif (outside or leaving) and not node.remedy:
        out = f"out of {', '.join([*outside, *leaving])}"
        yield (
            f"{node.name} is {out} without a drain tag: it was taken out by hand, or a command was "
            f"interrupted; `{enable}` brings it back"
        )


def _groups(pairs: Sequence[tuple[Group, object]]) -> list[Group]:
    return [group for group, _ in pairs]


def _drain_problems(
    node: str, drain: str, inside: list[str], leaving: list[str], enable: str
) -> Iterator[str]:
    if inside:
        yield (
            f"{node} has a drain tag ({drain}) but is in {', '.join(inside)}: a deploy or a manual "
            "change put the node back, or a drain or enable was interrupted; drain the node again, "
            f"or run `{enable}` to remove the tag"
        )
    elif leaving:
        yield f"{node} is being drained {drain}; {', '.join(leaving)}: connections may remain"
    else:
        yield f"{node} is drained {drain}"


def notes(nodes: Sequence[Node], stack_status: str, *, cluster: str) -> Iterator[str]:
    """Yield information that is not a problem."""
    if stack_status.endswith("_IN_PROGRESS"):
        yield f"a deploy of the cluster's stack is running: {stack_status}"
    waiting = [node.name for node in nodes if node.waits]
    if waiting:
        roll = full_command("roll", cluster=cluster)
        yield (f"{', '.join(waiting)}: a new desired state is not applied yet; `{roll}` applies it")
    for node in nodes:
        for warning in node.warnings:
            yield f"{node.name}: {warning}"


def cluster_state(
    nodes: Sequence[Node],
    groups: Sequence[Group],
    problems_found: Sequence[str],
    proxies: Sequence[Proxy] = (),
) -> str:
    """Return the state of a cluster that could be read.

    A cluster is down if no node serves the service jdbc or, in a cluster without jdbc, if no node
    serves any service. A node without a load balancer is down if its instance is not running, or if
    it reports that it is not ready. Behind HAProxy a node serves if an HAProxy instance can use it,
    and the load balancer finds that instance healthy.
    """
    unserved = haproxy_verdict.unserved(groups, proxies)
    services = [group for group in groups if group.kind == "service" and not group.problem]
    decisive = [group for group in services if group.name == JDBC] or services
    if decisive:
        down = not any(group.healthy for group in decisive if group.name not in unserved)
    elif any(group.kind == "service" for group in groups):
        return UNKNOWN
    else:
        down = all(_is_down(node) for node in nodes)
    if down:
        return DOWN
    return DEGRADED if problems_found else HEALTHY


def _is_down(node: Node) -> bool:
    return node.state not in {"running", UNKNOWN} or (
        node.source == "node" and JDBC in node.unready
    )


def environment_state(
    clusters: Sequence[Cluster],
    dns: Dns | None,
    problems: Sequence[str] = (),
    *,
    accepted: Collection[Part] = (),
) -> str:
    """Return the state of an environment; unknown parts make it degraded, never healthy.

    An environment with a failover is down if the cluster to which the failover's name resolves is
    down, or if no cluster serves clients. Without a failover, each cluster has its own clients, so
    the environment is down if one of its clusters is down. Clusters in another account are ignored.
    """
    states = {cluster.name: cluster.state for cluster in clusters}
    counted = [
        cluster.state
        for cluster in clusters
        if cluster.problems or cluster.stack_status or cluster.nodes
    ]
    if set(counted) <= {UNKNOWN}:
        return UNKNOWN
    serving = [state for state in counted if state in {HEALTHY, DEGRADED}]
    if dns is None:
        down = DOWN in counted
    else:
        down = (DOWN in counted and not serving) or states.get(dns.answers) == DOWN
    if down:
        return DOWN
    healthy = set(counted) == {HEALTHY} and not problems
    if dns is not None and dns.reached:
        allowed = {HEALTHY, UNKNOWN} if Part.dns in accepted else {HEALTHY}
        unknown = bool(dns.problem) and Part.dns not in accepted
        healthy = healthy and not unknown and all(side.state in allowed for side in dns.sides)
    return HEALTHY if healthy else DEGRADED
