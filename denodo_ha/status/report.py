"""An environment's status for people and for machines."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from denodo_ha.cli.output import Cell, print_json, print_line, print_table, styled
from denodo_ha.status.model import Cluster, Dns, Environment, Node, Proxy

_BY = {"node": "", "targets": " (by its targets)", "haproxy": " (by HAProxy)", "nobody": ""}


def as_json(environment: Environment) -> None:
    """Print all of it for machines."""
    print_json(environment)


def as_table(environment: Environment) -> None:
    """Print it for people: first what is wrong, then everything."""
    at = environment.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    print_line(_with(f"{environment.name} is ", environment.state, f", {at}"))
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
        print_line(f"The failover is not known: {dns.problem}")
        return
    leads = f"leads to {dns.answers}, says {dns.by}" if dns.answers else "leads nobody knows where"
    switch = f"at {dns.switch}" if dns.switch else "unknown"
    print_line(f"{dns.endpoint} {leads}; the switch is {switch}")
    rows = [(side.cluster, side.role, styled(side.state), side.reason) for side in dns.sides]
    print_table(["Side", "Role", "Checks", "Why"], rows)


def _cluster(cluster: Cluster) -> None:
    where = f", {cluster.region}, {cluster.stack} {cluster.stack_status or 'not read'}"
    print_line(_with(f"{cluster.name} is ", cluster.state, where))
    if cluster.balancer is not None:
        balancer = cluster.balancer
        print_line(_with(f"Balancer {balancer.name} is ", balancer.state))
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
    drained = ""
    if node.drained is not None:
        drained = node.drained.said
    return (
        node.name,
        node.instance,
        node.zone,
        styled(node.state),
        f"{version}, another waits" if node.waits else version,
        _ready(node),
        drained,
    )


def _ready(node: Node) -> Cell:
    by = _BY[node.source]
    if node.source == "nobody":
        return "?"
    if not node.unready:
        return f"yes{by}"
    reasons: dict[str, list[str]] = {}
    for service, why in sorted(node.unready.items()):
        reasons.setdefault(why, []).append(service)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items()) + by


def _groups(cluster: Cluster) -> Iterator[Sequence[Cell]]:
    for group in cluster.groups:
        name = group.name if group.kind == "service" else f"{group.kind} of {group.name}"
        if group.problem:
            yield name, str(group.port), "", styled("unknown"), group.problem
        for target in group.targets:
            yield name, str(group.port), target.node, styled(target.state), target.why


def _servers(proxies: Sequence[Proxy]) -> Iterator[Sequence[Cell]]:
    """What each HAProxy finds, side by side."""
    seen = [(one, proxy.instance) for proxy in proxies for one in proxy.servers]
    seen.sort(key=lambda pair: (pair[0].kind != "service", pair[0].service, pair[0].node, pair[1]))
    for one, proxy in seen:
        name = one.service if one.kind == "service" else f"auxiliary of {one.service}"
        yield name, one.node, proxy, styled(one.state), str(one.sessions), one.check
    for of in proxies:
        if not of.answered:
            yield "", "", of.instance, styled("unknown"), "", of.problem or of.unasked
