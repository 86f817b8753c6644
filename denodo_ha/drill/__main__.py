"""The program `python -m denodo_ha.drill PATH…`: the drill without the rest of `denodo-ha`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from denodo_ha.cli import process

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the drill, and end the process with the drill's exit code."""
    process.run(_load)


def _load() -> Callable[[], None]:
    # Import these modules only in this function: a signal while they are imported must end the
    # process without a traceback.
    import typer  # noqa: PLC0415 - slow to import

    from denodo_ha.cli.errors import CommandError  # noqa: PLC0415 - slow to import
    from denodo_ha.cli.output import print_message  # noqa: PLC0415 - slow to import
    from denodo_ha.drill.command import drill  # noqa: PLC0415 - slow to import

    def program() -> None:
        typer_program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        typer_program.command()(drill)
        try:
            typer_program(prog_name="python -m denodo_ha.drill")
        except CommandError as error:
            print_message(f"drill: {error}")
            sys.exit(error.exit)

    return program


if __name__ == "__main__":
    main()
