"""The order in which the workers of a test run collect."""

from collections.abc import Sequence
from typing import TypeVar

Entry = TypeVar("Entry")


def from_share(entries: Sequence[Entry], worker: int, workers: int) -> list[Entry]:
    """Return all entries in their order, beginning with the share of a worker."""
    begin = len(entries) * worker // workers
    return [*entries[begin:], *entries[:begin]]
