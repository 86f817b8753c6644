"""The reload of a configuration without a lost connection: validate, save, reload, verify.

HAProxy's answer to a reload says little: if the new worker does not start, the old worker
continues to serve, and only the master's list of processes shows it.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import time
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import run
from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Report
from hosts.haproxy.errors import Failed, NoAnswer, Refused, UsageError
from hosts.haproxy.servers import servers
from hosts.haproxy.workers import Workers, workers

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.haproxy.runtime_api import LocalHaproxy

_VALIDATE_S = 60
_START_S = 60
_SHOWN = 2000

_STATE_FILE = re.compile(
    r"^[ \t]*(server-state-file|load-server-state-from-file)\b.*$", re.MULTILINE
)
"""Lines that are left out of a validation: HAProxy warns of every node that is drained in the
state file, and a warning counts as a fault of the configuration."""
_LOOKUP = re.compile(r"\binit-addr [a-z,]+")
"""Replaced in a validation: a DNS server that is slow or away is not a fault of the file."""
_BIND = re.compile(r"^[ \t]*bind[ \t]+([0-9.]*|\*):(\d+)\b", re.MULTILINE)


def validate(program: str, file: Path) -> str:
    """Let HAProxy check a file; return its errors and warnings, empty if there are none.

    Raises:
        UsageError: The program does not exist.
    """
    if shutil.which(program) is None:
        message = f"there is no HAProxy to validate the file with: {program}; name it by --haproxy"
        raise UsageError(message)
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", encoding="utf-8") as copy:
        content = _STATE_FILE.sub("# \\g<0>", file.read_text(encoding="utf-8"))
        copy.write(_LOOKUP.sub("init-addr none", content))
        copy.flush()
        result = run([program, "-dW", "-c", "-f", copy.name], seconds=_VALIDATE_S)
    if result.succeeded:
        return ""
    output = (result.output + result.errors).strip().replace(copy.name, str(file))
    return output[-_SHOWN:] if output and result.status is not None else f"it {result.ending}"


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
    problems = validate(haproxy.program, new or haproxy.config)
    if problems:
        message = (
            f"HAProxy does not accept {new or haproxy.config}; nothing was changed:\n{problems}"
        )
        raise Refused(message)
    with haproxy.locked():
        if new is not None:
            _require_free_ports(haproxy.config, new)
        before, orders = workers(haproxy), _orders(haproxy)
        server_state_file.save(haproxy)
        old = _replace(haproxy, new) if new is not None else None
        answer = _request_reload(haproxy)
        now = _wait_for_worker(haproxy, before)
        if now is None:
            if old is not None:
                files.write_atomically(haproxy.config, old.encode(), mode=files.PUBLIC)
            raise Failed(_failure(haproxy, before, answer, restored=old is not None))
        report(f"worker {now.serving} serves, in place of {before.serving}")
        if now.old:
            report(f"earlier sessions continue in {', '.join(map(str, now.old))}")
        forgotten = _changed_orders(orders, _orders(haproxy))
        if forgotten:
            message = f"the new worker serves, and forgot the orders for {forgotten}"
            raise Failed(message)


def _require_free_ports(old: Path, new: Path) -> None:
    """Check that the ports are free that only the new file has.

    Otherwise the new worker would ask the old one for them, which closes all of its own ports for
    two seconds, and then the new worker gives up.

    Raises:
        Refused: A port is in use.
    """
    before = set(_BIND.findall(old.read_text(encoding="utf-8")))
    for address, port in sorted(set(_BIND.findall(new.read_text(encoding="utf-8"))) - before):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.replace("*", ""), int(port)))
            except OSError as error:
                message = (
                    f"{new} needs port {port}{f' of {address}' if address else ''}: "
                    f"{error.strerror}; see `ss -ltnp`; nothing was changed"
                )
                raise Refused(message) from None


def _replace(haproxy: LocalHaproxy, new: Path) -> str:
    """Replace the configuration; return the old one."""
    try:
        old = haproxy.config.read_text(encoding="utf-8")
        files.write_atomically(haproxy.config, new.read_bytes(), mode=files.PUBLIC)
    except OSError as error:
        message = f"{haproxy.config} cannot be replaced ({error.strerror}); nothing was changed"
        raise Refused(message) from error
    return old


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
