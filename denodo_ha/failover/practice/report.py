"""Report of a practice: a table, JSON, or Markdown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import (
    Cell,
    markdown_table,
    markdown_text,
    print_document,
    print_json,
    print_line,
    print_table,
)
from denodo_ha.environment.loading.problem import printable
from denodo_ha.failover.practice.measurement import MeasuredLeg, MeasuredStep

PASSED: Final = "passed"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"

_COLUMNS: Final = ("Direction", "Step", "Seconds", "Drill, at most")


@dataclass(frozen=True)
class PracticeReport:
    """The result of a practice.

    Attributes:
        environment: name of the environment.
        endpoint: the failover name.
        primary: the primary cluster.
        secondary: the secondary cluster.
        began: time of the beginning.
        stayed: seconds for which the site was at the secondary, from the first DNS answer with the
            secondary.
        looks: number of looks for each cluster that the name led to; under an empty name, the looks
            whose cluster is unknown.
        legs: the measured failover to the secondary, and back to the primary.
        findings: what was wrong during the practice; empty if the practice passed.
        notes: what was not measured, and why.
        is_interrupted: True if an operator ended the practice.
    """

    environment: str
    endpoint: str
    primary: str
    secondary: str
    began: datetime
    stayed: float
    looks: dict[str, int]
    legs: tuple[MeasuredLeg, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    is_interrupted: bool = False

    @property
    def verdict(self) -> str:
        """Return passed, failed or interrupted."""
        if self.is_interrupted:
            return INTERRUPTED
        return FAILED if self.findings else PASSED

    @property
    def summary(self) -> str:
        """Return one line with the verdict and the seconds of each direction."""
        legs = [
            f"to {leg.to} in {_seconds(leg.seconds) or 'unknown'} s after the datapoint"
            for leg in self.legs
        ]
        return f"practice {self.verdict}: {', '.join(legs) or 'there was no failover'}"


def print_report(report: PracticeReport, form: DocumentFormat) -> None:
    """Print the report in a format."""
    if form is DocumentFormat.json:
        print_json(report_data(report))
    elif form is DocumentFormat.markdown:
        print_document(markdown(report))
    else:
        print_table(_COLUMNS, _rows(report), title=f"{report.endpoint}: {report.summary}")
        for line in _lines(report):
            print_line(line)


def _rows(report: PracticeReport) -> list[tuple[Cell, ...]]:
    return [
        (f"to {leg.to}", step.step, _measured(step), _expected(step))
        for leg in report.legs
        for step in leg.steps
    ]


def _measured(step: MeasuredStep) -> str:
    if step.seconds is None:
        return "not seen"
    return f"{_seconds(step.seconds)}{' (late)' if step.is_late else ''}"


def _expected(step: MeasuredStep) -> str:
    return "" if step.expected is None else str(step.expected)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f}"


def _lines(report: PracticeReport) -> list[str]:
    looks = ", ".join(
        f"{count} led to {cluster or 'no known cluster'}" for cluster, count in report.looks.items()
    )
    return [
        *(f"! {finding}" for finding in report.findings),
        *(f"- {note}" for note in report.notes),
        f"- the failover name led to {report.secondary} for {report.stayed:.0f} s",
        f"- lookups of the failover name: {looks or 'none'}",
        *(
            f"- the drill expects, to {leg.to}: {leg.expectation}"
            for leg in report.legs
            if leg.expectation
        ),
    ]


def markdown(report: PracticeReport) -> str:
    """Return the report as a Markdown document."""
    title = f"# Practice of {report.environment}, {report.began:%Y-%m-%d %H:%M} UTC"
    items = "\n".join(
        f"- {markdown_text(printable(line.lstrip('!- ')))}" for line in _lines(report)
    )
    summary = markdown_text(printable(f"{report.endpoint}: {report.summary}."))
    table = markdown_table(_COLUMNS, _rows(report))
    return f"{printable(title)}\n\n{summary}\n\n{table}\n\n{items}\n"


def report_data(report: PracticeReport) -> dict[str, object]:
    """Return the report as JSON data, also for the history."""
    return {
        "environment": report.environment,
        "endpoint": report.endpoint,
        "primary": report.primary,
        "secondary": report.secondary,
        "began": report.began.isoformat(timespec="seconds"),
        "verdict": report.verdict,
        "stayed": round(report.stayed, 1),
        "looks": report.looks,
        "directions": [
            {
                "to": leg.to,
                "steps": [
                    {
                        "step": step.step,
                        "seconds": None if step.seconds is None else round(step.seconds, 1),
                        "expected": step.expected,
                        "late": step.is_late,
                    }
                    for step in leg.steps
                ],
                "drill": leg.expectation or None,
            }
            for leg in report.legs
        ],
        "findings": report.findings,
        "notes": report.notes,
    }
