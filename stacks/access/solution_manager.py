"""What the Solution Manager may do: take nodes of a cluster out, and bring them back."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.names import SERVICE_TAG
from stacks.access.cluster_grants import ClusterGrants

_READS = ("ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth")
_HAPROXY_READS = ("ec2:DescribeInstances", "ssm:GetCommandInvocation")


class SolutionManagerPolicy(Construct):
    """A managed policy for a Solution Manager that runs the scripts in `solution-manager/`.

    It is attached to nobody: attach it to the role of the Solution Manager's instance, or to one
    that it assumes. It deregisters from the groups of services and not from those of auxiliary
    ports, marks instances with one tag, and runs nothing on a node. With HAProxies it changes no
    group, and runs on these the document that drains and enables, and nothing else.

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
        haproxy: Sequence[str] = (),
        existing: Sequence[str],
    ) -> None:
        """Make the policy.

        Args:
            scope: parent.
            id_: id.
            environment: the environment's name.
            cluster: the cluster's name.
            haproxy: names of HAProxy's documents that drain and enable and do no more, where the
                nodes are behind it.
            existing: ids of instances that existed before, which do not have our tags.
        """
        super().__init__(scope, id_)
        grants = ClusterGrants(Stack.of(self), environment, cluster)
        balance = grants.send_to_haproxies(haproxy) if haproxy else _groups(grants)
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Another description would be another policy, detached from everybody.
            description="Take nodes of a Denodo cluster out of its balancer, and bring them back",
            statements=[
                *balance,
                grants.mark(),
                grants.lock(read=True),
                *grants.see(_HAPROXY_READS if haproxy else _READS),
                *grants.mark_existing(existing),
            ],
        )
        self.arn = policy.managed_policy_arn


def _groups(grants: ClusterGrants) -> list[iam.PolicyStatement]:
    """Deregister from the groups of services, and register in all."""
    groups = [grants.arn("elasticloadbalancing", "targetgroup", "*/*")]
    tagged = grants.tagged("aws:ResourceTag")
    return [
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
    ]
