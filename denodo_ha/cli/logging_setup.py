"""Log lines of commands on stderr: text for people, or one JSON object per line for machines.

    _log = logging.getLogger(__name__)
    _log.info("deregistered", extra={"node": "node1", "group": arn})

Only loggers of this package write log lines: debug lines of the SDK contain request signatures.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TextIO

from denodo_ha.environment.loading.problem import printable

_OURS: Final = "denodo_ha"
_KNOWN: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"}
)
_LEVELS: Final = (logging.WARNING, logging.INFO, logging.DEBUG)


class Format(StrEnum):
    """The format of log lines."""

    text = "text"
    json = "json"


class _Json(logging.Formatter):
    """A formatter that writes a log record with its extra fields as a line of JSON; time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    """A formatter that writes text such as `12:00:00 info drain: message (node=node1)`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = ", ".join(f"{key}={value}" for key, value in _extra(record).items())
        name = record.name.removeprefix(f"{_OURS}.")
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower()} {name}: "
        line = printable(line + record.getMessage() + (f" ({extra})" if extra else ""))
        if not record.exc_info:
            return line
        # Indent the traceback, so that none of its lines looks like a log line.
        trace = self.formatException(record.exc_info).split("\n")
        return "\n".join((line, *(f"  {printable(each)}" for each in trace)))


class _Stderr(logging.StreamHandler[TextIO]):
    """A handler that writes to the current `sys.stderr`, which tests replace."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _KNOWN}


def set_up(form: Format, verbosity: int) -> None:
    """Start logging.

    Args:
        form: text or JSON.
        verbosity: 0 for warnings, 1 for warnings and steps, 2 for all details.
    """
    handler = _Stderr()
    handler.setFormatter(_Json() if form is Format.json else _Text())
    logger = logging.getLogger(_OURS)
    logger.handlers = [handler]
    logger.propagate = False
    # With JSON, steps are always logged, because progress messages are log lines too.
    floor = max(verbosity, 1) if form is Format.json else verbosity
    logger.setLevel(_LEVELS[min(floor, len(_LEVELS) - 1)])


def is_json() -> bool:
    """Return True if log lines are JSON, so that nothing else may be written to stderr."""
    return any(
        isinstance(handler.formatter, _Json) for handler in logging.getLogger(_OURS).handlers
    )
