"""`denodo-ha status`: what is there, how it is, and why."""

import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import Throttled, Unreachable
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.status import dns as status_dns
from denodo_ha.status import haproxy_query, node_query, reader, verdict
from denodo_ha.status.model import DEGRADED, DOWN, HEALTHY, UNKNOWN, Environment
from denodo_ha.status.report import as_json, as_table

ATTEMPTS: Final = 3
"""Ours: of looks. A region that is lost does not answer the tenth time either."""
EVERY_S: Final = 5
ASK_EVERY_S: Final = 60
"""Ours: how often nodes are asked again while it is watched; each time is a command on each."""

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
"""To the first line, with nothing on the screen."""

Show = Callable[[Environment], None]

_EXITS: Final = {
    HEALTHY: exit_codes.DONE,
    DEGRADED: exit_codes.NO,
    DOWN: exit_codes.DOWN,
    UNKNOWN: exit_codes.AWS,
}


def real_clock() -> Clock:
    """The clock of the command; tests have another."""
    return RealClock()


class Looking:
    """Looks at an environment, again and again.

    Args:
        aws: the credentials.
        site: where it is.
        clock: the time.
        ask: whether nodes and HAProxies are asked, too.
    """

    def __init__(self, aws: Aws, site: EnvironmentLocation, *, clock: Clock, ask: bool) -> None:
        self._aws, self._site = aws, site
        self._clock, self._ask = clock, ask
        self._answers: node_query.Answers = {}
        self._fleets: haproxy_query.Answers = {}
        self._asked: float | None = None

    def look(self) -> Environment:
        """How it is now.

        Raises:
            NoCredentials: there are none.
            Expired: they are no longer valid.
        """
        known = reader.raw(self._aws, self._site.reachable)
        if self._ask and self._is_time():
            states = {id_: one.state for id_, one in known.instances.items()}
            self._answers = node_query.ask(
                self._aws, self._site.environment, known.read, states, clock=self._clock
            )
            self._fleets = haproxy_query.ask(self._aws, known.read, clock=self._clock)
            self._asked = self._clock.monotonic()
        clusters = tuple(
            reader.of_place(
                place, known, self._answers, self._fleets.get(place.name, haproxy_query.NOBODY)
            )
            for place in self._site.clusters
        )
        dns = status_dns.read(self._aws, self._site, known)
        return Environment(
            name=self._site.environment,
            at=self._clock.now(),
            state=verdict.of_environment(clusters, dns),
            dns=dns,
            clusters=clusters,
        )

    def _is_time(self) -> bool:
        return self._asked is None or self._clock.monotonic() - self._asked >= ASK_EVERY_S


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
            help="Ask the nodes themselves, and the HAProxies before them, by a command of Systems "
            "Manager on each; else only what their balancer sees.",
            rich_help_panel="How",
        ),
    ] = True,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help=f"Look again every {EVERY_S} s until Ctrl-C.", rich_help_panel="How"
        ),
    ] = False,
) -> None:
    """Show every cluster, node, service and target, balancer, HAProxies, and where DNS leads.

    Ends with 0 if all is healthy, 1 if something is not, 5 if nobody is served, 6 if nothing could
    be read.

        denodo-ha status -c prod

        denodo-ha status --environment prod --region eu-west-1 --format json --no-ask

        denodo-ha status -c prod --watch
    """
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    clock = real_clock()
    looking = Looking(aws, site, clock=clock, ask=ask)
    show = as_json if form is TableFormat.json else as_table
    seen = looking.look()
    if watch:
        seen = _watch(looking, seen, show, clock)
    else:
        show(seen)
    raise typer.Exit(_EXITS[seen.state])


def _watch(looking: Looking, seen: Environment, show: Show, clock: Clock) -> Environment:
    """Show it until Ctrl-C; gives what was seen last."""
    progress = Progress()
    try:
        while True:
            if sys.stdout.isatty():
                typer.echo(_CLEAR, nl=False)
            show(seen)
            clock.sleep(EVERY_S)
            try:
                seen = looking.look()
            except (Throttled, Unreachable) as error:
                progress.say(str(error))
    except KeyboardInterrupt:
        return seen
