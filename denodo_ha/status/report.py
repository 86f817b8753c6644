"""Output of `denodo-ha status`: a table, or JSON."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from denodo_ha.cli.output import Cell, print_json, print_line, print_table, styled
from denodo_ha.status.model import Cluster, Dns, Environment, Node, Proxy

_SOURCES = {
    "node": "",
    "targets": " (by target health)",
    "haproxy": " (by HAProxy)",
    "nobody": "",
}


def as_json(environment: Environment) -> None:
    """Print all fields of an environment's status as JSON."""
    print_json(environment)


def as_table(environment: Environment) -> None:
    """Print problems and notes first, then tables of all parts of the status."""
    at = environment.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    print_line(_with(f"{environment.name} is ", environment.state, f", {at}"))
    for problem in environment.problems:
        print_line(f"! {problem}")
    for cluster in environment.clusters:
        for problem in cluster.problems:
            print_line(f"! {cluster.name}: {problem}")
        for note in cluster.notes:
            print_line(f"- {cluster.name}: {note}")
    if environment.dns is not None:
        print_line("")
        _dns(environment.dns)
    for cluster in environment.clusters:
        print_line("")
        _cluster(cluster)


def _with(before: str, state: str, after: str = "") -> Text:
    return Text.assemble(before, styled(state), after)


def _dns(dns: Dns) -> None:
    if dns.problem:
        print_line(f"The state of the failover is unknown: {dns.problem}")
        return
    answer = (
        f"leads to {dns.answers}, according to {dns.by}"
        if dns.answers
        else "leads to an unknown cluster"
    )
    if not dns.sides:
        print_line(f"{dns.endpoint} {answer}")
        return
    switch = f"set to {dns.switch}" if dns.switch else "unknown"
    print_line(f"{dns.endpoint} {answer}; the switch is {switch}")
    rows = [(side.cluster, side.role, styled(side.state), side.reason) for side in dns.sides]
    print_table(["Side", "Role", "Checks", "Why"], rows)


def _cluster(cluster: Cluster) -> None:
    # A cluster of a found site (`--live`) has no stack.
    deployed = f", {cluster.stack} {cluster.stack_status or 'not read'}" if cluster.stack else ""
    stack = f", {cluster.region}{deployed}"
    print_line(_with(f"{cluster.name} is ", cluster.state, stack))
    if cluster.balancer is not None:
        balancer = cluster.balancer
        print_line(_with(f"Load balancer {balancer.name} is ", balancer.state))
    if cluster.nodes:
        columns = ["Node", "Instance", "Zone", "State", "Version", "Ready", "Drained"]
        print_table(columns, [_node(node) for node in cluster.nodes])
    if cluster.groups:
        columns = ["Group", "Port", "Node", "Target", "Why"]
        print_table(columns, list(_groups(cluster)))
    if cluster.proxies:
        columns = ["Service", "Node", "HAProxy", "State", "Sessions", "Last check"]
        print_table(columns, list(_servers(cluster.proxies)))


def _node(node: Node) -> Sequence[Cell]:
    version = node.version or "?"
    return (
        node.name,
        node.instance,
        node.zone,
        styled(node.state),
        f"{version}, roll needed" if node.waits else version,
        _ready(node),
        str(node.drained) if node.drained else "",
    )


def _ready(node: Node) -> Cell:
    suffix = _SOURCES[node.source]
    if node.source == "nobody":
        return "?"
    if not node.unready:
        return f"yes{suffix}"
    reasons: dict[str, list[str]] = {}
    for service, why in sorted(node.unready.items()):
        reasons.setdefault(why, []).append(service)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items()) + suffix


def _groups(cluster: Cluster) -> Iterator[Sequence[Cell]]:
    for group in cluster.groups:
        name = group.name if group.kind == "service" else f"{group.kind} of {group.name}"
        if group.problem:
            yield name, str(group.port), "", styled("unknown"), group.problem
        for target in group.targets:
            yield name, str(group.port), target.node, styled(target.state), target.why


def _servers(proxies: Sequence[Proxy]) -> Iterator[Sequence[Cell]]:
    """Yield the servers of all HAProxy instances, sorted by service and node."""
    rows = [(server, proxy.instance) for proxy in proxies for server in proxy.servers]
    rows.sort(key=lambda row: (row[0].kind != "service", row[0].service, row[0].node, row[1]))
    for server, instance in rows:
        name = server.service if server.kind == "service" else f"auxiliary of {server.service}"
        state, sessions = styled(server.state), str(server.sessions)
        yield name, server.node, instance, state, sessions, server.check
    for proxy in proxies:
        if not proxy.answered:
            yield "", "", proxy.instance, styled("unknown"), "", proxy.problem or proxy.unasked
