"""IAM statements that the policies of operators and of the Solution Manager share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from denodo_ha.environment.derived.node_metadata import HISTORY_PREFIX
from denodo_ha.environment.names import (
    BALANCER_TAG,
    CLUSTER_TAG,
    DRAINED_TAG,
    ENVIRONMENT_TAG,
    pause_namespace,
)

LOCK, PAUSE = ".lock", ".pause"
"""Endings of the names of the SSM parameters with a cluster's lock and its last pause."""

STACK_READS = (
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
)
_TAGGING = ("ec2:CreateTags", "ec2:DeleteTags")
_DRAIN_TAG_ONLY = {
    "ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]},
    # `ForAllValues` is also true for a request without keys (AWS, IAM, Set operators for
    # multivalued context keys), and `DeleteTags` without keys removes all tags.
    "Null": {"aws:TagKeys": "false"},
}


def write_history(partition: str, buckets: Sequence[str]) -> list[iam.PolicyStatement]:
    """Allow writing the history's objects only; return an empty list without a bucket."""
    if not buckets:
        return []
    return [
        iam.PolicyStatement(
            sid="RecordHistory",
            actions=["s3:PutObject"],
            resources=[f"arn:{partition}:s3:::{name}/{HISTORY_PREFIX}*" for name in buckets],
        )
    ]


def read_history(partition: str, buckets: Sequence[str]) -> list[iam.PolicyStatement]:
    """Allow listing and reading entries of the history, and no other object."""
    if not buckets:
        return []
    return [
        iam.PolicyStatement(
            sid="ListHistory",
            actions=["s3:ListBucket"],
            resources=[f"arn:{partition}:s3:::{name}" for name in buckets],
            conditions={"StringEquals": {"s3:prefix": HISTORY_PREFIX}},
        ),
        iam.PolicyStatement(
            sid="ReadHistory",
            actions=["s3:GetObject"],
            resources=[f"arn:{partition}:s3:::{name}/{HISTORY_PREFIX}*" for name in buckets],
        ),
    ]


@dataclass(frozen=True)
class ClusterGrants:
    """Factory of IAM statements that are limited to one cluster.

    Attributes:
        stack: stack of the cluster.
        environment: name of the environment.
        cluster: name of the cluster.
    """

    stack: Stack
    environment: str
    cluster: str

    def tag_conditions(self, key: str) -> dict[str, str]:
        """Return conditions on the cluster's tags, with a condition key such as `aws:ResourceTag`.

        The prefix of the condition key depends on the AWS service.
        """
        return {
            f"{key}/{ENVIRONMENT_TAG}": self.environment,
            f"{key}/{CLUSTER_TAG}": self.cluster,
        }

    def arn(self, service: str, resource: str, name: str) -> str:
        """Return the ARN of a resource in the account and region of the stack."""
        partition, location = self._location
        return f"arn:{partition}:{service}:{location}:{resource}/{name}"

    @cached_property
    def _location(self) -> tuple[str, str]:
        """Partition, and `REGION:ACCOUNT`, for ARNs: `format_arn` would call jsii for each ARN."""
        return self.stack.partition, f"{self.stack.region}:{self.stack.account}"

    def parameter_arn(self, name: str) -> str:
        """Return the ARN of a parameter of the cluster."""
        return self.arn("ssm", "parameter", f"denodo/{self.environment}/{self.cluster}/{name}")

    def send_documents(self, sid: str, documents: Sequence[str]) -> iam.PolicyStatement:
        """Allow sending SSM documents; another statement must allow the instances."""
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ssm", "document", document) for document in documents],
        )

    def send_to_instances(
        self, sid: str, tags: Mapping[str, str] | None = None
    ) -> iam.PolicyStatement:
        """Allow SSM commands on instances with the cluster's tags and the given tags."""
        conditions = {f"ssm:resourceTag/{tag}": value for tag, value in (tags or {}).items()}
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": {**self.tag_conditions("ssm:resourceTag"), **conditions}},
        )

    def send_to_haproxy(self, documents: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow sending HAProxy's SSM documents to the cluster's HAProxy instances."""
        return [
            self.send_documents("RunHaproxysDocument", documents),
            self.send_to_instances("OnTheHaproxies", {BALANCER_TAG: "haproxy"}),
        ]

    def write_drain_tag(self) -> iam.PolicyStatement:
        """Allow setting and removing the drain tag of the cluster's instances."""
        return iam.PolicyStatement(
            sid="MarkNodes",
            actions=[*_TAGGING],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": self.tag_conditions("aws:ResourceTag"), **_DRAIN_TAG_ONLY},
        )

    def write_drain_tag_of_existing(self, instance_ids: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow changing the drain tag of existing instances, which lack the cluster's tags."""
        if not instance_ids:
            return []
        return [
            iam.PolicyStatement(
                sid="MarkExistingNodes",
                actions=[*_TAGGING],
                resources=[self.arn("ec2", "instance", id_) for id_ in instance_ids],
                conditions=_DRAIN_TAG_ONLY,
            )
        ]

    def hold_lock(self, *, read: bool, pause: bool = False) -> iam.PolicyStatement:
        """Allow writing the SSM parameter that is the cluster's lock.

        Args:
            read: whether to allow reading, too.
            pause: whether to allow these actions also for the parameter with the cluster's last
                pause.
        """
        reads = ["ssm:GetParameter"] if read else []
        return iam.PolicyStatement(
            sid="HoldTheLock",
            actions=["ssm:DeleteParameter", *reads, "ssm:PutParameter"],
            resources=[self.parameter_arn(name) for name in (LOCK, *[PAUSE] * pause)],
        )

    def silence_alarms(self, *, has_alarms: bool) -> list[iam.PolicyStatement]:
        """Allow publishing the metric that silences the alarms; an empty list without alarms."""
        if not has_alarms:
            return []
        namespace = pause_namespace(self.environment, self.cluster)
        conditions = {"cloudwatch:namespace": namespace, "aws:RequestedRegion": self.stack.region}
        return [
            iam.PolicyStatement(
                sid="SilenceAlarms",
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": conditions},
            )
        ]

    def read_state(self, reads: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow reading the stack, and the state of resources in the stack's region.

        Args:
            reads: actions that cannot be limited to a resource (AWS, Service Authorization
                Reference), but only to a region.
        """
        return [
            iam.PolicyStatement(
                sid="SeeTheStack",
                actions=[*STACK_READS],
                resources=[self.arn("cloudformation", "stack", f"{self.stack.stack_name}/*")],
            ),
            iam.PolicyStatement(
                sid="SeeHealth",
                actions=[*reads],
                resources=["*"],
                conditions={"StringEquals": {"aws:RequestedRegion": self.stack.region}},
            ),
        ]
