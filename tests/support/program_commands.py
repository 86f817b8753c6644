"""All commands of the program, with their subcommands, as the registry loads them."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import typer

from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_command

WITHOUT_AWS: Final = frozenset(
    {
        *("init", "check", "picture", "review", "cost", "nodes"),
        *("haproxy render", "haproxy drain", "haproxy enable", "haproxy reload"),
        *("haproxy save", "haproxy prepare", "haproxy status", "haproxy verify"),
    }
)
"""Commands that do not call AWS: they read files, or talk to HAProxy on this machine or by ssh."""


def command_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the full name and the function of every command."""
    for command in COMMANDS:
        imported = command.load()
        if not isinstance(imported, typer.Typer):
            yield command.name, imported
            continue
        for each in imported.registered_commands:
            assert each.callback is not None
            yield f"{command.name} {each.name or each.callback.__name__}", each.callback


def parsed_commands() -> Iterator[tuple[str, Any]]:
    """Yield the full name of every command, and Typer's command that parses its arguments."""
    for entry in COMMANDS:
        command = build_command(entry.name, entry.load())
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield entry.name, command
        else:
            yield from ((f"{entry.name} {name}", each) for name, each in subcommands.items())
