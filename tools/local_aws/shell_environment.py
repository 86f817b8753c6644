"""The environment of shells that use the local AWS: variables, and a client's network.

`make -s local-env` prints the lines that make a shell use the local AWS, and `make local-client
RUN=…` runs a script with the same variables, in a network in which all names of the local AWS are
found.
"""

import os
import shlex
from pathlib import Path

from denodo_ha.environment.full_command import full_command, make_command
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import load
from tools.local_aws import bootstrap, control, server_process
from tools.local_aws.client import client_network
from tools.local_aws.credentials import Access, require_local_aws, user_variables
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

_JAVA_CLIENT = ROOT / "tools/local_aws/client/java_client.py"
_WRAPPER = """\
#!/bin/sh
# Written by `make local`: the {name} of this clone, for shells without Node.
exec {command} "$@"
"""


def write_commands(paths: Paths) -> Path:
    """Write the commands of this clone into a folder that is added to PATH.

    The commands are node, npx, cdk, denodo-ha, and `java-client` for a client's network.
    """
    folder = paths.folder / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    node = ROOT / ".venv/node"
    npx = (ROOT / ".venv/npm-cli.js").resolve().with_name("npx-cli.js")
    for name, command in {
        "node": [node],
        "npx": [node, npx],
        "cdk": [node, ROOT / "node_modules/.bin/cdk"],
        "denodo-ha": [ROOT / "tools/denodo-ha"],
        "java-client": [ROOT / ".venv/bin/python", _JAVA_CLIENT],
    }.items():
        line = shlex.join(str(part) for part in command)
        # Replace the file as a whole: another shell may execute it now, and the kernel refuses to
        # execute a file that is being written.
        new = folder / f".{name}.{os.getpid()}"
        new.write_text(_WRAPPER.format(name=name, command=line))
        new.chmod(0o755)
        new.replace(folder / name)
    return folder


def export_lines(config: str, paths: Paths) -> list[str]:
    """Return the lines that the user's shell evaluates.

    Raises:
        LocalAwsError: the local AWS is not running.
    """
    settings = _access(config, paths).settings(paths)
    removed = sorted({*user_variables(), "AWS_PROFILE", "AWS_SESSION_TOKEN"} - settings.keys())
    return [
        f"unset {' '.join(removed)}",
        *(f"export {key}={shlex.quote(value)}" for key, value in settings.items()),
        f'export PATH={shlex.quote(str(write_commands(paths)))}:"$PATH"',
        *(f'export {key}="127.0.0.1${{{key}:+,${key}}}"' for key in ("NO_PROXY", "no_proxy")),
    ]


def run_client(config: str, script: str, view: str, paths: Paths) -> int:
    """Run a script of the shell in a client's network; return its exit code.

    Args:
        config: name or path of the configuration whose account the script uses.
        script: the script.
        view: `outside`, or the VPC in which the client is.
        paths: paths of the local AWS.

    Raises:
        LocalAwsError: the local AWS is not running, or this system denies a client's network.
    """
    if not script:
        again = make_command("local-client")
        message = f"RUN is missing: write a script, as in `{again} RUN='{full_command('verify')}'`"
        raise LocalAwsError(message)
    access = _access(config, paths)
    views = control.call(access.endpoint, "names")
    if view not in views:
        message = (
            f"VIEW={view} is not a view of the DNS server, which has the views "
            f"{', '.join(views) or 'none'}"
        )
        raise LocalAwsError(message)
    kept = {key: value for key, value in os.environ.items() if key not in user_variables()}
    path = f"{write_commands(paths)}:{os.environ['PATH']}"
    ports = control.call(access.endpoint, "ports")["ports"]
    return client_network.run(
        ["/bin/sh", "-c", script],
        kept | access.settings(paths) | {"PATH": path},
        dns=tuple(views[view]),
        ports=[*ports, int(access.endpoint.rpartition(":")[2])],
    )


def _access(config: str, paths: Paths) -> Access:
    """Return the account of a configuration on the local AWS.

    Raises:
        LocalAwsError: the local AWS is not running.
    """
    server = server_process.running(paths)
    if server is None:
        message = f"the local AWS is not running: start it with `{make_command('local')}`"
        raise LocalAwsError(message)
    environment = load(configuration_file.find_configuration(config, ROOT)).environment
    access = Access(server.endpoint, *bootstrap.home_location(environment))
    require_local_aws(access)
    return access
