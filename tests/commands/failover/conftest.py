"""Fixtures of the tests of `denodo-ha failover`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import Result

from denodo_ha.environment.loading.loader import load
from tests.commands.account.cloud import Cloud, deployed_cloud
from tests.commands.account.route53 import Route53
from tests.commands.failover.failover_world import Go
from tests.support.assembly import ROOT, Template

TemplatesOf = Callable[[Path], Mapping[str, Template]]


@pytest.fixture(scope="module")
def shared(templates_of: TemplatesOf) -> Iterator[Cloud]:
    """Deploy the active-passive example once: the commands change only the switch's metric."""
    file = ROOT / "config/examples/active-passive.yaml"
    with deployed_cloud(load(file).environment, templates_of(file)) as cloud:
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
