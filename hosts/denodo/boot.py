"""Every boot: the state from its parameter, applied, the servers started and waited for.

At the first boot of an instance CloudFormation is told how it went.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.denodo import aws, lock, log, metadata_confirmation, metadata_database
from hosts.denodo.apply import apply
from hosts.denodo.errors import NodeError, SystemRefusedError
from hosts.denodo.record import Record
from hosts.denodo.servers import Servers

if TYPE_CHECKING:
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def boot(system: System, state: State) -> None:
    """Bring the node up.

    Raises:
        NodeError: it is not up.
    """
    record = Record(system)
    try:
        if state.signal and state.signal.when == "configured" and not record.was_signalled:
            # Where the node is to be registered for its licence first, it cannot start yet.
            apply(system, state, start=False)
            _tell(system, state, success=True, message=f"{state.node} is configured")
        apply(system, state)
        start(system, state)
        metadata_confirmation.ensure(system, state, record)
    except (NodeError, OSError) as wrong:
        tell_failure(system, state, wrong)
        raise
    _tell(system, state, success=True, message=f"{state.node} is ready")


def tell_failure(system: System, state: State, reason: Exception) -> None:
    """Tell CloudFormation why the node did not come up, if it still waits for it."""
    _tell(system, state, success=False, message=f"{state.node}: {reason}")


def start(system: System, state: State) -> None:
    """Start the servers that do not run, and wait until all are ready.

    Raises:
        NodeError: they are not.
    """
    with lock.held(system):
        state = metadata_database.startable(system, state)
        deadline = time.monotonic() + state.start_seconds
        servers = Servers(system, state)
        servers.check()
        servers.start(state.servers, deadline)


def stop(system: System) -> None:
    """Stop the servers of the state that was applied last, for a shutdown of the machine.

    Raises:
        NodeError: they do not stop.
    """
    with lock.held(system):
        state = Record(system).applied
        if state is None:
            raise SystemRefusedError("no state was applied, so it is not known what to stop")
        Servers(system, state).stop()


def _tell(system: System, state: State, *, success: bool, message: str) -> None:
    record = Record(system)
    if state.signal is None or record.was_signalled:
        return
    try:
        aws.signal(system, state.signal, success=success, message=message)
        log.info(f"CloudFormation was told: {message}")
        record.signalled()
    except NodeError as wrong:
        log.warning(f"CloudFormation was not told: {wrong}")
