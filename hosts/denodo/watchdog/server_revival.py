"""Check of the servers of the applied state, and start of servers that have died."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.common.errors import HostError
from hosts.denodo import log
from hosts.denodo.apply import apply, check
from hosts.denodo.configuration.change_journal import Journal
from hosts.denodo.errors import OK, WOULD_CHANGE, BusyError
from hosts.denodo.operator_command import operator_command
from hosts.denodo.record import Record
from hosts.denodo.servers.scripts import process_of
from hosts.denodo.servers.servers import Servers
from hosts.denodo.state_reader import fetch

if TYPE_CHECKING:
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def look(system: System, *, act: bool, last: bool = False) -> int:
    """Check once whether servers have died.

    A server has died if an earlier check found it running, and now nothing listens on its port.

    Returns:
        `OK` if all processes run; `WOULD_CHANGE` if some have died; the code of `BusyError` if this
        check cannot decide, because the node is drained or held, or servers are being started or
        changed.

    Args:
        system: the machine.
        act: start the servers that have died, and wait until they are ready.
        last: record that after this check, no server is started again for a while.

    Raises:
        HostError: A server does not start.
    """
    record = Record(system)
    state = record.applied
    if state is None or not state.watchdog or record.rests:
        return BusyError.code
    try:
        with system.locked():
            return _look(system, state, record, act=act, last=last)
    except BusyError:
        return BusyError.code


def catch_up(system: System, parameter: str) -> None:
    """Apply the desired state if the last boot could not; do nothing if servers must restart."""
    record = Record(system)
    if not record.behind:
        return
    try:
        state = fetch(system, parameter)
        if check(system, state).restarts:
            roll = operator_command(state, "roll", "--node", state.node)
            record.fall_behind(f"the desired state needs a restart of the servers: run `{roll}`")
        else:
            apply(system, state, start=False)
            log.info("the node has applied its desired state")
    except HostError as error:
        log.info(f"the desired state cannot be applied yet: {error}")


def _look(system: System, state: State, record: Record, *, act: bool, last: bool) -> int:
    if Journal(system, state.home).open:
        return BusyError.code  # an apply was killed; the next apply completes or undoes the change
    servers = Servers(system, state)
    known = {process_of(server) for server in state.servers}
    running = known & {*servers.running()}
    seen = known & {*record.watched} | running
    missing = seen - running
    if {*record.watched} != seen:
        record.watch(sorted(seen))
    if servers.starting():
        return BusyError.code
    if not missing:
        return OK if seen else BusyError.code
    if not act:
        return WOULD_CHANGE
    names = ", ".join(sorted(missing))
    log.warning(f"starting servers again that have ended without a shutdown: {names}")
    record.revive(sorted(missing), last=last)
    again = [server for server in state.servers if process_of(server) in missing]
    servers.start(again, time.monotonic() + state.start_seconds)
    return OK
