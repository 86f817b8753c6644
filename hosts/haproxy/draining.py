"""Take a node out without a lost session.

TCP: no new sessions, wait until there are none, then maintenance. HTTP: maintenance at once, as a
drained server still gets the clients whose cookie names it; requests under way are answered.
Auxiliary ports stay open: a client that a node has just sent there must still arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.errors import Failed, Refused
from hosts.haproxy.servers import of_node, servers
from hosts.haproxy.workers import node_sessions, workers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server

Tell = Callable[[str], None]

POLL_S = 0.5
_QUIET_POLLS = 3
"""A client of 7.0 has no session for a moment, between the registry and the auxiliary port."""
_TOLD_S = 15.0


def drain(
    haproxy: LocalHaproxy, node: str, tell: Tell, *, seconds: float | None, force: bool
) -> None:
    """Take a node out; a node that is out already stays so.

    Args:
        haproxy: HAProxy.
        node: the node's name.
        tell: is told what is done.
        seconds: how long to wait for its sessions, None not to wait.
        force: also if nobody else serves.

    Raises:
        UsageError: there is no such node.
        Refused: nobody else could serve; nothing was changed.
        Failed: it did not work, or sessions are left when the time is over.
    """
    workers(haproxy)  # who can't count the old workers' sessions must not begin
    with haproxy.locked():
        every = servers(haproxy)
        mine = [one for one in of_node(every, node) if not one.auxiliary]
        if not force:
            _refuse_the_last(every, mine)
        for one in mine:
            if not one.maint and not (one.draining and not one.http):
                haproxy.execute(f"set server {one.id} state {'maint' if one.http else 'drain'}")
                tell(f"{one.id}: {'maintenance' if one.http else 'no new sessions'}")
        _expect(haproxy, node, lambda one: one.maint if one.http else one.maint or one.draining)
        server_state_file.save(haproxy)
    if seconds is not None:
        _wait(haproxy, node, tell, seconds)
        _finish(haproxy, node, tell)


def _refuse_the_last(every: Iterable[Server], mine: Iterable[Server]) -> None:
    usable = {(one.backend, one.node) for one in every if one.usable}
    lost = sorted(
        one.backend
        for one in mine
        if one.usable
        and not any(backend == one.backend and node != one.node for backend, node in usable)
    )
    if lost:
        message = (
            f"nobody else would serve {', '.join(lost)}: bring another node back first "
            "(`status` shows why it is out), or say --force; nothing was changed"
        )
        raise Refused(message)


def _wait(haproxy: LocalHaproxy, node: str, tell: Tell, seconds: float) -> None:
    """Wait until a node has had no session for some time."""
    end, quiet, told = time.monotonic() + seconds, 0, float("-inf")
    while True:
        left = node_sessions(haproxy, node)
        quiet = 0 if left else quiet + 1
        if quiet >= _QUIET_POLLS:
            return
        now = time.monotonic()
        if left and now >= end:
            message = (
                f"{node} gets no new sessions, and still has {listed(left)}: run it again to wait "
                "on, or end them; `enable` brings the node back"
            )
            raise Failed(message)
        if left and now >= told + _TOLD_S:
            told = now
            tell(f"{node}: waiting for {listed(left)}")
        time.sleep(POLL_S)  # sessions end by themselves, and HAProxy tells nobody


def _finish(haproxy: LocalHaproxy, node: str, tell: Tell) -> None:
    with haproxy.locked():
        mine = [one for one in of_node(servers(haproxy), node) if not one.auxiliary]
        back = [one.id for one in mine if not (one.maint or one.draining)]
        if back:
            message = f"somebody brought {', '.join(back)} back meanwhile: the node is not drained"
            raise Failed(message)
        for one in mine:
            if not one.maint:
                haproxy.execute(f"set server {one.id} state maint")
        _expect(haproxy, node, lambda one: one.maint)
        server_state_file.save(haproxy)
    tell(f"{node}: drained, no session is left")


def _expect(haproxy: LocalHaproxy, node: str, right: Callable[[Server], bool]) -> None:
    """See whether HAProxy did what it was told."""
    mine = [one for one in of_node(servers(haproxy), node) if not one.auxiliary]
    wrong = [f"{one.id} is {one.state}" for one in mine if not right(one)]
    if wrong:
        message = f"HAProxy took the command and did not follow it: {', '.join(wrong)}"
        raise Failed(message)


def listed(left: dict[str, int]) -> str:
    """Sessions in words, such as `3 sessions (jdbc 2, odbc 1)`."""
    total = sum(left.values())
    parts = ", ".join(f"{backend} {count}" for backend, count in sorted(left.items()))
    return f"{total} session{'' if total == 1 else 's'} ({parts})"
