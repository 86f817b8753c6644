"""Whole commands for messages, with the options for environment, region and profile.

    f"`{full_command('enable', node, cluster=cluster)}` brings the node back"

The options are those with which the user has chosen the environment: `denodo-ha` takes these
options from its own command line, and the loader of the configuration uses the file that is loaded.
If no options are known, CONFIG stands for the configuration.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_CONFIG: Final = "CONFIG"
"""Placeholder for the configuration in printed commands, if the configuration is not known."""
FILE_COMMANDS: Final = frozenset({"check", "cost", "haproxy render", "nodes", "review"})
"""Commands that take only a configuration: they have no options for region and profile."""
CONFIGURED_COMMANDS: Final = frozenset(
    {"failover check", "failover practice", "pin", "plan", "replace", "rollout", "verify"}
)
"""Commands that need the configuration file: they cannot find an environment by its name."""
COMMANDS_WITHOUT_REGION: Final = frozenset({"failover check", "failover practice", "verify"})
COMMANDS_WITHOUT_ENVIRONMENT: Final = frozenset(
    {"adopt", "haproxy drain", "haproxy enable", "haproxy status", "init"}
)
"""Commands that take no environment: these commands create a configuration, or run on HAProxy's
host."""
LIVE_COMMANDS: Final = frozenset({"drain", "enable", "status"})
"""Commands that take --live, --record and --balancer."""


@dataclass(frozen=True)
class EnvironmentChoice:
    """The options by which the user has chosen an environment.

    Attributes:
        config: value of --config.
        environment: value of --environment.
        regions: values of --region.
        profile: value of --profile.
        is_live: true with --live.
        record: value of --record, with --live.
        balancer: value of --balancer, with --live.
    """

    config: str | None = None
    environment: str | None = None
    regions: Sequence[str] = ()
    profile: str | None = None
    is_live: bool = False
    record: str | None = None
    balancer: str | None = None

    def options(self, command: str) -> list[str]:
        """Return the options by which a command chooses this environment."""
        if command in COMMANDS_WITHOUT_ENVIRONMENT:
            return []
        found = [*self._location(command)]
        if command not in FILE_COMMANDS and self.profile is not None:
            found += ["--profile", self.profile]
        return found

    def _location(self, command: str) -> Iterator[str]:
        if command in LIVE_COMMANDS and self.is_live:
            yield "--live"
            yield from _option("--record", self.record)
            yield from _option("--balancer", self.balancer)
            yield from _option("-c", self.config)
            yield from _option("--environment", self.environment)
        elif self.config is not None:
            yield from ("-c", self.config)
        elif self.environment is None or command in FILE_COMMANDS | CONFIGURED_COMMANDS:
            yield from ("-c", _CONFIG)
            return
        else:
            yield from ("--environment", self.environment)
        if command not in FILE_COMMANDS | COMMANDS_WITHOUT_REGION:
            for region in self.regions:
                yield from ("--region", region)


_NO_CHOICE: Final = EnvironmentChoice()
_choice: ContextVar[EnvironmentChoice] = ContextVar("denodo_ha_choice", default=_NO_CHOICE)


@contextmanager
def chosen(choice: EnvironmentChoice) -> Iterator[None]:
    """While a block runs, add the options of `choice` to all commands that messages contain."""
    token = _choice.set(choice)
    try:
        yield
    finally:
        _choice.reset(token)


@contextmanager
def chosen_file(file: str) -> Iterator[None]:
    """While a block runs, name `file` in printed commands, unless the user chose an environment."""
    with chosen(_choice.get() if _choice.get() != _NO_CHOICE else EnvironmentChoice(file)):
        yield


def full_command(command: str, *arguments: str, cluster: str | None = None) -> str:
    """Return a command of denodo-ha that can be pasted into a shell.

    Args:
        command: the command, such as `failover status`.
        arguments: arguments and options of the command, without the options that choose the
            environment.
        cluster: value of --cluster; None for commands without this option.
    """
    words = ["denodo-ha", *command.split(), *arguments, *_option("--cluster", cluster)]
    return shlex.join([*words, *_choice.get().options(command)])


def cdk_command(command: str, *arguments: str) -> str:
    """Return a command of the CDK CLI with the chosen configuration."""
    return shlex.join(["npx", "cdk", command, "-c", f"config={_config()}", *arguments])


def make_command(verb: str) -> str:
    """Return a `make` command for a target of the Makefile, with the chosen configuration."""
    return f"make {verb} CONFIG={shlex.quote(_config())}"


def _config() -> str:
    """Return the chosen configuration, without `config=`, which the user may have typed."""
    return (_choice.get().config or _CONFIG).removeprefix("config=")


def environment_command(command: str, environment: str, regions: Sequence[str]) -> str:
    """Return a command for texts that are stored in AWS, such as descriptions of alarms.

    Where these texts are read, the configuration file may be missing, so the command has
    --environment and --region.
    """
    with chosen(EnvironmentChoice(environment=environment, regions=regions)):
        return full_command(command)


def _option(name: str, value: str | None) -> list[str]:
    return [] if value is None else [name, value]
