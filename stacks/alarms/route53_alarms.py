"""Stack of the alarms on Route 53's health checks, whose metrics are in only one region."""

from aws_cdk import CfnOutput, Fn
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms
from denodo_ha.environment.facts.limits import ROUTE53_METRICS_REGION
from denodo_ha.environment.model.environment import Environment
from stacks.alarms.notifying_alarms import BELOW, create_metric_alarm, create_notifying_alarm
from stacks.alarms.topics import create_topics
from stacks.environment_stack import EnvironmentStack


class Route53AlarmStack(EnvironmentStack):
    """Alarms on Route 53's view of the failover; these alarms also notify of a lost region.

    References to the failover stack are weak, like the failover stack's own references.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: Environment, failover: EnvironmentStack
    ) -> None:
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=failover.account,
            region=ROUTE53_METRICS_REGION,
            description="Alarms on Route 53's health checks of the Denodo failover",
            accepted_findings=(),
        )
        self.add_stack_dependency(failover, "the alarms need outputs of the failover")
        topics = create_topics(
            Construct(self, "Notifications"),
            alarms=environment.alarms,
            account=failover.account,
            region=ROUTE53_METRICS_REGION,
        )
        parent = Construct(self, "Alarms")
        for role in alarms.checked_roles(environment):
            text = alarms.record_unhealthy(environment, role)
            output = names.CHECK_ID_OF_ROLE[role]
            part = _create_check_alarm(parent, f"{role}Check", failover, output, text=text)
            create_notifying_alarm(
                parent, f"{role}Unhealthy", parts=[part], text=text, topics=topics
            )
        text = alarms.switch_still_thrown(environment)
        part = _create_check_alarm(
            parent,
            "SwitchCheck",
            failover,
            names.SWITCH_CHECK_ID,
            text=text,
            hours=alarms.STILL_THROWN_HOURS,
        )
        create_notifying_alarm(parent, "SwitchStillThrown", parts=[part], text=text, topics=topics)
        CfnOutput(self, names.URGENT_TOPIC, value=topics.urgent)
        CfnOutput(self, names.NOTICE_TOPIC, value=topics.notice)


def _create_check_alarm(
    scope: Construct,
    id_: str,
    failover: EnvironmentStack,
    output: str,
    *,
    text: alarms.AlarmText,
    hours: int = 0,
) -> str:
    """Create an alarm on a health check that is unhealthy for `hours`, or for a minute if 0.

    Return the alarm's name. Unlike the switch's own metric, which has a datapoint only when
    operators use the switch, Route 53 publishes the status of its health check every minute. In an
    hour in which the check was healthy for a minute, the maximum of its status is 1.
    """
    return create_metric_alarm(
        scope,
        id_,
        namespace="AWS/Route53",
        metric="HealthCheckStatus",
        dimensions={
            "HealthCheckId": Fn.get_stack_output(failover.stack_name, output, failover.region)
        },
        statistic="Maximum" if hours else "Minimum",
        operator=BELOW,
        minutes=hours * 60 or 1,
        period_minutes=60 if hours else 1,
        missing="notBreaching",
        part_of=text,
    )
