"""What the tests of the local AWS share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server
from tools.local_aws import server_process
from tools.local_aws.paths import Paths


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, as an account that is this test's alone."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """A paths of its own, whose server does not outlive the test."""
    local_aws_server.set_up()
    paths = Paths(folder=tmp_path / "local")
    yield paths
    server_process.stop(paths)


def pytest_sessionfinish() -> None:
    """Leave no process and no folder behind."""
    local_aws_server.finish()
