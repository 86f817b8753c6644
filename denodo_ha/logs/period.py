"""Periods on the command line: a duration such as 2h, or a time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from denodo_ha.cli.errors import UsageError

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")


def parse_time(text: str, option: str, now: datetime) -> datetime:
    """Return the time that an option gives as a duration before now, or in ISO 8601 (default UTC).

    Raises:
        UsageError: The text is neither a duration nor a time.
    """
    if match := _DURATION.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        message = (
            f"{option}: {text!r} is not a time; write how long ago, such as 30m, 2h or 7d, or a "
            "time in UTC such as 2026-11-27T03:00"
        )
        raise UsageError(message) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
