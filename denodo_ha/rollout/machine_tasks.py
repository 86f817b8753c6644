"""Tasks of a machine rollout: the nodes whose machine differs from the configuration."""

from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.node_pins import deployed_pins
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.pins import (
    MACHINE_KEYS,
    NEWEST_FIRST_BOOT,
    Pin,
    configured_machine,
)
from denodo_ha.rollout.node_task import NodeTask, in_order, read_conditions

WHY: Final = "denodo-ha rollout"
_RESTARTING_KEYS: Final = ("type",)
"""Keys of a pin whose change only restarts the instance; other keys replace the instance."""

MachineTask = NodeTask[Pin]


def machine_tasks(aws: Aws, loaded: Loaded, cluster: Cluster) -> list[MachineTask]:
    """Return one task for each node that the stack has created, in execution order.

    Raises:
        Refused: Some nodes have no pin.
    """
    settings = loaded.environment.clusters[cluster.name]
    conditions = read_conditions(aws, cluster)
    tasks, unpinned = [], []
    for name, deployed in deployed_pins(cluster).items():
        node = settings.nodes.get(name)
        machine = configured_machine(settings.instance, node) if node else None
        if machine is None:
            # The node is no longer in the configuration, so the next deploy removes it.
            continue
        pin = loaded.pins.of(cluster.name, name)
        if pin is None:
            unpinned.append(name)
            continue
        if pin.replacing is not None:
            replace = full_command("replace", name, cluster=cluster.name)
            message = (
                f"{name} is being replaced. Run `{replace}` to complete the replacement, and then "
                "run this command again. Nothing was changed"
            )
            raise Refused(message)
        runs = deployed.with_records_of(pin)
        goal = _goal(runs, machine)
        condition = conditions[name]
        tasks.append(
            NodeTask(
                name,
                goal,
                _differences(runs, pin, goal),
                condition,
                WHY,
                half_moved=runs != pin,
                # A run that was killed just after its deploy leaves a new machine without a drain
                # tag.
                left_unhealthy=condition.unhealthy and condition.tag is None,
            )
        )
    if unpinned:
        message = (
            f"nodes without a pin in {cluster.name}: {', '.join(unpinned)}. A deploy would change "
            "all these nodes at the same time. Nothing was changed. Write their pins with "
            f"`{full_command('pin', cluster=cluster.name)}`"
        )
        raise Refused(message)
    return in_order(tasks)


def _goal(runs: Pin, machine: Instance) -> Pin:
    """Return the pin of a node after a rollout: the configured machine, and a first-boot version.

    A new instance gets the newest first-boot script. An instance that is only restarted keeps its
    first-boot script.
    """
    values = {key: getattr(machine, key) for key in MACHINE_KEYS}
    replaced = any(
        value != getattr(runs, key) for key, value in values.items() if key not in _RESTARTING_KEYS
    )
    first_boot = NEWEST_FIRST_BOOT if replaced else runs.first_boot
    return runs.model_copy(update={**values, "first_boot": first_boot})


def _differences(runs: Pin, pin: Pin, goal: Pin) -> tuple[str, ...]:
    """Return descriptions of the differences between the running machine, the pin and the goal."""
    differences = [
        f"{key} {getattr(runs, key) or 'none'} -> {getattr(goal, key) or 'none'}"
        for key in MACHINE_KEYS
        if getattr(runs, key) != getattr(goal, key)
    ]
    if runs != pin:
        differences.append("the node's pin differs from the deployed machine")
    return tuple(differences)
