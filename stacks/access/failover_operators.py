"""IAM policy for operators who trigger failovers: read access, and the switch."""

from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.derived.node_metadata import EXPORT_MANIFEST
from stacks.access.cluster_grants import STACK_READS, read_history, write_history

_CHECK_READS = (
    "route53:GetHealthCheck",
    "route53:GetHealthCheckLastFailureReason",
    "route53:GetHealthCheckStatus",
)
_STANDBY_READS = (
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeInstances",
    "elasticloadbalancing:DescribeAccountLimits",
    "rds:DescribeDBInstanceAutomatedBackups",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:GetServiceQuota",
)
"""Actions with which `failover check` reads the state of the standby. IAM cannot limit these
actions to a resource."""
_HEALTH_READS = (
    "cloudwatch:DescribeAlarms",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetHealth",
)
"""Actions that cannot be limited to a resource, or whose resource names are unknown in this stack
(AWS, Service Authorization Reference). The policy limits these actions only to
regions."""


class FailoverOperatorPolicy(Construct):
    """Managed policy for operators who run `denodo-ha failover`, not attached to any principal.

    In addition to read access, the policy allows the switch and the locks of the clusters. IAM
    cannot limit metrics by resource, so the permission is limited by namespace and region (AWS,
    Service Authorization Reference, CloudWatch).

    Attributes:
        arn: ARN of the policy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        zone_id: str,
        check_ids: Sequence[str],
        region: str,
        switch_namespace: str,
        stacks: Mapping[str, str],
        locks: Mapping[str, str],
        history_buckets: Sequence[str] = (),
    ) -> None:
        """Create the policy.

        Args:
            scope: parent.
            id_: id.
            zone_id: hosted zone of the failover records.
            check_ids: health checks of the failover records.
            region: region of the switch.
            switch_namespace: namespace of the switch's metric.
            stacks: regions of the stacks in this account that operators can read, by name of the
                stack.
            locks: regions of the locks of the clusters in this account, by name of the parameter; a
                practice holds these locks.
            history_buckets: names of the buckets in which commands leave their history, with the
                exports and the copies of exports.
        """
        super().__init__(scope, id_)
        stack = Stack.of(self)
        route53 = f"arn:{stack.partition}:route53:::"
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Changing the description replaces the policy and detaches it from all principals.
            description="Look at the failover of a Denodo environment, and throw its switch",
            statements=[
                iam.PolicyStatement(
                    sid="ThrowTheSwitch",
                    actions=["cloudwatch:PutMetricData"],
                    resources=["*"],
                    conditions={
                        "StringEquals": {
                            "cloudwatch:namespace": switch_namespace,
                            "aws:RequestedRegion": region,
                        }
                    },
                ),
                iam.PolicyStatement(
                    sid="SeeChecks",
                    actions=list(_CHECK_READS),
                    resources=[f"{route53}healthcheck/{check_id}" for check_id in check_ids],
                ),
                iam.PolicyStatement(
                    sid="SeeRecords",
                    actions=["route53:ListResourceRecordSets"],
                    resources=[f"{route53}hostedzone/{zone_id}"],
                ),
                # These actions cannot be limited to a resource (AWS, Service Authorization
                # Reference, Route 53).
                iam.PolicyStatement(
                    sid="SeeAnswers",
                    actions=["route53:GetAccountLimit", "route53:TestDNSAnswer"],
                    resources=["*"],
                ),
                iam.PolicyStatement(
                    sid="SeeHealth",
                    actions=sorted((*_HEALTH_READS, *_STANDBY_READS)),
                    resources=["*"],
                    conditions={
                        "StringEquals": {"aws:RequestedRegion": sorted({*stacks.values(), region})}
                    },
                ),
                iam.PolicyStatement(
                    sid="SeeStacks",
                    actions=list(STACK_READS),
                    resources=[
                        stack.format_arn(
                            service="cloudformation",
                            region=stack_region,
                            resource="stack",
                            resource_name=f"{name}/*",
                        )
                        for name, stack_region in sorted(stacks.items())
                    ],
                ),
                iam.PolicyStatement(
                    sid="HoldTheLocks",
                    actions=["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"],
                    resources=[
                        f"arn:{stack.partition}:ssm:{lock_region}:{stack.account}:parameter{name}"
                        for name, lock_region in sorted(locks.items())
                    ],
                ),
                *write_history(stack.partition, history_buckets),
                *read_history(stack.partition, history_buckets),
                *_read_manifests(stack.partition, history_buckets),
            ],
        )
        self.arn = policy.managed_policy_arn


def _read_manifests(partition: str, buckets: Sequence[str]) -> list[iam.PolicyStatement]:
    """Allow reading the manifests of exports for `failover check`, and no metadata."""
    if not buckets:
        return []
    arns = [f"arn:{partition}:s3:::{name}" for name in buckets]
    return [
        iam.PolicyStatement(
            sid="SeeTheExports",
            actions=["s3:ListBucket", "s3:ListBucketVersions"],
            resources=arns,
        ),
        iam.PolicyStatement(
            sid="ReadTheManifests",
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[f"{arn}/*/{EXPORT_MANIFEST}" for arn in arns],
        ),
    ]
