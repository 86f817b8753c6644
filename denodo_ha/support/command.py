"""`denodo-ha support`: write one archive with status, plan, versions and logs, without secrets."""

from pathlib import Path
from typing import Annotated, Final

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import configuration_path
from denodo_ha.cli.output import print_line, print_table
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.logs.period import parse_time
from denodo_ha.support.archive_file import require_absent, without_secrets, write_archive
from denodo_ha.support.archive_parts import Part, aws_parts, local_parts, read_parts
from denodo_ha.support.plan_part import read_plan

PLAN_S: Final = 120.0
"""Project default: seconds for `plan`, which runs the CDK."""


def real_clock() -> Clock:
    """Return the clock of the command; tests replace it."""
    return RealClock()


@limited(TimeLimit(READ_S, then=f"{PLAN_S:.0f} s for the plan, unless --no-plan"))
def support(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="The archive; default: denodo-support-ENVIRONMENT-TIME.tar.gz in this folder.",
            rich_help_panel="How",
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Start of the logs: a time before now (2h, 1d), or a time in UTC.",
            rich_help_panel="How",
        ),
    ] = "2h",
    plan: Annotated[
        bool,
        typer.Option(
            "--plan/--no-plan",
            help="Include the output of plan, which synthesises the stacks; only with -c.",
            rich_help_panel="How",
        ),
    ] = True,
) -> None:
    """Write one archive with status, plan, versions, failover and logs, without secrets.

    Only your user can read the archive. Read the archive before you send it: it contains names,
    addresses and the lines of logs. Exit code 1: a part could not be read; contents.json in the
    archive lists the reasons. If a region does not answer, only the parts of this region are
    missing.

        denodo-ha support -c prod

        denodo-ha support --environment prod --region eu-west-1 --to case.tar.gz
    """
    clock, progress = real_clock(), Progress()
    at = clock.now()
    begin = parse_time(since, "--since", at)
    aws = Aws(profile=profile)
    if to is not None:
        require_absent(to)
    site = locate_environment(aws, config=config, environment=environment, regions=region)
    path = to or Path(f"denodo-support-{site.environment}-{at:%Y%m%dT%H%M%SZ}.tar.gz")
    require_absent(path)
    parts = [
        *local_parts(configuration_path(config) if config is not None else None),
        *aws_parts(aws, site, config=config, since=begin, clock=clock),
    ]
    if plan and config is not None:
        parts.append(Part("plan.json", lambda: read_plan(config, profile, PLAN_S), PLAN_S))
    progress.say(f"reading {len(parts)} parts of {site.environment}")
    secrets = aws.secrets
    read = [without_secrets(part, secrets) for part in read_parts(parts)]
    write_archive(path, read, at)
    rows = [(part.name, part.problem or "read") for part in read]
    print_table(["Part", "State"], rows)
    print_line(f"wrote {path}; read the file before you send it")
    if any(part.problem for part in read):
        raise typer.Exit(exit_codes.NO)
