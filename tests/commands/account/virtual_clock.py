"""Virtual clock, so that tests of waiting code do not wait."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """A clock whose time passes only during `sleep`.

    clock = VirtualClock()
    clock.at(30, lambda: cloud.become("node1", "healthy"))
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start, self._passed = start, 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Return the virtual seconds since the start of the clock."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass, and make each scheduled call when its time has come."""
        self.slept.append(seconds)
        until = self._passed + seconds
        while self._due and self._due[0][0] <= until:
            moment, _, happen = self._due.pop(0)
            self._passed = max(self._passed, moment)
            happen()
        self._passed = until

    def at(self, seconds: float, happen: Callable[[], object]) -> None:
        """Schedule a call for a time: seconds after the start of the clock."""
        self._due.append((seconds, len(self._due), happen))
        self._due.sort(key=lambda due: due[:2])
