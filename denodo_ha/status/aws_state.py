"""State of clusters as AWS reports it: stacks, instances, targets and load balancers, read once.

Each target group needs one call, and at most `denodo_ha.aws.clients.WORKERS` calls run at the same
time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
)
from denodo_ha.deployed.cluster import Cluster, read_clusters
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.instances import Instance, read_instances
from denodo_ha.deployed.lost_nodes import GONE
from denodo_ha.deployed.pause_record import Pause, PauseRecord
from denodo_ha.deployed.target_health import GroupHealth, read_group_health
from denodo_ha.status.model import UNKNOWN

Result = TypeVar("Result")


@dataclass(frozen=True)
class AwsState:
    """The state of clusters as AWS reports it.

    Attributes:
        clusters: the deployed cluster of each location, or the error with which it could not be
            read.
        groups: health of the target groups by ARN, or the error with which it could not be read.
        instances: instances by id, without those in regions that do not answer.
        lost: for each region whose instances are not known, the reason.
        balancers: state of each load balancer by ARN, and the reason if the state is unknown.
        pauses: the pause of each cluster that could be read, or the error if the pause could not be
            read.
    """

    clusters: Mapping[StackLocation, Cluster | CommandError]
    groups: Mapping[str, GroupHealth | AwsError]
    instances: Mapping[str, Instance]
    lost: Mapping[str, AwsError]
    balancers: Mapping[str, tuple[str, str]]
    pauses: Mapping[StackLocation, Pause | AwsError | None] = field(default_factory=dict)

    @property
    def readable(self) -> list[Cluster]:
        """The clusters that could be read."""
        return [cluster for cluster in self.clusters.values() if isinstance(cluster, Cluster)]


def read_aws_state(
    aws: Aws, environment: str, locations: Sequence[StackLocation], now: datetime
) -> AwsState:
    """Read the state of clusters from AWS.

    Args:
        aws: the credentials.
        environment: the environment's name.
        locations: the clusters' stacks.
        now: the current time; a pause that ended before this time is ignored.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    answers = read_clusters(aws, locations)
    for answer in answers:
        _require_credentials(answer)
    clusters = dict(zip(locations, answers, strict=True))
    readable = [cluster for cluster in clusters.values() if isinstance(cluster, Cluster)]
    groups = [group for cluster in readable for group in cluster.groups]
    ids: dict[str, list[str]] = {}
    for cluster in readable:
        region = cluster.location.region
        ids.setdefault(region, []).extend(node.instance_id for node in cluster.nodes)
    balanced = [cluster for cluster in readable if cluster.balancer is not None]
    # Put all calls into one list, so that they all run in parallel.
    reads: list[Callable[[], Any]] = [
        *(partial(_attempt, partial(read_instances, aws, region, ids[region])) for region in ids),
        *(partial(_balancer_state, aws, cluster) for cluster in balanced),
        *(partial(_attempt, partial(read_group_health, aws, group)) for group in groups),
        *(
            partial(_attempt, partial(PauseRecord(aws, environment, cluster.location).read, now))
            for cluster in readable
        ),
    ]
    results = iter(map_concurrently(lambda read: read(), reads))
    by_region = {region: next(results) for region in ids}
    states = [next(results) for _ in balanced]
    health = [next(results) for _ in groups]
    pauses = {cluster.location: next(results) for cluster in readable}
    return AwsState(
        clusters=clusters,
        groups={group.arn: answer for group, answer in zip(groups, health, strict=True)},
        instances={
            id_: instance
            for instances in by_region.values()
            if isinstance(instances, dict)
            for id_, instance in instances.items()
        },
        lost={
            region: answer for region, answer in by_region.items() if isinstance(answer, AwsError)
        },
        balancers={
            cluster.balancer.arn: state
            for cluster, state in zip(balanced, states, strict=True)
            if cluster.balancer is not None
        },
        pauses=pauses,
    )


def _require_credentials(answer: object) -> None:
    """Raise an error about missing or expired credentials; ignore other answers."""
    if isinstance(answer, NoCredentials | ExpiredCredentials):
        raise answer


def _attempt(read: Callable[[], Result]) -> Result | AwsError:
    try:
        return read()
    except AwsError as error:
        _require_credentials(error)
        return error


def merged(states: Iterable[AwsState]) -> AwsState:
    """Return one state that combines the states of separately read clusters."""
    every = tuple(states)
    return AwsState(
        clusters={key: value for state in every for key, value in state.clusters.items()},
        groups={key: value for state in every for key, value in state.groups.items()},
        instances={key: value for state in every for key, value in state.instances.items()},
        lost={key: value for state in every for key, value in state.lost.items()},
        balancers={key: value for state in every for key, value in state.balancers.items()},
        pauses={key: value for state in every for key, value in state.pauses.items()},
    )


def _balancer_state(aws: Aws, cluster: Cluster) -> tuple[str, str]:
    """Return the state of a cluster's load balancer, and the reason if the state is unknown."""
    assert cluster.balancer is not None
    client = aws.client("elbv2", cluster.location.region)
    try:
        with translated_errors():
            response = client.describe_load_balancers(LoadBalancerArns=[cluster.balancer.arn])
            return str(response["LoadBalancers"][0]["State"]["Code"]), ""
    except NotFound:
        return GONE, ""
    except AwsError as error:
        _require_credentials(error)
        return UNKNOWN, str(error)
