"""Log events for CloudWatch Logs: batches within the limits of CloudWatch Logs, without secrets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH_BYTES = 1_048_576
BATCH_EVENTS = 10_000
EVENT_OVERHEAD_BYTES = 26
BATCH_SPAN_MS = 24 * 3600 * 1000
"""Limits of a batch: the size of its messages in UTF-8 with an overhead for each event, the number
of its events, and the time between its first and last event (AWS, CloudWatch Logs API Reference,
PutLogEvents)."""
MESSAGE_CHARACTERS = 32_768
"""Project default: longer messages are cut. In UTF-8, such a message has at most 128 KiB, and an
event may have 256 KB (AWS, CloudWatch Logs API Reference, PutLogEvents)."""
HIDDEN = "********"
SHORTEST_SECRET = 6
"""Project default: minimum length of a secret's line that is searched for in log lines. A shorter
text can be a part of harmless words."""

_CUT = " (cut)"
_PATTERNS = (
    # Assignments of a secret: NAME=VALUE, NAME: VALUE, "NAME": "VALUE"
    re.compile(
        r"""(?i)((?:password|passwd|pwd|passphrase|secret|token|api_?key|access_?key)["']?"""
        r"""\s*[=:]\s*)(?!["']?arn:)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&"']+)"""
    ),
    # Statements of VQL and SQL: PASSWORD 'VALUE', IDENTIFIED BY 'VALUE'
    re.compile(r"""(?i)((?:password|identified\s+by|passphrase|secret)\s+)('(?:[^']|'')*')"""),
    # Passwords that Denodo has encrypted: encrypted:VALUE
    re.compile(r"(?i)(encrypted:)([^\s,;&\"']+)"),
    # Passwords in URLs: USER:PASSWORD@HOST
    re.compile(r"(://[^\s/:@]+:)([^\s/@]+)(?=@)"),
    # Tokens or logins in the HTTP header `Authorization`
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)([A-Za-z0-9+/=._~-]{8,})"),
)
"""Patterns of secrets: group 1 is the text before the secret, which remains. The ARN of a secret is
not hidden, since an ARN reveals no value."""


@dataclass(frozen=True)
class LogEvent:
    """A line of a log.

    Attributes:
        time_ms: milliseconds since 1970 (UTC).
        message: the text of the line.
    """

    time_ms: int
    message: str


class SecretFilter:
    """Hides secrets in lines: known values, and values in forms such as `password=VALUE`.

    Args:
        values: the known secrets. Each line of a value is searched for on its own, also as escaped
            in JSON, in a URL or in a file of Java properties.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {
            form
            for value in values
            for line in value.splitlines()
            if len(line.strip()) >= SHORTEST_SECRET
            for form in _forms(line.strip())
        }
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def hide(self, text: str) -> str:
        """Return a text with each secret replaced by `HIDDEN`."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return text

    def event(self, time_ms: int, text: str) -> LogEvent | None:
        """Return the event for a line, without secrets; None for an empty line."""
        # Replace lone surrogates, which a journal can contain and UTF-8 cannot encode.
        message = self.hide(text.encode(errors="replace").decode().rstrip())
        if not message:
            return None
        if len(message) > MESSAGE_CHARACTERS:
            message = message[: MESSAGE_CHARACTERS - len(_CUT)] + _CUT
        return LogEvent(time_ms, message)


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield re.sub(r"([:=#!\\])", r"\\\1", value)


def batches(events: Iterable[LogEvent]) -> Iterator[list[LogEvent]]:
    """Yield the events sorted by time, in batches that CloudWatch Logs accepts."""
    batch: list[LogEvent] = []
    size = 0
    for event in sorted(events, key=lambda event: event.time_ms):
        bytes_ = len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if batch and (
            size + bytes_ > BATCH_BYTES
            or len(batch) == BATCH_EVENTS
            or event.time_ms - batch[0].time_ms >= BATCH_SPAN_MS
        ):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += bytes_
    if batch:
        yield batch
