"""Findings that clients notice: resources that are replaced or restarted, other names and ports."""

from collections.abc import Iterator, Sequence
from typing import Final

from denodo_ha.deployed.stack import mapping_in
from denodo_ha.environment.facts.update_effects import TARGET_GROUP_REPLACEMENTS, Effect
from denodo_ha.environment.full_command import full_command
from denodo_ha.plan import balancer_changes, database_changes, node_changes
from denodo_ha.plan.switch_change import switch_changes
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    LISTENER,
    TARGET_GROUP,
    Resources,
    StackPair,
    listener_label,
    of_type,
    resource_label,
    text_of,
)

_FAILING: Final = "so the deploy would fail"
"""End of a reason in the plan of a database, by which a change that AWS rejects is recognised."""


def replacement_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on resources that the deploy replaces or interrupts."""
    if pair.before is None:
        return
    yield from _moved(pair)
    yield from _balancers(pair)
    yield from _failover_names(pair)
    yield from _switches(pair)
    if pair.after is None:
        yield from _databases(pair)
        return
    yield from _nodes(pair)
    yield from _databases(pair)
    yield from _target_groups(pair)
    yield from _listeners(pair)
    yield from _haproxy_instances(pair)


def _moved(pair: StackPair) -> Iterator[Finding]:
    if pair.before is None or pair.after is None:
        return
    old, new = (f"{stack.account} {stack.region}".strip() for stack in (pair.before, pair.after))
    if old != new:
        text = f"the stack moves from {old} to {new}, where it is created again"
        yield finding("stack-moved", pair.place(), text)


def _balancers(pair: StackPair) -> Iterator[Finding]:
    for change in balancer_changes.changes(*pair.templates):
        if change.loses_name:
            text = (
                f"the load balancer's DNS name no longer exists ({_why(change.effect, change.why)})"
            )
            yield finding("balancer-replaced", pair.place(change.balancer.strip("()")), text)


def _nodes(pair: StackPair) -> Iterator[Finding]:
    changes = node_changes.changes(*pair.templates)
    for cluster, nodes in node_changes.touched(changes).items():
        if len(nodes) > 1:
            name = cluster or pair.cluster
            pin, rollout = (full_command(word, cluster=name) for word in ("pin", "rollout"))
            text = (
                f"{', '.join(nodes)} stop serving at the same time: pin these nodes first "
                f"(`{pin}`), and change one node at a time (`{rollout}`)"
            )
            yield finding("nodes-stop-together", cluster or pair.cluster, text)
    for change in changes:
        if change.effect in {Effect.REPLACEMENT, Effect.RESTART}:
            name = "node-replaced" if change.effect is Effect.REPLACEMENT else "node-restarted"
            yield finding(name, pair.place(change.node), _why(change.effect, change.why))


def _databases(pair: StackPair) -> Iterator[Finding]:
    place = pair.place("database")
    for change in database_changes.changes(*pair.templates):
        why = _why(change.effect, change.why)
        if change.loses:
            yield finding("database-replaced", place, f"the database's data would be lost ({why})")
        if change.effect is Effect.INTERRUPTION:
            text = f"the database is interrupted {change.when} until the change ends ({why})"
            yield finding("database-interrupted", place, text)
        if any(_FAILING in reason for reason in change.why):
            yield finding("deploy-fails", place, why)


def _why(effect: Effect, why: Sequence[str]) -> str:
    return f"{effect.value}: {'; '.join(why)}" if why else effect.value


def _target_groups(pair: StackPair) -> Iterator[Finding]:
    for id_, before, after in pair.kept(TARGET_GROUP):
        why = [
            node_changes.describe_difference(key, before.get(key), after.get(key))
            for key in sorted(TARGET_GROUP_REPLACEMENTS)
            if before.get(key) != after.get(key)
        ]
        if why:
            text = f"connections through the target group end ({'; '.join(why)})"
            yield finding("target-group-replaced", pair.place(resource_label(pair.new, id_)), text)
    old, new = _groups(pair.old), _groups(pair.new)
    for label in sorted(old.keys() & new.keys()):
        if not old[label] & new[label]:
            text = "connections through the target group end (it becomes another resource)"
            yield finding("target-group-replaced", pair.place(label), text)


def _groups(resources: Resources) -> dict[str, set[str]]:
    """Return the logical ids of the target groups by service or node."""
    groups: dict[str, set[str]] = {}
    for id_ in of_type(resources, TARGET_GROUP):
        groups.setdefault(resource_label(resources, id_), set()).add(id_)
    return groups


def _listeners(pair: StackPair) -> Iterator[Finding]:
    for id_, before, after in pair.kept(LISTENER):
        if before.get("Port") != after.get("Port"):
            text = (
                f"clients must connect to port {after.get('Port')} instead of {before.get('Port')}"
            )
            yield finding("listener-port-changed", pair.place(listener_label(pair.new, id_)), text)


def _haproxy_instances(pair: StackPair) -> Iterator[Finding]:
    """Yield HAProxy instances that a changed launch template replaces."""
    for _, before, after in pair.kept("AWS::EC2::LaunchTemplate"):
        old, new = (mapping_in(each, "LaunchTemplateData") for each in (before, after))
        why = [
            node_changes.describe_difference(key, old.get(key), new.get(key))
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
        if why:
            text = (
                "AWS replaces one HAProxy instance after another, and ends the connections through "
                f"each instance ({'; '.join(why)})"
            )
            yield finding("haproxy-replaced", pair.place("HAProxy"), text)


def _failover_names(pair: StackPair) -> Iterator[Finding]:
    old, new = _names(pair.old), _names(pair.new)
    for name in sorted(old.keys() - new.keys()):
        instead = f"; the present names are {', '.join(sorted(new))}" if new else ""
        yield finding("failover-name-changed", name, f"this name no longer exists{instead}")
    for name in sorted(old.keys() & new.keys()):
        if not old[name] & new[name]:
            zones = " -> ".join(", ".join(sorted(zones)) for zones in (old[name], new[name]))
            text = f"the name's records are in another hosted zone: {zones}"
            yield finding("failover-name-changed", name, text)


def _names(resources: Resources) -> dict[str, set[str]]:
    """Return the ids of the hosted zones with records of each failover name."""
    zones: dict[str, set[str]] = {}
    for record in of_type(resources, "AWS::Route53::RecordSet").values():
        if "Failover" in record:
            name = text_of(record.get("Name", "")).rstrip(".")
            zones.setdefault(name, set()).add(text_of(record.get("HostedZoneId", "")))
    return zones


def _switches(pair: StackPair) -> Iterator[Finding]:
    if pair.before is None or pair.after is None:
        return
    sides = {pair.name: pair.before.template}, {pair.name: pair.after.template}
    for change in switch_changes(*sides):
        text = f"{change.text}: deploy only while the switch is set to the primary"
        yield finding("switch-changed", pair.place(), text)
