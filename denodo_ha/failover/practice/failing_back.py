"""The failover back to the primary at the end of a practice; a failed attempt is repeated.

The switch's alarm evaluates the maximum of each minute. A datapoint for the primary has no effect
if it is put in the same minute as the datapoint for the secondary. So, unless the effect of the
datapoint for the secondary was seen, the datapoint for the primary is put twice: at once, and again
when the datapoint for the secondary must have had its effect.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli import process
from denodo_ha.cli.errors import (
    CommandError,
    ExpiredCredentials,
    Failed,
    Interrupted,
    NoCredentials,
)
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover.dns_answer import Lookup
from denodo_ha.deployed.failover.health_checks import UNHEALTHY
from denodo_ha.deployed.failover.location import PRIMARY, FailoverLocation
from denodo_ha.failover.failover_task import FailoverTask, read_task
from denodo_ha.failover.practice.measurement import Leg
from denodo_ha.failover.practice.observation import Watching
from denodo_ha.failover.switching import EFFECT_S, EVERY_S, fail_over, throw_switch

READ_S: Final = 30.0
"""Project default: seconds to read the state before the failover in one direction."""

_UNCHANGED: Final = re.compile(
    r"(the switch was not thrown, and |[;.] )?nothing was changed[:.]? ?", re.IGNORECASE
)
"""Parts of error messages that hold for one attempt only, and not for the whole practice."""


@dataclass(frozen=True)
class PracticeContext:
    """Dependencies of a practice.

    Attributes:
        sign_in: returns the credentials; called again if they have expired.
        site: location of the failover.
        clock: the clock.
        progress: receives progress messages.
        timeout: seconds until DNS must answer with the other cluster.
        look: resolves a name.
        watching: runs the tasks of an observation.
        back_command: the command that fails back, for messages.
        readiness: returns the lines of the standby check that are not ok; raises `Refused` if the
            standby is not ready.
    """

    sign_in: Callable[[], Aws]
    site: FailoverLocation
    clock: Clock
    progress: Progress
    timeout: float
    look: Lookup
    watching: Watching
    back_command: str
    readiness: Callable[[Aws], tuple[str, ...]]

    @property
    def primary(self) -> str:
        """Return the name of the primary cluster."""
        return self.site.clusters[PRIMARY].name

    @property
    def remains(self) -> str:
        """Return a text for messages: the site may not be at its primary, and how to fail back."""
        return (
            f"it is not known whether {self.site.endpoint} leads to {self.primary} again, and "
            f"there is no automatic failback: run `{self.back_command}`"
        )

    def fail_over(self, aws: Aws, task: FailoverTask, leg: Leg, clock: Clock) -> None:
        """Fail over in one direction, and record in `leg` the time of the first datapoint."""

        def put() -> None:
            leg.put = clock.monotonic() if leg.put is None else leg.put
            process.set_state_left(self.remains)

        # Failing back may put a second datapoint. The timeout must be long enough for both waits.
        timeout = self.timeout / 2 if task.role == PRIMARY else self.timeout
        fail_over(
            aws,
            task,
            clock=clock,
            progress=self.progress,
            timeout=timeout,
            look=self.look,
            on_put=put,
        )


class FailingBack:
    """Fails back to the primary.

    Args:
        context: dependencies of the practice.
        aws: the credentials.
        clock: the clock that renews the locks. Failing back does not depend on the locks, which
            cannot be renewed with expired credentials.
    """

    def __init__(self, context: PracticeContext, aws: Aws, clock: Clock) -> None:
        self._context, self._aws = context, aws
        self.clock = UnlockedClock(clock, context.clock)

    def run(self, leg: Leg, *, put: float, has_moved: bool) -> None:
        """Fail back; repeat a failed attempt until the timeout.

        Args:
            leg: the direction to the primary; receives the time of its datapoint.
            put: the latest time at which the earlier datapoint, for the secondary, may have been
                put.
            has_moved: True if the effect of the earlier datapoint was seen.

        Raises:
            Failed: The site is not at its primary again; the message has the command that fails
                back.
            Interrupted: An operator has interrupted the failover back; the message has the command
                that fails back.
        """
        process.set_state_left(self._context.remains)
        end = self.clock.monotonic() + self._context.timeout
        try:
            if not has_moved:
                end += self._put_before_effect(leg, put)
            while True:
                try:
                    with deadline.extended(self._context.timeout + READ_S):
                        task = self._read()
                        _require_healthy(task)
                        self._context.fail_over(self._aws, task, leg, self.clock)
                    return
                except Interrupted:
                    raise
                except CommandError as error:
                    self._wait_or_give_up(error, end)
        except (KeyboardInterrupt, Interrupted) as error:
            message = f"{reason_of(error) or 'interrupted'}; {self._context.remains}"
            raise Interrupted(message) from None

    def _read(self) -> FailoverTask:
        return read_task(self._aws, self._context.site, PRIMARY, self._context.look)

    def _put_before_effect(self, leg: Leg, put: float) -> float:
        """Put the switch's datapoint for the primary at once, and wait; return the seconds waited.

        The wait ends when the datapoint for the secondary has had its full effect on DNS.
        """
        try:
            with deadline.extended(READ_S):
                throw_switch(self._aws, self._read(), self._context.progress)
            leg.put = self.clock.monotonic()
        except CommandError as error:
            self._context.progress.say(f"cannot fail back yet: {reason_of(error)}")
        left = max(EFFECT_S - (self.clock.monotonic() - put), 0)
        title = f"waiting {left:.0f} s until the datapoint for the secondary has had its effect"
        with self._context.progress.step(title):
            self.clock.sleep(left)
        return left

    def _wait_or_give_up(self, error: CommandError, end: float) -> None:
        """Wait before the next attempt to fail back, unless the timeout has expired.

        Raises:
            Failed: The timeout has expired.
        """
        reason, remains = reason_of(error), self._context.remains
        if self.clock.monotonic() >= end:
            message = f"{reason}; {remains}"
            raise Failed(message) from error
        hint = ""
        if isinstance(error, ExpiredCredentials | NoCredentials):
            hint = " (renew the credentials in another terminal, for example with `aws sso login`)"
        self._context.progress.say(f"cannot fail back yet: {reason}{hint}. Trying again; {remains}")
        self.clock.sleep(EVERY_S)
        try:
            self._aws = self._context.sign_in()
        except CommandError:
            return


class UnlockedClock:
    """Clock that renews locks in its waits; if a renewal fails, it waits without an error."""

    def __init__(self, renewing: Clock, plain: Clock) -> None:
        self._renewing, self._plain = renewing, plain

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._plain.now()

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment."""
        return self._plain.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        try:
            self._renewing.sleep(seconds)
        except CommandError:
            self._plain.sleep(seconds)


def reason_of(error: BaseException) -> str:
    """Return the message of an error, without the parts that hold for one attempt only."""
    return _UNCHANGED.sub("", str(error))


def _require_healthy(task: FailoverTask) -> None:
    """Check that Route 53 can answer with the primary.

    Raises:
        Failed: The primary is unhealthy.
    """
    side = task.sides.of(task.role)
    if side.state == UNHEALTHY:
        message = (
            f"{side.cluster} is not healthy ({side.reason}), so Route 53 would not answer with "
            f"{side.cluster}"
        )
        raise Failed(message)
