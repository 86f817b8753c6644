"""Help of commands at the width of the terminal, and the option --json of each --format json.

Typer keeps the line breaks of docstrings, which are wrapped at the width of the source code, shows
`<bool>` as the value of flags, which take none, and the Python type of other values.
"""

import inspect
from typing import Annotated, Any, Final

import typer

_INDENT: Final = "[bold][/bold]"
"""Markup without text. It precedes the indentation of examples, which Typer would remove."""


def tidy_command(command: Any) -> None:
    """Tidy the help of a command and its subcommands, and add --json where --format has json.

    Args:
        command: Typer's command or group.
    """
    if command.help:
        command.help = unwrapped(command.help)
    for index, parameter in enumerate(command.params):
        if "--format" in parameter.opts and "json" in _choices(parameter):
            command.params.insert(index + 1, _json_option(parameter))
            break
    # The option --help exists only with a context; the command keeps it.
    for parameter in (*command.params, command.get_help_option(typer.Context(command))):
        parameter.metavar = _value_name(parameter)
    for subcommand in getattr(command, "commands", {}).values():
        tidy_command(subcommand)


def _value_name(parameter: Any) -> str:
    """Return the name that the help shows for the value of an option or argument."""
    if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False):
        return ""
    if parameter.metavar is not None:
        return str(parameter.metavar)
    if choices := _choices(parameter):
        return "|".join(choices)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    descriptor = parameter.type_descriptor
    return "PATH" if descriptor.is_path else "NUMBER" if descriptor.annotation is int else "TEXT"


def _choices(parameter: Any) -> list[str]:
    return [str(choice) for choice in parameter.type_descriptor.choices or ()]


def _json_option(form: Any) -> Any:
    """Return the option --json of a command: another name for its --format json."""

    def choose_json(context: typer.Context, *, value: bool) -> None:
        if value:
            context.default_map = {**(context.default_map or {}), form.name: "json"}

    def check_format(context: typer.Context, _parameter: Any, value: Any) -> Any:
        if (context.default_map or {}).get(form.name) == "json" and value != "json":
            message = f"--json and --format {value} exclude each other"
            raise typer.BadParameter(message)
        return value

    form.callback = check_format

    def command(
        *,
        json: Annotated[
            bool,
            typer.Option(
                "--json",
                help="The same as --format json.",
                callback=choose_json,
                is_eager=True,
                expose_value=False,
                rich_help_panel=form.rich_help_panel,
            ),
        ] = False,
    ) -> None:
        """Carry the option."""

    program = typer.Typer(add_completion=False)
    program.command()(command)
    return typer.main.get_command(program).params[0]


def unwrapped(text: str) -> str:
    """Return a help text with one line for each paragraph; examples remain lines, indented."""
    paragraphs = (paragraph.split("\n") for paragraph in inspect.cleandoc(text).split("\n\n"))
    return "\n\n".join(
        "\n".join(f"{_INDENT}    {line.strip()}" for line in lines)
        if all(line.startswith((" ", "denodo-ha ")) for line in lines)
        else " ".join(lines)
        for lines in paragraphs
    )
