"""`make -s local-env`: print the lines that make a shell use the local AWS."""

import shlex
from pathlib import Path

from denodo_ha.environment.full_command import make_command
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import load
from tools.local_aws import bootstrap, server_process
from tools.local_aws.credentials import Access, require_local_aws, user_variables
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

_WRAPPER = """\
#!/bin/sh
# Written by `make local`: the {name} of this clone, for shells without Node.
exec {command} "$@"
"""


def write_commands(paths: Paths) -> Path:
    """Write the commands node, npx, cdk and denodo-ha into a folder that is added to PATH."""
    folder = paths.folder / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    node = ROOT / ".venv/node"
    npx = (ROOT / ".venv/npm-cli.js").resolve().with_name("npx-cli.js")
    for name, command in {
        "node": [node],
        "npx": [node, npx],
        "cdk": [node, ROOT / "node_modules/.bin/cdk"],
        "denodo-ha": [ROOT / "tools/denodo-ha"],
    }.items():
        file = folder / name
        line = shlex.join(str(part) for part in command)
        file.write_text(_WRAPPER.format(name=name, command=line))
        file.chmod(0o755)
    return folder


def export_lines(config: str, paths: Paths) -> list[str]:
    """Return the lines that the user's shell evaluates.

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
    settings = access.settings(paths)
    removed = sorted({*user_variables(), "AWS_PROFILE", "AWS_SESSION_TOKEN"} - settings.keys())
    return [
        f"unset {' '.join(removed)}",
        *(f"export {key}={shlex.quote(value)}" for key, value in settings.items()),
        f'export PATH={shlex.quote(str(write_commands(paths)))}:"$PATH"',
        *(f'export {key}="127.0.0.1${{{key}:+,${key}}}"' for key in ("NO_PROXY", "no_proxy")),
    ]
