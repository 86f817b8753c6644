"""Entry point of the program `denodo-ha`, for tools/denodo-ha and the installed script."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from denodo_ha.cli import process

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command of the command line, and end the process with the command's exit code."""
    process.run(_load)


def _load() -> Callable[[], None]:
    # Import inside of this function: a signal during these imports must end the process without a
    # traceback.
    import typer  # noqa: PLC0415 - signal handlers come first

    from denodo_ha.cli.commands import COMMANDS  # noqa: PLC0415 - signal handlers come first
    from denodo_ha.cli.main import build_program, exit_with_error  # noqa: PLC0415 - signal handlers come first

    def program() -> None:
        try:
            build_program(COMMANDS)(prog_name="denodo-ha")
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a message, no traceback
            try:
                exit_with_error(error)
            except typer.Exit as end:
                sys.exit(end.exit_code)

    return program


if __name__ == "__main__":
    main()
