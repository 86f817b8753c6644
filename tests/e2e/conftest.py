"""What the tests of the local AWS share."""

import pytest

from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, as an account that is this test's alone."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


def pytest_sessionfinish() -> None:
    """Leave no process and no folder behind."""
    local_aws_server.finish()
