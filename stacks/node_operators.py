"""What somebody may do who changes the nodes of a cluster, one at a time."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.naming import CLUSTER_TAG, DRAINED_TAG, ENVIRONMENT_TAG

_LOCK = ".lock"
"""Last part of the name of the parameter that is a command's lock; `ops/names.py` says the same."""

_STACK_READS = (
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
)
_READS = (
    "ec2:DescribeInstances",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssm:GetCommandInvocation",
)
"""These take no resource (AWS, Service Authorization Reference): bounded by region."""


class NodeOperatorPolicy(Construct):
    """A managed policy for the people who run `denodo-ha roll`; it is attached to nobody.

    On the nodes it allows the cluster's own document, and so what that does and no other command.
    It does not deploy: who runs `denodo-ha rollout` needs what `cdk deploy` needs as well.

    Attributes:
        arn: the policy's ARN.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        document: str,
        existing: Sequence[str],
    ) -> None:
        """Make the policy.

        Args:
            scope: parent.
            id_: id.
            environment: the environment's name.
            cluster: the cluster's name.
            document: name of the nodes' document.
            existing: ids of instances that existed before, which do not have our tags.
        """
        super().__init__(scope, id_)
        self._stack = Stack.of(self)
        self._tags = {ENVIRONMENT_TAG: environment, CLUSTER_TAG: cluster}
        folder = f"denodo/{environment}/{cluster}"
        instances = self._arn("ec2", "instance", "*")
        marks = iam.PolicyStatement(
            sid="MarkNodes",
            actions=["ec2:CreateTags", "ec2:DeleteTags"],
            resources=[instances],
            conditions={
                "StringEquals": self._tagged("aws:ResourceTag"),
                "ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]},
            },
        )
        statements = [
            iam.PolicyStatement(
                sid="RunTheDocument",
                actions=["ssm:SendCommand"],
                resources=[self._arn("ssm", "document", document)],
            ),
            iam.PolicyStatement(
                sid="OnTheNodes",
                actions=["ssm:SendCommand"],
                resources=[instances],
                conditions={"StringEquals": self._tagged("ssm:resourceTag")},
            ),
            iam.PolicyStatement(
                sid="TakeOutAndBringBack",
                actions=[
                    "elasticloadbalancing:DeregisterTargets",
                    "elasticloadbalancing:RegisterTargets",
                ],
                resources=[self._arn("elasticloadbalancing", "targetgroup", "*/*")],
                conditions={"StringEquals": self._tagged("aws:ResourceTag")},
            ),
            marks,
            iam.PolicyStatement(
                sid="SeeDesiredStates",
                actions=["ssm:GetParameter"],
                resources=[self._arn("ssm", "parameter", f"{folder}/*")],
            ),
            iam.PolicyStatement(
                sid="HoldTheLock",
                actions=["ssm:DeleteParameter", "ssm:PutParameter"],
                resources=[self._arn("ssm", "parameter", f"{folder}/{_LOCK}")],
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
                    actions=["ec2:CreateTags", "ec2:DeleteTags"],
                    resources=[self._arn("ec2", "instance", id_) for id_ in existing],
                    conditions={"ForAllValues:StringEquals": {"aws:TagKeys": [DRAINED_TAG]}},
                )
            )
        self._policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Another description would be another policy, detached from everybody.
            description="Change the nodes of a Denodo cluster, one at a time",
            statements=statements,
        )
        self.arn = self._policy.managed_policy_arn

    def let_run(self, document: str) -> None:
        """Let them run the document of the cluster's HAProxies, which have the nodes' tags."""
        self._policy.add_statements(
            iam.PolicyStatement(
                sid="RunTheDocumentOfHaproxy",
                actions=["ssm:SendCommand"],
                resources=[self._arn("ssm", "document", document)],
            )
        )

    def _tagged(self, key: str) -> dict[str, str]:
        """The cluster's tags, as conditions of a service name them."""
        return {f"{key}/{tag}": value for tag, value in self._tags.items()}

    def _arn(self, service: str, resource: str, name: str) -> str:
        return self._stack.format_arn(service=service, resource=resource, resource_name=name)
