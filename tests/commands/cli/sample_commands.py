"""Sample commands for the tests of the command line; each ends in a different way."""

import logging
import os
import signal
import threading
import time
from typing import NoReturn

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli import options
from denodo_ha.cli.commands import Command
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.deployed import environment_locator
from denodo_ha.environment.loading.problem import ConfigError, Problem

_log = logging.getLogger("denodo_ha.sample")

below = typer.Typer(help="Have subcommands.")


@below.command()
def deep() -> NoReturn:
    """Refuse, as a subcommand."""
    raise Refused("node2 is the last one that serves")


@below.command()
def other() -> None:
    """Do nothing."""


def where(
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
) -> None:
    """Print the location of the environment."""
    aws = Aws(profile=profile, attempts=1)
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    typer.echo(" ".join(place.stack for place in site.clusters))


def fails() -> NoReturn:
    """Fail."""
    raise Failed("node1 is out of jdbc, and in odbc")


def misconfigured() -> NoReturn:
    """Fail with two problems of a configuration."""
    problems = [
        Problem(("name",), what, "because", "write x", file="a.yaml") for what in ("one", "two")
    ]
    raise ConfigError(problems)


def calls() -> None:
    """Call AWS without translating its errors."""
    Aws(attempts=1).client("ec2", "eu-west-1").describe_instances()


def interrupted() -> NoReturn:
    """Raise Ctrl-C."""
    raise KeyboardInterrupt


def killed() -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.SIGTERM)


def hangs() -> None:
    """Raise Ctrl-C while a call waits for its response."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    map_concurrently(time.sleep, [600, 600])


def broken() -> NoReturn:
    """Raise an internal error."""
    raise ZeroDivisionError("division by zero")


def logs() -> None:
    """Log at every level."""
    _log.debug("seen", extra={"node": "node1"})
    _log.info("done", extra={"node": "node1"})
    _log.warning("odd")
    logging.getLogger("botocore").warning("not ours")


SAMPLE = (
    Command("where", "Sample", "Show where the environment is.", lambda: where),
    Command("fails", "Sample", "Fail.", lambda: fails),
    Command("misconfigured", "Sample", "Fail with two problems.", lambda: misconfigured),
    Command("calls", "Sample", "Call AWS.", lambda: calls),
    Command("interrupted", "Sample", "Be interrupted.", lambda: interrupted),
    Command("killed", "Sample", "Be ended by a signal.", lambda: killed),
    Command("hangs", "Sample", "Be interrupted while calls wait.", lambda: hangs),
    Command("broken", "Sample", "Have an internal error.", lambda: broken),
    Command("logs", "Sample", "Log at every level.", lambda: logs),
    Command("below", "Sample", "Have subcommands.", lambda: below),
)
