"""Help of commands at the width of the terminal.

Typer keeps the line breaks of docstrings, which are wrapped at the width of the source code, and
shows `<bool>` as the value of flags, which take none.
"""

import inspect
from typing import Any, Final

import typer

_INDENT: Final = "[bold][/bold]"
"""Markup without text. It precedes the indentation of examples, which Typer would remove."""


def tidy_help(command: Any) -> None:
    """Unwrap the paragraphs of a command's help, and show no value for flags; also for subcommands.

    Args:
        command: Typer's command or group.
    """
    if command.help:
        command.help = unwrapped(command.help)
    # The option --help exists only with a context; the command keeps it.
    for parameter in (*command.params, command.get_help_option(typer.Context(command))):
        if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False):
            parameter.metavar = ""
    for subcommand in getattr(command, "commands", {}).values():
        tidy_help(subcommand)


def unwrapped(text: str) -> str:
    """Return a help text with one line for each paragraph; examples remain lines, indented."""
    paragraphs = (paragraph.split("\n") for paragraph in inspect.cleandoc(text).split("\n\n"))
    return "\n\n".join(
        "\n".join(f"{_INDENT}    {line.strip()}" for line in lines)
        if all(line.startswith((" ", "denodo-ha ")) for line in lines)
        else " ".join(lines)
        for lines in paragraphs
    )
