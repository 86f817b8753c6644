"""IAM policy for the Solution Manager, which drains and enables nodes during a promotion."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.names import SERVICE_TAG
from stacks.access.cluster_grants import ClusterGrants, write_history

_READS = ("ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth")
_HAPROXY_READS = ("ec2:DescribeInstances", "ssm:GetCommandInvocation")


class SolutionManagerPolicy(Construct):
    """Managed policy for a Solution Manager that runs the scripts in `solution-manager/`.

    The policy is not attached to any principal: attach it to the role of the Solution Manager's
    instance, or to a role that the instance assumes. The policy allows deregistering targets from
    the target groups of services, but not of auxiliary ports, and tagging instances with the drain
    tag. The policy allows no commands on nodes. With HAProxy, the policy allows no change of target
    groups, and on HAProxy instances only the SSM document that drains and enables nodes.

    Attributes:
        arn: ARN of the policy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        haproxy_documents: Sequence[str] = (),
        existing_instance_ids: Sequence[str],
        history_buckets: Sequence[str] = (),
        has_alarms: bool = False,
    ) -> None:
        """Create the policy.

        Args:
            scope: parent.
            id_: id.
            environment: name of the environment.
            cluster: name of the cluster.
            haproxy_documents: names of HAProxy's SSM documents that only drain and enable nodes;
                empty without HAProxy.
            existing_instance_ids: ids of existing instances, which lack the cluster's tags.
            history_buckets: names of the buckets in which commands leave their history.
            has_alarms: whether the cluster has alarms, which commands silence.
        """
        super().__init__(scope, id_)
        grants = ClusterGrants(Stack.of(self), environment, cluster)
        statements = (
            grants.send_to_haproxy(haproxy_documents)
            if haproxy_documents
            else _change_targets(grants)
        )
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Changing the description replaces the policy and detaches it from all principals.
            description="Take nodes of a Denodo cluster out of its balancer, and bring them back",
            statements=[
                *statements,
                grants.write_drain_tag(),
                grants.hold_lock(read=True),
                *grants.silence_alarms(has_alarms=has_alarms),
                *grants.read_state(_HAPROXY_READS if haproxy_documents else _READS),
                *grants.write_drain_tag_of_existing(existing_instance_ids),
                *write_history(grants.stack.partition, history_buckets),
            ],
        )
        self.arn = policy.managed_policy_arn


def _change_targets(grants: ClusterGrants) -> list[iam.PolicyStatement]:
    """Allow deregistering targets of services, and registering targets in all target groups."""
    groups = [grants.arn("elasticloadbalancing", "targetgroup", "*/*")]
    conditions = grants.tag_conditions("aws:ResourceTag")
    return [
        iam.PolicyStatement(
            sid="TakeOut",
            actions=["elasticloadbalancing:DeregisterTargets"],
            resources=groups,
            conditions={
                "StringEquals": conditions,
                # "Null: false" allows only target groups with the service tag. Target groups of
                # auxiliary ports do not have this tag.
                "Null": {f"aws:ResourceTag/{SERVICE_TAG}": "false"},
            },
        ),
        iam.PolicyStatement(
            sid="BringBack",
            actions=["elasticloadbalancing:RegisterTargets"],
            resources=groups,
            conditions={"StringEquals": conditions},
        ),
    ]
