"""`denodo-ha failover practice`: the command."""

# ruff: noqa: PLC0415 - `failover to` must throw the switch within seconds of its start, and does
# not need the imports of a practice

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import Failed, Interrupted, UsageError
from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.location import (
    PRIMARY,
    SECONDARY,
    FailoverLocation,
    locate_failover,
)
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.environment.full_command import full_command
from denodo_ha.failover.switching import TIMEOUT_S

if TYPE_CHECKING:
    from denodo_ha.environment.loading.loader import Loaded
    from denodo_ha.failover.practice.client_observer import Observer

LONGEST_STAY_S: Final = 4 * 3600
"""Project limit: longest stay at the secondary, in seconds. The credentials of a role, with which
the practice must fail back, last for an hour by default, and for 12 hours at most (AWS, IAM User
Guide, Using IAM roles)."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_LIMIT: Final = TimeLimit(
    READ_S,
    waits=(TIMEOUT_S, TIMEOUT_S),
    then="--stay, and 60 s in each direction until clients are served",
)

Stay = Annotated[
    str,
    typer.Option("--stay", metavar="TIME", help="Time to stay at the secondary: 90s, 10m or 1h."),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="SERVICE",
        help="Make handshakes only with this service; may be repeated.",
    ),
]
Tls = Annotated[
    list[str] | None,
    typer.Option(
        "--tls",
        metavar="SERVICE",
        help="This service speaks TLS on the nodes, as for `denodo-ha verify`; may be repeated.",
    ),
]
CaBundle = Annotated[
    Path | None,
    typer.Option(
        "--ca-bundle",
        metavar="FILE",
        help="Certificate authorities to trust, in PEM form. Default: those of this machine.",
    ),
]
Balancers = Annotated[
    list[str] | None,
    typer.Option(
        "--balancer",
        metavar="CLUSTER=NAME",
        help="The DNS name of a load balancer, which is then not read from AWS; may be repeated.",
    ),
]
WithoutClient = Annotated[
    bool,
    typer.Option(
        "--without-client",
        help="Measure only the switch and DNS: this machine is not in the clients' network.",
    ),
]
EvenIfNotReady = Annotated[
    bool,
    typer.Option(
        "--even-if-not-ready",
        help="Practise even if a line of `denodo-ha failover check` has the state `no`.",
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Take the clusters' locks from another command. Only if that command was killed.",
    ),
]


@dataclass(frozen=True)
class _ClientOptions:
    """Options of the client observer."""

    profile: str | None
    services: Sequence[str]
    tls: Sequence[str]
    ca_bundle: Path | None
    balancers: Sequence[str]


def practice_clock() -> Clock:
    """Return the clock of the command; tests replace it."""
    return RealClock()


@limited(_LIMIT)
@recorded("failover practice", extra_time=True)
def practice(
    *,
    config: options.Config = None,
    profile: options.Profile = None,
    stay: Stay = "10m",
    service: Services = None,
    tls: Tls = None,
    ca_bundle: CaBundle = None,
    balancer: Balancers = None,
    without_client: WithoutClient = False,
    even_if_not_ready: EvenIfNotReady = False,
    take_over: TakeOver = False,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
    form: options.Document = DocumentFormat.table,
) -> None:
    """Fail over to the secondary, stay there, fail back, and measure what clients see.

    Each second, a client observer on this machine resolves the failover name and makes a handshake
    with every service, without a login. The report has the seconds of each step and which cluster
    has served, beside the longest times that the drill expects. Ctrl-C fails back. After a practice
    that was killed, the next practice fails back. Exit code 0: both clusters have served; 1: a
    cluster has not served, or the practice was ended early; 3: refused; 4: the failover name does
    not lead to the primary again, and the error message contains the command that fails back.

    denodo-ha failover practice -c prod --dry-run

    denodo-ha failover practice -c prod --format markdown > practice.md
    """
    if config is None:
        raise UsageError("no configuration is given: add -c CONFIG (a path, or a name of config/)")
    from denodo_ha.failover.practice.expectation import Expectation, expectation
    from denodo_ha.failover.practice.failing_back import PracticeContext
    from denodo_ha.failover.practice.observation import watching
    from denodo_ha.failover.practice.practice import Practice
    from denodo_ha.failover.practice.readiness import readiness_notes
    from denodo_ha.failover.practice.report import print_report, report_data

    seconds, loaded = parse_stay(stay), load_configuration(config)
    progress, clock = Progress(), practice_clock()
    aws = Aws(profile=profile)
    with deadline.limited(READ_S):
        site = locate_failover(aws, config=config, environment=None, regions=None)
        context = PracticeContext(
            sign_in=lambda: Aws(profile=profile),
            site=site,
            clock=clock,
            progress=progress,
            timeout=float(timeout or TIMEOUT_S),
            look=dns_answer.lookup,
            watching=watching,
            back_command=full_command("failover back"),
            readiness=lambda signed_in: readiness_notes(
                signed_in, site, clock, even_if_not_ready=even_if_not_ready
            ),
        )
        observer = _observer(
            loaded,
            site,
            aws,
            clock,
            without_client=without_client,
            client=_ClientOptions(profile, service or [], tls or [], ca_bundle, balancer or []),
        )
        if dry_run:
            task, _ = Practice(context, observer, Expectation(None, None)).require_ready()
            print_line(
                f"would fail over to {task.cluster}, stay for {seconds} s, and fail back; nothing "
                "was changed"
            )
            return
        expected = expectation(aws, site)
        recording.located(
            aws,
            site.environment,
            [site.clusters[SECONDARY], site.clusters[PRIMARY]],
            loaded.environment,
        )
    report = Practice(context, observer, expected).run(seconds, take_over=take_over)
    recording.detail(practice=report_data(report))
    print_report(report, form)
    if report.is_interrupted:
        message = f"interrupted; {site.endpoint} leads to {report.primary} again"
        raise Interrupted(message)
    if report.findings:
        raise typer.Exit(exit_codes.NO)


def parse_stay(text: str) -> int:
    """Return the seconds of a duration such as 90s, 10m or 1h.

    Raises:
        UsageError: The text is not a duration, or the duration is too long.
    """
    match = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_STAY_S:
        message = (
            f"--stay: {text!r} is not a time from 1s to {LONGEST_STAY_S // 3600}h; write a number "
            "and a unit, such as 90s, 10m or 1h"
        )
        raise UsageError(message)
    return seconds


def _observer(
    loaded: "Loaded",
    site: FailoverLocation,
    aws: Aws,
    clock: Clock,
    *,
    without_client: bool,
    client: _ClientOptions,
) -> "Observer":
    """Return the client observer of this machine, or an observer that only reads the DNS answer.

    Raises:
        UsageError: An option names something that does not exist.
        AwsError: The name of a load balancer cannot be read.
    """
    from denodo_ha.failover.practice.client_observer import STEP_S, AnswerObserver, ClientObserver
    from denodo_ha.verify import target_selection
    from denodo_ha.verify.endpoint import require_ca_bundle
    from denodo_ha.verify.findings import StepLog
    from denodo_ha.verify.verification import Settings, require_services

    if without_client:
        return AnswerObserver(aws, site, clock, dns_answer.lookup)
    require_services(loaded.environment, [*client.services, *client.tls])
    require_ca_bundle(client.ca_bundle)
    log = StepLog("names")
    verified = target_selection.locate(
        loaded,
        target_selection.select(loaded.environment, None, None),
        host=None,
        given=target_selection.parse_balancers(loaded.environment, client.balancers),
        deployed=target_selection.DeployedNames(loaded, client.profile),
        log=log,
    )
    if len(verified.balancers) < len(verified.clusters):
        message = (
            f"the names of the load balancers cannot be read ({log.steps[-1].seen}), so a practice "
            "could not measure which cluster serves; nothing was changed. Give --balancer "
            "CLUSTER=NAME for each cluster, or --without-client"
        )
        raise Failed(message)
    settings = Settings(
        client_name=verified.failover_name,
        timeout=STEP_S,
        ca_bundle=str(client.ca_bundle) if client.ca_bundle else None,
        services=tuple(client.services),
        tls=tuple(client.tls),
    )
    return ClientObserver(verified, settings, clock)
