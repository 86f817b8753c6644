"""`python -m ops.drill PATH…`: the drill without the rest of `denodo-ha`."""

import sys

import typer

from ops.drill.command import drill
from ops.errors import OpsError


def main() -> None:
    """Run the command, and end with its exit code."""
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(drill)
    try:
        program(prog_name="python -m ops.drill")
    except OpsError as error:
        typer.echo(f"drill: {error}", err=True)
        sys.exit(error.exit)


if __name__ == "__main__":
    main()
