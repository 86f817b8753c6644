"""Recorded values of the metrics that the local AWS computes, so that alarms need whole periods.

Without recorded values, such a metric has its current value in all periods, and its alarms change
at once. While the part `metrics` of `PUT /_local/living` is on, the value of each alarm's metric is
recorded several times in each period, as Elastic Load Balancing measures within a minute. An alarm
then changes only when the statistic of whole periods does, as on AWS.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.clock import CLOCK

_log = logging.getLogger("local-aws")
_EVERY_S = 10
_SHORTEST_S = 0.1
"""Project defaults: AWS seconds between two records (`_EVERY_S`), but at least these real seconds
(`_SHORTEST_S`)."""
_KEPT = 600
"""Project default: number of recorded values of each alarm, enough for 10 periods of 10 minutes."""

Owner = tuple[str, str, str]
"""Account, region and name of an alarm."""


class MetricHistory:
    """The recorded values of each alarm's metric, with their times."""

    def __init__(self) -> None:
        self._points: dict[Owner, deque[tuple[float, float]]] = {}
        self._stop_asked: threading.Event | None = None

    @property
    def is_on(self) -> bool:
        """True while values are recorded."""
        return self._stop_asked is not None

    def points(self, alarm: ministack.Record) -> list[tuple[float, float]]:
        """Return time and value of each record of an alarm of the current account and region."""
        owner = (ministack.account(), ministack.region(), str(alarm["AlarmName"]))
        return list(self._points.get(owner, ()))

    def start(self, value: Callable[[ministack.Record], float | None]) -> None:
        """Record values from now on.

        An alarm that exists now is given its current value for the past: a server that was started
        again knows no earlier values.

        Args:
            value: returns the current value of an alarm's metric, None if the metric has no data or
                is not computed.
        """
        self._points.clear()
        self._record(value, in_past=True)
        self._stop_asked = threading.Event()
        threading.Thread(
            target=self._run, args=(value, self._stop_asked), name="metrics", daemon=True
        ).start()

    def stretch(self, factor: float) -> None:
        """Multiply the age of each record by a factor, after a change of the pace."""
        now = CLOCK.now()
        for owner, points in [*self._points.items()]:
            # Iterate over copies, because another thread adds records.
            ages = [(now - (now - at) * factor, value) for at, value in [*points]]
            self._points[owner] = deque(ages, maxlen=_KEPT)

    def stop(self) -> None:
        """Stop recording."""
        if self._stop_asked is not None:
            self._stop_asked.set()
        self._stop_asked = None

    def _run(
        self, value: Callable[[ministack.Record], float | None], stop_asked: threading.Event
    ) -> None:
        while not stop_asked.wait(max(CLOCK.real(_EVERY_S), _SHORTEST_S)):
            try:
                self._record(value)
            except (KeyError, RuntimeError):
                # A resource was deleted during the round.
                _log.debug("a round of metrics was interrupted", exc_info=True)

    def _record(
        self, value: Callable[[ministack.Record], float | None], *, in_past: bool = False
    ) -> None:
        owners = set()
        for (account, region, name), alarm in ministack.alarms.all_items():
            owners.add((account, region, name))
            with ministack.acting_for(account, region):
                measured = value(alarm)
            if measured is None:
                continue
            points = self._points.setdefault((account, region, name), deque(maxlen=_KEPT))
            now = CLOCK.now()
            if in_past:
                period = CLOCK.real(float(alarm.get("Period") or 60))
                periods = range(max(10, int(alarm["EvaluationPeriods"])), 0, -1)
                points.extend((now - period * number, measured) for number in periods)
            points.append((now, measured))
        for gone in self._points.keys() - owners:
            del self._points[gone]


HISTORY = MetricHistory()
