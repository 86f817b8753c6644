"""Parts of a support archive, each a file that is read on its own.

If a part cannot be read, the other parts are still read, and the list of contents has the reason.
"""

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import call_in_time, map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError, UsageError
from denodo_ha.cli.output import json_text
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.failover.location import locate_failover
from denodo_ha.environment import names
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.model.pins import pins_file
from denodo_ha.failover.failover_task import read_failover
from denodo_ha.logs.log_reader import LogLine, LogReader
from denodo_ha.status.command import StatusReader

AWS_S: Final = 20.0
"""Project default: seconds to read a part from AWS. A part of a region that does not answer takes
this whole time."""
_LATE_S: Final = 2.0
"""Project default: seconds that a part may take beyond its own limit; a part that is still being
read then is abandoned."""
_PACKAGES: Final = ("aws-cdk-lib", "boto3", "botocore", "denodo-ha", "pydantic", "typer")


@dataclass(frozen=True)
class Part:
    """A part of the archive.

    Attributes:
        name: name of its file.
        read: returns the file's text.
        seconds: seconds within which the part must be read.
    """

    name: str
    read: Callable[[], str]
    seconds: float = AWS_S


@dataclass(frozen=True)
class ReadPart:
    """A part after the attempt to read it.

    Attributes:
        name: name of its file.
        text: text of the file; empty if it was not read.
        problem: why the part was not read; empty if the part was read.
    """

    name: str
    text: str
    problem: str = ""


def read_parts(parts: Sequence[Part]) -> list[ReadPart]:
    """Read all parts of a support archive in parallel."""
    return map_concurrently(_read, parts, workers=max(len(parts), 1))


def _read(part: Part) -> ReadPart:
    try:
        with deadline.limited(part.seconds):
            text = call_in_time(part.read, part.seconds + _LATE_S)
    except (CommandError, ConfigError, OSError) as error:
        return ReadPart(part.name, "", str(error) or repr(error))
    except Exception as error:  # noqa: BLE001 - a fault of one part must not lose other parts
        return ReadPart(part.name, "", f"internal error: {type(error).__name__}: {error}")
    return ReadPart(part.name, text)


def local_parts(configuration: Path | None) -> Iterator[Part]:
    """Yield the parts of a support archive that need no call to AWS, such as versions."""
    yield Part("versions.json", _versions)
    if configuration is None:
        return
    yield Part("configuration.yaml", lambda: configuration.read_text(encoding="utf-8"))
    pins = pins_file(configuration)
    if pins.exists():
        yield Part("pins.yaml", lambda: pins.read_text(encoding="utf-8"))


def aws_parts(
    aws: Aws, site: EnvironmentLocation, *, config: str | None, since: datetime, clock: Clock
) -> Iterator[Part]:
    """Yield the parts that are read from AWS.

    Args:
        aws: the credentials.
        site: the environment.
        config: the configuration of the command line; None if the stacks were found by their tags.
        since: the time from which logs are read.
        clock: the clock.
    """
    reader = StatusReader(aws, site, clock=clock, ask=True, accepted=())
    yield Part("status.json", lambda: json_text(reader.read()))
    if site.failover is not None:
        yield Part("failover.json", lambda: _failover(aws, site, config))
    stacks = [*site.clusters, *([site.failover] if site.failover else [])]
    for location in stacks:
        yield Part(f"stacks/{location.stack}.json", _stack_reader(aws, location))
    for location in site.clusters:
        yield Part(f"logs/{location.name}.log", _log_reader(aws, site, location, since))


def _versions() -> str:
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    return json_text({"python": sys.version, "platform": platform.platform(), "packages": packages})


def _failover(aws: Aws, site: EnvironmentLocation, config: str | None) -> str:
    regions = [each.region for each in (*site.clusters, site.failover) if each is not None]
    located = locate_failover(
        aws,
        config=config,
        environment=None if config else site.environment,
        regions=None if config else regions,
    )
    location, sides = read_failover(aws, located)
    warning = location.switch_warning
    return json_text({"sides": sides.both, "switched_to": sides.switched_to, "warning": warning})


def _stack_reader(aws: Aws, location: StackLocation) -> Callable[[], str]:
    def read() -> str:
        location.require_reachable()
        with translated_errors():
            client: Any = aws.client("cloudformation", location.region)
            return json_text(client.describe_stacks(StackName=location.stack)["Stacks"])

    return read


def _log_reader(
    aws: Aws, site: EnvironmentLocation, location: StackLocation, since: datetime
) -> Callable[[], str]:
    def read() -> str:
        location.require_reachable()
        prefix = names.log_group_prefix(site.environment, location.name)
        reader = LogReader(aws, location, prefix)
        read = reader.lines(reader.streams(), since)
        if not read.lines:
            message = f"{location.name} has logged nothing since {since:%Y-%m-%d %H:%M} UTC"
            raise UsageError(message)
        lines = [*map(_line, read.lines)]
        if not read.is_complete:
            lines.append(f"(only the first {len(lines)} lines: give a later --since for the rest)")
        return "\n".join(lines) + "\n"

    return read


def _line(line: LogLine) -> str:
    source = "/".join(part for part in (line.node, line.source, line.machine, line.file) if part)
    return f"{line.at:%Y-%m-%dT%H:%M:%SZ} {source}: {line.text}"
