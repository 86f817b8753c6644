"""`denodo-ha status`: the state of an environment, with reasons."""

import sys
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Annotated, Final

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options, process
from denodo_ha.cli.errors import Throttled, Unreachable
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.status import aws_state, haproxy_query, node_query, verdict
from denodo_ha.status.cluster_status import cluster_status
from denodo_ha.status.dns import read_dns
from denodo_ha.status.model import DEGRADED, DOWN, HEALTHY, UNKNOWN, Dns, Environment
from denodo_ha.status.report import as_json, as_table
from denodo_ha.status.verdict import Part

ATTEMPTS: Final = 3
"""Project default: attempts of each AWS call; more attempts would not help if a region is down."""
READ_S: Final = 11.0
"""Project default: seconds to read the status; a state not read in this time is unknown."""
EVERY_S: Final = 5
ASK_EVERY_S: Final = 60
"""Project default: with --watch, seconds between two queries of all nodes; a query runs a command
on each node."""

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
"""Terminal control codes: move to the first line, clear the screen and the scrolled-out lines."""

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
        ask: True to also query nodes and HAProxy instances.
        accepted: parts of the status that may be unknown without making a cluster degraded.
    """

    def __init__(
        self,
        aws: Aws,
        site: EnvironmentLocation,
        *,
        clock: Clock,
        ask: bool,
        accepted: Collection[Part],
    ) -> None:
        self._aws, self._site = aws, site
        self._clock, self._ask, self._accepted = clock, ask, frozenset(accepted)
        self._node_answers: dict[tuple[str, str], node_query.NodeAnswer] = {}
        self._haproxy_answers: dict[str, haproxy_query.HaproxyAnswer] = {}
        self._queried: float | None = None

    def read(self) -> Environment:
        """Return the current status; a state without an answer within `READ_S` is unknown.

        The clusters and DNS are read in parallel, so that a region that does not answer does not
        delay the other calls.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials have expired.
        """
        asks = self._ask and self._is_query_due()
        reachable = self._site.reachable
        pool = ThreadPoolExecutor(max_workers=max(3 * len(reachable), 1))
        try:
            with deadline.limited(READ_S):
                readings = {
                    location.stack: begin(pool, self._read_cluster, location)
                    for location in reachable
                }
                # The DNS answer, the switch and the HAProxy instances are read in parallel, without
                # waiting for the nodes.
                queries = [
                    begin(pool, query, reading)
                    for reading in (readings.values() if asks else ())
                    for query in (self._query_nodes, self._query_haproxy)
                ]
                dns = self._read_dns(readings)
                known = aws_state.merged([reading.result() for reading in readings.values()])
                for query in queries:
                    query.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if asks:
            self._queried = self._clock.monotonic()
        clusters = tuple(
            cluster_status(
                location,
                known,
                self._node_answers,
                self._haproxy_answers.get(location.name, haproxy_query.NO_INSTANCES),
                accepted=self._accepted,
            )
            for location in self._site.clusters
        )
        return Environment(
            name=self._site.environment,
            at=self._clock.now(),
            state=verdict.environment_state(
                clusters, dns, self._site.unread, accepted=self._accepted
            ),
            dns=dns,
            clusters=clusters,
            problems=self._site.unread,
        )

    def _read_cluster(self, location: StackLocation) -> aws_state.AwsState:
        with deadline.limited(deadline.LOOK_S):
            return aws_state.read_aws_state(
                self._aws, self._site.environment, [location], self._clock.now()
            )

    def _query_nodes(self, reading: Future[aws_state.AwsState]) -> None:
        """Query the nodes of a cluster, after the cluster has been read."""
        known = reading.result()
        states = {id_: instance.state for id_, instance in known.instances.items()}
        environment = self._site.environment
        self._node_answers.update(
            node_query.query_nodes(
                self._aws, environment, known.readable, states, clock=self._clock
            )
        )

    def _query_haproxy(self, reading: Future[aws_state.AwsState]) -> None:
        """Query the HAProxy instances of a cluster, after the cluster has been read."""
        known = reading.result()
        self._haproxy_answers.update(
            haproxy_query.query_haproxy(self._aws, known.readable, clock=self._clock)
        )

    def _read_dns(self, readings: Mapping[str, Future[aws_state.AwsState]]) -> Dns | None:
        def known_of(location: StackLocation) -> aws_state.AwsState | None:
            reading = readings.get(location.stack)
            return reading.result() if reading else None

        return read_dns(self._aws, self._site, known_of)

    def _is_query_due(self) -> bool:
        return self._queried is None or self._clock.monotonic() - self._queried >= ASK_EVERY_S


@limited(ANSWER)
def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    live: options.Live = False,
    record: options.Record = None,
    balancer: options.LoadBalancer = None,
    form: options.Format = TableFormat.table,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask/--no-ask",
            help="Query the nodes, and the HAProxy instances in front of them, with a Systems "
            "Manager command on each. With --no-ask, show only what the load balancer reports.",
            rich_help_panel="How",
        ),
    ] = True,
    accept_unknown: Annotated[
        list[Part] | None,
        typer.Option(
            "--accept-unknown",
            help="A part of the status that may be unknown without making a cluster degraded, for "
            "example because your IAM role may not read this part; may be repeated.",
            rich_help_panel="How",
        ),
    ] = None,
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

    Exit code 0 if everything is healthy, 1 if something is not healthy or not known, 5 if clients
    are not served, 6 if nothing could be read. A part that does not answer within 15 s, such as an
    unavailable region, is shown as unknown, with the reason.

        denodo-ha status -c prod

        denodo-ha status --environment prod --region eu-west-1 --json --no-ask

        denodo-ha status -c prod --watch

        denodo-ha status --live --region eu-west-1 --balancer denodo-nlb
    """
    aws, clock = Aws(profile=profile, attempts=ATTEMPTS), real_clock()
    accepted = accept_unknown or ()
    read: Callable[[], Environment]
    if live or record is not None or balancer is not None:
        from denodo_ha.drill.live.operation.found_site import (  # noqa: PLC0415 - only with --live
            chosen_locator,
            searched_regions,
        )
        from denodo_ha.status.found_status import read_found_status  # noqa: PLC0415 - for --live

        locator = chosen_locator(
            live=live, record=record, balancer=balancer, config=config, environment=environment
        )
        regions = searched_regions(aws, region)
        read = partial(read_found_status, aws, regions, locator, clock=clock, accepted=accepted)
    else:
        site = environment_locator.locate_environment(
            aws, config=config, environment=environment, regions=region
        )
        read = StatusReader(aws, site, clock=clock, ask=ask, accepted=accepted).read
    show = as_json if form is TableFormat.json else as_table
    current = read()
    if watch:
        current = _watch(read, current, show, clock)
    else:
        show(current)
    raise typer.Exit(_EXITS[current.state])


def _watch(
    read: Callable[[], Environment], current: Environment, show: Show, clock: Clock
) -> Environment:
    """Show the status until Ctrl-C or until no process reads stdout; return the last status."""
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
                with ANSWER.stage():
                    current = read()
            except (Throttled, Unreachable) as error:
                progress.say(str(error))
    except KeyboardInterrupt:
        return current
