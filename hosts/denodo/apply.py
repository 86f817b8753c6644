"""Brings a node to its desired state, whole or not at all.

    plan ▶ stop ▶ back up ▶ edit ▶ regenerateFiles ▶ start ▶ ready? ─yes▶ record
                                                              └──no▶ put back, start, report

The plan is made again once the servers have stopped, because Denodo may write its files then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.denodo import files, lock, log, metadata_confirmation, metadata_database, secret_settings
from hosts.denodo.apply_plan import Plan, plan
from hosts.denodo.change_journal import Journal
from hosts.denodo.errors import DownError, NodeError, RolledBackError
from hosts.denodo.record import Record
from hosts.denodo.servers import Servers
from hosts.denodo.settings import STANDALONE_LICENSE

if TYPE_CHECKING:
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def check(system: System, state: State) -> Plan:
    """What an apply would do, without doing anything."""
    if Journal(system).open:
        log.warning("an apply was interrupted; the next one undoes it first and starts over")
    return plan(system, metadata_database.startable(system, state), Record(system))


def apply(system: System, state: State, *, start: bool = True) -> None:
    """Bring the node to a state. With the same state again, nothing is changed or restarted.

    Args:
        system: the machine.
        state: the wanted state.
        start: start the servers and wait until they are ready, else the change is undone.

    Raises:
        NodeError: of the kind that says what stands now.
    """
    with lock.held(system):
        _Change(system, metadata_database.startable(system, state), start=start).make()


class _Change:
    """One run, under the lock."""

    def __init__(self, system: System, state: State, *, start: bool) -> None:
        self._system = system
        self._state = state
        self._start = start
        self._record = Record(system)
        self._journal = Journal(system)
        self._before = self._record.applied
        # Before it the node may be anything, and listens where the wanted state says.
        self._old = Servers(system, self._before or state)
        self._new = Servers(system, state)

    def make(self) -> None:
        interrupted = self._recover()
        todo = self._plan()
        if interrupted or todo.restarts:
            log.info(str(todo))
            self._replace(interrupted=interrupted)
            log.info(f"applied the state {self._state.hash[:12]}")
        elif not todo.recorded:
            log.info(str(todo))
            self._record.apply(self._state, self._record.change)
        else:
            log.info("nothing to do")
        if self._start:
            metadata_confirmation.ensure(self._system, self._state, self._record)

    def _recover(self) -> bool:
        """Undo what an interrupted run has left; tells whether one has."""
        if not self._journal.open:
            return False
        if self._record.change == self._journal.change:
            log.info("an earlier run was interrupted after its change was whole")
            self._journal.end()
            return False
        log.warning("an earlier run was interrupted; its files are put back first")
        # What it started is where its files say, so it is stopped before they go back.
        self._old.stop(force=True)
        self._journal.undo()
        return True

    def _replace(self, *, interrupted: bool) -> None:
        self._new.check()
        self._warn_of_license()
        running = bool(self._old.running()) or (interrupted and self._before is not None)
        change = self._journal.begin()
        self._stop()
        try:
            self._edit(change)
            self._new.regenerate()
            if self._start:
                self._new.start(self._state.servers, self._deadline())
            self._record.apply(self._state, change)
        except (NodeError, OSError) as reason:
            self._roll_back(reason, start=running)
        # Last: a change that is undone must put the catalog on the database again.
        self._record.know_logins(metadata_database.fingerprints(self._system, self._state))
        self._journal.end()

    def _stop(self) -> None:
        try:
            self._old.stop()
        except (NodeError, OSError):
            # What did stop is missed by its users.
            self._old.launch(self._old.state.servers)
            self._journal.end()
            raise

    def _edit(self, change: str) -> None:
        touched = dict.fromkeys(path for path in self._plan().files if path.exists())
        tls = self._state.certificate and self._state.tls != (self._before and self._before.tls)
        if tls:
            touched.update(dict.fromkeys(secret_settings.touched_by_tls(self._state)))
        if any(metadata_database.reasons(self._system, self._state, self._record)):
            touched.update(dict.fromkeys(secret_settings.touched_by_tls(self._state)))
        self._journal.keep(change, touched)
        if tls:
            secret_settings.configure_tls(self._system, self._state)
        todo = self._plan()
        for path, data in todo.files.items():
            files.replace(path, data, private=path in todo.private)
        metadata_database.regenerate(self._system, self._state, self._record)

    def _plan(self) -> Plan:
        return plan(self._system, self._state, self._record)

    def _roll_back(self, reason: Exception, *, start: bool) -> None:
        log.error(f"the change did not come up: {reason}")
        try:
            self._new.stop(force=True)
            self._journal.undo()
            self._old.regenerate()
            if start:
                log.info("starting the old state again")
                self._old.start(self._old.state.servers, self._deadline())
            self._record_failure(reason)
        except (NodeError, OSError) as again:
            message = f"{reason}\nand the state before does not come up either: {again}"
            raise DownError(message) from reason
        self._journal.end()
        now = "the state before runs again" if start else "no server ran before, and none runs now"
        message = f"{reason}\nthe files are as before, and {now}"
        raise RolledBackError(message) from reason

    def _record_failure(self, reason: Exception) -> None:
        try:
            self._record.fail(self._state, str(reason))
        except OSError as wrong:
            log.warning(f"the failure cannot be recorded: {wrong}")

    def _deadline(self) -> float:
        return time.monotonic() + self._state.start_seconds

    def _warn_of_license(self) -> None:
        file = self._state.home / STANDALONE_LICENSE
        if self._state.license_manager and file.exists():
            log.warning(f"{file} is there, and wins over the License Manager")
