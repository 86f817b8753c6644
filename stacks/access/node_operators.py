"""What somebody may do who changes the nodes of a cluster, one at a time."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.access.cluster_grants import ClusterGrants

_READS = (
    "ec2:DescribeInstances",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssm:GetCommandInvocation",
)


class NodeOperatorPolicy(Construct):
    """A managed policy for the people who run `denodo-ha roll`; it is attached to nobody.

    On the nodes it allows the cluster's own document, and so what that does and no other command.
    On HAProxies the same with theirs, and the balancer's groups, which hold HAProxies, are then
    nobody's to change. It does not deploy: who runs `denodo-ha rollout` needs what `cdk deploy`
    needs as well.

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
        document: str | None,
        haproxy: Sequence[str] = (),
        existing: Sequence[str],
    ) -> None:
        """Make the policy.

        Args:
            scope: parent.
            id_: id.
            environment: the environment's name.
            cluster: the cluster's name.
            document: name of the nodes' document, None where they have no program.
            haproxy: names of HAProxy's documents, where the nodes are behind it.
            existing: ids of instances that existed before, which do not have our tags.
        """
        super().__init__(scope, id_)
        grants = ClusterGrants(Stack.of(self), environment, cluster)
        statements = []
        if document is not None:
            statements += [grants.send("RunTheDocument", [document]), grants.send_to("OnTheNodes")]
        if haproxy:
            statements += grants.send_to_haproxies(haproxy)
        else:
            statements.append(_take_out_and_bring_back(grants))
        statements.append(grants.mark())
        if document is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="SeeDesiredStates",
                    actions=["ssm:GetParameter"],
                    resources=[grants.parameter("*")],
                )
            )
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Another description would be another policy, detached from everybody.
            description="Change the nodes of a Denodo cluster, one at a time",
            statements=[
                *statements,
                grants.lock(read=document is None),
                *grants.see(_READS),
                *grants.mark_existing(existing),
            ],
        )
        self.arn = policy.managed_policy_arn


def _take_out_and_bring_back(grants: ClusterGrants) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="TakeOutAndBringBack",
        actions=[
            "elasticloadbalancing:DeregisterTargets",
            "elasticloadbalancing:RegisterTargets",
        ],
        resources=[grants.arn("elasticloadbalancing", "targetgroup", "*/*")],
        conditions={"StringEquals": grants.tagged("aws:ResourceTag")},
    )
