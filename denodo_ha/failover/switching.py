"""Fail over: throw the switch, and wait for the new DNS answer.

The only write is one datapoint of a metric, in the region of the failover's stack (AWS,
Well-Architected REL11-BP04: recovery relies on the data plane).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import MUST_ARRIVE, Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli import process
from denodo_ha.cli.errors import AwsError, CommandError, Failed, Interrupted
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import RULES, DnsAnswer, Lookup
from denodo_ha.deployed.failover.health_checks import UNHEALTHY, Route53Check, read_check
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Side, read_sides
from denodo_ha.deployed.history import recording
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import full_command
from denodo_ha.failover.failover_task import (
    LOOK_S,
    SWITCH_STATES,
    VALUES,
    FailoverTask,
    read_failover,
)

TIMEOUT_S: Final = 300
"""Project default: seconds until DNS must answer with the other cluster: over twice the longest
duration of a failover with the default TTL (docs/explanation/failover.md)."""
EVERY_S: Final = 5
EFFECT_S: Final = 150
"""Project default: seconds until a datapoint changes the switch's health check
(docs/explanation/failover.md), plus a margin; used if it is not known whether AWS has received the
datapoint, and between the datapoints of a practice that fails back."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FailoverResult:
    """The result of a failover.

    Attributes:
        to: name of the cluster to which the failover was made.
        put: True if the switch was not set to the cluster before.
        seconds: seconds until DNS answered with the cluster.
        by: the source of the DNS answer.
    """

    to: str
    put: bool
    seconds: float
    by: str


def await_healthy(
    aws: Aws,
    site: FailoverLocation,
    role: Role,
    *,
    clock: Clock,
    progress: Progress,
    timeout: float,
) -> None:
    """Wait until a cluster is no longer unhealthy: until its state is healthy or unknown.

    Raises:
        Failed: The cluster is still unhealthy when the timeout expires.
    """
    name = site.clusters[role].name
    try:
        with progress.step(f"waiting until {name} is healthy"):
            poll_until(
                lambda: read_failover(aws, site)[1].of(role),
                done=lambda side: side.state != UNHEALTHY,
                clock=clock,
                timeout=timeout,
                every=EVERY_S,
            )
    except PollTimeout as error:
        reason = error.last.reason if isinstance(error.last, Side) else "its state is not known"
        message = (
            f"{name} is not healthy after {error.seconds:.0f} s ({reason}); nothing was changed. "
            f"`{full_command('failover status')}` shows every health check"
        )
        raise Failed(message) from None


def fail_over(
    aws: Aws,
    task: FailoverTask,
    *,
    clock: Clock,
    progress: Progress,
    timeout: float = TIMEOUT_S,
    look: Lookup = dns_answer.lookup,
    on_put: Callable[[], None] = lambda: None,
) -> FailoverResult:
    """Throw the switch, and wait until DNS answers with the cluster.

    `on_put` is called after the datapoint was put, or may have been put.

    Raises:
        Failed: DNS did not answer with the cluster in time; the switch remains set.
        Interrupted: The operator interrupted the wait; the switch remains set.
        SwitchUnknown: It is not known whether the datapoint was put.
        AwsError: The datapoint could not be put.
    """
    started, site = clock.monotonic(), task.site
    status = full_command("failover status")
    process.set_state_left(
        f"the datapoint {task.datapoint} may have been put: in two minutes, `{status}` shows "
        "whether the switch is set"
    )
    # Put the datapoint even if the switch's health check already shows its state: the health check
    # shows a change a minute or two late, so it may show the state before a recent `failover back`.
    # Putting the same datapoint twice has the effect of putting it once.
    recording.note("", site.endpoint, before=_before(task))
    with deadline.limited(timeout):
        # The call that throws the switch must reach AWS, so it has more attempts than reads.
        sure = throw_switch(aws.with_attempts(MUST_ARRIVE), task, progress)
    on_put()
    switch = f"the switch is set to {task.cluster} and remains set"
    try:
        if not sure:
            _wait_for_effect(aws, task, clock=clock, progress=progress, timeout=timeout)
        left = timeout - (clock.monotonic() - started)
        answer = _follow(aws, task, clock=clock, progress=progress, timeout=left, look=look)
    except PollTimeout as error:
        seconds = clock.monotonic() - started
        message = (
            f"after {seconds:.0f} s DNS does not answer with {task.cluster} yet "
            f"({_last_answer(error.last)}); {switch}, as far as is known. `{status}` shows the "
            "cause. If the switch is not set, run the same command again"
        )
        raise Failed(message) from None
    except KeyboardInterrupt:
        message = f"interrupted; {switch}, so DNS will answer with {task.cluster}: see `{status}`"
        raise Interrupted(message) from None
    except SwitchUnknown:
        raise
    except CommandError as error:
        message = (
            f"the DNS answer cannot be read: {error}; {switch}, so DNS will answer with "
            f"{task.cluster}"
        )
        raise Failed(message) from error
    recording.note("", site.endpoint, after=f"leads to {task.cluster}, according to {answer.by}")
    return FailoverResult(task.cluster, not task.is_thrown, clock.monotonic() - started, answer.by)


def _before(task: FailoverTask) -> str:
    switch = f"the switch was set to {_name(task.site, task.sides.switched_to)}"
    return f"{_in_words(task.site, task.answer)} ({task.answer.by}), and {switch}"


def _name(site: FailoverLocation, role: Role | None) -> str:
    return site.clusters[role].name if role else "an unknown cluster"


def throw_switch(aws: Aws, task: FailoverTask, progress: Progress) -> bool:
    """Put one datapoint, and return whether AWS has confirmed it.

    Raises:
        AwsError: AWS has refused the datapoint, so the switch is not thrown.
        Interrupted: It is not known whether the datapoint was put.
    """
    datum = {
        "MetricName": failover_plan.SWITCH_METRIC,
        "Dimensions": [{"Name": failover_plan.SWITCH_DIMENSION, "Value": task.site.environment}],
        "Value": VALUES[task.role],
    }
    try:
        with translated_errors():
            aws.client("cloudwatch", task.site.region).put_metric_data(
                Namespace=task.site.switch_namespace, MetricData=[datum]
            )
    except KeyboardInterrupt:
        message = (
            "interrupted while the datapoint was put; it is not known whether AWS has received "
            "the datapoint: see "
            f"`{full_command('failover status')}` in two minutes"
        )
        raise Interrupted(message) from None
    except AwsError as error:
        if error.may_take_effect:
            progress.say(
                f"it is not known whether AWS has received the datapoint {task.datapoint}: {error}."
                " Waiting until the switch's health check shows the effect of the datapoint"
            )
            return False
        recording.forget("", task.site.endpoint)
        message = f"the switch was not thrown, and nothing was changed: {error}"
        raise type(error)(message) from error
    _log.info("put a datapoint", extra={"datapoint": task.datapoint})
    progress.say(f"put {task.datapoint}")
    return True


class SwitchUnknown(AwsError):  # noqa: N818 - as the errors of `denodo_ha.cli.errors`
    """AWS has not confirmed the datapoint, and the switch's health check did not change."""


def _wait_for_effect(
    aws: Aws, task: FailoverTask, *, clock: Clock, progress: Progress, timeout: float
) -> None:
    """Wait until the switch's health check shows the effect of an unconfirmed datapoint.

    Raises:
        SwitchUnknown: The health check does not change in time, or cannot be read.
    """
    reason = "the switch's health check is not known"
    if (switch := task.sides.switch) is not None:
        try:
            with progress.step("reading the switch's health check") as step:
                poll_until(
                    lambda: read_check(aws, switch.id, task.site.region),
                    done=lambda check: check.state == SWITCH_STATES[task.role],
                    clock=clock,
                    timeout=min(timeout, EFFECT_S),
                    every=EVERY_S,
                    progress=lambda check, _: step.update(check.reason),
                )
            return
        except PollTimeout as late:
            check = late.last
            seen = f"{check.state}: {check.reason}" if isinstance(check, Route53Check) else ""
            reason = (
                f"after {late.seconds:.0f} s the switch's health check is {seen or 'not known'}"
            )
        except CommandError as error:
            reason = f"the switch's health check cannot be read: {error}"
    message = (
        f"it is not known whether the switch is thrown: AWS has not confirmed the datapoint, and "
        f"{reason}. Run the same command again: putting the same datapoint twice has the same "
        f"effect as once. `{full_command('failover status')}` shows the switch"
    )
    raise SwitchUnknown(message)


def _follow(
    aws: Aws, task: FailoverTask, *, clock: Clock, progress: Progress, timeout: float, look: Lookup
) -> DnsAnswer:
    with progress.step(f"waiting until DNS answers with {task.cluster}") as step:

        def show(answer: DnsAnswer, seconds: float) -> None:
            step.update(f"{_in_words(task.site, answer)} ({answer.by}), {seconds:.0f} s")

        return poll_until(
            _reader(aws, task, look),
            done=lambda answer: answer.role == task.role,
            clock=clock,
            timeout=timeout,
            every=EVERY_S,
            progress=show,
        )


def _reader(aws: Aws, task: FailoverTask, look: Lookup) -> Callable[[], DnsAnswer]:
    """Return a function that reads the DNS answer from the source used before the failover."""
    site, sides, switch = task.site, task.sides, task.sides.switch
    if task.answer.role == task.role:
        # DNS already answers with the cluster, but not because of the switch: wait until the
        # switch's health check has changed.
        return lambda: _by_switch(aws, task, switch.id) if switch else task.answer
    match task.answer.by:
        case dns_answer.RESOLVER:
            return lambda: dns_answer.by_resolver(site, sides, look)
        case dns_answer.ROUTE53:
            return lambda: dns_answer.by_route53(aws, site, sides, look)
        case _:
            return lambda: _best_now(aws, site, look)


def _best_now(aws: Aws, site: FailoverLocation, look: Lookup) -> DnsAnswer:
    """Read both sides for at most `LOOK_S`, and return the first DNS answer with a known role."""
    with deadline.limited(LOOK_S):
        sides = read_sides(aws, site)
    return dns_answer.best(aws, site, sides, look)


def _by_switch(aws: Aws, task: FailoverTask, check_id: str) -> DnsAnswer:
    """Return a DNS answer from the switch's health check.

    The answer has the role to fail over to if the health check shows this role, else no role.
    """
    check = read_check(aws, check_id, task.site.region)
    is_set = check.state == SWITCH_STATES[task.role]
    return DnsAnswer(task.role if is_set else None, dns_answer.SWITCH, check.reason)


def _in_words(site: FailoverLocation, answer: DnsAnswer) -> str:
    return f"DNS answers with {site.clusters[answer.role].name}" if answer.role else answer.text


def _last_answer(answer: object) -> str:
    if not isinstance(answer, DnsAnswer):
        return "the DNS answer is unknown"
    hint = ", since DNS cannot be queried from this machine" if answer.by == RULES else ""
    return f"{answer.by}: {answer.text}{hint}"
