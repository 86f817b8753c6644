"""Boot and shutdown of a node.

At every boot the desired state is read from its SSM parameter and applied, and the servers are
started. At the first boot of an instance, success or failure is signalled to CloudFormation. If a
later boot cannot apply the state, for example because AWS does not answer, the boot starts the
servers with the state that was applied last.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from hosts.common.errors import HostError
from hosts.common.program import Interrupted
from hosts.denodo import log
from hosts.denodo.apply import apply, recover
from hosts.denodo.errors import (
    BusyError,
    RolledBackError,
    StateError,
    SystemRefusedError,
    UnavailableError,
)
from hosts.denodo.metadata import (
    database_login,
    metadata_confirmation,
    metadata_export,
)
from hosts.denodo.readiness import earlier_rules
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_LONGEST_PAUSE_S = 60.0
Result = TypeVar("Result")


def patiently(system: System, action: Callable[[], Result]) -> Result:
    """Run an action that reads from AWS; after an error, repeat the action with growing pauses.

    Raises:
        UnavailableError: AWS still does not answer, or denies a call, after `system.patience`
            seconds.
    """
    deadline, pause = time.monotonic() + system.patience, system.poll
    while True:
        try:
            return action()
        except UnavailableError as error:
            if time.monotonic() + pause > deadline:
                raise
            log.warning(f"{error}; the boot reads from AWS again in {pause:.0f} s")
        time.sleep(pause)  # polling, because no event announces that AWS answers again
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def boot(system: System, state: State) -> None:
    """Apply the state and start the servers.

    Raises:
        HostError: The servers do not run, or they run with the previously applied state.
    """
    record = Record(system)
    record.forget_watchdog()
    try:
        metadata_export.remove_leftovers(system)
        if state.signal and state.signal.when == "configured" and not record.was_signalled:
            # Signal before the servers are started: if an operator must first register the node for
            # a licence, the servers cannot start yet.
            apply(system, state, start=False)
            _signal(system, state, success=True, message=f"{state.node} is configured")
        if _bring_up(system, state, record):
            metadata_confirmation.ensure(system, state, record)
    except Interrupted:
        raise  # an interruption is not a failure: the next boot continues
    except BaseException as error:
        signal_failure(system, state, str(error) or repr(error))
        raise
    _signal(system, state, success=True, message=f"{state.node} is ready")


def _bring_up(system: System, state: State, record: Record) -> bool:
    """Apply the state and start the servers.

    Returns:
        False if the servers were started with the previously applied state.
    """
    try:
        patiently(system, lambda: apply(system, state))
        startable = patiently(system, lambda: database_login.startable(system, state))
    except BusyError:
        raise
    except (HostError, OSError) as error:
        if record.applied is None:
            raise
        start_applied(system, str(error))
        if isinstance(error, RolledBackError):
            raise
        return False
    _start(system, startable)
    return True


def signal_failure(system: System, state: State, reason: str, *, recorded: bool = True) -> None:
    """Signal to CloudFormation why the boot failed, unless a signal was sent before.

    Args:
        system: the machine.
        state: contains the stack and the resource.
        reason: text for the events of the stack.
        recorded: whether to use the record of signals: send no signal if an earlier one is
            recorded, and record this one. False: send the signal in any case, without a record.
    """
    _signal(system, state, success=False, message=reason, recorded=recorded)


def start_applied(system: System, reason: str) -> None:
    """Start the servers of the applied state, since the desired state cannot be applied.

    Args:
        system: the machine.
        reason: why the desired state cannot be applied.

    Raises:
        StateError: No state was applied.
        HostError: The servers are not ready in time.
    """
    applied = Record(system).applied
    if applied is None:
        raise StateError(reason)
    log.warning(f"{reason}; the boot continues with the state that was applied last")
    try:
        # Call `recover` first, because it does not need AWS. `apply` reads secrets, and fails if
        # AWS does not answer.
        recover(system, applied)
        apply(system, applied, start=False)
        startable = database_login.startable(system, applied)
    except (HostError, OSError) as error:
        log.warning(f"{error}; the servers start with the files as they are")
        startable = applied
    try:
        Record(system).fall_behind(reason)
    except OSError as error:
        log.warning(
            "the node cannot record that the servers run with the previously applied state:"
            f" {error}"
        )
    _start(system, startable)


def _start(system: System, state: State) -> None:
    with system.locked():
        deadline = time.monotonic() + state.start_seconds
        servers = Servers(system, state)
        servers.check()
        servers.start(state.servers, deadline)
        earlier_rules.settle(system, state, Record(system))


def stop(system: System) -> None:
    """Stop the servers of the applied state, at a shutdown of the machine.

    Raises:
        SystemRefusedError: No state was applied.
        NotStoppedError: The servers do not stop.
    """
    with system.locked():
        state = Record(system).applied
        if state is None:
            raise SystemRefusedError("no state was applied, so the servers to stop are not known")
        Servers(system, state).stop()


def _signal(
    system: System, state: State, *, success: bool, message: str, recorded: bool = True
) -> None:
    """Signal CloudFormation; after errors, retry for at most `start_seconds` of the state."""
    record = Record(system)
    if state.signal is None or (recorded and record.was_signalled):
        return
    stack, resource = state.signal.stack, state.signal.resource
    instance = system.machine_id or state.node
    unique_id = instance if success else f"{instance}: {message}"
    deadline, pause = time.monotonic() + state.start_seconds, system.poll
    while True:
        try:
            system.aws_cli.signal_resource(stack, resource, unique_id, success=success)
        except HostError as error:
            log.warning(f"CloudFormation could not be signalled: {error}")
            # Do not retry after a validation error: it means that CloudFormation does not wait for
            # a signal of this node.
            if "(ValidationError)" in str(error) or time.monotonic() + pause > deadline:
                return
        else:
            log.info(f"signalled CloudFormation: {message}")
            break
        time.sleep(pause)  # polling, because no event announces that AWS answers again
        pause = min(2 * pause, _LONGEST_PAUSE_S)
    try:
        if recorded:
            record.signalled()
    except OSError as error:
        log.warning(f"the signal to CloudFormation could not be recorded: {error}")
