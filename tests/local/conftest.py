"""What the tests of the local AWS share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import server
from local.place import Place
from tests import local_server
from tests.local.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, as an account that is this test's alone."""
    return Cloud(local_server.endpoint(), local_server.new_account())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place of its own, whose server does not outlive the test."""
    local_server.set_up()
    place = Place(folder=tmp_path / "local")
    yield place
    server.stop(place)


def pytest_sessionfinish() -> None:
    """Leave no process and no folder behind."""
    local_server.finish()
