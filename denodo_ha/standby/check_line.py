"""Check line: one of the ten lines in the output of `denodo-ha failover check`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import call_in_time
from denodo_ha.cli.errors import (
    AccessDenied,
    CommandError,
    ExpiredCredentials,
    NoCredentials,
)

State = Literal["ok", "no", "unknown"]
OK: Final = "ok"
NO: Final = "no"
UNKNOWN: Final = "unknown"
READY: Final = "ready"
NOT_READY: Final = "not ready"
_ORDER: Final[tuple[State, ...]] = (NO, UNKNOWN, OK)
"""States by priority: a line has the first of these states that any of its findings has."""
_LONGEST_READ_S: Final = 60.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Finding:
    """Judgement of one fact of a line.

    Attributes:
        state: ok, no or unknown; unknown never counts as ok.
        seen: what was seen.
        age: age of the observed fact; None if the fact was read just now.
        limit: the value or age that is required for ok.
        remedy: what to do if the state is not ok.
    """

    state: State
    seen: str
    age: timedelta | None = None
    limit: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class CheckLine:
    """One line of `denodo-ha failover check`; `--format json` prints these fields.

    Attributes:
        number: number of the line.
        subject: the condition that the line checks.
        state: ok, no or unknown.
        seen: what was seen.
        age_seconds: age of the oldest fact; None if all facts were read just now.
        limit: the value or age that is required for ok.
        remedy: what to do; empty if the state is ok.
    """

    number: int
    subject: str
    state: State
    seen: str
    age_seconds: int | None
    limit: str
    remedy: str


@dataclass(frozen=True)
class Unknown:
    """A fact that could not be read.

    Attributes:
        reason: why the fact could not be read.
        is_denied: True if the credentials lack a permission.
        remedy: what to do so that the fact can be read.
    """

    reason: str
    is_denied: bool = False
    remedy: str = ""


def known(read: Callable[[], Result]) -> Result | Unknown:
    """Return a fact, or why it cannot be read before the deadline.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    try:
        return call_in_time(read, deadline.left(_LONGEST_READ_S))
    except (NoCredentials, ExpiredCredentials):
        raise
    except CommandError as error:
        return Unknown(str(error), is_denied=isinstance(error, AccessDenied))
    except TimeoutError as error:
        return Unknown(str(error))


def unknown(fact: Unknown, subject: str, limit: str = "") -> Finding:
    """Return the finding for a fact that could not be read."""
    return Finding(UNKNOWN, f"{subject}: {fact.reason}", limit=limit, remedy=fact.remedy)


def line(number: int, subject: str, findings: Iterable[Finding]) -> CheckLine:
    """Return a line whose state is the first in `_ORDER` that at least one of its findings has."""
    by_state = sorted(findings, key=lambda finding: _ORDER.index(finding.state))
    assert by_state, "a line needs a finding: without one, it would count as ok"
    state = by_state[0].state
    ages = [finding.age for finding in by_state if finding.age is not None]
    return CheckLine(
        number,
        subject,
        state,
        _joined(finding.seen for finding in by_state),
        int(max(ages).total_seconds()) if ages else None,
        _joined(finding.limit for finding in by_state),
        _joined(finding.remedy for finding in by_state if finding.state != OK),
    )


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def verdict(lines: Iterable[CheckLine]) -> str:
    """Return ready, not ready or unknown; ready if all ten lines are ok."""
    states = {each.state for each in lines}
    if NO in states:
        return NOT_READY
    return UNKNOWN if UNKNOWN in states or not states else READY


def age_text(age: timedelta) -> str:
    """Return an age in words with one unit, such as 7 h."""
    seconds = max(age.total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock_text(at: datetime, now: datetime) -> str:
    """Return a time in UTC, with its date unless the date is today."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"
