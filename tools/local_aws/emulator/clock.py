"""A clock that shortens AWS's durations, such as a deregistration delay of 300 s."""

import os
import time

VARIABLE = "LOCAL_AWS_PACE"
DEFAULT = 10.0


class Clock:
    """Real time, with AWS's durations divided by a factor.

    Attributes:
        pace: AWS seconds per real second.
        began: a real time at which a minute of AWS began.
    """

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.began = 0.0

    def now(self) -> float:
        """Return real seconds since the epoch; the time also passes while the server is stopped."""
        return time.time()

    def real(self, seconds: float) -> float:
        """Return the real length of an AWS duration."""
        return seconds / self.pace


CLOCK = Clock(float(os.environ.get(VARIABLE) or DEFAULT))
