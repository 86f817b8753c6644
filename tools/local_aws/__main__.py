"""The commands behind `make local` and the other `make local-…` verbs.

.venv/bin/python -m tools.local_aws up --config active-passive
"""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from denodo_ha.environment.full_command import EnvironmentChoice, chosen, make_command
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.configuration_file import DEFAULT
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tools.local_aws import deployment, name_lookup, node_actions, removal, shell_environment
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

_INTERRUPTED = 130
_LAST_PORT = 65535
_VERBS = {
    "up": "local",
    "down": "local-down",
    "stop": "clean",
    "env": "local-env",
    "resolve": "local-resolve",
    "node": "local-node",
    "client": "local-client",
}
_NODES = ("light", "jvm", "none")


def main() -> int:
    """Run a command; return exit status 1 if it failed."""
    parser = argparse.ArgumentParser(prog="local_aws", description="The local AWS.")
    parser.add_argument("command", choices=list(_VERBS))
    parser.add_argument("--config", default=DEFAULT, help="path or name of the configuration")
    parser.add_argument("--port", default="0", help="port of the server; 0 for a free port")
    parser.add_argument("--nodes", default="light", help="kind of servers that nodes run")
    parser.add_argument("--name", default="", help="DNS name to resolve")
    parser.add_argument("--run", default="", help="script to run in a client's network")
    parser.add_argument("--view", default=name_lookup.OUTSIDE, help="id of the client's VPC")
    parser.add_argument("--node", default="", help="node to change, as CLUSTER/NODE")
    parser.add_argument("--do", default="", help="action on the node's machine")
    parser.add_argument("--folder", type=Path, help="folder of the state; default: .local")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    paths, console = Paths(), Console()
    if arguments.folder:
        paths = Paths(folder=arguments.folder.resolve())
    try:
        with chosen(EnvironmentChoice(config=arguments.config)):
            return _run(arguments, paths, console)
    except (LocalAwsError, ConfigError) as error:
        prefix = "" if isinstance(error, ConfigError) else f"make {_VERBS[arguments.command]}: "
        print(f"{prefix}{error}", file=sys.stderr)
        if arguments.command == "env":
            # `eval` of this output must fail: otherwise the shell would continue with the user's
            # own AWS account.
            print("false")
        return 1
    except KeyboardInterrupt:
        with chosen(EnvironmentChoice(config=arguments.config)):
            again = make_command("local")
        print(
            "\nmake local: interrupted. A server of the local AWS that was running is still "
            f"running. Continue with `{again}`, or remove the local AWS with `make local-down`",
            file=sys.stderr,
        )
        return _INTERRUPTED


def _run(arguments: argparse.Namespace, paths: Paths, console: Console) -> int:
    """Run the command that the arguments name; return the exit code."""
    match arguments.command:
        case "up":
            port, nodes = _port(arguments.port), arguments.nodes
            if nodes not in _NODES:
                message = (
                    f"NODES={nodes} is not a kind of servers for nodes: write one of "
                    f"{', '.join(_NODES)}"
                )
                raise LocalAwsError(message)
            deployment.make_local(arguments.config, paths, console, port=port, nodes=nodes)
        case "down":
            removal.remove_all(paths, console)
        case "stop":
            removal.stop_server(paths)
        case "env":
            lines = shell_environment.export_lines(arguments.config, paths)
            console.out("\n".join(lines), highlight=False)
        case "resolve":
            answer = name_lookup.resolve(arguments.name, paths)
            print(",".join(answer["addresses"]))
            for line in name_lookup.usage(arguments.name, answer):
                print(line, file=sys.stderr)
        case "node":
            print(_act(arguments, paths))
        case "client":
            script, view = arguments.run, arguments.view
            return shell_environment.run_client(arguments.config, script, view, paths)
    return 0


def _act(arguments: argparse.Namespace, paths: Paths) -> str:
    file = configuration_file.find_configuration(arguments.config, ROOT)
    return node_actions.act(load(file).environment, arguments.node, arguments.do, paths)


def _port(text: str) -> int:
    """Return the port number that a text contains.

    Raises:
        LocalAwsError: the text is not a port.
    """
    if text.isascii() and text.isdigit() and int(text) <= _LAST_PORT:
        return int(text)
    message = f"LOCAL_PORT={text} is not a port: write 0 for a free port, or 1024 to {_LAST_PORT}"
    raise LocalAwsError(message)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
