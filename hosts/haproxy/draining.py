"""Drain of a node without a lost session.

TCP services: the node gets no new sessions; once all sessions have ended, the node is set to
maintenance. HTTP services: the node is set to maintenance immediately, because HAProxy sends a
client whose cookie names a server to that server even if the server is drained; requests in
progress are completed. Auxiliary ports remain open: clients that the node has just redirected to
the node's auxiliary port must still be able to connect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.machines import servers_of
from hosts.haproxy.servers import servers
from hosts.haproxy.workers import node_sessions, workers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server

Report = Callable[[str], None]
"""Function that receives a line for each step of a command."""

POLL_S = 0.5
_QUIET_POLLS = 3
"""Number of consecutive polls without a session before a node counts as empty. A client of Denodo
7.0 briefly has no session after its session on the registry port has ended and before its session
on the auxiliary port begins."""
_REPORT_S = 15.0


def drain(
    haproxy: LocalHaproxy, node: str, report: Report, *, seconds: float | None, force: bool
) -> None:
    """Take a node out of service; a node that is already out remains out.

    Args:
        haproxy: the HAProxy of this machine.
        node: name of the node.
        report: receives a line for each step.
        seconds: time limit for the node's sessions to end; None: do not wait for the sessions.
        force: take the node out even if no other node serves.

    Raises:
        UsageError: The node does not exist.
        Refused: No other node could serve, or another command changes nodes; nothing was changed.
        Failed: HAProxy does not execute the commands, or sessions remain after the time limit.
    """
    # Query the master before any change: without answers of the master, the sessions of old workers
    # cannot be counted later.
    workers(haproxy)
    with haproxy.locked():
        every = servers(haproxy)
        own = [server for server in servers_of(every, node) if not server.auxiliary]
        if not force:
            _refuse_the_last(every, own)
        for server in own:
            if not server.maint and not (server.draining and not server.http):
                state = "maint" if server.http else "drain"
                haproxy.execute(f"set server {server.id} state {state}")
                report(f"{server.id}: {'maintenance' if server.http else 'no new sessions'}")
        _verify(haproxy, node, lambda server: server.maint or (server.draining and not server.http))
        server_state_file.save(haproxy)
    if seconds is not None:
        _wait_for_sessions(haproxy, node, report, seconds)
        _set_maintenance(haproxy, node, report)


def _refuse_the_last(every: Iterable[Server], own: Iterable[Server]) -> None:
    ids = {server.id for server in own}
    remaining = {server.backend for server in every if server.usable and server.id not in ids}
    lost = sorted({server.backend for server in own if server.usable} - remaining)
    if lost:
        message = (
            f"no other node would serve {', '.join(lost)}: bring another node back first "
            "(`status` shows why that node is out of service), or add --force; nothing was changed"
        )
        raise Refused(message)


def _wait_for_sessions(haproxy: LocalHaproxy, node: str, report: Report, seconds: float) -> None:
    """Wait until several polls in a row find no session of a node."""
    end, quiet, reported = time.monotonic() + seconds, 0, float("-inf")
    while True:
        remaining = node_sessions(haproxy, node)
        quiet = 0 if remaining else quiet + 1
        if quiet >= _QUIET_POLLS:
            return
        now = time.monotonic()
        if remaining and now >= end:
            message = (
                f"{node} gets no new sessions, and still has {listed(remaining)}: run the command "
                "again to continue waiting, or end the sessions; `enable` brings the node back"
            )
            raise Failed(message)
        if remaining and now >= reported + _REPORT_S:
            reported = now
            report(f"{node}: waiting for {listed(remaining)}")
        time.sleep(POLL_S)  # HAProxy does not announce the end of sessions


def _set_maintenance(haproxy: LocalHaproxy, node: str, report: Report) -> None:
    with haproxy.locked():
        own = [server for server in servers_of(servers(haproxy), node) if not server.auxiliary]
        enabled = [server.id for server in own if not (server.maint or server.draining)]
        if enabled:
            message = (
                f"another operator enabled {', '.join(enabled)} meanwhile: the node is not drained"
            )
            raise Failed(message)
        for server in own:
            if not server.maint:
                haproxy.execute(f"set server {server.id} state maint")
        _verify(haproxy, node, lambda server: server.maint)
        server_state_file.save(haproxy)
    report(f"{node}: drained, no session is left")


def _verify(haproxy: LocalHaproxy, node: str, expected: Callable[[Server], bool]) -> None:
    """Fail if a server of the node is not in the expected state after HAProxy's commands."""
    own = [server for server in servers_of(servers(haproxy), node) if not server.auxiliary]
    wrong = [f"{server.id} is {server.state}" for server in own if not expected(server)]
    if wrong:
        message = f"HAProxy accepted the command, but did not execute it: {', '.join(wrong)}"
        raise Failed(message)


def listed(sessions: dict[str, int]) -> str:
    """Return numbers of sessions by backend as text, such as `3 sessions (jdbc 2, odbc 1)`."""
    total = sum(sessions.values())
    parts = ", ".join(f"{backend} {count}" for backend, count in sorted(sessions.items()))
    return f"{total} session{'' if total == 1 else 's'} ({parts})"
