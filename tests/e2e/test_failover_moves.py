"""`denodo-ha failover` against what the real CLI has deployed: status, move, back."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops import exits, failover_answers
from ops.cli import COMMANDS, build
from tests import local_server
from tests.e2e.deployment import Data, Deployment

Run = Callable[..., Result]
_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment.of_example("active-passive", tmp_path_factory.mktemp("moved"))
    deployment.prepare()
    deployment.deploy()
    return deployment


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Deployment], Run]:
    """Runs a command as an operator of a deployment would."""

    def of(deployment: Deployment) -> Run:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            monkeypatch.delenv(key)
        for key, value in deployment.access.settings(local_server.place()).items():
            monkeypatch.setenv(key, value)
        # No name of the local AWS is resolved by anybody.
        monkeypatch.setattr(failover_answers, "lookup", lambda _name: None)
        file = str(deployment.out.parent / "environment.yaml")

        def run(*arguments: str, config: bool = True) -> Result:
            which = ("-c", file) if config else ()
            return CliRunner().invoke(build(COMMANDS), ["failover", *arguments, *which])

        return run

    return of


def test_all(deployment: Deployment, run: Callable[[Deployment], Run]) -> None:
    go = run(deployment)
    for args in (("status",), ("to", "passive", "--dry-run"), ("to", "passive"), ("status",), ("to","passive"), ("back",), ("status","--format","json")):
        t=time.monotonic()
        done = go(*args)
        print("=====", args, done.exit_code, time.monotonic()-t)
        print(done.output)
    assert 0
