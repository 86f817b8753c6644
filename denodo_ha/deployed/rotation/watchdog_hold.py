"""Hold of a drained node: its watchdog starts no server while the node has a drain tag.

The node cannot read its drain tag, so the commands that write the tag also run the action `hold` of
the node program, and the commands that remove the tag run `release`. An operator's own `node hold
WHY` is a separate record on the node, which both actions leave unchanged.

A node is drained even if it cannot be held, for example because it does not answer: a warning then
says why. `denodo-ha status` shows a drained node that is not held, and a held node without a drain
tag; `denodo-ha enable` always releases the node.
"""

from collections.abc import Iterator
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.cli.errors import AwsError, Failed
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.node_agent import NodeAgent, NodeStatus
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command

HOLD: Final = "hold"
RELEASE: Final = "release"
ANSWER_S: Final = 20
"""Project default: seconds to wait until a node has carried out the action `hold` or `release`."""
_MARGIN_S: Final = 20
"""Project default: seconds, beyond `ANSWER_S`, for the AWS calls that send the action to a node."""


def hold(agent: NodeAgent, node: str, why: str, progress: Progress) -> None:
    """Hold a drained node: its watchdog starts no server. Warn if that is not possible.

    Args:
        agent: runs the node program.
        node: name of the node, which is out of service.
        why: the reason in the drain tag.
        progress: receives the warning.
    """
    if failure := _run(agent, node, HOLD, why):
        progress.say(
            f"warning: it is not known whether the watchdog of {node} rests ({failure}): the "
            "watchdog may start a server that was stopped. Before you stop a server, run `cd "
            "/opt/denodo-node/current; python3 -m node hold WHY` as root on the node "
            "(docs/reference/node.md, Watchdog)"
        )


def release(agent: NodeAgent, node: str, progress: Progress) -> None:
    """End the hold of a node that is back in service; warn if that is not possible."""
    if failure := _run(agent, node, RELEASE):
        enable = full_command("enable", node, cluster=agent.cluster.name)
        progress.say(
            f"warning: the watchdog of {node} may still rest, as for a drained node ({failure}): "
            "a resting watchdog does not start a server that dies. Run "
            f"`{enable}` again when the node answers"
        )


def warnings(cluster: str, status: NodeStatus, node: str, tag: DrainTag | None) -> Iterator[str]:
    """Yield a warning if a node is drained but not held, or held but not drained.

    There is no warning for a node program of an earlier version, which reports no hold, nor for a
    node whose watchdog starts no server for another reason: `node drain`, or `denodo.watchdog:
    false`.
    """
    watches = (status.applied or {}).get("watchdog", True) and not status.drained
    if status.drain_hold is False and tag is not None and watches:
        yield (
            "the node is drained, but its watchdog does not rest, and may start a server that was "
            f"stopped: run `{full_command('drain', node, cluster=cluster)}` again to hold the node"
        )
    elif status.drain_hold and tag is None:
        yield (
            "the node has no drain tag, but its watchdog rests as for a drained node, and does not "
            "start a server that dies: run "
            f"`{full_command('enable', node, cluster=cluster)}` to release the node"
        )


def _run(agent: NodeAgent, node: str, action: str, why: str = "") -> str:
    """Run an action on a node; return why the action failed, empty if the node carried it out.

    The result is also empty for a node without the node program, since it has no watchdog.
    """
    if names.NODE_DOCUMENT not in agent.cluster.stack.outputs:
        return ""
    if agent.cluster.node(node).logical_id is None:
        return ""  # an adopted instance: the stack has not installed the node program on it
    if not agent.offers(action):
        if action == RELEASE:
            return ""  # without this action in the SSM document, no command has held the node
        return "the cluster's SSM document is of an earlier version, without the action hold"
    try:
        with deadline.extended(ANSWER_S + _MARGIN_S):
            result = agent.run(
                node, action, timeout=node_agent.STATUS_S, why=why, patience=ANSWER_S
            )
    except (Failed, AwsError) as error:
        return str(error)
    # A node program of an earlier version does not know `release`; it has no hold, so there is
    # nothing to release.
    done = {node_agent.DONE, *[node_agent.UNKNOWN_ACTION] * (action == RELEASE)}
    return "" if result.code in done else node_agent.explain_result(result)
