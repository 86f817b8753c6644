"""Move the site: refuse what cannot work, throw the switch, wait until DNS follows.

Nothing but a metric's datapoint is written, in the region of the failover's stack (AWS,
Well-Architected REL11-BP04: recovery relies on the data plane).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import CommandError, Failed, Interrupted, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover import dns_answer, health_checks
from denodo_ha.deployed.failover import sides as failover_sides
from denodo_ha.deployed.failover.dns_answer import RULES, DnsAnswer, Lookup
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, UNKNOWN
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY, FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Sides
from denodo_ha.environment.derived import failover_plan

TIMEOUT_S: Final = 300
"""Ours: more than twice what the switch takes at worst with the default TTL (docs/failover.md)."""
EVERY_S: Final = 5

_log = logging.getLogger(__name__)

VALUES: Final = {PRIMARY: 0.0, SECONDARY: 1.0}
"""What the metric is when the site shall be on a side."""
AT: Final = {PRIMARY: HEALTHY, SECONDARY: UNHEALTHY}
"""What the switch's check is then."""


@dataclass(frozen=True)
class Move:
    """What a move came to.

    Attributes:
        to: name of the cluster.
        put: whether a datapoint was put; else the switch was there already.
        seconds: how long it took until DNS answered the cluster.
        by: who says that it does.
    """

    to: str
    put: bool
    seconds: float
    by: str


@dataclass(frozen=True)
class Plan:
    """What a move begins with.

    Attributes:
        site: the site.
        role: the side to move to.
        sides: both sides.
        answer: which side is answered, and who says so.
    """

    site: FailoverLocation
    role: Role
    sides: Sides
    answer: DnsAnswer

    @property
    def cluster(self) -> str:
        """The cluster to move to."""
        return self.site.clusters[self.role].name

    @property
    def thrown(self) -> bool:
        """Whether the switch is where it shall be."""
        return self.sides.switched_to == self.role

    @property
    def there(self) -> bool:
        """Whether there is nothing left to do."""
        return self.thrown and self.answer.role == self.role

    @property
    def datapoint(self) -> str:
        """The datapoint in words."""
        return (
            f"{failover_plan.SWITCH_METRIC} = {VALUES[self.role]:.0f} "
            f"({failover_plan.SWITCH_DIMENSION} {self.site.environment}) in namespace "
            f"{failover_plan.SWITCH_NAMESPACE}, {self.site.region}"
        )


def plan(aws: Aws, site: FailoverLocation, role: Role, look: Lookup = dns_answer.lookup) -> Plan:
    """Look before a move."""
    sides = failover_sides.read_sides(aws, site)
    return Plan(site, role, sides, dns_answer.best(aws, site, sides, look))


def demand_possible(plan: Plan) -> None:
    """Go on only if Route 53 would follow, and clients find somebody there.

    Raises:
        Refused: the side is not healthy.
    """
    side = plan.sides.of(plan.role)
    if side.state != UNHEALTHY:
        return
    (other,) = [one for one in plan.sides.both if one is not side]
    if not side.checked:
        why = f"Route 53 checks nothing there and would answer {side.cluster}, which serves nobody"
    elif plan.role == SECONDARY:
        why = (
            "the switch would not move the site and no force could: Route 53 decides, and while "
            f"neither side is healthy it answers the primary, {other.cluster}"
        )
    else:
        why = (
            f"no force could: Route 53 decides, and answers {side.cluster} when its own checks "
            f"pass, or when neither side is healthy; {other.cluster} counts as {other.counts_as}"
        )
    message = (
        f"{side.cluster} is not healthy ({side.reason}), so {why}. Nothing was changed. Repair "
        f"{side.cluster}; `denodo-ha failover status` shows every check"
    )
    raise Refused(message)


def carry_out(
    aws: Aws,
    plan: Plan,
    *,
    clock: Clock,
    progress: Progress,
    timeout: float = TIMEOUT_S,
    look: Lookup = dns_answer.lookup,
) -> Move:
    """Throw the switch, and wait until DNS answers the side.

    Raises:
        Failed: DNS did not follow in time; the datapoint holds.
        Interrupted: somebody did not want to wait; the datapoint holds.
        AwsError: the datapoint could not be put.
    """
    begin = clock.monotonic()
    if not plan.thrown:
        _throw(aws, plan)
        progress.say(f"put {plan.datapoint}")
    stands = f"the switch is at {plan.cluster} and stays there"
    try:
        answer = _follow(aws, plan, clock=clock, progress=progress, timeout=timeout, look=look)
    except PollTimeout as error:
        message = (
            f"after {error.seconds:.0f} s DNS does not answer {plan.cluster} yet "
            f"({_seen(error.last)}); {stands}, as far as is known. `denodo-ha failover status` "
            "shows what hinders it; the same command again throws the switch again if it is not "
            "where it should be"
        )
        raise Failed(message) from None
    except KeyboardInterrupt:
        message = f"interrupted; {stands}, so the site moves on: see `denodo-ha failover status`"
        raise Interrupted(message) from None
    except CommandError as error:
        message = f"the move cannot be watched: {error}; {stands}, so the site moves on"
        raise Failed(message) from error
    return Move(plan.cluster, not plan.thrown, clock.monotonic() - begin, answer.by)


def _throw(aws: Aws, plan: Plan) -> None:
    """Put one datapoint."""
    datum = {
        "MetricName": failover_plan.SWITCH_METRIC,
        "Dimensions": [{"Name": failover_plan.SWITCH_DIMENSION, "Value": plan.site.environment}],
        "Value": VALUES[plan.role],
    }
    try:
        with translated_errors():
            aws.client("cloudwatch", plan.site.region).put_metric_data(
                Namespace=failover_plan.SWITCH_NAMESPACE, MetricData=[datum]
            )
    except KeyboardInterrupt:
        message = (
            "interrupted while the datapoint was put; it is not known whether it was: see "
            "`denodo-ha failover status` in two minutes"
        )
        raise Interrupted(message) from None
    _log.info("put a datapoint", extra={"datapoint": plan.datapoint})


def _follow(
    aws: Aws, plan: Plan, *, clock: Clock, progress: Progress, timeout: float, look: Lookup
) -> DnsAnswer:
    ask = _asker(aws, plan, look)
    with progress.step(f"waiting until DNS answers {plan.cluster}") as step:

        def show(answer: DnsAnswer, seconds: float) -> None:
            step.update(f"{_named(plan.site, answer)} ({answer.by}), {seconds:.0f} s")

        return poll_until(
            ask,
            done=lambda answer: answer.role == plan.role,
            clock=clock,
            timeout=timeout,
            every=EVERY_S,
            progress=show,
        )


def _asker(aws: Aws, plan: Plan, look: Lookup) -> Callable[[], DnsAnswer]:
    """Whoever knew the answer before the move is asked until it is another."""
    site, sides, switch = plan.site, plan.sides, plan.sides.switch
    if plan.answer.role == plan.role:
        # It is answered already, for another reason: what is waited for is that it stays so.
        return lambda: _switched(aws, plan, switch.id) if switch else plan.answer
    match plan.answer.by:
        case dns_answer.RESOLVER:
            return lambda: dns_answer.by_resolver(site, sides, look)
        case dns_answer.ROUTE53:
            return lambda: dns_answer.by_route53(aws, site, sides, look)
        case _:
            return lambda: dns_answer.best(aws, site, failover_sides.read_sides(aws, site), look)


def _switched(aws: Aws, plan: Plan, check_id: str) -> DnsAnswer:
    """Whether the switch's check has followed."""
    check = health_checks.read_check(aws, check_id, plan.site.region)
    there = check.state == AT[plan.role]
    return DnsAnswer(plan.role if there else None, dns_answer.SWITCH, check.reason)


def _named(site: FailoverLocation, answer: DnsAnswer) -> str:
    return f"{site.clusters[answer.role].name} is answered" if answer.role else answer.said


def _seen(seen: object) -> str:
    if not isinstance(seen, DnsAnswer):
        return "nobody could say what it answers"
    hint = ", as DNS cannot be asked from here" if seen.by == RULES else ""
    return f"{seen.by}: {seen.said}{hint}"


def unknown(plan: Plan) -> str:
    """What is not known of the side to move to; empty if it is."""
    side = plan.sides.of(plan.role)
    if side.state != UNKNOWN:
        return ""
    return (
        f"whether {side.cluster} is healthy is not known ({side.reason or 'nothing looks at it'}); "
        "moving all the same: Route 53 follows only if it finds it healthy"
    )
