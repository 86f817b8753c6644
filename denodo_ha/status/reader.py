"""How an environment is: stacks, instances, targets, balancers and nodes, each asked once.

What cannot be read is said, and hides nothing else. Each group costs one call, and at most
`ops.aws.WORKERS` calls are made at once.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials, NotFound
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import instances, target_health
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.haproxy_instances import has_haproxy
from denodo_ha.deployed.instances import Instance
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.status import haproxy_verdict, verdict
from denodo_ha.status.haproxy_query import NOBODY, Fleet
from denodo_ha.status.model import OUT, UNKNOWN, Balancer, Drained, Node, Target
from denodo_ha.status.model import Cluster as ClusterStatus
from denodo_ha.status.model import Group as GroupStatus
from denodo_ha.status.node_query import RUNNING, Answers, Said
from denodo_ha.status.node_readiness import Before

One = TypeVar("One")

_UNASKED: Final = Said(None, "not asked")
_GONE: Final = "gone"


@dataclass(frozen=True)
class Raw:
    """What AWS says of clusters.

    Attributes:
        clusters: what is deployed at each place, or why that is not known.
        groups: how groups are, or why that is not known, by ARN.
        instances: by id; of regions that do not answer none.
        lost: why a region's instances are not known, by region.
        balancers: state of each balancer by ARN.
    """

    clusters: Mapping[StackLocation, Cluster | AwsError]
    groups: Mapping[str, GroupHealth | AwsError]
    instances: Mapping[str, Instance]
    lost: Mapping[str, AwsError]
    balancers: Mapping[str, str]

    @property
    def read(self) -> list[Cluster]:
        """The clusters that could be read."""
        return [one for one in self.clusters.values() if isinstance(one, Cluster)]


def raw(aws: Aws, places: Sequence[StackLocation]) -> Raw:
    """Ask AWS for everything.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    clusters = dict(zip(places, map(_known, found.read_clusters(aws, places)), strict=True))
    there = [one for one in clusters.values() if isinstance(one, Cluster)]
    groups = [group for cluster in there for group in cluster.groups]
    seen = map_concurrently(
        lambda group: _attempt(lambda: target_health.read_group_health(aws, group)), groups
    )
    ids: dict[str, list[str]] = {}
    for cluster in there:
        region = cluster.location.region
        ids.setdefault(region, []).extend(node.instance_id for node in cluster.nodes)
    machines = [
        _attempt(functools.partial(instances.read_instances, aws, region, ids[region]))
        for region in ids
    ]
    balanced = [one for one in there if one.balancer is not None]
    states = map_concurrently(lambda cluster: _balancer_state(aws, cluster), balanced)
    return Raw(
        clusters=clusters,
        groups={group.arn: one for group, one in zip(groups, seen, strict=True)},
        instances={
            id_: one for shown in machines if isinstance(shown, dict) for id_, one in shown.items()
        },
        lost={
            region: shown
            for region, shown in zip(ids, machines, strict=True)
            if isinstance(shown, AwsError)
        },
        balancers={
            one.balancer.arn: state
            for one, state in zip(balanced, states, strict=True)
            if one.balancer is not None
        },
    )


def _known(answer: One | AwsError) -> One | AwsError:
    """An answer, or why there is none; raises what makes every answer impossible."""
    if isinstance(answer, NoCredentials | ExpiredCredentials):
        raise answer
    return answer


def _attempt(ask: Callable[[], One]) -> One | AwsError:
    try:
        return ask()
    except AwsError as error:
        return _known(error)


def _balancer_state(aws: Aws, cluster: Cluster) -> str:
    assert cluster.balancer is not None
    client = aws.client("elbv2", cluster.location.region)
    try:
        with translated_errors():
            shown = client.describe_load_balancers(LoadBalancerArns=[cluster.balancer.arn])
    except NotFound:
        return _GONE
    except AwsError as error:
        _known(error)
        return UNKNOWN
    return str(shown["LoadBalancers"][0]["State"]["Code"])


def of_place(
    place: StackLocation, known: Raw, answers: Answers, fleet: Fleet = NOBODY
) -> ClusterStatus:
    """How the cluster at a place is."""
    cluster = known.clusters.get(place)
    if cluster is None:
        return _unread(place, notes=(place.unreachable,))
    if isinstance(cluster, NotFound):
        return _unread(place, problems=(f"{place.stack} is not deployed in {place.region}",))
    if isinstance(cluster, AwsError):
        return _unread(place, problems=(str(cluster),))
    groups = tuple(_group(cluster, group, known) for group in cluster.groups)
    proxies = fleet.proxies
    before = Before(groups, proxies, has_haproxy(cluster))
    nodes = tuple(_node(cluster, node, known, answers, before) for node in cluster.nodes)
    balancer = None
    if cluster.balancer is not None:
        state = known.balancers[cluster.balancer.arn]
        balancer = Balancer(cluster.balancer.dns_name, state)
    status = cluster.stack.status
    problems = list(verdict.problems(nodes, groups, balancer, status, proxies))
    if fleet.problem:
        problems.append(fleet.problem)
    if place.region in known.lost:
        problems.append(f"its instances are not known: {known.lost[place.region]}")
    return ClusterStatus(
        name=place.name,
        region=place.region,
        account=place.account,
        stack=place.stack,
        stack_status=status,
        state=verdict.of_cluster(nodes, groups, problems, proxies),
        problems=tuple(problems),
        notes=(*verdict.notes(nodes, status), *_unasked(nodes), *_unasked_proxies(fleet)),
        balancer=balancer,
        nodes=nodes,
        groups=groups,
        proxies=proxies,
    )


def _unread(
    place: StackLocation, *, problems: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> ClusterStatus:
    return ClusterStatus(
        name=place.name,
        region=place.region,
        account=place.account,
        stack=place.stack,
        stack_status="",
        state=UNKNOWN,
        problems=problems,
        notes=notes,
        balancer=None,
        nodes=(),
        groups=(),
    )


def _unasked(nodes: Iterable[Node]) -> Iterator[str]:
    """Why nodes that run could not be asked, each reason once."""
    said = {
        "targets": ", so it is as the targets say",
        "haproxy": ", so it is as HAProxy finds it",
        "nobody": "",
    }
    reasons_: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        if node.unasked and node.unasked != _UNASKED.unasked and node.state == RUNNING:
            reasons_.setdefault((node.unasked, said[node.source]), []).append(node.name)
    for (why, by), names in reasons_.items():
        yield f"{', '.join(names)} could not be asked{by}: {why}"


def _unasked_proxies(fleet: Fleet) -> Iterator[str]:
    yield from haproxy_verdict.notes(fleet.proxies)
    if fleet.unasked:
        yield f"its HAProxies could not be asked: {fleet.unasked}"


def _group(cluster: Cluster, group: TargetGroup, known: Raw) -> GroupStatus:
    seen = known.groups[group.arn]
    kind = "service" if group.service else "auxiliary" if group.node else "other"
    if isinstance(seen, AwsError):
        return GroupStatus(group.key, kind, group.port, (), f"its targets are not known: {seen}")
    if seen.deleted:
        gone = f"its group does not exist any more: {seen.deleted}"
        return GroupStatus(group.key, kind, group.port, (), gone)
    names = {node.instance_id: node.name for node in cluster.nodes if node.instance_id}
    found_ = {
        one.id: Target(
            names.get(one.id, one.id),
            one.state,
            one.reason,
            one.explanation,
        )
        for one in seen.targets
    }
    for wanted in group.targets:
        out = Target(wanted.node or wanted.id, OUT, "", target_health.NOT_REGISTERED)
        found_.setdefault(wanted.id, out)
    targets = tuple(sorted(found_.values(), key=lambda one: one.node))
    return GroupStatus(group.key, kind, group.port, targets)


def _node(
    cluster: Cluster,
    node: found.Node,
    known: Raw,
    answers: Answers,
    before: Before,
) -> Node:
    shown = known.instances.get(node.instance_id)
    lost = cluster.location.region in known.lost
    said = answers.get((cluster.name, node.name), _UNASKED)
    mark = DrainTag.from_tags(shown.tags) if shown else None
    source, unready = before.ready(node.name, said)
    return Node(
        name=node.name,
        instance=node.instance_id,
        state=shown.state if shown else UNKNOWN if lost else _GONE,
        zone=shown.zone if shown else "",
        type=shown.type if shown else "",
        address=shown.address if shown else "",
        version=said.status.version if said.status else "",
        waits=said.waits,
        source=source,
        unready=unready,
        unasked=said.unasked,
        drained=Drained(mark.since, mark.who, mark.why, str(mark)) if mark else None,
    )
