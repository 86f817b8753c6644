"""CloudWatch alarms: the checks of PutMetricAlarm, and alarm states computed from the metrics."""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.cloudwatch import metrics
from tools.local_aws.emulator.errors import AwsError

KIND = "AWS::CloudWatch::Alarm"
_COMPARISONS = (
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "GreaterThanUpperThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanThreshold",
)
_MISSING = ("breaching", "notBreaching", "ignore", "missing")


def _fault(message: str) -> AwsError:
    return AwsError("ValidationError", message, service="CloudWatch")


def _check_alarm(properties: Properties) -> None:
    if properties.get("ComparisonOperator") not in _COMPARISONS:
        message = f"Invalid ComparisonOperator '{properties.get('ComparisonOperator')}'"
        raise _fault(message)
    if properties.get("TreatMissingData", "missing") not in _MISSING:
        message = f"Invalid TreatMissingData '{properties['TreatMissingData']}'"
        raise _fault(message)
    if "EvaluationPeriods" not in properties:
        raise _fault("EvaluationPeriods is required")
    period = int(properties.get("Period", 60))
    if period not in (1, 5, 10, 20, 30) and period % 60:
        message = f"Period must be 10, 20, 30 or a multiple of 60, and is {period}"
        raise _fault(message)
    periods = int(properties["EvaluationPeriods"])
    if not 1 <= int(properties.get("DatapointsToAlarm", periods)) <= periods:
        raise _fault("DatapointsToAlarm must be from 1 to EvaluationPeriods")


def evaluate(alarm: ministack.Record) -> None:
    """Set the state of an alarm from its metric."""
    if not alarm.get("MetricName"):
        return
    now = metrics.state(alarm)
    if now.value == alarm["StateValue"]:
        return
    before = alarm["StateValue"]
    alarm.update(
        StateValue=now.value, StateReason=now.reason, StateUpdatedTimestamp=int(CLOCK.now())
    )
    details = (before, now.value, now.reason)
    ministack.private(ministack.cloudwatch, "_record_history")(alarm["AlarmName"], *details)
    ministack.private(ministack.cloudwatch, "_dispatch_alarm_actions")(alarm, *details)
    ministack.private(ministack.cloudwatch, "_evaluate_parent_alarms")(alarm)


def install() -> None:
    """Add checks to MiniStack's alarms, and evaluate alarms at each call that describes them."""
    resource_types.check(KIND, _check_alarm)
    ministack.replace(ministack.cloudwatch, "_evaluate_alarm", evaluate)
    describe = ministack.private(ministack.cloudwatch, "_describe_alarms")

    def described(*arguments: Any) -> Any:
        for alarm in ministack.alarms.values():
            evaluate(alarm)
        return describe(*arguments)

    ministack.replace(ministack.cloudwatch, "_describe_alarms", described)
