"""Policy statements that the policies of operators and of the Solution Manager have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from denodo_ha.environment.names import BALANCER_TAG, CLUSTER_TAG, DRAINED_TAG, ENVIRONMENT_TAG

LOCK = ".lock"
"""Last part of the name of the parameter that is a cluster's lock, as in `names.lock`."""

STACK_READS = (
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
)
_TAGGING = ("ec2:CreateTags", "ec2:DeleteTags")
_DRAIN_TAG_ONLY = {
    "ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]},
    # `ForAllValues` also holds for a request without keys (AWS, IAM, Set operators for multivalued
    # context keys), and `DeleteTags` without keys removes all tags.
    "Null": {"aws:TagKeys": "false"},
}


@dataclass(frozen=True)
class ClusterGrants:
    """Statements that are limited to one cluster.

    Attributes:
        stack: stack of the cluster.
        environment: name of the environment.
        cluster: name of the cluster.
    """

    stack: Stack
    environment: str
    cluster: str

    def tag_conditions(self, key: str) -> dict[str, str]:
        """Return conditions on the cluster's tags, under a condition key such as `aws:ResourceTag`.

        Services name this key differently.
        """
        return {
            f"{key}/{ENVIRONMENT_TAG}": self.environment,
            f"{key}/{CLUSTER_TAG}": self.cluster,
        }

    def arn(self, service: str, resource: str, name: str) -> str:
        """Return the ARN of a resource in the account and region of the stack."""
        return self.stack.format_arn(service=service, resource=resource, resource_name=name)

    def parameter_arn(self, name: str) -> str:
        """Return the ARN of a parameter of the cluster."""
        return self.arn("ssm", "parameter", f"denodo/{self.environment}/{self.cluster}/{name}")

    def send_documents(self, sid: str, documents: Sequence[str]) -> iam.PolicyStatement:
        """Allow SSM documents; another statement allows the instances."""
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ssm", "document", document) for document in documents],
        )

    def send_to_instances(
        self, sid: str, tags: Mapping[str, str] | None = None
    ) -> iam.PolicyStatement:
        """Allow SSM commands on instances with the cluster's tags and further tags."""
        conditions = {f"ssm:resourceTag/{tag}": value for tag, value in (tags or {}).items()}
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": {**self.tag_conditions("ssm:resourceTag"), **conditions}},
        )

    def send_to_haproxy(self, documents: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow HAProxy's SSM documents on the cluster's HAProxy instances."""
        return [
            self.send_documents("RunHaproxysDocument", documents),
            self.send_to_instances("OnTheHaproxies", {BALANCER_TAG: "haproxy"}),
        ]

    def write_drain_tag(self) -> iam.PolicyStatement:
        """Allow to set and remove the drain tag of the cluster's instances."""
        return iam.PolicyStatement(
            sid="MarkNodes",
            actions=[*_TAGGING],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": self.tag_conditions("aws:ResourceTag"), **_DRAIN_TAG_ONLY},
        )

    def write_drain_tag_of_existing(self, instance_ids: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow the same on instances that existed before, which lack the cluster's tags."""
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

    def hold_lock(self, *, read: bool) -> iam.PolicyStatement:
        """Allow to write the cluster's lock; and to read it, unless another statement does."""
        reads = ["ssm:GetParameter"] if read else []
        return iam.PolicyStatement(
            sid="HoldTheLock",
            actions=["ssm:DeleteParameter", *reads, "ssm:PutParameter"],
            resources=[self.parameter_arn(LOCK)],
        )

    def read_state(self, reads: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow to read the stack, and the state of resources in its region.

        Args:
            reads: actions that take no resource (AWS, Service Authorization Reference), so only
                the region limits them.
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
