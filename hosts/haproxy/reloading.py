"""A new configuration, without a lost connection: validated, saved, reloaded, and looked at.

HAProxy's own answer to a reload says little: a file that does not come up leaves the old worker
serving, and only the master's list of processes says so.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Tell
from hosts.haproxy.errors import Failed, NoAnswer, Refused, UsageError
from hosts.haproxy.servers import servers
from hosts.haproxy.workers import Workers, workers

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.haproxy.runtime_api import LocalHaproxy

_VALIDATE_S = 60
_COME_UP_S = 60
_MODE = 0o644
_SHOWN = 2000

_STATE = re.compile(r"^[ \t]*(server-state-file|load-server-state-from-file)\b.*$", re.MULTILINE)
"""Lines that are left out of a validation: HAProxy warns of every node that the state's file has
drained, and takes that as a fault of the configuration."""
_LOOKED_UP = re.compile(r"\binit-addr [a-z,]+")
"""Nor is a DNS that is slow or away a fault of the file."""
_BIND = re.compile(r"^[ \t]*bind[ \t]+([0-9.]*|\*):(\d+)\b", re.MULTILINE)


def validate(program: str, file: Path) -> str:
    """What HAProxy says against a file, warnings included; empty when it is right.

    Raises:
        UsageError: there is no such program.
    """
    if shutil.which(program) is None:
        message = f"there is no HAProxy to validate the file with: {program}; name it by --haproxy"
        raise UsageError(message)
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", encoding="utf-8") as copy:
        content = _STATE.sub("# \\g<0>", file.read_text(encoding="utf-8"))
        copy.write(_LOOKED_UP.sub("init-addr none", content))
        copy.flush()
        try:
            done = subprocess.run(
                [program, "-dW", "-c", "-f", copy.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_VALIDATE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{program} was not done with it within {_VALIDATE_S} s"
    said = done.stdout.decode(errors="replace").strip().replace(copy.name, str(file))
    return "" if done.returncode == 0 else said[-_SHOWN:] or f"it ended with {done.returncode}"


def reload(haproxy: LocalHaproxy, new: Path | None, tell: Tell) -> None:
    """Have a new worker serve, with a new file or the one that is there.

    Args:
        haproxy: HAProxy.
        new: the file to put in place of the configuration, None to load that again.
        tell: is told what is done.

    Raises:
        UsageError: there is no such file.
        Refused: HAProxy does not accept the file; nothing was changed.
        Failed: it did not come up; the old worker serves, and the old file is back.
    """
    if new is not None and not new.is_file():
        message = f"there is no file {new}"
        raise UsageError(message)
    wrong = validate(haproxy.program, new or haproxy.config)
    if wrong:
        message = f"HAProxy does not accept {new or haproxy.config}; nothing was changed:\n{wrong}"
        raise Refused(message)
    with haproxy.locked():
        if new is not None:
            _free(haproxy.config, new)
        before, orders = workers(haproxy), _orders(haproxy)
        server_state_file.save(haproxy)
        old = _put(haproxy, new) if new is not None else None
        said = _told_to_reload(haproxy)
        now = _come_up(haproxy, before)
        if now is None:
            if old is not None:
                server_state_file.write(haproxy.config, old, _MODE)
            raise Failed(_why_not(haproxy, before, said, restored=old is not None))
        tell(f"worker {now.serving} serves, in place of {before.serving}")
        if now.old:
            tell(f"sessions from before go on in {', '.join(map(str, now.old))}")
        forgotten = _forgotten(orders, _orders(haproxy))
        if forgotten:
            message = f"the new worker serves, and forgot what was ordered of {forgotten}"
            raise Failed(message)


def _free(old: Path, new: Path) -> None:
    """See that the ports that come are free.

    Else the new worker would ask the old one for them, which closes all of its own for two
    seconds, and gives up then.
    """
    before = set(_BIND.findall(old.read_text(encoding="utf-8")))
    for address, port in sorted(set(_BIND.findall(new.read_text(encoding="utf-8"))) - before):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.replace("*", ""), int(port)))
            except OSError as wrong:
                message = (
                    f"{new} wants port {port}{f' of {address}' if address else ''}, and "
                    f"{wrong.strerror}: see `ss -ltnp`; nothing was changed"
                )
                raise Refused(message) from None


def _put(haproxy: LocalHaproxy, new: Path) -> str:
    """Replace the configuration; gives the old one."""
    try:
        old = haproxy.config.read_text(encoding="utf-8")
        server_state_file.write(haproxy.config, new.read_text(encoding="utf-8"), _MODE)
    except OSError as wrong:
        message = f"{haproxy.config} cannot be replaced ({wrong.strerror}); nothing was changed"
        raise Refused(message) from wrong
    return old


def _told_to_reload(haproxy: LocalHaproxy) -> str:
    """Order the reload; what the master says of it, where its version says anything."""
    try:
        return haproxy.query_master("reload").strip()
    except NoAnswer:
        # Before 2.7 the master starts itself anew and answers nothing.
        return ""


def _come_up(haproxy: LocalHaproxy, before: Workers) -> Workers | None:
    """The processes once a new worker serves, None if it does not."""
    end = time.monotonic() + _COME_UP_S
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


def _why_not(haproxy: LocalHaproxy, before: Workers, said: str, *, restored: bool) -> str:
    still = workers(haproxy).serving == before.serving
    stands = (
        f"worker {before.serving} goes on to serve"
        if still
        else f"and worker {before.serving} is gone: see `systemctl status haproxy` at once"
    )
    file = f"; {haproxy.config} is again what it was" if restored else ""
    told = "\n".join(line for line in said.splitlines() if "ALERT" in line or "WARN" in line)
    return f"the new worker did not come up, {stands}{file}\n{told[-_SHOWN:]}".rstrip()


def _orders(haproxy: LocalHaproxy) -> dict[str, str]:
    """What is ordered of each server."""
    return {
        one.id: "maint" if one.maint else "drain" if one.draining else ""
        for one in servers(haproxy)
    }


def _forgotten(before: dict[str, str], now: dict[str, str]) -> str:
    """The servers that are still there and of which something else was ordered."""
    return ", ".join(sorted(key for key, order in now.items() if before.get(key, order) != order))
