"""Rules about pins: missing pins, pins that differ from the configuration, and unused pins."""

from collections.abc import Iterator

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import MACHINE_KEYS, Pins, configured_machine, pinned_machine

NO_PINS_RULE = "no-pins"


def missing_pins(environment: Environment) -> Iterator[Problem]:
    """Created nodes should have pins; otherwise one deployment can replace all nodes at once."""
    if any(
        node.instance_id is None
        for cluster in environment.clusters.values()
        for node in cluster.nodes.values()
    ):
        yield Problem(
            ("clusters",),
            "has no pins file beside this configuration file",
            "a change of type, image or disk would replace or restart every node in one deploy, "
            "which takes the cluster down",
            "after the first deploy, write the values of the nodes to NAME.pins.yaml beside this "
            "file (see docs/reference/pins.md), and commit the pins file",
            severity=Severity.WARNING,
            rule=NO_PINS_RULE,
        )


def nodes_waiting_for_rollout(environment: Environment, pins: Pins) -> Iterator[Problem]:
    """A node whose pin differs from the configuration should be changed by a rollout."""
    for cluster_name, cluster in environment.clusters.items():
        for name, node in cluster.nodes.items():
            pin = pins.of(cluster_name, name)
            if pin is None or node.instance_id is not None:
                continue
            target = configured_machine(cluster.instance, node)
            if target is None:
                continue
            current = pinned_machine(target, pin)
            differences = [
                f"{key} {getattr(current, key) or 'none'} -> {getattr(target, key) or 'none'}"
                for key in MACHINE_KEYS
                if getattr(current, key) != getattr(target, key)
            ]
            if differences:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name),
                    "must be changed by a rollout",
                    "the pin keeps the node's current values: " + ", ".join(differences),
                    "change the pins of one node at a time, and deploy after each change",
                    severity=Severity.NOTE,
                    rule="waiting-for-rollout",
                )


def silence_alarm_waits(environment: Environment, pins: Pins) -> Iterator[Problem]:
    """A health check should monitor a new alarm only after the alarm has been in state OK."""
    failover = environment.failover
    if failover is None:
        return
    wanted = failover_plan.silence_minutes(failover)
    for name, method in failover_plan.health_checks(environment).items():
        current = pins.silence_minutes(name, failover_plan.alarm_minutes(failover))
        if method == "alarm" and current not in {None, wanted}:
            yield Problem(
                ("failover", "minutes_without_data"),
                f"is not in effect until one more deploy of {name}",
                f"the deploy creates the alarm of {wanted} minutes, but the health check still "
                f"monitors the alarm of {current} minutes, since a new alarm has no data, which "
                "counts as unhealthy",
                f"deploy, run `{full_command('pin')}` after some minutes, commit the pins file, "
                "and deploy again",
                severity=Severity.NOTE,
                rule="silence-alarm-waits",
            )


def stale_pins(environment: Environment, pins: Pins) -> Iterator[Problem]:
    """Each pin must belong to a created node. The paths of the problems are in the pins file."""
    for cluster_name, nodes in pins.root.items():
        cluster = environment.clusters.get(cluster_name)
        if cluster is None:
            what = "is not a cluster of the configuration"
            yield _stale((cluster_name,), what, cluster_name)
            continue
        for name in nodes:
            if name not in cluster.nodes:
                yield _stale((cluster_name, name), "is not a node of the configuration", name)
            elif cluster.nodes[name].instance_id is not None:
                yield _stale(
                    (cluster_name, name), "is an existing instance, which needs no pin", name
                )


def _stale(path: Path, what: str, value: str) -> Problem:
    return Problem(
        path,
        what,
        "the pin has no effect now, and would apply to a new node with that name",
        "remove the pin",
        value=value,
        severity=Severity.WARNING,
        rule="stale-pin",
        at_key=True,
    )
