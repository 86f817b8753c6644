"""The commands of the program `denodo-ha`: their names, their help, and how each is imported.

A command is a function in the module `command` of its package. The function returns, or raises
`typer.Exit(code)` with a code of `cli.exit_codes`, or an error of `cli.errors`. `COMMANDS` lists
each command with a function that imports it, because importing all commands takes seconds of CPU
time.
"""

# ruff: noqa: PLC0415 - commands are imported when needed

from collections.abc import Callable
from dataclasses import dataclass

import typer

Imported = Callable[..., None] | typer.Typer
"""A command's function, or the Typer of a command with subcommands."""


@dataclass(frozen=True)
class Command:
    """An entry of the program's help.

    Attributes:
        name: name of the command.
        panel: section of the help in which the command is listed.
        help: the first sentence of the command's own help.
        load: imports the command.
    """

    name: str
    panel: str
    help: str
    load: Callable[[], Imported]


def _init() -> Imported:
    from denodo_ha.configuration.init_command import init

    return init


def _adopt() -> Imported:
    from denodo_ha.drill.live.adoption.command import adopt

    return adopt


def _check() -> Imported:
    from denodo_ha.configuration.check_command import check

    return check


def _status() -> Imported:
    from denodo_ha.status.command import status

    return status


def _verify() -> Imported:
    from denodo_ha.verify.command import verify

    return verify


def _history() -> Imported:
    from denodo_ha.history.command import history

    return history


def _logs() -> Imported:
    from denodo_ha.logs.command import logs

    return logs


def _support() -> Imported:
    from denodo_ha.support.command import support

    return support


def _shift() -> Imported:
    from denodo_ha.zonal_shift.command import shift

    return shift


def _drain() -> Imported:
    from denodo_ha.drain.command import drain

    return drain


def _enable() -> Imported:
    from denodo_ha.drain.command import enable

    return enable


def _pause() -> Imported:
    from denodo_ha.pause.command import pause

    return pause


def _resume() -> Imported:
    from denodo_ha.pause.command import resume

    return resume


def _pin() -> Imported:
    from denodo_ha.rollout.pin_command import pin

    return pin


def _plan() -> Imported:
    from denodo_ha.plan.command import plan

    return plan


def _roll() -> Imported:
    from denodo_ha.rollout.roll_command import roll

    return roll


def _rollout() -> Imported:
    from denodo_ha.rollout.rollout_command import rollout

    return rollout


def _replace() -> Imported:
    from denodo_ha.rollout.replace_command import replace

    return replace


def _catalog() -> Imported:
    from denodo_ha.catalog.command import catalog

    return catalog


def _drill() -> Imported:
    from denodo_ha.drill.command import drill

    return drill


def _picture() -> Imported:
    from denodo_ha.review.picture_command import picture

    return picture


def _cost() -> Imported:
    from denodo_ha.review.cost.cost_command import cost

    return cost


def _review() -> Imported:
    from denodo_ha.review.review_command import review

    return review


def _nodes() -> Imported:
    from denodo_ha.status.node_table import nodes

    return nodes


def _haproxy() -> Imported:
    from denodo_ha.haproxy.command import haproxy

    return haproxy


def _failover() -> Imported:
    from denodo_ha.failover.command import failover

    return failover


COMMANDS: tuple[Command, ...] = (
    Command(
        "status",
        "Look",
        "Show the clusters, nodes, services, targets, load balancers, HAProxy instances and DNS.",
        _status,
    ),
    Command(
        "verify",
        "Look",
        "Verify what clients see: DNS names, every service in its own protocol, which node "
        "answers.",
        _verify,
    ),
    Command(
        "history",
        "Look",
        "Show what commands have changed: who, when, what was before and after, and the result.",
        _history,
    ),
    Command(
        "logs",
        "Look",
        "Show what a node has logged in CloudWatch Logs, also if its instance is gone.",
        _logs,
    ),
    Command(
        "support",
        "Look",
        "Write one archive with status, plan, versions, failover and logs, without secrets.",
        _support,
    ),
    Command(
        "drain",
        "Nodes",
        "Take a node out of service: it gets no new connections, and existing ones have time "
        "to end.",
        _drain,
    ),
    Command(
        "enable",
        "Nodes",
        "Bring a node back into every target group that the deployed configuration gives it.",
        _enable,
    ),
    Command(
        "shift",
        "Nodes",
        "Shift traffic away from a zone of a cluster's load balancer, or show the active shift.",
        _shift,
    ),
    Command(
        "pause",
        "Nodes",
        "Silence the alarms of a cluster, and let its nodes' watchdogs and export timers rest.",
        _pause,
    ),
    Command("resume", "Nodes", "End the pause of a cluster before its time.", _resume),
    Command(
        "pin",
        "Changes",
        "Write what the nodes run into the pins file, so that a deploy changes none of them.",
        _pin,
    ),
    Command(
        "plan",
        "Changes",
        "Show what a deploy does to each node: nothing, state only, in place, restart, "
        "replacement.",
        _plan,
    ),
    Command(
        "roll",
        "Changes",
        "Bring nodes to the state that the last deploy wrote for them, one at a time.",
        _roll,
    ),
    Command(
        "rollout",
        "Changes",
        "Move nodes to the image, type and disks of the configuration, one at a time.",
        _rollout,
    ),
    Command(
        "replace",
        "Changes",
        "Replace the instance of a lost node; the node keeps its name, zone, ports and pin.",
        _replace,
    ),
    Command(
        "catalog",
        "Changes",
        "Set up and check the metadata database that nodes share, and compare their metadata.",
        _catalog,
    ),
    Command(
        "init",
        "Files",
        "Copy an example to config/NAME.yaml, and list the values that you must replace.",
        _init,
    ),
    Command(
        "adopt",
        "Files",
        "Write the configuration of a site made by hand, and show three ways to continue.",
        _adopt,
    ),
    Command(
        "check",
        "Files",
        "Validate a configuration and its pins file, without the CDK and without any AWS call.",
        _check,
    ),
    Command(
        "drill",
        "Files",
        "Work out the outcome of every single failure, from templates or for deployed resources.",
        _drill,
    ),
    Command(
        "picture",
        "Files",
        "Draw the topology as clients see it: names, balancers, ports, nodes by zone, checks, "
        "switch.",
        _picture,
    ),
    Command(
        "review",
        "Files",
        "Review a change on one page: what gets worse, what clients notice, access, protections.",
        _review,
    ),
    Command(
        "cost",
        "Files",
        "Show what an environment costs a month at AWS's list prices, by cluster and item.",
        _cost,
    ),
    Command(
        "nodes",
        "Files",
        "Print the servers to register in the Solution Manager: name, host, port and type.",
        _nodes,
    ),
    Command(
        "haproxy",
        "Files",
        "Render HAProxy's configuration file, and operate HAProxy on this or other machines.",
        _haproxy,
    ),
    Command(
        "failover",
        "Failover",
        "Show the cluster that the failover name leads to, or fail over to the other cluster.",
        _failover,
    ),
)
"""Every command, in the order in which `denodo-ha --help` lists the commands."""
