"""Counts of how often services have become not ready, in the readiness endpoint's memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WINDOW_S = 3600.0
"""Project default: seconds for which a loss of readiness is counted."""


class ReadinessLosses:
    """Times at which each service lost its readiness; the threads of probes report to this object.

    A drained node is not probed, so a drain is not a loss. A restart of the servers is one loss.

    Args:
        now: a monotonic clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._ready: set[Hashable] = set()
        self._times: dict[Hashable, deque[float]] = {}

    def observe(self, service: Hashable, *, ready: bool) -> None:
        """Record whether a probe found a service ready."""
        with self._lock:
            if ready:
                self._ready.add(service)
            elif service in self._ready:
                self._ready.remove(service)
                self._times.setdefault(service, deque()).append(self._now())

    @property
    def count(self) -> int:
        """Return the maximum of the services' numbers of losses within `WINDOW_S`."""
        with self._lock:
            since = self._now() - WINDOW_S
            for times in self._times.values():
                while times and times[0] <= since:
                    times.popleft()
            return max(map(len, self._times.values()), default=0)
