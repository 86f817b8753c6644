"""The operators' switch: a health check that only a metric of theirs moves."""

from aws_cdk import Duration, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from stacks.balancer.fingerprint import fingerprint


class FailoverSwitch(Construct):
    """Healthy until a datapoint of 1 says that the secondary shall answer, and from a 0 on again.

    One datapoint holds: without new ones the last known status counts, and before the first one
    healthy does (AWS, Route 53 API, HealthCheckConfig, InsufficientDataHealthStatus). So moving
    the site takes the data plane only, in the region of this stack.

    Attributes:
        check: the health check.
    """

    def __init__(self, scope: Construct, id_: str, *, environment: str, region: str) -> None:
        super().__init__(scope, id_)
        alarm = cloudwatch.Alarm(
            self,
            "Alarm"
            + fingerprint(environment, failover_plan.SWITCH_NAMESPACE, failover_plan.SWITCH_METRIC),
            metric=cloudwatch.Metric(
                namespace=failover_plan.SWITCH_NAMESPACE,
                metric_name=failover_plan.SWITCH_METRIC,
                dimensions_map={failover_plan.SWITCH_DIMENSION: environment},
                statistic="Maximum",
                period=Duration.seconds(ALARM_PERIOD_S),
            ),
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
            alarm_description="Operators have moved the site to the secondary cluster",
        )
        self.check = route53.HealthCheck(
            self,
            "Check",
            type=route53.HealthCheckType.CLOUDWATCH_METRIC,
            alarm_identifier=route53.AlarmIdentifier(name=alarm.alarm_name, region=region),
            insufficient_data_health_status=(
                route53.InsufficientDataHealthStatusEnum.LAST_KNOWN_STATUS
            ),
        )
        Tags.of(self.check).add("Name", f"{environment}-switch")
