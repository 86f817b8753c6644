"""The program `python -m denodo_ha.drill PATH…`: the drill without the rest of `denodo-ha`."""

import sys

import typer

from denodo_ha.cli.errors import CommandError
from denodo_ha.drill.command import drill


def main() -> None:
    """Run the command, and exit with its exit code."""
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(drill)
    try:
        program(prog_name="python -m denodo_ha.drill")
    except CommandError as error:
        typer.echo(f"drill: {error}", err=True)
        sys.exit(error.exit)


if __name__ == "__main__":
    main()
