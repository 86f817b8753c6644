"""The console script `denodo-ha`.

A command is a function in a module of its own, which a line of `COMMANDS` names. It returns, or
raises `typer.Exit(code)` with a code of `cli.exit_codes`, or an error of `cli.errors`.
"""

import logging
import tomllib
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from denodo_ha.aws.error_translation import translate_error
from denodo_ha.cli import exit_codes, logging_setup
from denodo_ha.cli.configuration_choice import ROOT
from denodo_ha.cli.errors import CommandError, Interrupted
from denodo_ha.environment.loading.problem import ConfigError

_log = logging.getLogger(__name__)

COMMANDS: dict[str, tuple[str, ...]] = {
    "Look": ("denodo_ha.status.command:status", "denodo_ha.verify.command:verify"),
    "Nodes": ("denodo_ha.drain.command:drain", "denodo_ha.drain.command:enable"),
    "Changes": (
        "denodo_ha.catalog.command:catalog",
        "denodo_ha.rollout.pin_command:pin",
        "denodo_ha.plan.command:plan",
        "denodo_ha.rollout.roll_command:roll",
        "denodo_ha.rollout.rollout_command:rollout",
    ),
    "Failover": (
        # where the site is
        "denodo_ha.failover.command:failover",
    ),
    "Files": (
        # from the configuration, without AWS
        "denodo_ha.drill.command:drill",
        "denodo_ha.haproxy.command:haproxy",
        "denodo_ha.status.node_table:nodes",
    ),
}
"""Every command as `module:name`, by the panel of the help that shows it; sorted by name. The name
is a function's, which is the command's with `-` for `_`, or that of a Typer with commands below."""


class Commands(TyperGroup):
    """Commands whose errors are a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (CommandError, ConfigError, BotoCoreError, ClientError, KeyboardInterrupt) as error:
            exit_with_error(error)


def exit_with_error(error: BaseException) -> NoReturn:
    """Say what went wrong on stderr, and end with its exit code."""
    message, code = _said(error)
    _log.debug("this is where it went wrong", exc_info=error)
    if logging_setup.is_json():
        _log.error(message, extra={"exit": code})
    else:
        typer.echo(message, err=True)
    raise typer.Exit(code) from None


def _said(error: BaseException) -> tuple[str, int]:
    match error:
        case ConfigError():
            return str(error), exit_codes.USAGE
        case CommandError():
            return f"denodo-ha: {error}", error.exit
        case BotoCoreError() | ClientError():
            return _said(translate_error(error))
        case KeyboardInterrupt():
            return _said(Interrupted("interrupted"))
        case _:
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            message = f"denodo-ha: this is a fault of denodo-ha itself: {told}; -vv shows where"
            return message, exit_codes.FAILED


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        typer.echo(f"denodo-ha {_own_version()}")
        raise typer.Exit


def _own_version() -> str:
    """From pyproject.toml, as the program is run from its clone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _begin(
    *,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, help="Log what is done; twice: and what was seen."
        ),
    ] = 0,
    log_format: Annotated[
        logging_setup.Format, typer.Option("--log-format", help="How lines on stderr look.")
    ] = logging_setup.Format.text,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Operate highly available Denodo clusters on AWS.

    Commands that talk to AWS take [bold]-c CONFIG[/bold] as cdk does, or
    [bold]--environment NAME --region REGION[/bold] where no file is at hand.

    [bold]Exit codes[/bold]
    0 done, healthy, or it holds
    1 no: a policy is broken, something differs, or it is degraded
    2 wrong usage or configuration
    3 refused; nothing was changed
    4 failed; the message says what stands
    5 down
    6 AWS does not answer, or does not permit
    130 interrupted
    """
    logging_setup.set_up(log_format, verbose)


def build_program(commands: dict[str, tuple[str, ...]]) -> typer.Typer:
    """The program with these commands."""
    program = typer.Typer(
        name="denodo-ha",
        cls=Commands,
        callback=_begin,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    for panel, listed in commands.items():
        for one in listed:
            module, _, name = one.partition(":")
            command = getattr(import_module(module), name)
            shown = name.rstrip("_").replace("_", "-")
            if isinstance(command, typer.Typer):
                program.add_typer(command, name=shown, rich_help_panel=panel)
            else:
                program.command(shown, rich_help_panel=panel)(command)
    return program
