"""Route 53 health checks based on CloudWatch alarms: for load balancers, and the switch."""

import hashlib
import json

from aws_cdk import Stack, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins
from stacks.library_values import seconds


def fingerprint(*settings: object) -> str:
    """Return a hash of settings in 8 hexadecimal digits, which is the same on every machine.

    The hash is part of ids and comments that must change when the settings change.
    """
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class BalancerHealthChecks(Construct):
    """Health checks of an internal load balancer, based on its metrics.

    Route 53's health checkers cannot reach private addresses, so each check monitors a CloudWatch
    alarm. Route 53 supports only alarms on a single metric (AWS, Monitoring a CloudWatch alarm).
    The alarms use the maximum of the metric, since each zone reports its own value.

    If a change replaces the target group, for example a change of the node port, the new alarm has
    no data for its first minutes. The check then keeps its last known status; otherwise each such
    change would trigger a failover. But a region that has failed reports no data either.
    Therefore a second check monitors a metric that load balancers always report, and treats missing
    data as unhealthy. The cluster is healthy only if both checks are healthy.

    Attributes:
        healthy_nodes: healthy while a node of the target group is healthy.
        alive: healthy while the load balancer reports metrics.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        nlb: elbv2.NetworkLoadBalancer,
        target_group: elbv2.NetworkTargetGroup,
        region: str,
        minutes: int,
        silence_minutes: int,
        followed_minutes: int,
        balancer_settings: object,
        target_group_settings: object,
    ) -> None:
        """Create the alarms and the health checks.

        Args:
            scope: parent.
            id_: id.
            nlb: the load balancer.
            target_group: target group whose number of healthy nodes is monitored.
            region: region of the alarms.
            minutes: minutes without a healthy node until a check is unhealthy.
            silence_minutes: minutes without data until a check is unhealthy.
            followed_minutes: `silence_minutes` of the alarm that a deployed check monitors. A new
                alarm has no data, so the check monitors the earlier alarm until the new alarm has
                been in state OK.
            balancer_settings: settings whose change replaces the load balancer.
            target_group_settings: settings whose change replaces the load balancer or the target
                group.
        """
        super().__init__(scope, id_)
        load_balancer = {"LoadBalancer": nlb.load_balancer_full_name}
        # A health check copies the settings of its alarm only when the check is created or changed.
        # Therefore changed settings, or another target group, need a new alarm.
        healthy_nodes = _maximum_alarm(
            self,
            f"Alarm{fingerprint(minutes, target_group_settings)}",
            metric_name="HealthyHostCount",
            dimensions={**load_balancer, "TargetGroup": target_group.target_group_full_name},
            minutes=minutes,
            threshold=1,
            description="No healthy Denodo node: Route 53 answers with the other cluster",
        )
        self.healthy_nodes = _alarm_check(
            self,
            "Check",
            healthy_nodes,
            region=region,
            without_data=route53.InsufficientDataHealthStatusEnum.LAST_KNOWN_STATUS,
        )
        # Load balancers always report this metric, and the value is never below 0 (AWS, CloudWatch
        # metrics for your Network Load Balancer): the alarm is in state OK or INSUFFICIENT_DATA.
        alive = {
            number: _maximum_alarm(
                self,
                f"AliveAlarm{fingerprint(number, balancer_settings)}",
                metric_name="ActiveFlowCount",
                dimensions=load_balancer,
                minutes=number,
                threshold=0,
                description="Without data the balancer, or its region, is lost",
            )
            for number in sorted({silence_minutes, followed_minutes})
        }
        self.alive = _alarm_check(
            self,
            "Alive",
            alive[followed_minutes],
            region=region,
            without_data=route53.InsufficientDataHealthStatusEnum.UNHEALTHY,
        )
        # The Route 53 console shows this tag as the name of a health check.
        Tags.of(self.healthy_nodes).add("Name", Stack.of(self).stack_name)
        Tags.of(self.alive).add("Name", f"{Stack.of(self).stack_name}-alive")


class FailoverSwitch(Construct):
    """The operators' switch: a health check based on a metric that only operators write.

    A datapoint of 1 makes the check unhealthy, so that the failover name resolves to the secondary.
    A datapoint of 0 makes the check healthy again. One datapoint is enough: without data, the check
    keeps its last known status, and before the first datapoint the check is healthy (AWS, Route 53
    API, HealthCheckConfig, InsufficientDataHealthStatus). Therefore a failover by an operator
    depends only on the data plane, in the region of this stack.

    Attributes:
        check: the health check.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: str, namespace: str, region: str
    ) -> None:
        """Create the switch.

        Args:
            scope: parent.
            id_: id.
            environment: name of the environment.
            namespace: namespace of the metric.
            region: region of the metric.
        """
        super().__init__(scope, id_)
        metric = failover_plan.SWITCH_METRIC
        alarm = cloudwatch.Alarm(
            self,
            f"Alarm{fingerprint(environment, namespace, metric)}",
            metric=cloudwatch.Metric(
                namespace=namespace,
                metric_name=metric,
                dimensions_map={failover_plan.SWITCH_DIMENSION: environment},
                statistic="Maximum",
                period=seconds(ALARM_PERIOD_S),
            ),
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
            alarm_description="Operators have moved the site to the secondary cluster",
        )
        self.check = _alarm_check(
            self,
            "Check",
            alarm,
            region=region,
            without_data=route53.InsufficientDataHealthStatusEnum.LAST_KNOWN_STATUS,
        )
        Tags.of(self.check).add("Name", f"{environment}-switch")


def _maximum_alarm(
    scope: Construct,
    id_: str,
    *,
    metric_name: str,
    dimensions: dict[str, str],
    minutes: int,
    threshold: int,
    description: str,
) -> cloudwatch.Alarm:
    """Create an alarm that is raised while the maximum of a metric is below a threshold."""
    return cloudwatch.Alarm(
        scope,
        id_,
        metric=cloudwatch.Metric(
            namespace="AWS/NetworkELB",
            metric_name=metric_name,
            dimensions_map=dimensions,
            statistic="Maximum",
            period=seconds(ALARM_PERIOD_S),
        ),
        threshold=threshold,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluation_periods=minutes,
        treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        alarm_description=description,
    )


def _alarm_check(
    scope: Construct,
    id_: str,
    alarm: cloudwatch.Alarm,
    *,
    region: str,
    without_data: route53.InsufficientDataHealthStatusEnum,
) -> route53.HealthCheck:
    """Create a Route 53 health check that monitors an alarm."""
    return route53.HealthCheck(
        scope,
        id_,
        type=route53.HealthCheckType.CLOUDWATCH_METRIC,
        alarm_identifier=route53.AlarmIdentifier(name=alarm.alarm_name, region=region),
        insufficient_data_health_status=without_data,
    )


def create_health_checks(
    stack: Stack,
    *,
    environment: Environment,
    name: str,
    pins: Pins,
    nlb: elbv2.NetworkLoadBalancer,
    target_group: elbv2.NetworkTargetGroup,
    balancer_settings: list[object],
) -> BalancerHealthChecks:
    """Create the health checks of a cluster's load balancer.

    Args:
        stack: stack of the cluster.
        environment: the configuration.
        name: name of the cluster.
        pins: the pins, which contain `silence_minutes` of the alarm that a deployed check monitors.
        nlb: the load balancer.
        target_group: target group of the service jdbc.
        balancer_settings: settings whose change replaces the load balancer.
    """
    failover, cluster = environment.failover, environment.clusters[name]
    assert failover is not None  # a health check exists only with failover
    jdbc = environment.services["jdbc"]
    group_settings: list[object] = [jdbc.target_port, jdbc.tls is not None]
    if cluster.balancer.kind == "haproxy":
        group_settings = ["haproxy", jdbc.port]
    minutes = failover_plan.alarm_minutes(failover)
    silence = failover_plan.silence_minutes(failover)
    return BalancerHealthChecks(
        stack,
        "Health",
        nlb=nlb,
        target_group=target_group,
        region=cluster.region,
        minutes=minutes,
        silence_minutes=silence,
        followed_minutes=pins.silence_minutes(name, minutes) or silence,
        balancer_settings=balancer_settings,
        target_group_settings=[*balancer_settings, *group_settings],
    )
