"""What the policies of everybody who changes a cluster's nodes have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from denodo_ha.environment.names import BALANCER_TAG, CLUSTER_TAG, DRAINED_TAG, ENVIRONMENT_TAG

LOCK = ".lock"
"""Last part of the name of the parameter that is a command's lock; `names.lock` says the same."""

STACK_READS = (
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
)
_TAGGING = ("ec2:CreateTags", "ec2:DeleteTags")
_ONLY_THE_MARK = {"ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]}}


@dataclass(frozen=True)
class ClusterGrants:
    """Statements about one cluster and no other.

    Attributes:
        stack: the cluster's stack.
        environment: the environment's name.
        cluster: the cluster's name.
    """

    stack: Stack
    environment: str
    cluster: str

    def tagged(self, key: str) -> dict[str, str]:
        """The cluster's tags, as conditions of a service name them."""
        return {
            f"{key}/{ENVIRONMENT_TAG}": self.environment,
            f"{key}/{CLUSTER_TAG}": self.cluster,
        }

    def arn(self, service: str, resource: str, name: str) -> str:
        """The ARN of something in the stack's account and region."""
        return self.stack.format_arn(service=service, resource=resource, resource_name=name)

    def parameter(self, name: str) -> str:
        """The ARN of a parameter of the cluster's."""
        return self.arn("ssm", "parameter", f"denodo/{self.environment}/{self.cluster}/{name}")

    def send(self, sid: str, documents: Sequence[str]) -> iam.PolicyStatement:
        """Run documents; on which instances is another statement's."""
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ssm", "document", one) for one in documents],
        )

    def send_to(self, sid: str, more: Mapping[str, str] | None = None) -> iam.PolicyStatement:
        """Run what may be run on the cluster's instances, or on those that have more tags."""
        tags = {f"ssm:resourceTag/{tag}": value for tag, value in (more or {}).items()}
        return iam.PolicyStatement(
            sid=sid,
            actions=["ssm:SendCommand"],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": {**self.tagged("ssm:resourceTag"), **tags}},
        )

    def send_to_haproxies(self, documents: Sequence[str]) -> list[iam.PolicyStatement]:
        """Run HAProxy's documents on the cluster's HAProxies."""
        return [
            self.send("RunHaproxysDocument", documents),
            self.send_to("OnTheHaproxies", {BALANCER_TAG: "haproxy"}),
        ]

    def mark(self) -> iam.PolicyStatement:
        """Set and remove the mark of a drained node."""
        return iam.PolicyStatement(
            sid="MarkNodes",
            actions=[*_TAGGING],
            resources=[self.arn("ec2", "instance", "*")],
            conditions={"StringEquals": self.tagged("aws:ResourceTag"), **_ONLY_THE_MARK},
        )

    def mark_existing(self, ids: Sequence[str]) -> list[iam.PolicyStatement]:
        """The same on instances that existed before, which do not have our tags."""
        if not ids:
            return []
        return [
            iam.PolicyStatement(
                sid="MarkExistingNodes",
                actions=[*_TAGGING],
                resources=[self.arn("ec2", "instance", id_) for id_ in ids],
                conditions=_ONLY_THE_MARK,
            )
        ]

    def lock(self, *, read: bool) -> iam.PolicyStatement:
        """Hold the cluster's lock; to read it is in no other statement where `read` says so."""
        reads = ["ssm:GetParameter"] if read else []
        return iam.PolicyStatement(
            sid="HoldTheLock",
            actions=["ssm:DeleteParameter", *reads, "ssm:PutParameter"],
            resources=[self.parameter(LOCK)],
        )

    def see(self, reads: Sequence[str]) -> list[iam.PolicyStatement]:
        """Look at the stack, and at what takes no resource.

        Args:
            reads: actions that take no resource (AWS, Service Authorization Reference), and so
                are bounded by region.
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
