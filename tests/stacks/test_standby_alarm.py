"""Alarm on `denodo-ha failover check --record`: missing data is a failure."""

from pathlib import Path

from denodo_ha.environment.loading.loader import load
from tests.support.assembly import synthesise
from tests.support.configurations import changed, twins, write

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"


def test_a_check_that_did_not_run_or_is_not_ready_notifies(tmp_path: Path) -> None:
    data = changed(twins(), {"failover/check_every": 12})
    template = synthesise(load(write(tmp_path, data)), tmp_path / "out").templates["test-failover"]
    resources = template["Resources"].values()
    parts = [
        resource["Properties"]
        for resource in resources
        if resource["Type"] == ALARM and resource["Properties"]["MetricName"] == "StandbyReady"
    ]
    assert {
        (part["Statistic"], part["Period"], part["EvaluationPeriods"], part["TreatMissingData"])
        for part in parts
    } == {("Minimum", 60, 1, "ignore"), ("SampleCount", 3600, 12, "breaching")}
    for part in parts:
        assert (part["Namespace"], part["Threshold"]) == ("Denodo/Failover", 1)
        assert part["ComparisonOperator"] == "LessThanThreshold"
        assert part["Dimensions"] == [{"Name": "Environment", "Value": "test"}]
        assert part["Period"] * part["EvaluationPeriods"] <= 86_400
        assert "AlarmActions" not in part
    (composite,) = [
        resource["Properties"]
        for resource in resources
        if resource["Type"] == COMPOSITE
        and "standby not ready" in resource["Properties"]["AlarmDescription"]
    ]
    assert composite["AlarmActions"] == composite["OKActions"]
