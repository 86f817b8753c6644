"""`make -s local-env`: the lines that send a shell to the local AWS."""

import shlex
from pathlib import Path

from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import load
from tools.local_aws import bootstrap, server
from tools.local_aws.credentials import Access, prove, unset
from tools.local_aws.paths import ROOT, Place
from tools.local_aws.problem import LocalError

_WRAPPER = """\
#!/bin/sh
# Made by `make local`: the clone's own {name}, for shells that have no Node.
exec {command} "$@"
"""


def write_commands(place: Place) -> Path:
    """Commands of the clone that a shell may lack: node, npx and cdk."""
    folder = place.folder / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    node = ROOT / ".venv/node"
    npx = (ROOT / ".venv/npm-cli.js").resolve().with_name("npx-cli.js")
    for name, command in {
        "node": [node],
        "npx": [node, npx],
        "cdk": [node, ROOT / "node_modules/.bin/cdk"],
    }.items():
        file = folder / name
        line = shlex.join(str(part) for part in command)
        file.write_text(_WRAPPER.format(name=name, command=line))
        file.chmod(0o755)
    return folder


def lines(config: str, place: Place) -> list[str]:
    """The lines for `eval`.

    Raises:
        LocalError: no local AWS is running.
    """
    found = server.running(place)
    if found is None:
        message = "the local AWS is not running: start it with `make local`"
        raise LocalError(message)
    environment = load(configuration_file.find(config, ROOT)).environment
    access = Access(found.endpoint, *bootstrap.home(environment))
    prove(access)
    settings = access.settings(place)
    unwanted = sorted({*unset(), "AWS_PROFILE", "AWS_SESSION_TOKEN"} - settings.keys())
    return [
        f"unset {' '.join(unwanted)}",
        *(f"export {key}={shlex.quote(value)}" for key, value in settings.items()),
        f'export PATH={shlex.quote(str(write_commands(place)))}:"$PATH"',
        *(f'export {key}="127.0.0.1${{{key}:+,${key}}}"' for key in ("NO_PROXY", "no_proxy")),
    ]
