"""Fixtures of the tests of `denodo-ha failover`."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from moto import mock_aws
from typer.testing import Result

from denodo_ha.environment.loading.loader import load
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.commands.failover.failover_world import Go
from tests.support.assembly import ROOT, Template

TemplatesOf = Callable[[Path], Mapping[str, Template]]


@pytest.fixture(scope="module")
def shared(templates_of: TemplatesOf) -> Iterator[Cloud]:
    """Deploy the active-passive example once: the commands change only the switch's metric."""
    file = ROOT / "config/examples/active-passive.yaml"
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        cloud = Cloud(load(file).environment, templates_of(file))
        cloud.install(patch)
        cloud.deploy()
        yield cloud


@pytest.fixture
def world(shared: Cloud) -> Iterator[Route53]:
    caller = shared.caller
    yield Route53(shared)
    shared.faults.heal()
    shared.calls.made.clear()
    shared.caller = caller


@pytest.fixture
def go(denodo_ha: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Go:
    """Return a function that runs `denodo-ha failover …`."""

    def go(world: Route53, *arguments: str, config: str = "active-passive") -> Result:
        world.begin(monkeypatch)
        return denodo_ha("failover", *arguments, *(("-c", config) if config else ()))

    return go
