"""Line 10: the last practice, and the caller's IAM permissions; both are read from the history."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from denodo_ha.deployed.history.history_entry import DONE, History, HistoryEntry
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import (
    NO,
    OK,
    UNKNOWN,
    CheckLine,
    Finding,
    State,
    Unknown,
    age_text,
    line,
    unknown,
)
from denodo_ha.standby.quota_line import RecordedQuotas

PRACTICE: Final = "failover practice"
CHECK: Final = "failover check"
PRACTICE_MAX: Final = timedelta(days=90)
"""Project default: longest time since the last practice: one practice in each quarter."""
RIGHTS_MAX: Final = timedelta(days=2)
"""Project default: longest time since the same role or user last put a metric in the switch's
namespace, which proves the permission to throw the switch."""
_SWITCHES: Final = frozenset(
    {CHECK, PRACTICE, "failover to", "failover back", "failover from", "failover restore"}
)
"""Commands that put a metric in the switch's namespace, and so prove the permission to throw the
switch."""
_QUOTAS: Final = "quotas"
_SESSION: Final = re.compile(r":sts::(\d+):assumed-role/([^/]+)/.*")

COMMANDS: Final = _SWITCHES
"""Commands whose history entries are read, for line 8 (quotas) and line 10 (last practice)."""


def recorded_quotas(history: History | Unknown, cluster: str) -> RecordedQuotas | Unknown | None:
    """Return the newest recorded quotas of a cluster's region; None if no quotas were recorded."""
    if isinstance(history, Unknown):
        return history
    for entry in reversed(history.entries):
        recorded = entry.details.get(_QUOTAS)
        values = recorded.get(cluster) if isinstance(recorded, dict) else None
        if isinstance(values, dict):
            numbers = {
                str(name): float(value)
                for name, value in values.items()
                if isinstance(value, int | float)
            }
            return RecordedQuotas(numbers, entry.at)
    return _unread(history)


def _unread(history: History) -> Unknown | None:
    return Unknown("; ".join(history.unread)) if history.unread else None


def practice_line(
    history: History | Unknown,
    *,
    caller: str,
    denied: Iterable[str],
    has_put: bool,
    now: datetime,
) -> CheckLine:
    """Judge the last practice, and whether the caller has the permissions for a failover.

    Args:
        history: the entries in the standby's region.
        caller: ARN of the credentials; empty if it is not known.
        denied: error messages of the reads that AWS denied.
        has_put: True if this run has put a metric in the switch's namespace.
        now: the current time.
    """
    findings = [_practice(history, now)]
    findings += _rights(history, caller, tuple(denied), now, has_put=has_put)
    return line(10, "practice and rights", findings)


def _practice(history: History | Unknown, now: datetime) -> Finding:
    limit = f"at most {age_text(PRACTICE_MAX)} ago, and within the times that the drill expects"
    remedy = f"run `{full_command('failover practice')}` (docs/how-to/runbooks/practice.md)"
    if isinstance(history, Unknown):
        return unknown(history, "history", limit)
    practices = [entry for entry in history.entries if entry.command == PRACTICE]
    if practices:
        state, seen = _practice_result(practices[-1], now)
        return Finding(state, seen, now - practices[-1].at, limit, remedy)
    if (unread := _unread(history)) is not None:
        return unknown(unread, "history", limit)
    return Finding(NO, "the history has no practice", limit=limit, remedy=remedy)


def _practice_result(last: HistoryEntry, now: datetime) -> tuple[State, str]:
    """Return the state and the result of the last practice."""
    result, within = f"practice of {last.at:%Y-%m-%d}", _within_objective(last)
    if last.verdict != DONE:
        return NO, f"{result} {last.verdict}: {last.message}".removesuffix(": ")
    if within is False:
        return NO, f"{result} took longer than the drill expects"
    if now - last.at > PRACTICE_MAX:
        return NO, result
    if within is not True:
        return UNKNOWN, f"{result}, without the times that the drill expects"
    return OK, f"{result}, within the times that the drill expects"


def _within_objective(practice: HistoryEntry) -> bool | None:
    """Return whether no step of a practice took longer than the drill expects.

    Return None if the entry does not contain the expected times.
    """
    try:
        report = practice.details["practice"]
        late = [step["late"] for leg in report["directions"] for step in leg["steps"]]
    except (LookupError, TypeError):
        return None
    return not any(late) if late else None


def _rights(
    history: History | Unknown,
    caller: str,
    denied: tuple[str, ...],
    now: datetime,
    *,
    has_put: bool,
) -> Iterator[Finding]:
    limit = f"the caller's permission to throw the switch, used at most {age_text(RIGHTS_MAX)} ago"
    remedy = (
        f"run `{full_command('failover check', '--record')}` with the role of the operators on "
        "call: the command puts metrics, with the permission that the switch needs"
    )
    for reason in denied:
        policies = "attach the operators' policies to the caller's role"
        yield Finding(NO, reason, limit=limit, remedy=policies)
    if has_put:
        yield Finding(OK, "the caller may throw the switch", limit=limit)
        return
    if not caller:
        seen = "the identity of the caller is not known"
        yield Finding(UNKNOWN, seen, limit=limit, remedy=remedy)
        return
    if isinstance(history, Unknown):
        yield unknown(history, "history", limit)
        return
    used = [entry for entry in history.entries if _is_use(entry, caller)]
    if not used or now - used[-1].at > RIGHTS_MAX:
        seen = "it is not known whether the caller may throw the switch"
        age = now - used[-1].at if used else None
        yield Finding(UNKNOWN, seen, age, limit, remedy)
    else:
        seen = "the caller has used the permission to throw the switch"
        yield Finding(OK, seen, now - used[-1].at, limit)


def _is_use(entry: HistoryEntry, caller: str) -> bool:
    return (
        entry.command in _SWITCHES
        and (entry.verdict == DONE or entry.details.get("put") is True)
        and identity(entry.caller) == identity(caller)
    )


def identity(arn: str) -> str:
    """Return the user or role of an ARN without the session's name, to compare callers."""
    match = _SESSION.search(arn)
    return f"{match[1]}:{match[2]}" if match else arn
