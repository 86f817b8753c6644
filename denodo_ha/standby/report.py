"""The output of `denodo-ha failover check`: table, JSON and metrics."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.output import print_json, print_line, print_table, styled
from denodo_ha.deployed.failover.location import FailoverLocation
from denodo_ha.environment.derived import failover_plan
from denodo_ha.standby.check_line import OK, READY, age_text
from denodo_ha.standby.standby_check import StandbyReport
from denodo_ha.standby.standby_facts import Standby


def print_report(standby: Standby, report: StandbyReport) -> None:
    """Print the check lines as a table, then the remedies, then the verdict."""
    rows = [
        (
            str(line.number),
            line.subject,
            styled(line.state),
            line.seen,
            _age(line.age_seconds),
            line.limit,
        )
        for line in report.lines
    ]
    title = f"{standby.name} ({standby.role.lower()}) as standby for {standby.active}"
    print_table(["", "Check", "State", "Seen", "Age", "Limit"], rows, title=title)
    print_line("")
    for line in report.lines:
        if line.state != OK and line.remedy:
            print_line(f"{line.number} {line.subject}: {line.remedy}")
    print_line(f"{standby.name} is {sentence(report)}")


def sentence(report: StandbyReport) -> str:
    """Return the verdict in words, with the numbers of the check lines that are not ok."""
    others = [line for line in report.lines if line.state != OK]
    if report.verdict == READY:
        return "ready to take over"
    listed = ", ".join(f"{line.number} {line.subject} ({line.state})" for line in others)
    known = "not ready" if report.verdict != "unknown" else "not known to be ready"
    return f"{known}: {listed}"


def _age(seconds: int | None) -> str:
    return "" if seconds is None else age_text(timedelta(seconds=seconds))


def print_report_json(standby: Standby, report: StandbyReport) -> None:
    """Print the check lines and the verdict as JSON."""
    print_json(report_fields(standby, report))


def report_fields(standby: Standby, report: StandbyReport) -> Mapping[str, Any]:
    """Return the fields of the JSON output of `denodo-ha failover check`."""
    return {
        "environment": standby.site.environment,
        "standby": standby.name,
        "active": standby.active,
        "verdict": report.verdict,
        "lines": report.lines,
    }


def put_ages(aws: Aws, site: FailoverLocation, report: StandbyReport) -> None:
    """Put the known ages of the check lines as metrics, in the namespace of the switch's metric.

    The call needs the permission that throwing the switch needs.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    ages = {line.number: line.age_seconds for line in report.lines}
    values = {
        name: float(seconds)
        for number, name in failover_plan.AGE_METRICS.items()
        if (seconds := ages[number]) is not None
    }
    _put(aws, site, {failover_plan.CHECKED_METRIC: 1.0, **values})


def put_verdict(aws: Aws, site: FailoverLocation, report: StandbyReport) -> None:
    """Put the verdict as a metric: 1 if the standby is ready, else 0.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    _put(aws, site, {failover_plan.READY_METRIC: float(report.verdict == READY)})


def _put(aws: Aws, site: FailoverLocation, values: Mapping[str, float]) -> None:
    dimension = {"Name": failover_plan.SWITCH_DIMENSION, "Value": site.environment}
    with translated_errors():
        aws.client("cloudwatch", site.region).put_metric_data(
            Namespace=site.switch_namespace,
            MetricData=[
                {"MetricName": name, "Dimensions": [dimension], "Value": value}
                for name, value in values.items()
            ],
        )
