"""One hand-made site in moto for all tests of a module; each test leaves the site unchanged."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from moto import mock_aws
from typer.testing import Result

from denodo_ha.drain import command
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Run
from tests.support import client_creation
from tests.support.found_account import FoundAccount, make_found_site
from tests.support.hand_made_site import Recipe

if TYPE_CHECKING:
    from denodo_ha.environment.model.environment import Environment

REGIONS = ("eu-west-1", "eu-central-1")
SITE = ("--live", "--region", REGIONS[0], "--balancer", "denodo-nlb")


@pytest.fixture(scope="module")
def account() -> Iterator[FoundAccount]:
    """Return a hand-made site: two regions, two target groups, the nodes' auxiliary ports."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        client_creation.keep_descriptions(patch)
        cluster = SimpleNamespace(account="123456789012")
        environment = cast("Environment", SimpleNamespace(clusters={"active": cluster}))
        cloud = Cloud(environment, {})
        cloud.install(patch)
        patch.setattr(command, "real_clock", lambda: cloud.clock)
        ports = {"jdbc": 9999, "odbc": 9996}
        yield make_found_site(cloud, Recipe(regions=REGIONS, shared_ports=ports))


@pytest.fixture
def found(account: FoundAccount) -> Iterator[FoundAccount]:
    """Return the site that all tests of the module share, without recorded calls and faults."""
    # Let time pass until every target is healthy again after the previous test.
    account.cloud.clock.sleep(60)
    before, tags = account.registrations(), account.tags()
    account.cloud.calls.forget()
    yield account
    account.cloud.faults.heal()
    account.cloud.targets.states.clear()
    assert (account.registrations(), account.tags()) == (before, tags)


@pytest.fixture
def go(denodo_ha: Run) -> Run:
    """Return a function that runs a command with the option --live."""

    def go(*arguments: str, site: tuple[str, ...] = SITE) -> Result:
        done = denodo_ha(*arguments, *site)
        assert "Traceback" not in done.output
        assert "fault of denodo-ha" not in done.output
        return done

    return go
