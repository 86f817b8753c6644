"""The reload of a configuration without a lost connection: validate, save, reload, verify.

HAProxy's answer to a reload says little: if the new worker does not start, the old worker
continues to serve, and only the master's list of processes shows it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import run
from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Report
from hosts.haproxy.errors import Failed, NoAnswer, Refused, UsageError
from hosts.haproxy.servers import servers
from hosts.haproxy.workers import Workers, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hosts.haproxy.runtime_api import LocalHaproxy

_VALIDATE_S = 60
_START_S = 60
_SHOWN = 2000

_STATE_FILE = re.compile(
    rb"^[ \t]*(server-state-file|load-server-state-from-file)\b.*$", re.MULTILINE
)
"""Lines that are left out of a validation: HAProxy warns of every node that is drained in the
state file, and a warning counts as a fault of the configuration."""
_LOOKUP = re.compile(rb"\binit-addr [a-z,]+")
"""Replaced in a validation: a DNS server that is slow or away is not a fault of the file."""
_BIND = re.compile(rb"^[ \t]*bind[ \t]+([0-9.]*|\*):(\d{1,18})\b", re.MULTILINE)


def _do_nothing() -> None:
    """Change nothing."""


def validate(program: str, file: Path) -> str:
    """Let HAProxy check a file; return its errors and warnings, empty if there are none.

    The file is bytes: comments and texts in it may have any encoding.

    Raises:
        UsageError: The program or the file does not exist, or the file cannot be read.
    """
    if shutil.which(program) is None:
        message = f"there is no HAProxy to validate the file with: {program}; name it by --haproxy"
        raise UsageError(message)
    content = _STATE_FILE.sub(rb"# \g<0>", _read(file))
    with _memory_file(_LOOKUP.sub(b"init-addr none", content)) as copy:
        result = run([program, "-dW", "-c", "-f", copy], seconds=_VALIDATE_S)
    if result.succeeded:
        return ""
    output = (result.output + result.errors).strip().replace(copy, str(file))
    return output[-_SHOWN:] if output and result.status is not None else f"it {result.ending}"


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """Give the path of a file that ends with this process, also if the process is killed."""
    if not hasattr(os, "memfd_create"):  # outside Linux, where no HAProxy host is
        with tempfile.NamedTemporaryFile(suffix=".cfg") as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with os.fdopen(os.memfd_create("haproxy.cfg"), "wb") as memory:
        memory.write(content)
        memory.flush()
        yield f"/proc/{os.getpid()}/fd/{memory.fileno()}"


def reload(haproxy: LocalHaproxy, new: Path | None, report: Report) -> None:
    """Start a new worker, with a new configuration or with the present one.

    Args:
        haproxy: the HAProxy of this machine.
        new: file that replaces the configuration, None to load the present one again.
        report: receives a line for each step.

    Raises:
        UsageError: The file does not exist.
        Refused: HAProxy does not accept the file; nothing was changed.
        Failed: The new worker does not serve; the old worker serves, and the old file is restored.
    """
    if new is not None and not new.is_file():
        message = f"there is no file {new}"
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

    The configuration that is known to serve is kept beside the file until the new worker serves,
    so that a run that is killed is completed or undone by the next one.

    Args:
        haproxy: the HAProxy of this machine.
        new: file that replaces the configuration, None to load the present one again.
        report: receives a line for each step.
        prepare: writes the files that the new configuration names.
        undo: restores these files.
    """
    incomplete, requested = previous_file(haproxy).exists(), False
    try:
        if new is not None:
            keep_previous(haproxy)
        prepare()
        _require_valid(haproxy, new)
        before, orders = workers(haproxy), _orders(haproxy)
        server_state_file.save(haproxy)
        if new is not None:
            _replace(haproxy, new)
        requested = True
        answer = _request_reload(haproxy)
    except BaseException:
        # After the request the new worker may serve: the next run completes the change.
        if not requested:
            undo()
            if not incomplete:
                restore_previous(haproxy)
        raise
    now = _wait_for_worker(haproxy, before)
    if now is None:
        undo()
        restored = restore_previous(haproxy)
        raise Failed(_failure(haproxy, before, answer, restored=restored))
    files.remove(previous_file(haproxy))
    report(f"worker {now.serving} serves, in place of {before.serving}")
    if now.old:
        report(f"earlier sessions continue in {', '.join(map(str, now.old))}")
    forgotten = _changed_orders(orders, _orders(haproxy))
    if forgotten:
        message = f"the new worker serves, and forgot the orders for {forgotten}"
        raise Failed(message)


def previous_file(haproxy: LocalHaproxy) -> Path:
    """Return the file with the configuration before a change that is not complete."""
    return haproxy.config.with_name(f".{haproxy.config.name}.previous")


def keep_previous(haproxy: LocalHaproxy) -> None:
    """Keep the present configuration, unless an earlier run that was killed has kept another.

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
    """Restore the configuration that `keep_previous` kept; return whether there was one."""
    previous = previous_file(haproxy)
    if not previous.exists():
        return False
    content = files.read(previous)
    if content != files.read(haproxy.config):
        files.write_atomically(haproxy.config, content, mode=files.PUBLIC)
    files.remove(previous)
    return True


def _require_valid(haproxy: LocalHaproxy, new: Path | None) -> None:
    """Check the new file, or the present one.

    Raises:
        Refused: HAProxy does not accept the file, or a port is in use; nothing was changed.
    """
    problems = validate(haproxy.program, new or haproxy.config)
    if problems:
        message = (
            f"HAProxy does not accept {new or haproxy.config}; nothing was changed:\n{problems}"
        )
        raise Refused(message)
    if new is not None:
        _require_free_ports(haproxy.config, new)


def _require_free_ports(old: Path, new: Path) -> None:
    """Check that the ports are free that only the new file has.

    Otherwise the new worker would ask the old one for them, which closes all of its own ports for
    two seconds, and then the new worker gives up.

    Raises:
        Refused: A port is in use.
    """
    before = set(_BIND.findall(_read(old)))
    for address, port in sorted(
        (address.decode(), port.decode()) for address, port in {*_BIND.findall(_read(new))} - before
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.replace("*", ""), int(port)))
            except (OSError, OverflowError) as error:
                problem = error.strerror if isinstance(error, OSError) else "there is no such port"
                message = (
                    f"{new} needs port {port}{f' of {address}' if address else ''}: "
                    f"{problem}; see `ss -ltnp`; nothing was changed"
                )
                raise Refused(message) from None


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


def _read(file: Path) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise UsageError(message) from error


def _request_reload(haproxy: LocalHaproxy) -> str:
    """Order the reload; return the answer of the master, empty before HAProxy 2.7."""
    try:
        return haproxy.query_master("reload").strip()
    except NoAnswer:
        # Before 2.7 the master starts itself again and does not answer.
        return ""


def _wait_for_worker(haproxy: LocalHaproxy, before: Workers) -> Workers | None:
    """Return the processes once a new worker serves, None if it does not."""
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
        else f"and worker {before.serving} is gone: see `systemctl status haproxy` at once"
    )
    file = f"; {haproxy.config} is restored" if restored else ""
    lines = "\n".join(line for line in answer.splitlines() if "ALERT" in line or "WARN" in line)
    return f"the new worker did not start, {state}{file}\n{lines[-_SHOWN:]}".rstrip()


def _orders(haproxy: LocalHaproxy) -> dict[str, str]:
    """Return the order of an operator for each server, empty if there is none."""
    return {
        server.id: "maint" if server.maint else "drain" if server.draining else ""
        for server in servers(haproxy)
    }


def _changed_orders(before: dict[str, str], now: dict[str, str]) -> str:
    """Return the remaining servers whose order has changed."""
    return ", ".join(sorted(key for key, order in now.items() if before.get(key, order) != order))
