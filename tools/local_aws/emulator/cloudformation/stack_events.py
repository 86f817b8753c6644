"""Times of stack events, each later than that of the previous event.

The local AWS makes dozens of resources within a millisecond, and the CDK CLI sorts events by time.
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
    """Replace MiniStack's event times by strictly increasing times."""
    ministack.replace(ministack.lifecycle, "now_iso", _Times())
