"""CloudWatch alarms, with what PutMetricAlarm refuses, and the states that metrics give them."""

from typing import Any

from tools.local_aws.emulator import emulator, metrics, types
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.faults import FaultError
from tools.local_aws.emulator.types import Properties

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


def _fault(message: str) -> FaultError:
    return FaultError("ValidationError", message, service="CloudWatch")


def _evaluable(properties: Properties) -> None:
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


def evaluate(alarm: emulator.Record) -> None:
    """Give an alarm the state that its metric asks for now."""
    if not alarm.get("MetricName"):
        return
    now = metrics.state(alarm)
    if now.value == alarm["StateValue"]:
        return
    before = alarm["StateValue"]
    alarm.update(
        StateValue=now.value, StateReason=now.reason, StateUpdatedTimestamp=int(CLOCK.now())
    )
    told = (before, now.value, now.reason)
    emulator.private(emulator.cloudwatch, "_record_history")(alarm["AlarmName"], *told)
    emulator.private(emulator.cloudwatch, "_dispatch_alarm_actions")(alarm, *told)
    emulator.private(emulator.cloudwatch, "_evaluate_parent_alarms")(alarm)


def install() -> None:
    """Check the alarms that MiniStack makes, and evaluate them whenever somebody looks."""
    types.check(KIND, _evaluable)
    emulator.replace(emulator.cloudwatch, "_evaluate_alarm", evaluate)
    describe = emulator.private(emulator.cloudwatch, "_describe_alarms")

    def described(*arguments: Any) -> Any:
        for alarm in emulator.alarms.values():
            evaluate(alarm)
        return describe(*arguments)

    emulator.replace(emulator.cloudwatch, "_describe_alarms", described)
