"""How the targets of groups are, as the balancer sees them now."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound
from denodo_ha.deployed.balancer import TargetGroup

HEALTHY: Final = "healthy"
DRAINING: Final = "draining"


@dataclass(frozen=True)
class TargetHealth:
    """How a target is.

    Attributes:
        id: the instance's id.
        port: the port on it.
        state: healthy, initial, unhealthy, draining, unused or unavailable.
        reason: AWS's code for why it is not healthy, such as Target.FailedHealthChecks; or empty.
        description: the same in words; or empty.
    """

    id: str
    port: int
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class GroupHealth:
    """How the targets of a group are.

    Attributes:
        group: the group.
        targets: what is registered in it or leaving it, by id.
        gone: why there is no answer if the group was deleted meanwhile; or empty.
    """

    group: TargetGroup
    targets: tuple[TargetHealth, ...]
    gone: str = ""

    def of(self, instance_id: str) -> TargetHealth | None:
        """How an instance is here, None if it is not in the group."""
        return next((target for target in self.targets if target.id == instance_id), None)

    @property
    def healthy(self) -> tuple[str, ...]:
        """Ids of what serves."""
        return tuple(target.id for target in self.targets if target.state == HEALTHY)


def read_group_health(aws: Aws, group: TargetGroup) -> GroupHealth:
    """How the targets of a group are: one call.

    Raises:
        AwsError: AWS does not answer, or does not permit.
    """
    client = aws.client("elbv2", group.region)
    try:
        with translated_errors():
            answer = client.describe_target_health(TargetGroupArn=group.arn)
    except NotFound as error:
        return GroupHealth(group, (), gone=str(error))
    targets = [_target(one) for one in answer["TargetHealthDescriptions"]]
    return GroupHealth(group, tuple(sorted(targets, key=lambda one: (one.id, one.port))))


def read_groups_health(aws: Aws, groups: Iterable[TargetGroup]) -> list[GroupHealth]:
    """How the targets of groups are: one call for each, several at once."""
    return map_concurrently(lambda group: read_group_health(aws, group), groups)


def describe_target(seen: GroupHealth, id_: str) -> str:
    """How an instance is in a group, in words."""
    target = seen.of(id_)
    if target is None:
        return "not registered"
    return f"{target.state}, {target.reason}" if target.reason else target.state


def _target(told_: dict[str, Any]) -> TargetHealth:
    state = told_["TargetHealth"]
    return TargetHealth(
        id=str(told_["Target"]["Id"]),
        port=int(told_["Target"].get("Port", 0)),
        state=str(state["State"]),
        reason=str(state.get("Reason", "")),
        description=str(state.get("Description", "")),
    )
