"""Bring a node back, service by service, once each has passed a check.

A server that leaves maintenance counts as up before anybody has checked it. So it is drained
and set down first; what brings it up is then a check that it passed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Tell
from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import of_node, servers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server


def enable(haproxy: LocalHaproxy, node: str, tell: Tell, *, seconds: float) -> None:
    """Bring a node back; services that serve already are left alone.

    Args:
        haproxy: HAProxy.
        node: the node's name.
        tell: is told what is done.
        seconds: how long to wait for the checks.

    Raises:
        UsageError: there is no such node.
        Failed: a service did not pass its checks in time: it is out as before, the others serve.
    """
    with haproxy.locked():
        mine = of_node(servers(haproxy), node)
        out = {one.id: one for one in mine if (one.maint or one.draining) and not one.auxiliary}
        try:
            for one in out.values():
                # One that drains is checked all the time, and may have sessions: down cuts them.
                if one.maint:
                    # In one go: what leaves maintenance is up until it is set down.
                    down = [f"set server {one.id} health down"] if one.checked else []
                    haproxy.execute(f"set server {one.id} state drain", *down)
            left = _ready(haproxy, node, tell, seconds, set(out))
        except BaseException:  # Ctrl-C too: no node stays halfway between out and in
            _as_before(haproxy, out.values())
            raise
        if left:
            failed = [one for one in of_node(servers(haproxy), node) if one.id in left]
            _as_before(haproxy, [out[one.id] for one in failed])
            server_state_file.save(haproxy)
            listed = ", ".join(f"{one.id} ({one.told})" for one in failed)
            message = (
                f"no passed check within {seconds:g} s: {listed}; "
                f"{'it is' if len(failed) == 1 else 'they are'} out as before"
            )
            raise Failed(message)
        server_state_file.save(haproxy)
    tell(f"{node}: serves")


def _ready(
    haproxy: LocalHaproxy, node: str, tell: Tell, seconds: float, waiting: set[str]
) -> set[str]:
    """Make each server ready when it has passed a check; gives those that did not."""
    end = time.monotonic() + seconds
    while True:
        for one in of_node(servers(haproxy), node):
            if one.id in waiting and one.running and (one.passed or not one.checked):
                haproxy.execute(f"set server {one.id} state ready")
                tell(f"{one.id}: {'passed its checks, ' if one.checked else ''}ready")
                waiting.discard(one.id)
        if not waiting or time.monotonic() > end:
            return waiting
        time.sleep(POLL_S / 2)  # HAProxy tells nobody of a check: it is asked


def _as_before(haproxy: LocalHaproxy, before: Iterable[Server]) -> None:
    """Put back what is not ready, as an operator had ordered it."""
    ready = {one.id for one in servers(haproxy) if not (one.maint or one.draining)}
    for one in before:
        if one.id not in ready:
            haproxy.execute(f"set server {one.id} state {'maint' if one.maint else 'drain'}")
