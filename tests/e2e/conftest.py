"""Shared fixtures of tests on the local AWS."""

import pytest

from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, in an account that no other test uses."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


def pytest_sessionfinish() -> None:
    """Stop the server of the test run and remove its folder."""
    local_aws_server.finish()
