"""`denodo-ha failover`: show the cluster that the failover name resolves to, and fail over."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Annotated, Final

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options, process
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import ANSWER, READ_S, TimeLimit, limited
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, UNKNOWN
from denodo_ha.deployed.failover.location import (
    PRIMARY,
    SECONDARY,
    FailoverLocation,
    Role,
    locate_failover,
)
from denodo_ha.deployed.failover.sides import Sides
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.failover.failover_task import (
    LOOK_S,
    read_failover,
    read_task,
    require_possible,
    unknown_state_warning,
)
from denodo_ha.failover.practice.command import practice
from denodo_ha.failover.report import print_status, print_status_json
from denodo_ha.failover.standby_state import begin_losses, require_ready_standby
from denodo_ha.failover.switching import TIMEOUT_S, await_healthy, fail_over
from denodo_ha.standby.command import check

RequireReady = Annotated[
    bool,
    typer.Option(
        "--require-ready",
        help="For planned failovers: refuse the failover unless `failover check` finds the cluster "
        "ready. The check takes up to 10 s.",
        rich_help_panel="How",
    ),
]
ATTEMPTS: Final = 3
"""Project default: attempts of each read-only call; more attempts would not help if a region is
down."""
ANSWER_S: Final = 3.0
"""Project default: seconds for `status` to read DNS. Before, `status` reads the state of the
clusters for at most `deadline.LOOK_S`."""

SWITCH_S: Final = 7.5
"""Project default: seconds from the start of the process within which `failover to` reads the
state, so that the switch is thrown within 10 s of the start."""
LEAST_LOOK_S: Final = 1.5
"""Project default: least seconds for `failover to` to read the state before it throws the switch,
even if the start of the process took `SWITCH_S`."""
PLANNED_LOOK_S: Final = LOOK_S + 1.0
"""Project default: seconds to read the state before the switch is thrown, with `--require-ready`: a
planned failover has more time."""
_LIMIT: Final = TimeLimit(READ_S, waits=(TIMEOUT_S,))
CLIENTS_S: Final = 60.0
"""Project default: seconds for which clients may still use the old DNS answer. Java caches a DNS
answer for 30 s (Oracle, Java Networking Properties, networkaddress.cache.ttl), in addition to the
TTL."""

failover = typer.Typer(
    no_args_is_help=True,
    help="""Show the cluster that the failover name leads to, or fail over to the other cluster.

    denodo-ha failover status -c prod

    denodo-ha failover to passive -c prod --dry-run

    denodo-ha failover back --environment prod --region eu-central-1""",
)


def real_clock() -> Clock:
    """Return the clock of the commands; tests replace it."""
    return RealClock()


@failover.command()
@limited(ANSWER)
def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Show which cluster DNS answers with, and why: each health check with its reason.

    Exit code 0: both clusters are healthy; 1: one cluster is unhealthy or unknown; 5: both clusters
    are unhealthy; 6: both clusters are unknown. A state that cannot be read within 15 s is shown as
    unknown, with the reason.

    denodo-ha failover status -c prod --format json
    """
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    with deadline.limited(deadline.LOOK_S):
        site = locate_failover(aws, config=config, environment=environment, regions=region)
        site, sides = read_failover(aws, site)
    _warn(Progress(), site.switch_warning)
    with deadline.limited(ANSWER_S):
        answers = [
            dns_answer.by_resolver(site, sides, dns_answer.lookup),
            dns_answer.by_route53(aws, site, sides, dns_answer.lookup),
            dns_answer.by_rules(sides),
        ]
    show = print_status_json if form is TableFormat.json else print_status
    show(site, sides, answers)
    raise typer.Exit(_exit_code(sides))


def _warn(progress: Progress, warning: str) -> None:
    if warning:
        progress.say(f"warning: {warning}")


def _exit_code(sides: Sides) -> int:
    states = {side.state for side in sides.both}
    codes = {HEALTHY: exit_codes.DONE, UNHEALTHY: exit_codes.DOWN, UNKNOWN: exit_codes.AWS}
    return codes[states.pop()] if len(states) == 1 else exit_codes.NO


failover.command("check")(check)


@failover.command()
@limited(_LIMIT)
@recorded("failover to")
def to(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster to fail over to.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    require_ready: RequireReady = False,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """Fail over to a cluster, and wait until DNS answers with it.

    The command puts one datapoint of a metric, and edits no DNS record and no health check. The
    command refuses to fail over to an unhealthy cluster, since Route 53 would not answer with this
    cluster. The command outputs which data is lost if the other cluster does not come back; such a
    loss is not a reason to refuse. If the switch is already set to the cluster and DNS answers with
    the cluster, the command puts no datapoint. The datapoint is put within 10 s, even if other
    regions or global services do not answer; only the switch's region must answer. Run the command
    again if it reports that it is not known whether the switch is thrown.

    denodo-ha failover to passive -c prod
    """
    located = _located(config, environment, region, profile)
    _fail_over(
        located,
        located[1].role(cluster),
        dry_run=dry_run,
        timeout=timeout,
        require_ready=require_ready,
    )


@failover.command()
@limited(_LIMIT)
@recorded("failover back")
def back(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    require_ready: RequireReady = False,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """Fail over to the primary: the same as `to` with the primary's name."""
    located = _located(config, environment, region, profile)
    _fail_over(located, PRIMARY, dry_run=dry_run, timeout=timeout, require_ready=require_ready)


@failover.command("from")
@limited(replace(_LIMIT, then=f"{CLIENTS_S:.0f} s for clients with the old DNS answer"))
@recorded("failover from")
def leave(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster to leave.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    require_ready: RequireReady = False,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """Move clients away from a cluster before its maintenance: fail over to the other cluster.

    The command fails over to the other cluster like `to`, and then waits until clients have
    stopped using the old DNS answer. Open sessions continue. The Solution Manager runs this command
    before it deploys to a cluster.

    denodo-ha failover from active -c prod
    """
    aws, site = _located(config, environment, region, profile)
    other: Role = SECONDARY if site.role(cluster) == PRIMARY else PRIMARY
    moved = _fail_over(
        (aws, site), other, dry_run=dry_run, timeout=timeout, require_ready=require_ready
    )
    if moved:
        with Progress().step(f"waiting {CLIENTS_S:.0f} s until clients ask DNS again"):
            real_clock().sleep(CLIENTS_S)
    if not dry_run:
        print_line(f"no new client is sent to {cluster}")


@failover.command()
@limited(_LIMIT)
@recorded("failover restore")
def restore(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster to restore.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """After the maintenance of a cluster: wait until it is healthy, and fail back if it is primary.

    For a secondary, the command only waits until the cluster is healthy, and does not fail over.
    The Solution Manager runs this command after it has deployed to a cluster.

    denodo-ha failover restore active -c prod
    """
    aws, site = _located(config, environment, region, profile)
    role, clock, seconds = site.role(cluster), real_clock(), float(timeout or TIMEOUT_S)
    end = clock.monotonic() + seconds
    if not dry_run:
        await_healthy(aws, site, role, clock=clock, progress=Progress(), timeout=seconds)
    if role == PRIMARY:
        left = max(1, int(end - clock.monotonic()))
        _fail_over((aws, site), role, dry_run=dry_run, timeout=left)
    else:
        print_line(f"{cluster} is the secondary, so there is no failover; nothing was changed")


def _located(
    config: str | None, environment: str | None, region: list[str] | None, profile: str | None
) -> tuple[Aws, FailoverLocation]:
    Progress().say(f"looking for the failover of {config or environment or 'the environment'}")
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    with deadline.limited(LOOK_S), _before_the_switch():
        return aws, locate_failover(aws, config=config, environment=environment, regions=region)


def _before_the_switch() -> AbstractContextManager[None]:
    """Return a context that limits the time of all reads before the switch is thrown."""
    return deadline.limited(max(SWITCH_S - process.age(), LEAST_LOOK_S))


def _fail_over(
    located: tuple[Aws, FailoverLocation],
    role: Role,
    *,
    dry_run: bool,
    timeout: int | None,
    require_ready: bool = False,
) -> bool:
    """Fail over to the cluster of a role; return whether this call set the switch."""
    (aws, site), progress = located, Progress()
    if require_ready:
        require_ready_standby(aws, site, role, real_clock())
    progress.say(f"reading the state of {site.endpoint}, for at most {LOOK_S:.0f} s")
    with deadline.limited(PLANNED_LOOK_S) if require_ready else _before_the_switch():
        lost = begin_losses(aws, site, role, real_clock())
        task = read_task(aws, site, role, dns_answer.lookup)
    if task.is_done:
        print_line(
            f"{site.endpoint} already leads to {task.cluster}, and the switch is set to "
            f"{task.cluster}; nothing was changed"
        )
        return False
    other: Role = SECONDARY if role == PRIMARY else PRIMARY
    # The cluster that takes over is first, so the history entry is written to the bucket of this
    # cluster: the region of the other cluster may be lost.
    clusters = [site.clusters[role], site.clusters[other]]
    configured = site.loaded.environment if site.loaded else None
    recording.located(aws, site.environment, clusters, configured)
    require_possible(task)
    _warn(progress, task.site.switch_warning)
    _warn(progress, unknown_state_warning(task))
    if text := lost():
        progress.say(text)
        recording.detail(lost=text)
    if dry_run:
        step = f"would put {task.datapoint}{' again' if task.is_thrown else ''}"
        print_line(f"{step}, and wait until DNS answers with {task.cluster}; nothing was changed")
        return False
    result = fail_over(
        aws,
        task,
        clock=real_clock(),
        progress=progress,
        timeout=timeout or TIMEOUT_S,
        look=dns_answer.lookup,
    )
    leads = "still leads to" if result.by == dns_answer.SWITCH else "leads to"
    seconds = f"{result.seconds:.0f} s"
    print_line(f"{site.endpoint} {leads} {result.to} after {seconds}, according to {result.by}")
    return result.put


failover.command()(practice)
