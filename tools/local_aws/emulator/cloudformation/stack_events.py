"""Times of stack events, each later than the one before.

Dozens of resources are made within a millisecond here, and the CDK CLI sorts the events by time.
"""

import threading
from datetime import UTC, datetime, timedelta

from tools.local_aws.emulator import ministack

_STEP = timedelta(milliseconds=1)


class _Times:
    """Strictly increasing times."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + _STEP)
            return (
                self._last.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self._last.microsecond // 1000:03}Z"
            )


def install() -> None:
    """Replace the times of events."""
    ministack.replace(ministack.lifecycle, "now_iso", _Times())
