"""Reload of a configuration without a lost connection: validate, save, reload, verify.

HAProxy's answer to a reload does not show whether the new worker starts. If the new worker does not
start, the old worker continues to serve, and only the master's list of processes shows the failure.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.haproxy import next_states, server_state_file
from hosts.haproxy.check_lines import check_lines
from hosts.haproxy.draining import POLL_S, Report
from hosts.haproxy.errors import Failed, NoAnswer, Refused, UsageError
from hosts.haproxy.listening_ports import require_free
from hosts.haproxy.validation import SHOWN, problem, read_config
from hosts.haproxy.workers import Workers, workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosts.haproxy.runtime_api import LocalHaproxy

_START_S = 60


def _do_nothing() -> None:
    """Do nothing; the default of `prepare` and `undo`."""


def reload(haproxy: LocalHaproxy, new: Path | None, report: Report) -> None:
    """Start a new worker, with a new configuration or with the present one.

    Args:
        haproxy: the HAProxy of this machine.
        new: file that replaces the configuration, None to load the present configuration again.
        report: receives a line for each step.

    Raises:
        UsageError: The new file does not exist.
        Refused: HAProxy does not accept the configuration; nothing was changed.
        Failed: The new worker does not start: the old worker continues to serve, and the old
            configuration is restored. Or the new worker serves, but a drained server is not
            drained any more.
    """
    if new is not None and not new.is_file():
        message = f"the file {new} does not exist"
        raise UsageError(message)
    with haproxy.locked():
        reload_locked(haproxy, new, report)


def reload_locked(
    haproxy: LocalHaproxy,
    new: Path | None,
    report: Report,
    *,
    prepare: Callable[[], None] = _do_nothing,
    undo: Callable[[], None] = _do_nothing,
) -> None:
    """Start a new worker like `reload`, for a caller that holds the lock.

    A copy of the last configuration that worked is kept beside the configuration until the new
    worker serves. So if this run is killed, the next run can complete or undo the change.

    Args:
        haproxy: the HAProxy of this machine.
        new: file that replaces the configuration, None to load the present configuration again.
        report: receives a line for each step.
        prepare: writes the files that the new configuration names.
        undo: restores the files that `prepare` has written.
    """
    incomplete = previous_file(haproxy).exists()
    written = requested = False
    try:
        if new is not None:
            keep_previous(haproxy)
        prepare()
        _require_valid(haproxy, new)
        before = workers(haproxy)
        states = _next_states(haproxy, new, before)
        _report_changes(states, report)
        written = True
        server_state_file.write(haproxy, states.content)
        if new is not None:
            _replace(haproxy, new)
        requested = True
        answer = _request_reload(haproxy)
    except BaseException:
        # After the request for a reload, the new worker may already serve. Then do not undo the
        # change: the next run of this program completes it.
        if not requested:
            undo()
            if not incomplete:
                restore_previous(haproxy)
            if written:
                _restore_states(haproxy)
        raise
    now = _wait_for_worker(haproxy, before)
    if now is None:
        undo()
        restored = restore_previous(haproxy)
        _restore_states(haproxy)
        raise Failed(_failure(haproxy, before, answer, restored=restored))
    files.remove(previous_file(haproxy))
    report(f"worker {now.serving} serves instead of worker {before.serving}")
    if now.old:
        report(f"earlier sessions continue in worker {', '.join(map(str, now.old))}")
    forgotten = _changed_orders(
        states.orders, next_states.orders(next_states.running_rows(haproxy))
    )
    if forgotten:
        message = (
            f"the new worker serves, but did not keep the drain or maintenance of {forgotten}: set"
            " these servers again, with `drain` or `enable`"
        )
        raise Failed(message)


def prepare_start(haproxy: LocalHaproxy, report: Report) -> None:
    """Write the state file before another program starts or reloads HAProxy.

    If HAProxy does not answer, take the server states from the present state file.

    Raises:
        UsageError: The configuration cannot be read.
        Refused: Drained nodes would serve after a reload.
        Failed: HAProxy does not run the configuration, or the state file cannot be written.
    """
    try:
        states = _next_states(haproxy, None, workers(haproxy))
    except NoAnswer:
        states = _first_states(haproxy, report)
        down = len(states.starting_down())
        report(f"{down} of {len(states.rows)} servers start as down until they pass their checks")
    else:
        _report_changes(states, report)
    server_state_file.write(haproxy, states.content)


def _first_states(haproxy: LocalHaproxy, report: Report) -> next_states.NextStates:
    """Return the server states for the start of a HAProxy that is not running."""
    try:
        saved = server_state_file.saved_rows(haproxy)
        saved_at = haproxy.state.stat().st_mtime if saved else 0.0
    except (Failed, OSError) as error:
        report(f"{error}; the state file is replaced")
        saved, saved_at = [], 0.0
    # If the configuration is newer than the state file, the health checks in it may have changed.
    same = haproxy.config.stat().st_mtime <= saved_at
    rows = next_states.file_rows(haproxy, haproxy.config, read_config(haproxy.config))
    return next_states.merged(rows, saved, lambda _id: same)


def is_newer(haproxy: LocalHaproxy, now: Workers) -> bool:
    """Return whether the configuration was written after the serving worker started."""
    # Subtract two seconds from the age of the worker: HAProxy reports whole seconds, and a reload
    # writes the configuration shortly before the worker starts.
    started = time.time() - now.seconds + 2
    return haproxy.config.exists() and haproxy.config.stat().st_mtime > started


def _next_states(
    haproxy: LocalHaproxy, new: Path | None, before: Workers
) -> next_states.NextStates:
    """Return the server states for the next worker.

    Args:
        haproxy: the HAProxy of this machine.
        new: file of the next worker's configuration; None: the present configuration.
        before: HAProxy's processes before the reload.
    """
    file = new or haproxy.config
    content = read_config(file)
    if is_newer(haproxy, before):
        # The configuration was overwritten after HAProxy read it, so the health checks that HAProxy
        # runs are not known. Treat all checks as changed.
        same_check: Callable[[str], bool] = lambda _id: False  # noqa: E731 - one of two short functions
    else:
        old_lines, new_lines = check_lines(read_config(haproxy.config)), check_lines(content)
        same_check = lambda id_: old_lines.get(id_) == new_lines.get(id_)  # noqa: E731 - one of two short functions
    rows = next_states.file_rows(haproxy, file, content)
    states = next_states.merged(rows, next_states.running_rows(haproxy), same_check)
    results = next_states.checked(haproxy, file, content, states)
    # Merge again: during the trial, servers that have not changed may have gone down or come up.
    again = next_states.merged(rows, next_states.running_rows(haproxy), same_check)
    return again.with_results(results)


def _report_changes(states: next_states.NextStates, report: Report) -> None:
    down = states.starting_down()
    for id_, change in states.changed.items():
        until = "; the server is down until it passes its checks" if id_ in down else ""
        report(f"{id_}: {change}{until}")


def _restore_states(haproxy: LocalHaproxy) -> None:
    """Write the state file again from the old worker, which continues to serve."""
    with suppress(Failed):
        server_state_file.save(haproxy)


def previous_file(haproxy: LocalHaproxy) -> Path:
    """Return the path of the previous configuration, which exists until a change is complete."""
    return haproxy.config.with_name(f".{haproxy.config.name}.previous")


def keep_previous(haproxy: LocalHaproxy) -> None:
    """Copy the present configuration to `previous_file`, unless a killed run has left a copy.

    Raises:
        Refused: The file cannot be written; nothing was changed.
    """
    try:
        if not previous_file(haproxy).exists():
            content = files.read(haproxy.config)
            files.write_atomically(previous_file(haproxy), content, mode=files.PRIVATE)
    except OSError as error:
        message = f"{haproxy.config} cannot be replaced ({error.strerror}); nothing was changed"
        raise Refused(message) from error


def restore_previous(haproxy: LocalHaproxy) -> bool:
    """Restore the configuration that `keep_previous` copied; return whether a copy existed."""
    previous = previous_file(haproxy)
    if not previous.exists():
        return False
    content = files.read(previous)
    if content != files.read(haproxy.config):
        files.write_atomically(haproxy.config, content, mode=files.PUBLIC)
    files.remove(previous)
    return True


def _require_valid(haproxy: LocalHaproxy, new: Path | None) -> None:
    """Check `new`; without `new`, check the present configuration.

    Raises:
        Refused: HAProxy does not accept the file, or a port is in use; nothing was changed.
    """
    file = new or haproxy.config
    reason = problem(haproxy.program, file)
    if reason:
        message = (
            f"{reason}\n`reload` refuses a configuration with an error or warning; nothing was"
            " changed"
        )
        raise Refused(message)
    serving = workers(haproxy)
    processes = [process for process in (serving.serving, *serving.old) if process is not None]
    running = read_config(haproxy.config)
    require_free(file, read_config(file), running=running, processes=processes)


def _replace(haproxy: LocalHaproxy, new: Path) -> None:
    """Replace the configuration.

    Raises:
        Refused: The file cannot be written; nothing was changed.
    """
    try:
        files.write_atomically(haproxy.config, files.read(new), mode=files.PUBLIC)
    except OSError as error:
        message = f"{haproxy.config} cannot be replaced ({error.strerror}); nothing was changed"
        raise Refused(message) from error


def _request_reload(haproxy: LocalHaproxy) -> str:
    """Request a reload from the master; return the master's answer (empty before HAProxy 2.7)."""
    try:
        return haproxy.query_master("reload").strip()
    except NoAnswer:
        # Before HAProxy 2.7, the master restarts itself at a reload and does not answer.
        return ""


def _wait_for_worker(haproxy: LocalHaproxy, before: Workers) -> Workers | None:
    """Return HAProxy's processes once a new worker serves; None if no new worker serves in time."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            now = workers(haproxy)
            if now.failed > 0:
                return None
            if now.serving not in (None, before.serving):
                haproxy.query("show info")
                return now
        except NoAnswer:
            pass
        time.sleep(POLL_S / 5)  # the master answers before the new worker serves
    return None


def _failure(haproxy: LocalHaproxy, before: Workers, answer: str, *, restored: bool) -> str:
    serves = workers(haproxy).serving == before.serving
    state = (
        f"worker {before.serving} continues to serve"
        if serves
        else f"and worker {before.serving} has ended: run `systemctl status haproxy` immediately"
    )
    file = f"; {haproxy.config} is restored" if restored else ""
    lines = "\n".join(line for line in answer.splitlines() if "ALERT" in line or "WARN" in line)
    return f"the new worker did not start, {state}{file}\n{lines[-SHOWN:]}".rstrip()


def _changed_orders(before: dict[str, int], now: dict[str, int]) -> str:
    """Return the names of servers in `now` whose maintenance or drain differs from `before`."""
    return ", ".join(sorted(key for key, order in now.items() if before.get(key, order) != order))
