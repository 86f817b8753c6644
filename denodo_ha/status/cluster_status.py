"""Status of a cluster, from what AWS and the nodes report.

If a part cannot be read, the error is reported and the other parts are still shown.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    NotFound,
)
from denodo_ha.deployed.alarm_silence import suppressor_namespace
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.cluster import Node as DeployedNode
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.haproxy_instances import has_haproxy
from denodo_ha.deployed.lost_nodes import GONE, lost_state, remedy
from denodo_ha.deployed.pause_record import Pause
from denodo_ha.deployed.rotation import watchdog_hold
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.stack import Stack
from denodo_ha.deployed.target_health import NOT_REGISTERED
from denodo_ha.environment import names
from denodo_ha.status import haproxy_verdict, verdict
from denodo_ha.status.aws_state import AwsState
from denodo_ha.status.haproxy_query import NO_INSTANCES, HaproxyAnswer
from denodo_ha.status.model import HEALTHY, OUT, UNKNOWN, Balancer, Group, Node, Proxy, Target
from denodo_ha.status.model import Cluster as ClusterStatus
from denodo_ha.status.node_query import RUNNING, Answers, NodeAnswer
from denodo_ha.status.verdict import Part

_NOT_QUERIED: Final = NodeAnswer(None, "not queried")
NEW_S: Final = 300
"""Project default: seconds for which EC2 may not show a new instance yet (AWS, EC2 API, Eventual
consistency); an instance that was terminated is shown for about an hour."""


@dataclass(frozen=True)
class ReadinessSources:
    """Sources of a node's readiness besides the node itself.

    Attributes:
        groups: the load balancer's target groups.
        proxies: the HAProxy instances that were queried.
        behind_haproxy: True if the targets of the target groups are HAProxy instances.
    """

    groups: Sequence[Group]
    proxies: Sequence[Proxy]
    behind_haproxy: bool

    def readiness(self, node: str, answer: NodeAnswer) -> tuple[str, Mapping[str, str]]:
        """Return the source of a node's readiness, and why services are not ready.

        The first available source is used: the node's own report, HAProxy, or target health
        (`model.Node`).
        """
        if answer.status:
            return "node", dict(answer.status.unready)
        if any(proxy.answered for proxy in self.proxies):
            return "haproxy", haproxy_verdict.unready(node, self.proxies)
        if self.behind_haproxy:
            return "nobody", {}
        return "targets", {
            group.name: target.why or target.state
            for group in self.groups
            if group.kind == "service"
            for target in group.targets
            if target.node == node and target.state != HEALTHY
        }


def cluster_status(
    location: StackLocation,
    known: AwsState,
    answers: Answers,
    haproxy: HaproxyAnswer = NO_INSTANCES,
    *,
    accepted: Collection[Part] = (),
) -> ClusterStatus:
    """Return the status of the cluster at a location.

    Args:
        location: the location of the cluster's stack.
        known: the state of the clusters.
        answers: the nodes' answers.
        haproxy: the answers of the cluster's HAProxy instances.
        accepted: parts of the status that may be unknown without making the cluster degraded.
    """
    cluster = known.clusters.get(location)
    if cluster is None:
        return _unread(location, notes=(location.unreachable,))
    if isinstance(cluster, NotFound):
        problem = f"{location.stack} is not deployed in {location.region}"
        return _unread(location, problems=(problem,))
    if isinstance(cluster, CommandError):
        return _unread(location, problems=(str(cluster),))
    groups = tuple(_group(cluster, group, known) for group in cluster.groups)
    proxies = haproxy.proxies
    sources = ReadinessSources(groups, proxies, has_haproxy(cluster))
    nodes = tuple(_node(cluster, node, known, answers, sources) for node in cluster.nodes)
    balancer = None
    if cluster.balancer is not None:
        balancer = Balancer(cluster.balancer.dns_name, *known.balancers[cluster.balancer.arn])
    status, pause = cluster.stack.status, known.pauses.get(location)
    problems = list(
        verdict.problems(
            nodes, groups, balancer, status, proxies, cluster=location.name, accepted=accepted
        )
    )
    if haproxy.problem:
        problems.append(haproxy.problem)
    silent = haproxy.unasked or (proxies and not any(proxy.answered for proxy in proxies))
    if silent and Part.haproxy not in accepted:
        problems.append(
            "no HAProxy instance reports its status, so it is not known whether nodes serve"
        )
    if location.region not in known.lost and Part.instances not in accepted:
        problems += [
            f"{node.name}: EC2 does not show its new instance {node.instance_id} yet"
            for node in cluster.nodes
            if _is_new(cluster, node) and node.instance_id not in known.instances
        ]
    if location.region in known.lost and Part.instances not in accepted:
        problems.append(
            f"the state of the cluster's instances is unknown: {known.lost[location.region]}"
        )
    return ClusterStatus(
        name=location.name,
        region=location.region,
        account=location.account,
        stack=location.stack,
        stack_status=status,
        state=verdict.cluster_state(nodes, groups, problems, proxies),
        problems=tuple(problems),
        notes=(
            *_pause_notes(pause, cluster.stack),
            *verdict.notes(nodes, status, cluster=location.name),
            *_silent_nodes(nodes),
            *_silent_haproxy(haproxy),
        ),
        balancer=balancer,
        nodes=nodes,
        groups=groups,
        proxies=proxies,
        paused=pause if isinstance(pause, Pause) else None,
    )


def _pause_notes(pause: Pause | AwsError | None, stack: Stack) -> Iterator[str]:
    """Yield a note about the pause, or why the pause is not known."""
    if isinstance(pause, Pause):
        effects = ["roll, rollout and replace refuse to run"]
        if names.NODE_DOCUMENT in stack.outputs:
            # Do not name the paused nodes: `status` cannot know which nodes the pause command has
            # reached.
            effects.append("the watchdogs of the nodes that have recorded the pause rest")
            if suppressor_namespace(stack):
                effects.append("alarms are silenced while one of these nodes runs")
        yield f"paused {pause}; {'; '.join(effects)}"
    elif pause is not None:
        yield f"it is not known whether the cluster is paused: {pause}"


def _unread(
    location: StackLocation, *, problems: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> ClusterStatus:
    return ClusterStatus(
        name=location.name,
        region=location.region,
        account=location.account,
        stack=location.stack,
        stack_status="",
        state=UNKNOWN,
        problems=problems,
        notes=notes,
        balancer=None,
        nodes=(),
        groups=(),
    )


def _silent_nodes(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield each reason for which running nodes did not answer, with the names of the nodes."""
    sources = {
        "targets": " (readiness by target health)",
        "haproxy": " (readiness by HAProxy)",
        "nobody": "",
    }
    names: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        if node.unasked and node.unasked != _NOT_QUERIED.unasked and node.state == RUNNING:
            names.setdefault((node.unasked, sources[node.source]), []).append(node.name)
    for (why, source), silent in names.items():
        yield f"{', '.join(silent)} could not be queried{source}: {why}"


def _silent_haproxy(haproxy: HaproxyAnswer) -> Iterator[str]:
    yield from haproxy_verdict.notes(haproxy.proxies)
    if haproxy.unasked:
        yield f"the cluster's HAProxy instances could not be queried: {haproxy.unasked}"


def _group(cluster: Cluster, group: TargetGroup, known: AwsState) -> Group:
    health = known.groups[group.arn]
    kind = "service" if group.service else "auxiliary" if group.node else "other"
    if isinstance(health, AwsError):
        return Group(
            group.key, kind, group.port, (), f"the health of the targets is unknown: {health}"
        )
    if health.deleted:
        problem = f"the target group no longer exists: {health.deleted}"
        return Group(group.key, kind, group.port, (), problem)
    names = {node.instance_id: node.name for node in cluster.nodes if node.instance_id}
    targets = {
        target.id: Target(
            names.get(target.id, target.id),
            target.state,
            target.reason,
            target.explanation,
        )
        for target in health.targets
    }
    for expected in group.targets:
        name = expected.node or expected.id
        targets.setdefault(expected.id, Target(name, OUT, "", NOT_REGISTERED))
    in_order = sorted(targets.values(), key=lambda target: target.node)
    return Group(group.key, kind, group.port, tuple(in_order))


def _is_new(cluster: Cluster, node: DeployedNode) -> bool:
    """Return whether a node's instance was created or changed within the last `NEW_S` seconds."""
    changed = cluster.stack.changed.get(node.logical_id or "")
    return changed is not None and (datetime.now(UTC) - changed).total_seconds() < NEW_S


def _node(
    cluster: Cluster,
    node: DeployedNode,
    known: AwsState,
    answers: Answers,
    sources: ReadinessSources,
) -> Node:
    instance = known.instances.get(node.instance_id)
    lost = cluster.location.region in known.lost or _is_new(cluster, node)
    answer = answers.get((cluster.name, node.name), _NOT_QUERIED)
    source, unready = sources.readiness(node.name, answer)
    tag = DrainTag.from_tags(instance.tags) if instance else None
    is_lost = lost_state(node, instance) and (instance is not None or not lost)
    return Node(
        name=node.name,
        instance=node.instance_id,
        state=instance.state if instance else UNKNOWN if lost else GONE,
        zone=instance.zone if instance else "",
        type=instance.type if instance else "",
        address=instance.address if instance else "",
        version=answer.status.version if answer.status else "",
        waits=answer.waits,
        source=source,
        unready=unready,
        unasked=answer.unasked,
        drained=tag,
        warnings=(
            (
                *answer.status.warnings,
                *watchdog_hold.warnings(cluster.name, answer.status, node.name, tag),
            )
            if answer.status and instance
            else ()
        ),
        remedy=remedy(cluster.name, node) if is_lost else "",
    )
