"""Fixtures of the tests of `denodo-ha catalog`."""

from pathlib import Path

import pytest

from tests.support.configurations import write
from tests.support.copied_sites import copied_sites


@pytest.fixture(scope="session")
def copied_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration file of `copied_sites`, one for all tests: synthesised only once."""
    return write(tmp_path_factory.mktemp("copied-sites"), copied_sites())
