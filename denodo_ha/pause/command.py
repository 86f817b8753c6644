"""`denodo-ha pause` and `denodo-ha resume`: let alarms and watchdogs rest for some time."""

import re
from typing import Annotated, Final

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import CHANGE_S, TimeLimit, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import LOCK_WAIT_S, OperationContext
from denodo_ha.environment.full_command import full_command
from denodo_ha.pause.pausing import Pausing

LONGEST_S: Final = 86_400
"""Project default: longest pause, in seconds. A longer maintenance extends the pause each day."""
_SHORTEST_S: Final = 60
_DURATION: Final = re.compile(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?")

ClusterName = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster's name.")]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Do not wait for the lock of a command that was killed.",
        rich_help_panel="How",
    ),
]


def real_clock() -> Clock:
    """Return the clock of the commands; tests replace it."""
    return RealClock()


def _pausing(
    config: str | None,
    environment: str | None,
    region: list[str] | None,
    profile: str | None,
    cluster: str,
    *,
    timeout: float | None,
    take_over: bool,
) -> Pausing:
    aws = Aws(profile=profile)
    site = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, site)
    location = site.cluster(cluster)
    location.require_reachable()
    context = OperationContext(
        aws,
        site.environment,
        location,
        clock=real_clock(),
        progress=Progress(),
        timeout=timeout,
        take_over=take_over,
    )
    return Pausing(context)


def seconds_of(duration: str) -> int:
    """Return the seconds of a duration such as 2h, 90m or 1h30m.

    Raises:
        UsageError: The text is not a duration, or the pause would be too short or too long.
    """
    match = _DURATION.fullmatch(duration.strip().lower())
    hours, minutes = (int(part or 0) for part in match.groups()) if match else (0, 0)
    seconds = 3600 * hours + 60 * minutes
    if not _SHORTEST_S <= seconds <= LONGEST_S:
        message = (
            f"--for {duration!r}: the duration of the pause must be hours or minutes such as 2h, "
            f"90m or 1h30m, from 1m to {LONGEST_S // 3600}h. Nothing was changed. For a longer "
            "pause, run the command again before the pause ends"
        )
        raise UsageError(message)
    return seconds


@limited(TimeLimit(CHANGE_S, waits=(LOCK_WAIT_S,)))
@recorded("pause")
def pause(
    cluster: ClusterName,
    *,
    why: Annotated[
        str,
        typer.Option(
            "--why", metavar="TEXT", help="The reason, which status shows.", rich_help_panel="How"
        ),
    ],
    duration: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="DURATION",
            help="Duration of the pause, such as 2h, 90m or 1h30m; at most 24h.",
            rich_help_panel="How",
        ),
    ] = "1h",
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Silence the alarms of a cluster, and let its nodes' watchdogs and export timers rest.

    Until the pause ends, roll, rollout and replace refuse. The pause ends at its time without
    another command, or by resume. Run the command again to extend the pause. Route 53's health
    checks, and so the failover, work as before.

        denodo-ha pause active --why "new switches" --for 2h -c prod
    """
    seconds = seconds_of(duration)
    pausing = _pausing(
        config, environment, region, profile, cluster, timeout=timeout, take_over=take_over
    )
    if dry_run:
        plan = pausing.plan()
        now = f"; {cluster} is now paused {plan.pause}" if plan.pause else ""
        print_line(f"{cluster} would be paused for {seconds // 60} min{now}")
        print_line(f"the alarms of {cluster} would {'' if plan.silenced else 'not '}be silenced")
        print_line(f"the watchdogs of {', '.join(plan.resting) or 'no node'} would rest")
        return
    result = pausing.pause(why=why, seconds=seconds)
    print_line(f"{cluster} is paused {result.pause}")
    if result.silenced:
        print_line(f"the alarms of {cluster} are silenced within two minutes")
    else:
        print_line(
            f"the alarms of {cluster} are not silenced: no node runs the node program, or the "
            "stack has no suppressor alarm (docs/reference/alarms.md, Silence)"
        )
    if result.resting:
        print_line(f"the watchdogs and export timers of {', '.join(result.resting)} rest")
    for node, reason in result.failures.items():
        print_line(f"warning: the watchdog of {node} does not rest: {reason}")
    print_line(
        "roll, rollout and replace refuse to run until the pause ends; "
        f"`{full_command('resume', cluster)}` ends the pause"
    )


@limited(TimeLimit(CHANGE_S, waits=(LOCK_WAIT_S,)))
@recorded("resume")
def resume(
    cluster: ClusterName,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """End the pause of a cluster before its time.

    The cluster's alarms notify again within some minutes, also of what has failed during the pause.

        denodo-ha resume active -c prod
    """
    pausing = _pausing(
        config, environment, region, profile, cluster, timeout=timeout, take_over=take_over
    )
    if dry_run:
        current = pausing.plan().pause
        state = f"is paused {current}; the pause would end" if current else "is not paused"
        print_line(f"{cluster} {state}")
        return
    result = pausing.resume()
    if result.pause is None:
        print_line(f"{cluster} was not paused")
    else:
        print_line(f"{cluster} is not paused any more; its alarms notify again within 5 minutes")
    until = f" until {result.pause.until.isoformat()}" if result.pause else ""
    for node, reason in result.failures.items():
        print_line(
            f"warning: the watchdog of {node} may still rest{until}, and the node may keep the "
            f"alarms of {cluster} silent: {reason}; run the command again when the node answers"
        )
