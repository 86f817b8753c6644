"""What a rollout has to do: nodes that run something else than the configuration asks for."""

from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed import instances, node_pins, target_health
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.pins import Pin, wanted

WHY: Final = "denodo-ha rollout"


@dataclass(frozen=True)
class Move:
    """What is to be done with a node.

    Attributes:
        node: its name.
        target: what the configuration asks for.
        pin: what its pin says.
        runs: what is deployed.
        mark: why it is out, None where it is not marked.
        sick: whether it is not healthy in one of its groups.
    """

    node: str
    target: Pin
    pin: Pin
    runs: Pin
    mark: DrainTag | None
    sick: bool

    @property
    def differs(self) -> bool:
        """Whether pin or deploy are yet to be moved."""
        return self.runs != self.target or self.pin != self.target

    @property
    def unfinished(self) -> bool:
        """Whether a run of ours has left it."""
        return self.mark is not None and self.mark.why == WHY

    @property
    def due(self) -> bool:
        """Whether there is something to do; one that was left just after its deploy is sick."""
        return self.differs or self.unfinished or (self.sick and self.mark is None)

    def __str__(self) -> str:
        told = [
            f"{key} {getattr(self.runs, key) or 'none'} -> {getattr(self.target, key) or 'none'}"
            for key in Pin.model_fields
            if getattr(self.runs, key) != getattr(self.target, key)
        ]
        if self.runs != self.pin:
            told.append("its pin is not what it runs")
        if self.mark:
            told.append(f"out {self.mark}")
        if self.sick:
            told.append("not healthy")
        return ", ".join(told) or "as the configuration asks"


def look(aws: Aws, loaded: Loaded, cluster: Cluster) -> list[Move]:
    """What is to be done with each node that the stack has made, in the order to do it.

    Raises:
        Refused: nodes have no pin.
    """
    settings = loaded.environment.clusters[cluster.name]
    shown = instances.read_instances(
        aws, cluster.location.region, [node.instance_id for node in cluster.nodes]
    )
    groups = {one.group.arn: one for one in target_health.read_groups_health(aws, cluster.groups)}
    moves, unpinned = [], []
    for name, runs in node_pins.deployed_pins(cluster).items():
        node = settings.nodes.get(name)
        machine = wanted(settings.instance, node) if node else None
        if machine is None:
            # No longer in the configuration, which a deploy settles.
            continue
        pin = loaded.pins.of(cluster.name, name)
        if pin is None:
            unpinned.append(name)
            continue
        id_ = cluster.node(name).instance_id
        moves.append(
            Move(
                node=name,
                target=Pin.model_validate({key: getattr(machine, key) for key in Pin.model_fields}),
                pin=pin,
                runs=runs,
                mark=DrainTag.from_tags(shown[id_].tags) if id_ in shown else None,
                sick=any(id_ not in groups[group.arn].healthy for group in cluster.groups_of(name)),
            )
        )
    if unpinned:
        message = (
            f"{', '.join(unpinned)} of {cluster.name} have no pin, so a deploy would change them "
            "all at once; nothing was changed: write what they run with `denodo-ha pin`"
        )
        raise Refused(message)
    # What is out or sick already is mended first: nobody loses anything by it.
    return sorted(
        moves, key=lambda one: (not one.unfinished, one.runs == one.pin, not one.sick, one.node)
    )
