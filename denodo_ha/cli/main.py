"""The program `denodo-ha`: its commands, its global options, and its error messages.

A command is a function in the module `command` of its package. It returns, or raises
`typer.Exit(code)` with a code of `cli.exit_codes`, or an error of `cli.errors`. `COMMANDS` lists
each command with a function that imports it, because importing all commands takes seconds of CPU
time.
"""

# ruff: noqa: PLC0415 - commands, and what only some of them need, are imported when needed

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from denodo_ha.cli import configuration_choice, exit_codes, logging_setup, options
from denodo_ha.cli.errors import CommandError, Interrupted
from denodo_ha.cli.help_text import tidy_help
from denodo_ha.environment.loading.problem import ConfigError, printable

_log = logging.getLogger(__name__)

Imported = Callable[..., None] | typer.Typer
"""A command's function, or the Typer of a command with subcommands."""


@dataclass(frozen=True)
class Command:
    """An entry of the program's help.

    Attributes:
        name: name of the command.
        panel: section of the help in which the command is listed.
        help: the first sentence of the command's own help.
        load: imports the command.
    """

    name: str
    panel: str
    help: str
    load: Callable[[], Imported]


def _init() -> Imported:
    from denodo_ha.configuration.init_command import init

    return init


def _check() -> Imported:
    from denodo_ha.configuration.check_command import check

    return check


def _status() -> Imported:
    from denodo_ha.status.command import status

    return status


def _verify() -> Imported:
    from denodo_ha.verify.command import verify

    return verify


def _history() -> Imported:
    from denodo_ha.history.command import history

    return history


def _logs() -> Imported:
    from denodo_ha.logs.command import logs

    return logs


def _support() -> Imported:
    from denodo_ha.support.command import support

    return support


def _shift() -> Imported:
    from denodo_ha.zonal_shift.command import shift

    return shift


def _drain() -> Imported:
    from denodo_ha.drain.command import drain

    return drain


def _enable() -> Imported:
    from denodo_ha.drain.command import enable

    return enable


def _pause() -> Imported:
    from denodo_ha.pause.command import pause

    return pause


def _resume() -> Imported:
    from denodo_ha.pause.command import resume

    return resume


def _pin() -> Imported:
    from denodo_ha.rollout.pin_command import pin

    return pin


def _plan() -> Imported:
    from denodo_ha.plan.command import plan

    return plan


def _roll() -> Imported:
    from denodo_ha.rollout.roll_command import roll

    return roll


def _rollout() -> Imported:
    from denodo_ha.rollout.rollout_command import rollout

    return rollout


def _replace() -> Imported:
    from denodo_ha.rollout.replace_command import replace

    return replace


def _catalog() -> Imported:
    from denodo_ha.catalog.command import catalog

    return catalog


def _drill() -> Imported:
    from denodo_ha.drill.command import drill

    return drill


def _picture() -> Imported:
    from denodo_ha.review.picture_command import picture

    return picture


def _review() -> Imported:
    from denodo_ha.review.review_command import review

    return review


def _nodes() -> Imported:
    from denodo_ha.status.node_table import nodes

    return nodes


def _haproxy() -> Imported:
    from denodo_ha.haproxy.command import haproxy

    return haproxy


def _failover() -> Imported:
    from denodo_ha.failover.command import failover

    return failover


COMMANDS: tuple[Command, ...] = (
    Command(
        "status",
        "Look",
        "Show the clusters, nodes, services, targets, load balancers, HAProxy instances and DNS.",
        _status,
    ),
    Command(
        "verify",
        "Look",
        "Verify what clients see: DNS names, every service in its own protocol, which node "
        "answers.",
        _verify,
    ),
    Command(
        "history",
        "Look",
        "Show what commands have changed: who, when, what was before and after, and the result.",
        _history,
    ),
    Command(
        "logs",
        "Look",
        "Show what a node has logged in CloudWatch Logs, also if its instance is gone.",
        _logs,
    ),
    Command(
        "support",
        "Look",
        "Write one archive with status, plan, versions, failover and logs, without secrets.",
        _support,
    ),
    Command(
        "drain",
        "Nodes",
        "Take a node out of service: it gets no new connections, and existing ones have time "
        "to end.",
        _drain,
    ),
    Command(
        "enable",
        "Nodes",
        "Bring a node back into every target group that the deployed configuration gives it.",
        _enable,
    ),
    Command(
        "shift",
        "Nodes",
        "Shift traffic away from a zone of a cluster's load balancer, or show the active shift.",
        _shift,
    ),
    Command(
        "pause",
        "Nodes",
        "Silence the alarms of a cluster, and let its nodes' watchdogs and export timers rest.",
        _pause,
    ),
    Command("resume", "Nodes", "End the pause of a cluster before its time.", _resume),
    Command(
        "pin",
        "Changes",
        "Write what the nodes run into the pins file, so that a deploy changes none of them.",
        _pin,
    ),
    Command(
        "plan",
        "Changes",
        "Show what a deploy does to each node: nothing, state only, in place, restart, "
        "replacement.",
        _plan,
    ),
    Command(
        "roll",
        "Changes",
        "Bring nodes to the state that the last deploy wrote for them, one at a time.",
        _roll,
    ),
    Command(
        "rollout",
        "Changes",
        "Move nodes to the image, type and disks of the configuration, one at a time.",
        _rollout,
    ),
    Command(
        "replace",
        "Changes",
        "Replace the instance of a lost node; the node keeps its name, zone, ports and pin.",
        _replace,
    ),
    Command(
        "catalog",
        "Changes",
        "Set up and check the metadata database that nodes share, and compare their metadata.",
        _catalog,
    ),
    Command(
        "init",
        "Files",
        "Copy an example to config/NAME.yaml, and list the values that you must replace.",
        _init,
    ),
    Command(
        "check",
        "Files",
        "Validate a configuration and its pins file, without the CDK and without any AWS call.",
        _check,
    ),
    Command(
        "drill",
        "Files",
        "Work out the outcome of every single failure, from templates alone.",
        _drill,
    ),
    Command(
        "picture",
        "Files",
        "Draw the topology as clients see it: names, balancers, ports, nodes by zone, checks, "
        "switch.",
        _picture,
    ),
    Command(
        "review",
        "Files",
        "Review a change on one page: what gets worse, what clients notice, access, protections.",
        _review,
    ),
    Command(
        "nodes",
        "Files",
        "Print the servers to register in the Solution Manager: name, host, port and type.",
        _nodes,
    ),
    Command(
        "haproxy",
        "Files",
        "Render HAProxy's configuration file, and operate HAProxy on this or other machines.",
        _haproxy,
    ),
    Command(
        "failover",
        "Failover",
        "Show the cluster that the failover name leads to, or fail over to the other one.",
        _failover,
    ),
)
"""Every command, in the order of the program's help."""


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
        program, name = _typer(), str(self.name)
        completes_config = extra.get("resilient_parsing") and args[-1:] in (["-c"], ["--config"])
        imported: Imported = _config_only if completes_config else self.callback()
        if isinstance(imported, typer.Typer):
            program.add_typer(imported, name=name)
        else:
            program.command(name)(imported)
        command = typer.main.get_group(program).commands[name]
        tidy_help(command)
        return command.make_context(info_name, args, parent, **extra)


def _config_only(config: options.Config = None) -> None:
    """Stand in for the actual command while the shell completes a configuration's name."""


class Commands(TyperGroup):
    """All commands; their errors become a message on stderr and an exit code."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """Parse the program's global options."""
        tidy_help(self)
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
            # Imported here, because importing the SDK takes 0.2 s of CPU time. If the SDK raised an
            # error, it is already imported.
            from denodo_ha.aws.error_translation import translate_error

            return _message_and_code(translate_error(error))
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            message = f"denodo-ha: internal error: {what}; run it again with -vv for the traceback"
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
    # Imported here, because only --version needs these modules.
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
            help="Log each step to stderr; -vv logs what was read as well.",
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
