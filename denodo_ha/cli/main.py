"""The program `denodo-ha`: its global options, and its error messages.

`cli.commands` lists its commands.
"""

# ruff: noqa: PLC0415 - modules that only some commands need are imported when needed

import functools
import logging
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from denodo_ha.cli import configuration_choice, exit_codes, logging_setup, options
from denodo_ha.cli.commands import COMMANDS, Command, Imported
from denodo_ha.cli.errors import CommandError, Interrupted
from denodo_ha.cli.help_text import tidy_command
from denodo_ha.environment.full_command import EnvironmentChoice, chosen
from denodo_ha.environment.loading.problem import ConfigError, printable

_log = logging.getLogger(__name__)


class LazyCommand(TyperCommand):
    """Command that is imported only when its arguments are parsed.

    The callback of such a command is the function `load` of its entry in `COMMANDS`.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Import the command, and parse its arguments.

        Completion of the value of -c does not import the command, because all commands accept the
        same values.
        """
        assert self.callback is not None
        completes_config = extra.get("resilient_parsing") and args[-1:] in (["-c"], ["--config"])
        command = build_command(
            str(self.name), _config_only if completes_config else self.callback()
        )
        return command.make_context(info_name, args, parent, **extra)


def build_command(name: str, imported: Imported) -> Any:
    """Return Typer's command of a command's function, or the group of its subcommands."""
    program = _typer()
    if isinstance(imported, typer.Typer):
        program.add_typer(imported, name=name)
    else:
        program.command(name)(imported)
    command = typer.main.get_group(program).commands[name]
    tidy_command(command)
    _remember_choice(command)
    return command


def _remember_choice(command: Any) -> None:
    """Record the options that choose the environment, for the commands that messages print."""
    for subcommand in getattr(command, "commands", {}).values():
        _remember_choice(subcommand)
    if hasattr(command, "commands"):
        return
    run = command.callback

    @functools.wraps(run)
    def run_with_choice(**values: Any) -> Any:
        choice = EnvironmentChoice(
            config=values.get("config"),
            environment=values.get("environment"),
            regions=tuple(values.get("region") or ()),
            profile=values.get("profile"),
            is_live=bool(values.get("live")),
            record=values.get("record") if values.get("live") else None,
            balancer=values.get("balancer") if values.get("live") else None,
        )
        with chosen(choice):
            return run(**values)

    command.callback = run_with_choice


def _config_only(config: options.Config = None) -> None:
    """Do nothing: this function replaces a command while the shell completes the value of -c."""


class Commands(TyperGroup):
    """The group of all commands, which turns their errors into a message and an exit code."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """Parse the program's global options, after the help of all commands is tidied."""
        tidy_command(self)
        try:
            return super().make_context(*arguments, **extra)
        except KeyboardInterrupt as error:
            exit_with_error(error)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (CommandError, ConfigError, KeyboardInterrupt) as error:
            exit_with_error(error)
        except Exception as error:
            if not _is_sdk_error(error):
                raise
            exit_with_error(error)


def exit_with_error(error: BaseException) -> NoReturn:
    """Write an error's message to stderr, and end with its exit code."""
    message, code = _message_and_code(error)
    _log.debug("the error was raised here:", exc_info=error)
    if logging_setup.is_json():
        _log.error(message, extra={"exit": code})
    else:
        typer.echo(message, err=True)
    raise typer.Exit(code) from None


def _message_and_code(error: BaseException) -> tuple[str, int]:
    match error:
        case ConfigError():
            return "\n".join(map(printable, map(str, error.problems))), exit_codes.USAGE
        case CommandError():
            return printable(f"denodo-ha: {error}"), error.exit
        case KeyboardInterrupt():
            return _message_and_code(Interrupted("interrupted"))
        case Exception() if _is_sdk_error(error):
            # Imported only in this function, because importing the SDK takes 0.2 s of CPU time. If
            # the SDK raised the error, the SDK is already imported.
            from denodo_ha.aws.error_translation import translate_error

            return _message_and_code(translate_error(error))
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            message = (
                f"denodo-ha: internal error: {what}; run the command again with -vv to see the "
                "traceback"
            )
            return printable(message), exit_codes.FAILED


def _is_sdk_error(error: Exception) -> bool:
    """Return True for an error of botocore, without importing botocore."""
    return type(error).__module__.startswith("botocore.")


def _print_version(requested: bool) -> None:  # noqa: FBT001 - the signature that typer calls
    if requested:
        typer.echo(f"denodo-ha {_own_version()}")
        raise typer.Exit


def _own_version() -> str:
    """Return the version in the clone's pyproject.toml, or the version of the installed package."""
    # Imported only in this function, because only --version needs these modules.
    import tomllib
    from importlib import metadata

    if (clone := configuration_choice.clone_folder()) is None:
        return metadata.version("denodo-ha")
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _begin(
    *,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Log each step to stderr; -vv also logs what each step has read.",
        ),
    ] = 0,
    log_format: Annotated[
        logging_setup.Format, typer.Option("--log-format", help="Format of the lines on stderr.")
    ] = logging_setup.Format.text,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Operate highly available Denodo clusters on AWS.

    Commands that call AWS take [bold]-c CONFIG[/bold] as cdk does, or, without the file,
    [bold]--environment NAME --region REGION[/bold].

    [bold]Exit codes[/bold]

      0 done, healthy, or the policy holds
      1 a policy is broken, something differs, or the environment is degraded
      2 wrong usage or configuration; nothing was changed
      3 refused; nothing was changed
      4 failed; the message says what was changed
      5 down
      6 AWS did not answer, or denied a call
      130 interrupted
    """
    logging_setup.set_up(log_format, verbose)


def build_program(commands: Sequence[Command] = COMMANDS) -> typer.Typer:
    """Return the program with the given commands."""
    program = _typer(name="denodo-ha", cls=Commands, callback=_begin, no_args_is_help=True)
    for command in commands:
        program.command(
            command.name, cls=LazyCommand, help=command.help, rich_help_panel=command.panel
        )(command.load)
    return program


def _typer(**options: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, **options)
