"""The commands behind `make local`, `make local-down` and `make local-env`.

.venv/bin/python -m local up --config active-passive
"""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from denodo_ha.environment.loading.configuration_file import DEFAULT
from denodo_ha.environment.loading.problem import ConfigError
from tools.local_aws import down, shell, up
from tools.local_aws.paths import Place
from tools.local_aws.problem import LocalError

_INTERRUPTED = 130


def main() -> int:
    """Run a command; the exit status is 1 if it could not do its work."""
    parser = argparse.ArgumentParser(prog="local", description="The local AWS.")
    parser.add_argument("command", choices=["up", "down", "stop", "env"])
    parser.add_argument("--config", default=DEFAULT, help="path or name")
    parser.add_argument("--port", type=int, default=0, help="port of the server; 0: a free one")
    parser.add_argument("--folder", type=Path, help="where its state is; default: .local")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    place, console = Place(), Console()
    if arguments.folder:
        place = Place(folder=arguments.folder.resolve())
    try:
        match arguments.command:
            case "up":
                up.up(arguments.config, place, console, port=arguments.port)
            case "down":
                down.down(place, console)
            case "stop":
                down.stop(place)
            case "env":
                console.out("\n".join(shell.lines(arguments.config, place)), highlight=False)
    except (LocalError, ConfigError) as error:
        print(_said(arguments.command, error), file=sys.stderr)
        if arguments.command == "env":
            # What `eval` gets has to fail, or the shell would go on to its own account.
            print("false")
        return 1
    except KeyboardInterrupt:
        told = "interrupted; a local AWS that runs goes on running: `make local` goes on with it"
        print(f"\nmake local: {told}, `make local-down` removes it", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _said(command: str, error: Exception) -> str:
    if isinstance(error, ConfigError):
        return str(error)
    verb = {"up": "local", "down": "local-down", "stop": "clean", "env": "local-env"}[command]
    return f"make {verb}: {error}"


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
