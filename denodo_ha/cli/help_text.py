"""Help of commands at the terminal's width, and the option --json as a short form.

--json means --format json. Typer's own help has three faults that this module corrects: it keeps
the line breaks of docstrings, shows the value `<bool>` for flags, which take no value, and shows
the Python types of other values.
"""

import inspect
from typing import Annotated, Any, Final

import typer

_INDENT: Final = "[bold][/bold]"
"""Markup without text, put before the indentation of examples, which Typer would else remove."""


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
    # `get_help_option` creates the option --help, for which it needs a context, and the command
    # keeps the created option.
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
    """Return an option --json that has the effect of the command's --format json."""

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
        """Do nothing: Typer makes the option --json from the parameter of this function."""

    program = typer.Typer(add_completion=False)
    program.command()(command)
    return typer.main.get_command(program).params[0]


def unwrapped(text: str) -> str:
    """Return a help text with each paragraph as one line, and each example as an indented line."""
    paragraphs = (paragraph.split("\n") for paragraph in inspect.cleandoc(text).split("\n\n"))
    return "\n\n".join(
        "\n".join(f"{_INDENT}    {line.strip()}" for line in lines)
        if all(line.startswith((" ", "denodo-ha ")) for line in lines)
        else " ".join(lines)
        for lines in paragraphs
    )
