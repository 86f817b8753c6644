"""Alarms of the failover: operators have thrown the switch, and the standby is not ready."""

from typing import Any

from constructs import Construct

from denodo_ha.environment.derived import alarms, failover_plan
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover
from stacks.alarms.notifying_alarms import (
    AT_LEAST,
    BELOW,
    create_metric_alarm,
    create_notifying_alarm,
)
from stacks.alarms.topics import Topics

_HOUR_MIN = 3600 // ALARM_PERIOD_S


class FailoverAlarms(Construct):
    """Alarm while the operators' switch is thrown, and with `check_every` one on the standby.

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
        if failover.check_every is not None:
            self._create_standby_alarm(environment, failover, failover.check_every, topics)

    def _create_standby_alarm(
        self, environment: Environment, failover: Failover, hours: int, topics: Topics
    ) -> None:
        """Create the alarm on `denodo-ha failover check --record`.

        The last verdict keeps the first part's state until the next check. The second part has no
        data if no check ran for the configured hours, and takes that for a failure.
        """
        text = alarms.standby_not_ready(hours)
        of_metric: dict[str, Any] = {
            "namespace": failover_plan.switch_namespace(failover),
            "metric": failover_plan.READY_METRIC,
            "dimensions": {failover_plan.SWITCH_DIMENSION: environment.name},
            "operator": BELOW,
            "part_of": text,
        }
        parts = [
            create_metric_alarm(
                self, "unready", statistic="Minimum", minutes=1, missing="ignore", **of_metric
            ),
            create_metric_alarm(
                self,
                "unchecked",
                statistic="SampleCount",
                minutes=hours * _HOUR_MIN,
                period_minutes=_HOUR_MIN,
                missing="breaching",
                **of_metric,
            ),
        ]
        create_notifying_alarm(self, "StandbyNotReady", parts=parts, text=text, topics=topics)
