"""The local AWS of a test run: one server for all tests, in a folder of its own.

Each test is an account, or several, that no other test is; so nothing has to be cleaned up
between them, and one server is enough.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tools.local_aws import control, server_process
from tools.local_aws.paths import ROOT, Paths

PACE = 200.0
"""How fast time passes in tests: health checks of 5 s every 25 ms."""
_SETUP_S = 900

_accounts = itertools.count(100000000001)


def quiet(_text: str) -> None:
    """Say nothing."""


def new_account() -> str:
    """An account that nobody has used."""
    return str(next(_accounts))


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="denodo-ha-tests-"))


def paths() -> Paths:
    """Where the server of this test run keeps what it knows."""
    return Paths(folder=_folder() / "local")


@cache
def endpoint() -> str:
    """The server's address; the first to ask has it started."""
    set_up()
    result = server_process.start(paths(), quiet, parent=os.getpid())
    control.call(result.endpoint, "pace", {"pace": PACE}, method="PUT")
    return result.endpoint


@cache
def set_up() -> None:
    """Make the server's environment, if `make` has not."""
    subprocess.run([str(ROOT / "tools/local_aws/setup")], timeout=_SETUP_S, check=True)


def finish() -> None:
    """Stop the server by its id, and remove what it knew."""
    if endpoint.cache_info().currsize:
        server_process.stop(paths())
        endpoint.cache_clear()
    if _folder.cache_info().currsize:
        shutil.rmtree(_folder(), ignore_errors=True)
        _folder.cache_clear()
