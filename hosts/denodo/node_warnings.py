"""Warnings of a node that serves, for `status`: what an operator should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.denodo import scripts
from hosts.denodo.readiness import earlier_rules, ping
from hosts.denodo.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.record import Record
    from hosts.denodo.system import System


def warnings(system: System, record: Record) -> Iterator[str]:
    """Return the warnings, from records and from the running processes."""
    yield from record.warnings()
    state = record.applied
    if state is None:
        return
    yield from Servers(system, state).heap_warnings()
    if warning := scripts.missing_java(state):
        yield warning
    if warning := earlier_rules.warning(record):
        yield warning
    if warning := ping.warning(state, record):
        yield warning
