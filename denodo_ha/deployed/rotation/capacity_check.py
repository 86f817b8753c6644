"""Whether enough nodes serve without one that is to be taken out."""

from collections.abc import Iterable

from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.target_health import GroupHealth, describe_target


def demand(
    cluster: Cluster,
    node: str,
    seen: Iterable[GroupHealth],
    minimum: int | None,
    *,
    accept: str = "--minimum",
) -> None:
    """Go on only if enough nodes serve without one.

    Args:
        cluster: the cluster.
        node: the node that is to be taken out.
        seen: how the groups are that it would leave.
        minimum: how many others must be healthy in each; None: all, and one at least.
        accept: the option that accepts fewer.

    Raises:
        Refused: they would be fewer.
    """
    wanted = max(len(cluster.nodes) - 1, 1) if minimum is None else minimum
    if len(cluster.nodes) == 1 and wanted > 0:
        message = (
            f"{node} is the only node of {cluster.name}: nobody would serve without it; nothing "
            f"was changed. Say {accept}{' 0' if accept == '--minimum' else ''} if that may be"
        )
        raise Refused(message)
    for one in seen:
        others = {target.id: target.node for target in one.group.targets if target.node != node}
        well = [id_ for id_ in others if id_ in one.healthy]
        if len(well) < wanted:
            sick = sorted(
                f"{name or id_} ({describe_target(one, id_)})"
                for id_, name in others.items()
                if id_ not in well
            )
            message = (
                f"without {node}, {len(well)} healthy nodes would be left in group "
                f"{one.group.key} of {cluster.name}, and {wanted} are wanted; not healthy: "
                f"{', '.join(sick) or 'none'}. Nothing was changed: mend them first, or accept "
                f"fewer with {accept}"
            )
            raise Refused(message)
