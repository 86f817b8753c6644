"""Entries that a function would write to the history, without a bucket."""

from collections.abc import Callable
from datetime import UTC, datetime

from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.history_entry import HistoryChange


def changes_of(function: Callable[[], object]) -> list[HistoryChange]:
    """Run a function as a command would, and return what it has noted for the history."""
    running = recording._Recording("sample", datetime.now(UTC), 0.0)  # noqa: SLF001 - the object that `@recorded` makes
    token = recording._running.set(running)  # noqa: SLF001 - set as `@recorded` sets it
    try:
        function()
    finally:
        recording._running.reset(token)  # noqa: SLF001 - reset as `@recorded` resets it
    return [HistoryChange(*key, *states) for key, states in running.changes.items()]
