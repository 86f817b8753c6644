"""Stack of the alarms on Route 53's health checks, in the only region that has their metrics."""

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
    """Alarms on the failover as Route 53 sees it: they also notify of a lost region.

    References to the failover stack are weak, as the failover stack's own references.
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
        self.add_stack_dependency(failover, "the alarms need its outputs")
        topics = create_topics(
            Construct(self, "Notifications"),
            alarms=environment.alarms,
            account=failover.account,
            region=ROUTE53_METRICS_REGION,
        )
        parent = Construct(self, "Alarms")
        for role in alarms.checked_roles(environment):
            text = alarms.record_unhealthy(environment, role)
            check = Fn.get_stack_output(
                failover.stack_name, names.CHECK_ID_OF_ROLE[role], failover.region
            )
            part = create_metric_alarm(
                parent,
                f"{role}Check",
                namespace="AWS/Route53",
                metric="HealthCheckStatus",
                dimensions={"HealthCheckId": check},
                statistic="Minimum",
                operator=BELOW,
                minutes=1,
                missing="notBreaching",
                part_of=text,
            )
            create_notifying_alarm(
                parent, f"{role}Unhealthy", parts=[part], text=text, topics=topics
            )
        CfnOutput(self, names.URGENT_TOPIC, value=topics.urgent)
        CfnOutput(self, names.NOTICE_TOPIC, value=topics.notice)
