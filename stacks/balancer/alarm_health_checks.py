"""A Route 53 health check of an internal balancer, by the metric of its jdbc group."""

from aws_cdk import Duration, Stack, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from stacks.balancer.fingerprint import fingerprint


class AlarmHealthChecks(Construct):
    """Healthy while some node of the group is healthy.

    Route 53's checkers reach no private address, so it watches a CloudWatch alarm: a plain one
    over one metric, all that such a check supports (AWS, Monitoring a CloudWatch alarm). The
    metric is a maximum, as each zone reports for itself.

    A group that is replaced, as by another port on the nodes, has another alarm, and that has no
    data for its first minutes: then the last known status counts, or every such change would move
    the site. A region that is lost reports nothing either. So a second check watches a metric
    that balancers always report, and no data of that one counts as unhealthy. Both must be
    healthy.

    Attributes:
        check: the check of the group.
        alive: the check that the balancer and its region report at all.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        nlb: elbv2.NetworkLoadBalancer,
        group: elbv2.NetworkTargetGroup,
        region: str,
        minutes: int,
        balancer_replaced_with: object,
        replaced_with: object,
    ) -> None:
        """Make alarm and check.

        Args:
            scope: parent.
            id_: id.
            nlb: the balancer.
            group: the group whose healthy nodes count.
            region: region of the alarm.
            minutes: how long there must be no healthy node.
            balancer_replaced_with: what replaces the balancer when it changes.
            replaced_with: what replaces the balancer or the group when it changes.
        """
        super().__init__(scope, id_)
        metric = cloudwatch.Metric(
            namespace="AWS/NetworkELB",
            metric_name="HealthyHostCount",
            dimensions_map={
                "LoadBalancer": nlb.load_balancer_full_name,
                "TargetGroup": group.target_group_full_name,
            },
            statistic="Maximum",
            period=Duration.seconds(ALARM_PERIOD_S),
        )
        # The check copies the alarm's settings when it is pointed at it, and never looks again:
        # so another setting, or another group, is another alarm, and the check is pointed anew.
        alarm = cloudwatch.Alarm(
            self,
            f"Alarm{fingerprint(minutes, replaced_with)}",
            metric=metric,
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=minutes,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
            alarm_description="No healthy Denodo node: Route 53 answers with the other cluster",
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
        self.alive = self._alive(nlb, region, minutes, balancer_replaced_with)
        # What Route 53's console shows as the checks' names.
        Tags.of(self.check).add("Name", Stack.of(self).stack_name)
        Tags.of(self.alive).add("Name", f"{Stack.of(self).stack_name}-alive")

    def _alive(
        self, nlb: elbv2.NetworkLoadBalancer, region: str, minutes: int, replaced_with: object
    ) -> route53.HealthCheck:
        """Healthy while the balancer reports.

        The number of its flows is always reported, and never below none (AWS, CloudWatch metrics
        for your Network Load Balancer): the alarm is fine, or without data.
        """
        alarm = cloudwatch.Alarm(
            self,
            f"AliveAlarm{fingerprint(minutes, replaced_with)}",
            metric=cloudwatch.Metric(
                namespace="AWS/NetworkELB",
                metric_name="ActiveFlowCount",
                dimensions_map={"LoadBalancer": nlb.load_balancer_full_name},
                statistic="Maximum",
                period=Duration.seconds(ALARM_PERIOD_S),
            ),
            threshold=0,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=minutes,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
            alarm_description="Without data the balancer, or its region, is lost",
        )
        return route53.HealthCheck(
            self,
            "Alive",
            type=route53.HealthCheckType.CLOUDWATCH_METRIC,
            alarm_identifier=route53.AlarmIdentifier(name=alarm.alarm_name, region=region),
            insufficient_data_health_status=route53.InsufficientDataHealthStatusEnum.UNHEALTHY,
        )
