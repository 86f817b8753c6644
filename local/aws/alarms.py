"""CloudWatch alarms, with what PutMetricAlarm refuses."""

from local.aws import types
from local.aws.faults import FaultError
from local.aws.types import Properties

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


def install() -> None:
    """Check the alarms that MiniStack makes."""
    types.check(KIND, _evaluable)
