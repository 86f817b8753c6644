"""Fixtures of the tests with faults: an environment in two regions, behind a proxy."""

from collections.abc import Iterator

import pytest

from tests.faults.deployment import deployed_site
from tests.faults.running import settle
from tests.faults.site import Site
from tests.support import local_aws_server


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy one environment for all tests of `tests/faults`."""
    with deployed_site(tmp_path_factory.mktemp("faults")) as site:
        yield site


@pytest.fixture
def site(deployed: Site) -> Iterator[Site]:
    """Return the shared environment, restored to its deployed state and without faults."""
    deployed.restore()
    yield deployed
    settle(deployed)


def pytest_sessionfinish() -> None:
    """Stop the local AWS of the test run, and remove its folder."""
    local_aws_server.finish()
