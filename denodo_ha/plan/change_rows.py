"""The table of a plan: a row for each node, load balancer and database, with the next step."""

from collections.abc import Iterable, Sequence
from typing import Final

from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.full_command import full_command
from denodo_ha.plan.balancer_changes import BalancerChange
from denodo_ha.plan.database_changes import DatabaseChange
from denodo_ha.plan.node_changes import Change

COLUMNS: Final = ("Cluster", "Node", "Deploy", "Because", "Then")
CATALOG_INIT: Final = "catalog init, then roll"
CONFIRM_METADATA: Final = "confirm the node's metadata"


def change_rows(
    nodes: Iterable[Change],
    balancers: Iterable[BalancerChange],
    databases: Iterable[DatabaseChange],
) -> list[list[str]]:
    """Return the rows of the table: nodes, then load balancers, then databases."""
    rows = [
        [
            change.cluster,
            change.node,
            change.effect.value,
            "; ".join(change.why),
            next_node_step(change),
        ]
        for change in nodes
    ]
    rows += [
        [change.cluster, change.balancer, change.effect.value, "; ".join(change.why), ""]
        for change in balancers
    ]
    rows += [
        [
            change.cluster,
            "(database)",
            database_effect(change),
            "; ".join(change.why),
            next_database_step(change),
        ]
        for change in databases
    ]
    return rows


def database_effect(change: DatabaseChange) -> str:
    """Return the effect of a deploy on a database, with the time of an interruption."""
    return f"{change.effect.value}, {change.when}" if change.when else change.effect.value


def next_database_step(change: DatabaseChange) -> str:
    """Return an operator's next step for a database after the deploy; empty if none is needed."""
    if change.effect is Effect.NEW:
        return CATALOG_INIT
    return "restore the database" if change.effect is Effect.REPLACEMENT else ""


def has_new_state(change: Change) -> bool:
    """Return whether `denodo-ha roll` must bring the changed node to a new desired state."""
    return any(why.startswith("state: ") for why in change.why)


def next_node_step(change: Change) -> str:
    """Return an operator's next step for a node after the deploy; empty if none is needed."""
    if change.effect in {Effect.NEW, Effect.REPLACEMENT}:
        return CONFIRM_METADATA
    if not has_new_state(change):
        return ""
    return "roll restarts its servers" if change.restarts else "roll"


def next_commands(nodes: Sequence[Change], databases: Sequence[DatabaseChange]) -> list[str]:
    """Return the commands to run after the deploy, in their order."""
    initialised = [change.cluster for change in databases if change.effect is Effect.NEW]
    rolled = [
        change.cluster
        for change in nodes
        if change.effect not in {Effect.NEW, Effect.REPLACEMENT} and has_new_state(change)
    ]
    inits = [full_command("catalog init", cluster=name) for name in dict.fromkeys(initialised)]
    rolls = [full_command("roll", cluster=name) for name in dict.fromkeys([*initialised, *rolled])]
    return inits + rolls
