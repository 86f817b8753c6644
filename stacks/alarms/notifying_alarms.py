"""Alarms on single metrics, and composite alarms that notify a topic.

These are L1 constructs: an L2 alarm costs several times as many calls to the jsii process.
"""

from collections.abc import Iterable, Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from denodo_ha.environment.derived.alarms import (
    SUPPRESSOR_EXTENSION_S,
    SUPPRESSOR_TEXT,
    SUPPRESSOR_WAIT_S,
    AlarmText,
)
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.environment.names import PAUSE_METRIC
from stacks.alarms.topics import Topics

AT_LEAST = "GreaterThanOrEqualToThreshold"
BELOW = "LessThanThreshold"


def create_metric_alarm(
    scope: Construct,
    id_: str,
    *,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    statistic: str,
    operator: str,
    minutes: int,
    missing: str,
    threshold: float = 1,
    period_minutes: int = ALARM_PERIOD_S // 60,
    part_of: AlarmText | None = None,
    description: str = "",
    insufficient_data_actions: Iterable[str] = (),
) -> str:
    """Create an alarm on a metric. Return the alarm's name.

    Args:
        scope: parent.
        id_: id.
        namespace: namespace of the metric.
        metric: name of the metric.
        dimensions: dimensions of the metric.
        statistic: statistic of each period.
        operator: comparison with the threshold.
        minutes: consecutive minutes that must breach the threshold, a multiple of the period.
        missing: the effect of a period without data.
        threshold: the threshold.
        period_minutes: minutes of each period.
        part_of: the texts of the notifying alarm of which the new alarm is a part.
        description: the description of an alarm that is not a part of another alarm.
        insufficient_data_actions: topics to notify when there is no data any more.
    """
    if part_of is not None:
        description = f"Part of the alarm {part_of.name}; does not notify by itself"
    alarm = cloudwatch.CfnAlarm(
        scope,
        id_,
        namespace=namespace,
        metric_name=metric,
        dimensions=[
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
            for name, value in dimensions.items()
        ]
        or None,
        statistic=statistic,
        period=period_minutes * 60,
        evaluation_periods=minutes // period_minutes,
        threshold=threshold,
        comparison_operator=operator,
        treat_missing_data=missing,
        alarm_description=description,
        insufficient_data_actions=[*insufficient_data_actions] or None,
    )
    return alarm.ref


def create_notifying_alarm(
    scope: Construct, id_: str, *, parts: Iterable[str], text: AlarmText, topics: Topics
) -> None:
    """Create an alarm that notifies a topic while at least one of its parts is in state ALARM."""
    create_composed_alarm(scope, id_, rule=any_of(parts), text=text, topics=topics)


def any_of(parts: Iterable[str]) -> str:
    """Return the rule of a composite alarm: at least one of the named alarms is in state ALARM."""
    return " OR ".join(f'ALARM("{part}")' for part in parts)


def create_composed_alarm(
    scope: Construct, id_: str, *, rule: str, text: AlarmText, topics: Topics
) -> None:
    """Create a composite alarm, which notifies a topic while a rule about other alarms holds."""
    topic = topics.of(text.urgency)
    cloudwatch.CfnCompositeAlarm(
        scope,
        id_,
        alarm_rule=rule,
        alarm_description=text.description,
        alarm_actions=[topic],
        ok_actions=[topic],
        actions_suppressor=topics.suppressor or None,
        actions_suppressor_wait_period=SUPPRESSOR_WAIT_S if topics.suppressor else None,
        actions_suppressor_extension_period=SUPPRESSOR_EXTENSION_S if topics.suppressor else None,
    )


def create_suppressor(scope: Construct, id_: str, *, namespace: str, cluster: str) -> str:
    """Create the alarm that suppresses the composite alarms' actions. Return the alarm's name.

    Commands publish the alarm's metric while they run, and nodes while the cluster is paused.
    Without data the alarm is OK, so that a command or node that fails cannot silence the alarms
    permanently.

    Args:
        scope: parent.
        id_: id.
        namespace: namespace of the metric.
        cluster: name of the cluster's stack.
    """
    return create_metric_alarm(
        scope,
        id_,
        namespace=namespace,
        metric=PAUSE_METRIC,
        dimensions={},
        statistic="Maximum",
        operator=AT_LEAST,
        minutes=1,
        missing="notBreaching",
        description=SUPPRESSOR_TEXT.format(cluster),
    )
