"""Enabling of a node: each service is used again once the service has passed a health check.

HAProxy counts a server that leaves maintenance as up before the first check. Therefore the program
first sets the server to drain and to down; then only a passed check brings the server up.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Report
from hosts.haproxy.errors import Failed
from hosts.haproxy.machines import servers_of
from hosts.haproxy.servers import servers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server


def enable(haproxy: LocalHaproxy, node: str, report: Report, *, seconds: float) -> None:
    """Bring a node back into service; its servers that are not drained remain unchanged.

    Args:
        haproxy: the HAProxy of this machine.
        node: name of the node.
        report: receives a line for each step.
        seconds: time limit for the checks.

    Raises:
        UsageError: The node does not exist.
        Refused: Another command changes nodes.
        Failed: A service did not pass its checks in time and remains out of service; the other
            services of the node are in service.
    """
    with haproxy.locked():
        own = servers_of(servers(haproxy), node)
        out = {
            server.id: server
            for server in own
            if (server.maint or server.draining) and not server.auxiliary
        }
        try:
            for server in out.values():
                # Only for servers in maintenance: HAProxy also checks draining servers, and setting
                # those to down would end their sessions.
                if server.maint:
                    # Send all commands in one request, because a server that leaves maintenance is
                    # up immediately.
                    down = [f"set server {server.id} health down"] if server.checked else []
                    haproxy.execute(f"set server {server.id} state drain", *down)
            unready = _wait_for_checks(haproxy, node, report, seconds, set(out))
        except BaseException:  # restore the servers, even after Ctrl-C
            _restore(haproxy, out.values())
            raise
        if unready:
            failed = [
                server for server in servers_of(servers(haproxy), node) if server.id in unready
            ]
            _restore(haproxy, [out[server.id] for server in failed])
            server_state_file.save(haproxy)
            listed = ", ".join(f"{server.id} ({server.last_check})" for server in failed)
            message = (
                f"these servers did not pass a check within {seconds:g} s, and remain out of"
                f" service: {listed}"
            )
            raise Failed(message)
        server_state_file.save(haproxy)
    report(f"{node}: serves")


def _wait_for_checks(
    haproxy: LocalHaproxy, node: str, report: Report, seconds: float, waiting: set[str]
) -> set[str]:
    """Set servers to ready after a passed check; return the ids of servers without such a check."""
    end = time.monotonic() + seconds
    while True:
        for server in servers_of(servers(haproxy), node):
            passed = server.up and (server.passed or not server.checked)
            if server.id in waiting and passed:
                haproxy.execute(f"set server {server.id} state ready")
                report(f"{server.id}: {'passed its checks, ' if server.checked else ''}ready")
                waiting.discard(server.id)
        if not waiting or time.monotonic() > end:
            return waiting
        time.sleep(POLL_S / 2)  # HAProxy does not announce the result of a check


def _restore(haproxy: LocalHaproxy, before: Iterable[Server]) -> None:
    """Set servers that are not ready back to their state before `enable`: maintenance or drain."""
    ready = {server.id for server in servers(haproxy) if not (server.maint or server.draining)}
    for server in before:
        if server.id not in ready:
            haproxy.execute(f"set server {server.id} state {'maint' if server.maint else 'drain'}")
