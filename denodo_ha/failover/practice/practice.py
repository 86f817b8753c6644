"""A practice: fail over to the secondary, stay, fail back, and measure when clients are served.

A practice begins and ends at the primary. After an interruption or an error, the practice fails
back before it ends; if it cannot, the error names the command that fails back. While it runs,
the locks of both clusters contain "failover practice", by which the next practice recognises that
an earlier practice was killed, and fails back.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.cli.errors import AwsError, CommandError, Failed, Interrupted, Refused
from denodo_ha.deployed.failover.health_checks import UNHEALTHY
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY, Role
from denodo_ha.environment.full_command import full_command
from denodo_ha.failover.failover_task import FailoverTask, read_task, require_possible
from denodo_ha.failover.practice.client_observer import Observer
from denodo_ha.failover.practice.cluster_locks import held_locks, practice_was_killed
from denodo_ha.failover.practice.expectation import Expectation
from denodo_ha.failover.practice.failing_back import (
    READ_S,
    FailingBack,
    PracticeContext,
    reason_of,
)
from denodo_ha.failover.practice.measurement import Leg, measured_leg, open_gap
from denodo_ha.failover.practice.observation import Observation, SwitchReader
from denodo_ha.failover.practice.report import PracticeReport

CLIENTS_S: Final = 60.0
"""Project default: seconds after the DNS answer within which the client observer must see every
service served by the other cluster."""
GAP_S: Final = 30.0
"""Project default: the stay at the secondary ends if a service is not served for this many
seconds."""


class Practice:
    """Practice: a failover to the secondary, a stay, and the failover back.

    Args:
        context: dependencies of the practice.
        observer: looks at the failover name.
        expected: the drill's expectation.
    """

    def __init__(self, context: PracticeContext, observer: Observer, expected: Expectation) -> None:
        self._context, self._observer, self._expected = context, observer, expected
        self._aws, self._clock = context.sign_in(), context.clock
        self._legs: list[Leg] = []
        self._findings: list[str] = []
        self._notes: tuple[str, ...] = ()
        self._stayed = 0.0
        self._is_interrupted = self._may_have_moved = False

    def run(self, stay: float, *, take_over: bool = False) -> PracticeReport:
        """Practise, and return the report; the site is then at its primary again.

        Args:
            stay: seconds to stay at the secondary.
            take_over: True to take the locks of other commands.

        Raises:
            Refused: The site is not at its primary, the secondary is not healthy, a service is not
                served, or another command holds a lock. Nothing was changed.
            Failed: The site is not at its primary again, or this run has only ended an earlier
                practice that was killed.
        """
        context, began = self._context, self._clock.now()
        was_killed = practice_was_killed(self._aws, context.site)
        with held_locks(
            self._aws,
            context.site,
            clock=context.clock,
            progress=context.progress,
            take_over=take_over,
        ) as self._clock:
            if was_killed:
                self._end_earlier()
            _, observation = self.require_ready()
            with context.watching(observation):
                self._there_and_back(observation, stay)
        return self._report(began, observation)

    def require_ready(self) -> tuple[FailoverTask, Observation]:
        """Check that a practice may begin; return the failover to the secondary and an observation.

        Raises:
            Refused: The site is not at its primary, the secondary is not healthy or not ready, or
                the observer does not see every service.
        """
        task = self.require_possible()
        observation = self._observation(task)
        self._require_served(observation)
        progress, secondary = self._context.progress, task.cluster
        with progress.step(f"checking whether {secondary} is ready"):
            self._notes = self._context.readiness(self._aws)
        return task, observation

    def require_possible(self) -> FailoverTask:
        """Check that the site can fail over to its secondary, and return this failover.

        Raises:
            Refused: The site is not at its primary, or the secondary is not healthy.
        """
        task = read_task(self._aws, self._context.site, SECONDARY, self._context.look)
        if not replace(task, role=PRIMARY).is_done:
            raise self._not_at_primary(task)
        require_possible(task)
        return task

    def _end_earlier(self) -> None:
        """Fail back after a practice that was killed.

        Raises:
            Failed: Always: the earlier practice was ended, or the site is not at its primary again.
        """
        context = self._context
        context.progress.say("an earlier practice was killed: failing back")
        now = self._clock.monotonic()
        back = FailingBack(context, self._aws, self._clock)
        back.run(Leg(PRIMARY, context.primary, now), put=now, has_moved=False)
        message = (
            "an earlier practice was killed, and has now been ended: "
            f"{context.site.endpoint} leads to {context.primary}, and the switch is set to "
            f"{context.primary}. Run the same command again to practise"
        )
        raise Failed(message)

    def _not_at_primary(self, task: FailoverTask) -> Refused:
        site = self._context.site

        def name(role: Role | None, otherwise: str) -> str:
            return site.clusters[role].name if role else otherwise

        message = (
            f"{site.endpoint} leads to {name(task.answer.role, 'neither cluster')} "
            f"({task.answer.by}), and the switch is set to "
            f"{name(task.sides.switched_to, 'an unknown cluster')}. A practice begins and ends at "
            f"the primary, {self._context.primary}. Nothing was changed. "
            f"`{self._context.back_command}` fails back; `{full_command('failover status')}` shows "
            "every health check"
        )
        return Refused(message)

    def _observation(self, task: FailoverTask) -> Observation:
        switch = task.sides.switch
        assert switch is not None  # `require_possible` refuses if the switch is not known
        reader = SwitchReader(self._aws, task.site, switch.id, self._context.clock)
        return Observation(self._observer, reader)

    def _require_served(self, observation: Observation) -> None:
        """Require that the observer sees every service served by the primary before the practice.

        Raises:
            Refused: The observer does not see every service. Nothing was changed.
        """
        observation.look()
        look, primary = observation.looks[-1], self._context.primary
        reasons = [f"{service}: {reason}" for service, reason in sorted(look.faults.items())]
        if look.cluster != primary:
            reasons.insert(0, f"the name leads to {look.cluster or 'no known cluster'}")
        if reasons:
            message = (
                f"this machine does not see that {primary} serves {self._context.site.endpoint} "
                f"({'; '.join(reasons)}). Nothing was changed. Run the practice in the clients' "
                f"network, where `{full_command('verify')}` finds nothing wrong; select services "
                "with --service; or measure only DNS with --without-client"
            )
            raise Refused(message)

    def _there_and_back(self, observation: Observation, stay: float) -> None:
        move = self._begin_leg(SECONDARY)
        try:
            with deadline.extended(self._context.timeout + CLIENTS_S + READ_S):
                self._move(observation, move)
            if not self._findings:
                with deadline.extended(stay + READ_S):
                    self._stay(observation, stay)
        except (KeyboardInterrupt, Interrupted):
            self._is_interrupted = True
            self._context.progress.say("interrupted")
        except CommandError as error:
            if not self._may_have_moved:
                raise
            self._findings.append(str(error))
        if not self._may_have_moved:
            raise Interrupted("interrupted; there was no failover")
        self._end_stay(observation, move)
        self._go_back(observation, move)

    def _move(self, observation: Observation, leg: Leg) -> None:
        # Check again: the site may have changed since the checks at the beginning, which took
        # seconds.
        task = self.require_possible()
        self._may_have_moved = True
        try:
            self._context.fail_over(self._aws, task, leg, self._clock)
        except AwsError as error:
            # If `leg.put` is None, AWS has refused the datapoint, so the site did not move.
            self._may_have_moved = leg.put is not None
            message = f"there was no failover: {reason_of(error)}"
            raise (error if self._may_have_moved else type(error)(message)) from None
        self._await_clients(observation, leg)

    def _stay(self, observation: Observation, stay: float) -> None:
        """Stay at the secondary; end early if clients are not served, or if DNS has gone back."""
        to = self._legs[-1].to
        end = self._clock.monotonic() + stay
        with self._context.progress.step(f"staying at {to} for {stay:.0f} s") as step:
            while (left := end - self._clock.monotonic()) > 0:
                self._clock.sleep(min(self._observer.every, left))
                if finding := self._wrong_with_stay(observation, to):
                    self._findings.append(finding)
                    return
                step.update(f"{left // 60:.0f} min left")

    def _wrong_with_stay(self, observation: Observation, to: str) -> str:
        """Return why the site must not stay at the secondary; empty if it may stay."""
        look = observation.looks[-1]
        if look.cluster == self._context.primary:
            return (
                f"while the switch was set to {to}, the name led to {look.cluster} again: {to} had "
                "become unhealthy, so that Route 53 answered with the primary"
            )
        gap = open_gap(observation.looks, self._observer.services)
        if gap < GAP_S:
            return ""
        faults = "; ".join(f"{name}: {text}" for name, text in sorted(look.faults.items()))
        return (
            f"{to} did not serve clients for {gap:.0f} s, so the stay at {to} was ended early "
            f"({faults or 'the name led to no known cluster'})"
        )

    def _end_stay(self, observation: Observation, move: Leg) -> None:
        """Record that the stay at the secondary has ended, and how long the stay was."""
        move.end = self._clock.monotonic()
        begin = move.begin if move.put is None else move.put
        times = [look.at for look in observation.looks if look.cluster == move.to]
        at = [time for time in times if begin <= time <= move.end]
        self._stayed = at[-1] - at[0] if at else 0.0

    def _go_back(self, observation: Observation, move: Leg) -> None:
        self._context.progress.say(f"failing back to {self._context.primary}")
        leg = self._begin_leg(PRIMARY)
        back = FailingBack(self._context, self._aws, self._clock)
        back.run(
            leg,
            put=leg.begin if move.put is None else move.put,
            has_moved=any(look.cluster == move.to for look in observation.looks)
            or any(state.check == UNHEALTHY for state in observation.switch_states),
        )
        self._clock = back.clock
        try:
            self._await_clients(observation, leg)
        except KeyboardInterrupt:
            self._is_interrupted = True
        leg.end = self._clock.monotonic()

    def _await_clients(self, observation: Observation, leg: Leg) -> None:
        """Wait until the observer sees every service served by the cluster that takes over."""
        end = self._clock.monotonic() + CLIENTS_S
        with self._context.progress.step(f"waiting until {leg.to} serves clients") as step:
            while True:
                look = observation.looks[-1]
                if look.cluster == leg.to and not look.faults:
                    return
                faults = "; ".join(f"{name}: {text}" for name, text in sorted(look.faults.items()))
                seen = f"the name leads to {look.cluster or 'no known cluster'}"
                if self._clock.monotonic() >= end:
                    self._findings.append(
                        f"{leg.to} did not serve every service {CLIENTS_S:.0f} s after DNS "
                        f"answered with it ({'; '.join(part for part in (seen, faults) if part)})"
                    )
                    return
                step.update(faults or seen)
                self._clock.sleep(self._observer.every)

    def _begin_leg(self, role: Role) -> Leg:
        leg = Leg(role, self._context.site.clusters[role].name, self._clock.monotonic())
        self._legs.append(leg)
        return leg

    def _limits_of_measurement(self) -> Iterator[str]:
        """Yield a sentence about each value that could not be measured, with the reason."""
        if not self._observer.services:
            yield (
                "no connection was made (--without-client): the report shows only which cluster "
                "DNS answered with"
            )
        if self._expected.problem:
            yield self._expected.problem

    def _report(self, began: datetime, observation: Observation) -> PracticeReport:
        site, expected = self._context.site, self._expected
        times = {SECONDARY: expected.move, PRIMARY: expected.back}
        looks = Counter(look.cluster for look in observation.looks)
        return PracticeReport(
            environment=site.environment,
            endpoint=site.endpoint,
            primary=self._context.primary,
            secondary=site.clusters[SECONDARY].name,
            began=began,
            stayed=self._stayed,
            looks=dict(sorted(looks.items())),
            legs=tuple(measured_leg(leg, observation, times[leg.role]) for leg in self._legs),
            findings=tuple(self._findings),
            notes=(*self._notes, *self._limits_of_measurement()),
            is_interrupted=self._is_interrupted,
        )
