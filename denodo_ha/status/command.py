"""`denodo-ha status`: the state of an environment, with reasons."""

import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options, process
from denodo_ha.cli.errors import Throttled, Unreachable
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.status import haproxy_query, node_query, reader, verdict
from denodo_ha.status.dns import read_dns
from denodo_ha.status.model import DEGRADED, DOWN, HEALTHY, UNKNOWN, Environment
from denodo_ha.status.report import as_json, as_table

ATTEMPTS: Final = 3
"""Ours: attempts of each AWS call. A lost region does not answer more attempts either."""
EVERY_S: Final = 5
ASK_EVERY_S: Final = 60
"""Ours: seconds between two queries of the nodes with --watch; a query runs a command on each."""

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
"""Terminal codes: go to the first line and clear the screen."""

Show = Callable[[Environment], None]

_EXITS: Final = {
    HEALTHY: exit_codes.DONE,
    DEGRADED: exit_codes.NO,
    DOWN: exit_codes.DOWN,
    UNKNOWN: exit_codes.AWS,
}


def real_clock() -> Clock:
    """Return the clock of the command; tests replace it."""
    return RealClock()


class StatusReader:
    """Reads the status of an environment repeatedly.

    Args:
        aws: the credentials.
        site: the environment.
        clock: the clock.
        ask: True to query nodes and HAProxy instances as well.
    """

    def __init__(self, aws: Aws, site: EnvironmentLocation, *, clock: Clock, ask: bool) -> None:
        self._aws, self._site = aws, site
        self._clock, self._ask = clock, ask
        self._node_answers: node_query.Answers = {}
        self._haproxy_answers: haproxy_query.Answers = {}
        self._queried: float | None = None

    def read(self) -> Environment:
        """Return the current status.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials are not valid any more.
        """
        known = reader.read_aws_state(self._aws, self._site.reachable)
        if self._ask and self._is_query_due():
            states = {id_: instance.state for id_, instance in known.instances.items()}
            self._node_answers = node_query.query_nodes(
                self._aws, self._site.environment, known.readable, states, clock=self._clock
            )
            self._haproxy_answers = haproxy_query.query_haproxy(
                self._aws, known.readable, clock=self._clock
            )
            self._queried = self._clock.monotonic()
        clusters = tuple(
            reader.cluster_status(
                location,
                known,
                self._node_answers,
                self._haproxy_answers.get(location.name, haproxy_query.NO_INSTANCES),
            )
            for location in self._site.clusters
        )
        dns = read_dns(self._aws, self._site, known)
        return Environment(
            name=self._site.environment,
            at=self._clock.now(),
            state=verdict.environment_state(clusters, dns),
            dns=dns,
            clusters=clusters,
        )

    def _is_query_due(self) -> bool:
        return self._queried is None or self._clock.monotonic() - self._queried >= ASK_EVERY_S


def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = TableFormat.table,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask/--no-ask",
            help="Query the nodes and the HAProxy instances in front of them, by a Systems Manager "
            "command on each; else show only what their load balancer sees.",
            rich_help_panel="How",
        ),
    ] = True,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help=f"Read and show the status every {EVERY_S} s until Ctrl-C.",
            rich_help_panel="How",
        ),
    ] = False,
) -> None:
    """Show the clusters, nodes, services, targets, load balancers, HAProxy instances and DNS.

    Exit code 0 if everything is healthy, 1 if something is not, 5 if clients are not served, 6 if
    nothing could be read.

        denodo-ha status -c prod

        denodo-ha status --environment prod --region eu-west-1 --format json --no-ask

        denodo-ha status -c prod --watch
    """
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    clock = real_clock()
    status_reader = StatusReader(aws, site, clock=clock, ask=ask)
    show = as_json if form is TableFormat.json else as_table
    current = status_reader.read()
    if watch:
        current = _watch(status_reader, current, show, clock)
    else:
        show(current)
    raise typer.Exit(_EXITS[current.state])


def _watch(
    status_reader: StatusReader, current: Environment, show: Show, clock: Clock
) -> Environment:
    """Show the status until Ctrl-C or the end of the reader, and return the last one."""
    progress = Progress()
    try:
        while True:
            if sys.stdout.isatty():
                typer.echo(_CLEAR, nl=False)
            show(current)
            sys.stdout.flush()
            if process.stdout_error() is not None:
                return current
            clock.sleep(EVERY_S)
            try:
                current = status_reader.read()
            except (Throttled, Unreachable) as error:
                progress.say(str(error))
    except KeyboardInterrupt:
        return current
