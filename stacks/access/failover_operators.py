"""What somebody may do who looks after the failover: look, and throw the switch."""

from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.derived import failover_plan
from stacks.access.cluster_grants import STACK_READS

_CHECK_READS = (
    "route53:GetHealthCheck",
    "route53:GetHealthCheckLastFailureReason",
    "route53:GetHealthCheckStatus",
)
_HEALTH_READS = ("cloudwatch:DescribeAlarms", "elasticloadbalancing:DescribeTargetHealth")
"""These take no resource, or none whose name is known here (AWS, Service Authorization
Reference): bounded by region."""


class FailoverOperatorPolicy(Construct):
    """A managed policy for the people who run `denodo-ha failover`; it is attached to nobody.

    It changes nothing but the switch: metrics are bounded by namespace and region, as CloudWatch
    takes no resource for them (AWS, Service Authorization Reference, CloudWatch).

    Attributes:
        arn: the policy's ARN.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        zone_id: str,
        check_ids: Sequence[str],
        region: str,
        stacks: Mapping[str, str],
    ) -> None:
        """Make the policy.

        Args:
            scope: parent.
            id_: id.
            zone_id: the zone of the failover records.
            check_ids: the health checks that decide.
            region: region of the switch.
            stacks: the stacks of this account that may be looked at, with their regions.
        """
        super().__init__(scope, id_)
        stack = Stack.of(self)
        route53 = f"arn:{stack.partition}:route53:::"
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Another description would be another policy, detached from everybody.
            description="Look at the failover of a Denodo environment, and throw its switch",
            statements=[
                iam.PolicyStatement(
                    sid="ThrowTheSwitch",
                    actions=["cloudwatch:PutMetricData"],
                    resources=["*"],
                    conditions={
                        "StringEquals": {
                            "cloudwatch:namespace": failover_plan.SWITCH_NAMESPACE,
                            "aws:RequestedRegion": region,
                        }
                    },
                ),
                iam.PolicyStatement(
                    sid="SeeChecks",
                    actions=list(_CHECK_READS),
                    resources=[f"{route53}healthcheck/{one}" for one in check_ids],
                ),
                iam.PolicyStatement(
                    sid="SeeRecords",
                    actions=["route53:ListResourceRecordSets"],
                    resources=[f"{route53}hostedzone/{zone_id}"],
                ),
                # Takes no resource (AWS, Service Authorization Reference, Route 53).
                iam.PolicyStatement(
                    sid="SeeAnswers", actions=["route53:TestDNSAnswer"], resources=["*"]
                ),
                iam.PolicyStatement(
                    sid="SeeHealth",
                    actions=list(_HEALTH_READS),
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
                            region=where,
                            resource="stack",
                            resource_name=f"{name}/*",
                        )
                        for name, where in sorted(stacks.items())
                    ],
                ),
            ],
        )
        self.arn = policy.managed_policy_arn
