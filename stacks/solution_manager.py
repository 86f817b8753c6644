"""What the Solution Manager may do: take nodes of a cluster out, and bring them back."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.naming import (
    BALANCER_TAG,
    CLUSTER_TAG,
    DRAINED_TAG,
    ENVIRONMENT_TAG,
    SERVICE_TAG,
)

_LOCK = ".lock"
"""Last part of the name of the parameter that is a command's lock; `ops/names.py` says the same."""

_STACK_READS = (
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
)
_READS = ("ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth")
"""These take no resource (AWS, Service Authorization Reference): bounded by region."""


class SolutionManagerPolicy(Construct):
    """A managed policy for a Solution Manager that runs `solution-manager/enable` and `disable`.

    It is attached to nobody: attach it to the role of the Solution Manager's instance, or to one
    that it assumes. It deregisters from the groups of services and not from those of auxiliary
    ports, marks instances with one tag, and runs nothing on a node. On HAProxies, where there are
    some, it runs their document.

    Attributes:
        arn: the policy's ARN.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: str, cluster: str, existing: Sequence[str]
    ) -> None:
        """Make the policy.

        Args:
            scope: parent.
            id_: id.
            environment: the environment's name.
            cluster: the cluster's name.
            existing: ids of instances that existed before, which do not have our tags.
        """
        super().__init__(scope, id_)
        self._stack, self._environment, self._cluster = Stack.of(self), environment, cluster
        tagged = {
            f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment,
            f"aws:ResourceTag/{CLUSTER_TAG}": cluster,
        }
        groups = [self._arn("elasticloadbalancing", "targetgroup", "*/*")]
        only_the_mark = {"ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]}}
        tagging = ["ec2:CreateTags", "ec2:DeleteTags"]
        statements = [
            iam.PolicyStatement(
                sid="TakeOut",
                actions=["elasticloadbalancing:DeregisterTargets"],
                resources=groups,
                conditions={
                    "StringEquals": tagged,
                    # The group of a service, which auxiliary ports do not have.
                    "Null": {f"aws:ResourceTag/{SERVICE_TAG}": "false"},
                },
            ),
            iam.PolicyStatement(
                sid="BringBack",
                actions=["elasticloadbalancing:RegisterTargets"],
                resources=groups,
                conditions={"StringEquals": tagged},
            ),
            iam.PolicyStatement(
                sid="MarkNodes",
                actions=tagging,
                resources=[self._arn("ec2", "instance", "*")],
                conditions={"StringEquals": tagged, **only_the_mark},
            ),
            iam.PolicyStatement(
                sid="HoldTheLock",
                actions=["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"],
                resources=[
                    self._arn("ssm", "parameter", f"denodo/{environment}/{cluster}/{_LOCK}")
                ],
            ),
            iam.PolicyStatement(
                sid="SeeTheStack",
                actions=[*_STACK_READS],
                resources=[self._arn("cloudformation", "stack", f"{self._stack.stack_name}/*")],
            ),
            iam.PolicyStatement(
                sid="SeeHealth",
                actions=[*_READS],
                resources=["*"],
                conditions={"StringEquals": {"aws:RequestedRegion": self._stack.region}},
            ),
        ]
        if existing:
            statements.append(
                iam.PolicyStatement(
                    sid="MarkExistingNodes",
                    actions=tagging,
                    resources=[self._arn("ec2", "instance", id_) for id_ in existing],
                    conditions=only_the_mark,
                )
            )
        self._policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Another description would be another policy, detached from everybody.
            description="Take nodes of a Denodo cluster out of its balancer, and bring them back",
            statements=statements,
        )
        self.arn = self._policy.managed_policy_arn

    def let_run(self, document: str) -> None:
        """Let them run the document of the cluster's HAProxies on these, and on no node."""
        tags = {ENVIRONMENT_TAG: self._environment, CLUSTER_TAG: self._cluster}
        tags[BALANCER_TAG] = "haproxy"
        self._policy.add_statements(
            iam.PolicyStatement(
                sid="RunTheDocumentOfHaproxy",
                actions=["ssm:SendCommand"],
                resources=[self._arn("ssm", "document", document)],
            ),
            iam.PolicyStatement(
                sid="OnTheHaproxies",
                actions=["ssm:SendCommand"],
                resources=[self._arn("ec2", "instance", "*")],
                conditions={
                    "StringEquals": {f"ssm:resourceTag/{tag}": value for tag, value in tags.items()}
                },
            ),
            iam.PolicyStatement(
                sid="SeeHowItEnded",
                actions=["ssm:GetCommandInvocation"],
                resources=["*"],
                conditions={"StringEquals": {"aws:RequestedRegion": self._stack.region}},
            ),
        )

    def _arn(self, service: str, resource: str, name: str) -> str:
        return self._stack.format_arn(service=service, resource=resource, resource_name=name)
