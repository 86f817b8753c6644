"""The topology as tables: clusters, nodes, listeners with their targets' health, records."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.local_aws.readback import Cluster, Listener, Target, Topology

_FEW = 4
"""More targets than these, in the same state, share a line."""
_COLOURS = {
    "healthy": "green",
    "initial": "yellow",
    "draining": "yellow",
    "unhealthy": "red",
    "unused": "red",
}


def show(topology: Topology, console: Console) -> None:
    """Print everything."""
    for cluster in topology.clusters.values():
        _cluster(cluster, console)
    if topology.records:
        _records(topology, console)


def _cluster(cluster: Cluster, console: Console) -> None:
    balancer = cluster.balancer
    console.print()
    title = f"Cluster {cluster.name}: {cluster.settings.region}, account {cluster.settings.account}"
    console.print(title, style="bold", highlight=False)
    nodes = _table("Node", "Instance", "Zone", "Address", "State")
    for name, node in sorted(cluster.nodes.items()):
        address = f"{node.private_ip} / {node.public_ip}" if node.public_ip else node.private_ip
        nodes.add_row(name, node.instance_id, node.zone, address, node.state)
    console.print(nodes)
    if balancer is None:
        return
    kind = {"network": "NLB", "application": "ALB"}[balancer.type]
    told = f"{kind}, {balancer.scheme}: {balancer.dns_name}"
    console.print(told, highlight=False, soft_wrap=True)
    listeners = _table("Port", "Protocol", "For", "Check", "Targets")
    for listener in balancer.listeners:
        listeners.add_row(
            str(listener.port),
            listener.protocol + (f", ALB {listener.behind.protocol}" if listener.behind else ""),
            listener.group.key,
            _check(listener),
            _targets(listener.group.targets),
        )
    console.print(listeners)


def _check(listener: Listener) -> str:
    shown = listener.group.raw
    path = shown.get("HealthCheckPath") or ""
    return f"{shown['HealthCheckProtocol']} {shown['HealthCheckPort']}{path}"


def _targets(targets: tuple[Target, ...]) -> Text:
    """A line for every target, or for every state if there are many."""
    lines: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        lines.setdefault((target.state, target.reason), []).append(target)
    text = Text()
    for (state, reason), of in lines.items():
        many = len(of) > _FEW
        for who in [f"{len(of)} nodes"] if many else [f"{one.node}:{one.port}" for one in of]:
            text.append(("\n" if text else "") + f"{who} ")
            text.append(state, style=_COLOURS.get(state, ""))
            text.append(f" ({reason})" if reason else "")
    return text


def _records(topology: Topology, console: Console) -> None:
    console.print()
    console.print(f"Endpoint {topology.endpoint}", style="bold", highlight=False)
    records = _table("Record", "Type", "Role", "Answer", "Health check")
    for record in topology.records:
        check = topology.checks.get(record.check, {})
        kind = str(check.get("Type", "")).replace("_", " ").lower()
        if record.raw.get("AliasTarget", {}).get("EvaluateTargetHealth"):
            kind = "target health"
        records.add_row(record.name, record.type, record.role, record.answer, kind)
    console.print(records)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
