"""What people should know of a model beside what its failures do."""

from collections.abc import Iterator

from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.model import Balancer, Group, Model


def notes(model: Model, engine: Engine) -> Iterator[str]:
    """Each in a sentence."""
    for balancer in model.balancers.values():
        groups = [model.groups[key] for one in balancer.listeners for key in one.groups]
        services = [group for group in groups if group.node is None]
        yield from _unseen(balancer, [one for one in services if not _asks_through(model, one)])
        addresses = engine.view(balancer.key, engine.start).addresses
        missing = [zone for zone in balancer.zones if zone not in addresses]
        if missing:
            yield (
                f"{balancer.cluster}: the balancer's address in {', '.join(missing)} is not in its "
                "DNS, even with nothing failed: a target group has no healthy target there"
            )
    for name in dict.fromkeys(one.cluster for one in model.databases.values()):
        yield (
            f"{name}: checks are taken not to see whether its database answers, so its nodes stay "
            "in service and DNS stays while it does not"
        )
    for cluster in model.clusters.values():
        drained = engine.start.of(cluster.name).drained
        left = [model.nodes[key].name for key in cluster.nodes if key not in drained]
        if drained and len(left) == 1:
            yield f"{cluster.name}: only {left[0]} is left in service while the others are drained"
        unknown = [model.nodes[key].name for key in cluster.nodes if model.nodes[key].zone is None]
        if unknown:
            yield (
                f"{cluster.name}: nothing says which zone {', '.join(unknown)} is in, so no zone's "
                "loss takes it"
            )


def _asks_through(model: Model, group: Group) -> bool:
    """Whether a group's check is passed on to nodes, and so fails where none answers."""
    return group.probe.protocol.startswith("HTTP") and any(
        target.port in (model.nodes[target.machine].serves or {})
        and group.probe.port in (None, target.port)
        for target in group.targets
    )


def _unseen(balancer: Balancer, groups: list[Group]) -> Iterator[str]:
    """Checks that don't see what a node is for."""
    connecting = [group.name for group in groups if not group.probe.protocol.startswith("HTTP")]
    if connecting:
        yield (
            f"{balancer.cluster}: the checks of {', '.join(connecting)} only connect, so a node "
            "that is alive and not ready, as in a promotion, keeps its share of the connections"
        )
    if any(group.probe.asks_readiness for group in groups):
        yield (
            f"{balancer.cluster}: a node counts as not ready when its own program says so; of "
            "promotions that program learns at jdbc, from 8.0 on: drain a node before one"
        )
    asking = [
        group.name
        for group in groups
        if group.probe.protocol.startswith("HTTP") and not group.probe.asks_readiness
    ]
    if asking:
        yield (
            f"{balancer.cluster}: what the checks of {', '.join(asking)} ask for is not known "
            "here; they are taken to pass while the port is open"
        )
