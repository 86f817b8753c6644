"""Target health: the current state of registered targets, as the load balancer reports it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound
from denodo_ha.deployed.balancer import TargetGroup

HEALTHY: Final = "healthy"
DRAINING: Final = "draining"
NOT_REGISTERED: Final = "not in the target group"

_REASONS: Final = {
    "Elb.RegistrationInProgress": "the load balancer is registering it",
    "Elb.InitialHealthChecking": "its first health checks are running",
    "Elb.InternalError": "the load balancer has an internal error",
    "Target.ResponseCodeMismatch": "its health check gets another status code than expected",
    "Target.Timeout": "its health check times out",
    "Target.FailedHealthChecks": "its health checks fail: not reachable, or not ready",
    "Target.NotRegistered": NOT_REGISTERED,
    "Target.NotInUse": (
        "no listener uses the target group, or the load balancer has no subnet in the target's zone"
    ),
    "Target.DeregistrationInProgress": "it is being deregistered; its connections have time to end",
    "Target.InvalidState": "its instance is not running",
    "Target.IpUnusable": "its address is used by the load balancer",
    "Target.HealthCheckDisabled": "its health checks are disabled",
}
"""Texts for the reason codes of the API (AWS, Elastic Load Balancing API Reference, TargetHealth).
`status --format json` prints these texts."""


@dataclass(frozen=True)
class TargetHealth:
    """The state of a target.

    Attributes:
        id: the instance's id.
        port: the target's port.
        state: AWS's state: healthy, initial, unhealthy, draining, unused or unavailable.
        reason: AWS's code for a state other than healthy, such as Target.FailedHealthChecks.
        description: AWS's description of the reason; may be empty.
    """

    id: str
    port: int
    state: str
    reason: str = ""
    description: str = ""

    @property
    def explanation(self) -> str:
        """Return the reason in words; empty for a healthy target."""
        return _REASONS.get(self.reason) or self.description or self.reason


@dataclass(frozen=True)
class GroupHealth:
    """The state of the targets of a target group.

    Attributes:
        group: the target group.
        targets: the registered and the draining targets, by id.
        deleted: the error from AWS if the target group no longer exists, else empty.
    """

    group: TargetGroup
    targets: tuple[TargetHealth, ...]
    deleted: str = ""

    def target(self, instance_id: str) -> TargetHealth | None:
        """Return the state of an instance, None if it is not in the target group."""
        return next((target for target in self.targets if target.id == instance_id), None)

    @property
    def healthy(self) -> tuple[str, ...]:
        """Return the ids of the healthy targets."""
        return tuple(target.id for target in self.targets if target.state == HEALTHY)


def read_group_health(aws: Aws, group: TargetGroup) -> GroupHealth:
    """Read the state of a target group's targets with one call.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    client = aws.client("elbv2", group.region)
    try:
        with translated_errors():
            answer = client.describe_target_health(TargetGroupArn=group.arn)
            targets = [target_health_of(entry) for entry in answer["TargetHealthDescriptions"]]
    except NotFound as error:
        return GroupHealth(group, (), deleted=str(error))
    return GroupHealth(group, tuple(sorted(targets, key=lambda target: (target.id, target.port))))


def read_groups_health(aws: Aws, groups: Iterable[TargetGroup]) -> list[GroupHealth]:
    """Read the state of several target groups' targets, with one call for each."""
    return map_concurrently(lambda group: read_group_health(aws, group), groups)


def describe_target(health: GroupHealth, instance_id: str) -> str:
    """Return the state of an instance in a target group, with AWS's reason code."""
    target = health.target(instance_id)
    if target is None:
        return "not registered"
    return f"{target.state}, {target.reason}" if target.reason else target.state


def target_health_of(entry: Mapping[str, Any]) -> TargetHealth:
    """Return the state of a target from an entry of the answer of `describe_target_health`."""
    health = entry["TargetHealth"]
    return TargetHealth(
        id=str(entry["Target"]["Id"]),
        port=int(entry["Target"].get("Port", 0)),
        state=str(health["State"]),
        reason=str(health.get("Reason", "")),
        description=str(health.get("Description", "")),
    )
