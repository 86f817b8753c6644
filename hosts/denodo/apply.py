"""Apply the desired state to a node, completely or not at all.

    plan ▶ stop ▶ back up ▶ edit ▶ regenerateFiles ▶ start ▶ ready? ─yes▶ record
                                                              └──no▶ restore, start, report

The plan is made again after the servers have stopped, because Denodo may write its files while the
servers stop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.errors import HostError
from hosts.denodo import log
from hosts.denodo.apply_plan import Plan, plan
from hosts.denodo.configuration import secret_settings
from hosts.denodo.configuration.change_journal import Journal
from hosts.denodo.configuration.settings import STANDALONE_LICENSE
from hosts.denodo.errors import DownError, RolledBackError
from hosts.denodo.metadata import database_login, metadata_confirmation, metadata_database
from hosts.denodo.readiness import earlier_rules
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers

if TYPE_CHECKING:
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def check(system: System, state: State) -> Plan:
    """Return the plan of an apply without applying the state.

    Raises:
        HostError: An apply would refuse the state before it stops a server.
    """
    if Journal(system, state.home).open:
        log.warning(
            "an earlier apply was interrupted; the next apply first restores the files that the"
            " interrupted apply changed"
        )
    startable, record = database_login.startable(system, state), Record(system)
    result = plan(system, startable, record)
    if result.restarts:
        metadata_database.check(system, startable, record)
    return result


def apply(system: System, state: State, *, start: bool = True, request: str = "") -> None:
    """Apply a state to the node; if it is applied already, change and restart nothing.

    Args:
        system: the machine.
        state: the desired state.
        start: start the servers, wait until they are ready, and undo the change if they are not.
        request: id of the operator's request. A request may arrive twice; if its first run was
            undone, the second run reports the same result and changes nothing.

    Raises:
        HostError: The state was not applied; the error class shows which state is active now.
    """
    with system.locked():
        change = _Change(
            system, database_login.startable(system, state), start=start, request=request
        )
        change.make()


def recover(system: System, applied: State) -> None:
    """Undo the change of a run that was killed; if the change was complete, only end its journal.

    This function does not call AWS.

    Args:
        system: the machine.
        applied: the state that was applied last.

    Raises:
        HostError: The files of the applied state could not be restored.
    """
    with system.locked():
        _Change(system, applied, start=False).recover()


class _Change:
    """One run of `apply` or `recover`; the caller holds the lock for changes of the node."""

    def __init__(self, system: System, state: State, *, start: bool, request: str = "") -> None:
        self._system = system
        self._state = state
        self._start = start
        self._request = request
        self._record = Record(system)
        self._before = self._record.applied
        self._journal = Journal(system, (self._before or state).home)
        # Before the first apply, no state is applied: assume that the image's servers run as in the
        # desired state.
        self._old = Servers(system, self._before or state)
        self._new = Servers(system, state)

    def make(self) -> None:
        self._require_new_request()
        interrupted = self._recover()
        self._remove_leftovers(self._before)
        current_plan = self._plan()
        if interrupted or current_plan.restarts:
            log.info(str(current_plan))
            self._replace(interrupted=interrupted)
            log.info(f"applied the state {self._state.hash[:12]}")
        elif not current_plan.recorded:
            log.info(str(current_plan))
            self._record.apply(self._state, self._record.change)
        else:
            log.info("nothing to do")
        self._record.catch_up()
        if self._start:
            self._new.look(self._record)
            earlier_rules.settle(self._system, self._state, self._record)
            metadata_confirmation.ensure(self._system, self._state, self._record)

    def _require_new_request(self) -> None:
        """Refuse a request whose first run was undone.

        A request is sent again if its answer was lost.
        """
        reason = self._record.refusal(self._state, self._request)
        if reason and not self._journal.open:
            message = (
                "this request failed before and its change was undone, so the change is not tried"
                f" again; the reason of the failure:\n{reason}"
            )
            raise RolledBackError(message)

    def recover(self) -> None:
        """Complete or undo the change of an interrupted run, and remove the files that it left."""
        if self._recover():
            self._old.regenerate()
            self._journal.end()
        self._remove_leftovers(self._before)

    def _recover(self) -> bool:
        """Undo the change of an interrupted run; return whether there was a change to undo."""
        if not self._journal.open:
            return False
        if self._record.change == self._journal.change:
            log.info("an earlier run was interrupted after its change was complete")
            self._journal.end()
            return False
        log.warning(
            "an earlier run was interrupted; the files that the interrupted run changed are"
            " restored first"
        )
        # Stop the servers before the files are restored: servers that the interrupted run has
        # started listen on the ports in the present files.
        self._old.stop(force=True)
        self._journal.undo()
        return True

    def _remove_leftovers(self, applied: State | None) -> None:
        """Remove files of earlier runs that the state does not need; some contain secrets."""
        with self._record.locked():
            self._journal.remove_leftovers()
        secret_settings.remove_leftovers(self._system, self._state, applied)
        metadata_database.remove_leftovers(self._system)
        metadata_confirmation.remove_leftovers(self._system)

    def _replace(self, *, interrupted: bool) -> None:
        self._check(interrupted=interrupted)
        self._warn_of_standalone_license()
        running = bool(self._old.running()) or (interrupted and self._before is not None)
        if self._before is None:
            earlier_rules.accept(self._record)
        change = self._journal.begin()
        self._stop()
        try:
            self._edit(change)
            self._new.regenerate()
            if self._start:
                self._new.start(self._state.servers, _deadline(self._state))
            self._record.apply(self._state, change)
        except (HostError, OSError) as reason:
            self._roll_back(reason, start=running)
        # Record the logins only after a complete change. If the record contained the logins of a
        # change that was undone, the next change would not move the catalog to the database again.
        self._record.remember_logins(database_login.fingerprints(self._system, self._state))
        self._journal.end()
        self._remove_leftovers(self._state)

    def _check(self, *, interrupted: bool) -> None:
        """Check, before any server is stopped, that the servers can run with the new state."""
        try:
            self._new.check()
            metadata_database.check(self._system, self._state, self._record)
        except HostError:
            if interrupted and self._start and self._before is not None:
                # The servers were stopped to undo the interrupted change. The new change is
                # refused, so start the servers with the restored files.
                self._old.regenerate()
                self._old.launch(self._old.state.servers)
            raise

    def _stop(self) -> None:
        try:
            self._old.stop()
        except (HostError, OSError):
            # No file was changed yet, but some servers may have stopped: start them, because
            # clients need all servers.
            self._old.launch(self._old.state.servers)
            self._journal.end()
            raise

    def _edit(self, change: str) -> None:
        touched = dict.fromkeys(path for path in self._plan().files if path.exists())
        tls = self._state.certificate and self._state.tls != (self._before and self._before.tls)
        if tls or any(metadata_database.reasons(self._system, self._state, self._record)):
            touched.update(dict.fromkeys(secret_settings.touched_by_tls(self._state)))
        self._journal.keep(change, touched)
        if tls:
            secret_settings.configure_tls(self._system, self._state)
        current_plan = self._plan()
        for path, content in current_plan.files.items():
            files.replace(path, content, private=path in current_plan.private)
        metadata_database.regenerate(self._system, self._state, self._record)

    def _plan(self) -> Plan:
        return plan(self._system, self._state, self._record)

    def _roll_back(self, reason: Exception, *, start: bool) -> None:
        log.error(f"the change failed: {reason}")
        try:
            self._new.stop(force=True)
            self._journal.undo()
            self._old.regenerate()
            if start:
                log.info("starting the servers with the previous state again")
                self._old.start(self._old.state.servers, _deadline(self._old.state))
            self._record_failure(reason)
        except (HostError, OSError) as error:
            message = f"{reason}\nThe servers do not start with the previous state either: {error}"
            raise DownError(message) from reason
        self._journal.end()
        result = (
            "the previous state runs again"
            if start
            else "no server ran before, and no server runs now"
        )
        message = f"{reason}\nThe files are the same as before the change, and {result}"
        raise RolledBackError(message) from reason

    def _record_failure(self, reason: Exception) -> None:
        try:
            self._record.fail(self._state, str(reason), self._request)
        except OSError as error:
            log.warning(f"the failure cannot be recorded: {error}")

    def _warn_of_standalone_license(self) -> None:
        file = self._state.home / STANDALONE_LICENSE
        if self._state.license_manager and file.exists():
            log.warning(
                f"{file} exists, so the servers use this licence file instead of the License"
                f" Manager; to use the License Manager, run `rm {file}` and restart the servers"
            )


def _deadline(state: State) -> float:
    """Return the time until which `apply` waits for the servers of this state to start."""
    return time.monotonic() + state.start_seconds
