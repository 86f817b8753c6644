"""The order in which each worker of a test run collects tests, beginning with its own share."""

from collections.abc import Sequence
from typing import TypeVar

Entry = TypeVar("Entry")


def from_share(entries: Sequence[Entry], worker: int, workers: int) -> list[Entry]:
    """Return all entries, beginning with a worker's share; entries before the share are last."""
    begin = len(entries) * worker // workers
    return [*entries[begin:], *entries[:begin]]
