"""Stack events, each later than the one before, so that they read in the order of what happened.

Here dozens of resources are made within a millisecond, and the CDK CLI sorts by time.
"""

import threading
from datetime import UTC, datetime, timedelta

from tools.local_aws.emulator import ministack

_STEP = timedelta(milliseconds=1)


class _Times:
    """Times that only go forward."""

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
    """Have events take their times from here."""
    ministack.replace(ministack.lifecycle, "now_iso", _Times())
