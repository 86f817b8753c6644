"""Alarms of the failover: on a thrown switch, and on a standby that is not ready."""

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
    """Alarms on the operators' switch and, with `failover.check_every`, on the standby.

    The switch's metric has a datapoint only when operators use the switch. Route 53 follows another
    alarm on this metric; that alarm must not be changed, and has no data a minute after a
    datapoint. The alarm of this class keeps its state while there is no data. The alarm has no
    data until operators use the switch for the first time.
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

        The alarm has two parts. The first part keeps the verdict of the last check until the next
        check. The second part is set off if no check ran for the configured hours: the part then
        has no data, and missing data counts as a failure.
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
