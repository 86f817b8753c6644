"""Alarm of the failover: operators have thrown the switch."""

from constructs import Construct

from denodo_ha.environment.derived import alarms, failover_plan
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover
from stacks.alarms.notifying_alarms import (
    AT_LEAST,
    create_metric_alarm,
    create_notifying_alarm,
)
from stacks.alarms.topics import Topics


class FailoverAlarms(Construct):
    """Alarm while the operators' switch is thrown.

    The switch's own alarm is only for Route 53: after a minute it has no data again, and nothing
    may change it. This alarm keeps its state while there is no data. Before the switch has been
    used for the first time, it has no data either.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        failover: Failover,
        topics: Topics,
    ) -> None:
        super().__init__(scope, id_)
        text = alarms.switch_thrown(environment)
        part = create_metric_alarm(
            self,
            "thrown",
            namespace=failover_plan.switch_namespace(failover),
            metric=failover_plan.SWITCH_METRIC,
            dimensions={failover_plan.SWITCH_DIMENSION: environment.name},
            statistic="Maximum",
            operator=AT_LEAST,
            minutes=1,
            missing="ignore",
            part_of=text,
        )
        create_notifying_alarm(self, "SwitchThrown", parts=[part], text=text, topics=topics)
