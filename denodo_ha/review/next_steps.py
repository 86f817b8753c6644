"""Commands to run for a change, in their order: before the deploy, the deploy, and after it."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.full_command import (
    EnvironmentChoice,
    cdk_command,
    chosen,
    full_command,
)
from denodo_ha.plan import balancer_changes, change_rows, database_changes, node_changes
from denodo_ha.plan.balancer_changes import BalancerChange
from denodo_ha.plan.database_changes import DatabaseChange
from denodo_ha.plan.node_changes import Change
from denodo_ha.plan.switch_change import SwitchChange, switch_changes
from denodo_ha.review.changes.haproxy_changes import has_new_haproxy_state
from denodo_ha.review.stack_pair import StackPair

_WAITING_FOR_ROLLOUT = "waiting-for-rollout"


@dataclass(frozen=True)
class DeployEffects:
    """The effects of the deploy of a change, as `denodo-ha plan` shows them.

    Attributes:
        nodes: the effect on each node.
        balancers: the effect on each load balancer.
        databases: the effect on each shared database.
        switches: changes of the operators' switch.
        is_changed: True if any template differs.
        has_new_haproxy_state: True if HAProxy instances get another configuration.
    """

    nodes: Sequence[Change]
    balancers: Sequence[BalancerChange]
    databases: Sequence[DatabaseChange]
    switches: Sequence[SwitchChange]
    is_changed: bool
    has_new_haproxy_state: bool = False


@dataclass(frozen=True)
class Step:
    """A command to run, or a manual step.

    Attributes:
        command: the command; empty for a step without a command.
        why: the reason for the step.
    """

    command: str
    why: str


def deploy_effects(pairs: Sequence[StackPair]) -> DeployEffects:
    """Return the effects of the deploy on nodes, load balancers, databases and the switch."""
    sides = [pair.templates for pair in pairs]
    return DeployEffects(
        [change for side in sides for change in node_changes.changes(*side)],
        [change for side in sides for change in balancer_changes.changes(*side)],
        [change for side in sides for change in database_changes.changes(*side)],
        switch_changes(
            {pair.name: pair.before.template for pair in pairs if pair.before is not None},
            {pair.name: pair.after.template for pair in pairs if pair.after is not None},
        ),
        any(before != after for before, after in sides),
        any(has_new_haproxy_state(pair) for pair in pairs),
    )


def next_steps(
    effects: DeployEffects,
    config: str,
    *,
    removed: Sequence[SynthesisedStack],
    findings: Sequence[str],
) -> tuple[Step, ...]:
    """Return the steps for a change in their order.

    Args:
        effects: the effects of the deploy.
        config: the configuration, as for `-c`.
        removed: the stacks that only the base has.
        findings: names of the findings that the loader reports on the new configuration.
    """
    with chosen(EnvironmentChoice(config=config)):
        return tuple(_steps(effects, removed, findings))


def _steps(
    effects: DeployEffects,
    removed: Sequence[SynthesisedStack],
    findings: Sequence[str],
) -> Iterator[Step]:
    if effects.is_changed:
        yield from _deploy_steps(effects)
    for stack in removed:
        why = "deletes a stack that is no longer in the configuration; a deploy deletes no stack"
        command = f"aws cloudformation delete-stack --stack-name {shlex.quote(stack.name)}"
        yield Step(f"{command} --region {shlex.quote(stack.region)}", why)
    if any(change.effect in {Effect.NEW, Effect.REPLACEMENT} for change in effects.nodes):
        why = "writes the new instances into the pins file; then commit the pins file"
        yield Step(full_command("pin"), why)
    yield from _database_steps(effects)
    yield from _node_steps(effects, findings)
    if effects.has_new_haproxy_state:
        why = "checks and applies the new haproxy.cfg on every instance, without ending connections"
        yield Step(full_command("haproxy apply"), why)
    if effects.is_changed:
        yield Step(full_command("verify"), "connects to every service as clients do")


def _deploy_steps(effects: DeployEffects) -> Iterator[Step]:
    touched = node_changes.touched(effects.nodes)
    together = [
        f"{', '.join(nodes)} of {cluster}" for cluster, nodes in touched.items() if len(nodes) > 1
    ]
    if together:
        why = (
            f"without pins, {'; '.join(together)} would stop serving at the same time; commit the "
            "pins file and run the review again: with pins, the deploy does not change these "
            "nodes, and rollout changes one node at a time"
        )
        yield Step(full_command("pin"), why)
    yield Step(full_command("plan"), "compares the templates with the deployed stacks")
    for switch in effects.switches:
        why = f"{switch.text}: deploy only while the switch is set to the primary"
        yield Step(full_command("failover status"), why)
    yield Step(cdk_command("deploy", "--all"), "deploys the change")


def _node_steps(effects: DeployEffects, findings: Sequence[str]) -> Iterator[Step]:
    states = [change for change in effects.nodes if change_rows.has_new_state(change)]
    has_new_database = any(change.effect is Effect.NEW for change in effects.databases)
    is_rolled = any(change.effect is not Effect.REPLACEMENT for change in states)
    if is_rolled or has_new_database:
        restarts = any(change.restarts for change in states)
        why = "brings nodes to their new state, one at a time"
        yield Step(full_command("roll"), f"{why}; restarts servers" if restarts else why)
    if _WAITING_FOR_ROLLOUT in findings:
        why = "gives pinned nodes the image, type and disks of the configuration, one at a time"
        yield Step(full_command("rollout"), why)
    for change in effects.nodes:
        if change_rows.next_node_step(change) == change_rows.CONFIRM_METADATA:
            enable = full_command(
                "enable", change.node, "--metadata-ok", cluster=change.cluster or None
            )
            why = f"only after you have imported and compared the metadata of {change.node}"
            yield Step(enable, why)


def _database_steps(effects: DeployEffects) -> Iterator[Step]:
    if any(change.effect is Effect.NEW for change in effects.databases):
        yield Step(full_command("catalog init"), "creates the databases of the components")
    if any(change.effect is Effect.REPLACEMENT for change in effects.databases):
        yield Step("", 'follow "Restore the database" in docs/how-to/catalog.md')
