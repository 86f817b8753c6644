"""What the tests of the local AWS share."""

import pytest

from tests import local_server
from tests.local.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, as an account that is this test's alone."""
    return Cloud(local_server.endpoint(), local_server.new_account())


def pytest_sessionfinish() -> None:
    """Leave no process and no folder behind."""
    local_server.finish()
