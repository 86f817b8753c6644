"""How fast time passes: a deregistration delay of five minutes is a long wait on a laptop."""

import os
import time

VARIABLE = "LOCAL_AWS_PACE"
DEFAULT = 10.0


class Clock:
    """Real time, with durations made shorter by a factor.

    Attributes:
        pace: how many of AWS's seconds go by in a real one.
    """

    def __init__(self, pace: float) -> None:
        self.pace = pace

    def now(self) -> float:
        """Real seconds since the epoch: they go on while the server is down."""
        return time.time()

    def real(self, seconds: float) -> float:
        """The real length of one of AWS's durations."""
        return seconds / self.pace


CLOCK = Clock(float(os.environ.get(VARIABLE) or DEFAULT))
