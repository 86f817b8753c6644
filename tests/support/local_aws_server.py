"""The local AWS of a test run: one server for all tests, in a separate folder.

Each test uses new accounts, so the tests can share a server, and no resources need to be removed
between tests.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tools.local_aws import control, server_process
from tools.local_aws.paths import ROOT, Paths

PACE = 200.0
"""Seconds of the local AWS's clock per real second: with 200, a health check with an interval of
5 s runs every 25 ms.
"""
_SETUP_S = 900

_accounts = itertools.count(100000000001)


def quiet(_text: str) -> None:
    """Discard a progress message of the server's start."""


def new_account() -> str:
    """Return an account that no test has used."""
    return str(next(_accounts))


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="denodo-ha-tests-"))


def paths() -> Paths:
    """Return the paths of the local AWS of this test run."""
    return Paths(folder=_folder() / "local")


@cache
def endpoint() -> str:
    """Return the endpoint of the local AWS; the first call starts the local AWS."""
    set_up()
    result = server_process.start(paths(), quiet, parent=os.getpid())
    control.call(result.endpoint, "pace", {"pace": PACE}, method="PUT")
    return result.endpoint


@cache
def set_up() -> None:
    """Create the Python environment of the local AWS, unless it exists."""
    subprocess.run([str(ROOT / "tools/local_aws/setup")], timeout=_SETUP_S, check=True)


@contextmanager
def paced(pace: float) -> Iterator[None]:
    """Change the pace of the local AWS's clock until the block ends.

    Health checks of stand-ins are real requests: at the pace `PACE`, the checks of one cluster take
    half a CPU core.
    """
    control.call(endpoint(), "pace", {"pace": pace}, method="PUT")
    yield
    control.call(endpoint(), "pace", {"pace": PACE}, method="PUT")


def finish() -> None:
    """Stop the local AWS of this test run, and remove its folder."""
    if endpoint.cache_info().currsize:
        server_process.stop(paths())
        endpoint.cache_clear()
    if _folder.cache_info().currsize:
        shutil.rmtree(_folder(), ignore_errors=True)
        _folder.cache_clear()
