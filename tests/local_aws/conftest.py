"""Shared fixtures of tests on the local AWS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server
from tools.local_aws import server_process
from tools.local_aws.paths import Paths


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, in an account that no other test uses."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """Yield the paths of a local AWS for this test alone; stop its server after the test."""
    local_aws_server.set_up()
    paths = Paths(folder=tmp_path / "local")
    yield paths
    server_process.stop(paths)


def pytest_sessionfinish() -> None:
    """Stop the local AWS of this test run, and remove the folder with its state."""
    local_aws_server.finish()
