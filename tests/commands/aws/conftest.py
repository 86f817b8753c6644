"""Fixtures of the tests of locks."""

import pytest

from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.aws.parameter_store import ParameterStore


@pytest.fixture
def store() -> ParameterStore:
    return ParameterStore()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def kept() -> list[object]:
    """Return a list for held locks; garbage collection does not release a lock in the list."""
    return []
