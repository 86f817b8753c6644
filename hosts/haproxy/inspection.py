"""What HAProxy does now: its nodes, sessions and processes, and whether that is as it should be."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.errors import DONE, DOWN, NO
from hosts.haproxy.reloading import validate
from hosts.haproxy.servers import servers
from hosts.haproxy.workers import node_sessions, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server
    from hosts.haproxy.workers import Workers


@dataclass(frozen=True)
class Status:
    """What there is.

    Attributes:
        servers: every node in every backend.
        sessions: by node and backend, those of old workers included.
        workers: the processes.
    """

    servers: tuple[Server, ...]
    sessions: dict[str, dict[str, int]]
    workers: Workers

    @property
    def code(self) -> int:
        """Healthy, degraded, or down: a service has no usable node."""
        services = [one for one in self.servers if not one.auxiliary]
        if unserved(services):
            return DOWN
        whole = all(one.usable for one in services) and not self.workers.failed
        return DONE if whole else NO

    def data(self) -> dict[str, object]:
        """For machines."""
        return {
            "servers": [
                {
                    "backend": one.backend,
                    "node": one.node,
                    "state": one.state,
                    "usable": one.usable,
                    "sessions": self.sessions.get(one.node, {}).get(one.backend, 0),
                    "check": one.told,
                }
                for one in self.servers
            ],
            "workers": asdict(self.workers),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        table = [("Backend", "Node", "State", "Sessions", "Last check")]
        for one in self.servers:
            count = self.sessions.get(one.node, {}).get(one.backend, 0)
            checked = one.told if one.checked else "never checked"
            table.append((one.backend, one.node, one.state, str(count), checked))
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, [*widths, 0]))
            yield "  ".join(cells).rstrip()
        yield f"Worker {self.workers.serving} serves"
        if self.workers.old:
            yield f"Sessions from before a reload go on in {', '.join(map(str, self.workers.old))}"
        if self.workers.failed:
            yield "The last reload did not come up: what runs is the file of before"


def status(haproxy: LocalHaproxy) -> Status:
    """What there is now."""
    found = servers(haproxy)
    nodes = sorted({one.node for one in found})
    return Status(found, {node: node_sessions(haproxy, node) for node in nodes}, workers(haproxy))


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        right: whether it is as it should be.
        what: what it is, or what is wrong and what to do.
    """

    right: bool
    what: str


def verify(haproxy: LocalHaproxy) -> Iterator[Finding]:
    """Whether HAProxy serves as it is configured, and would after a reload."""
    found = servers(haproxy)
    yield from _nodes([one for one in found if not one.auxiliary])
    yield from _orders_kept(haproxy, found)
    yield from _processes(haproxy)
    yield from _file(haproxy)
    yield from _descriptors(haproxy)


def unserved(services: Iterable[Server]) -> list[str]:
    """The services that no node is usable for."""
    services = tuple(services)
    served = {one.backend for one in services if one.usable}
    return sorted({one.backend for one in services} - served)


def _nodes(services: list[Server]) -> Iterator[Finding]:
    lost = unserved(services)
    yield Finding(
        not lost, f"no node serves {', '.join(lost)}" if lost else "every service has a node"
    )
    for one in services:
        if not one.usable:
            yield Finding(right=False, what=f"{one.id} is {one.state}: {one.told or 'as ordered'}")


def _orders_kept(haproxy: LocalHaproxy, found: Iterable[Server]) -> Iterator[Finding]:
    kept = server_state_file.kept(haproxy)
    lost = [
        one.id
        for one in found
        if kept.get(one.id, 0) & 0x09 != one.admin & 0x09  # what operators order: maint, drain
    ]
    yield Finding(
        not lost,
        f"a reload would change {', '.join(lost)}: run `save`"
        if lost
        else "a reload keeps who is drained",
    )


def _processes(haproxy: LocalHaproxy) -> Iterator[Finding]:
    now = workers(haproxy)
    yield Finding(
        not now.failed,
        "the last reload did not come up: see `journalctl -u haproxy`, then `reload`"
        if now.failed
        else f"worker {now.serving} serves since the last reload",
    )
    # Whole seconds, and the file is written a moment before the worker starts.
    stale = (
        haproxy.config.exists() and haproxy.config.stat().st_mtime > time.time() - now.seconds + 2
    )
    yield Finding(
        not stale,
        f"{haproxy.config} is newer than what runs: run `reload`"
        if stale
        else f"{haproxy.config} is what runs",
    )


def _file(haproxy: LocalHaproxy) -> Iterator[Finding]:
    wrong = validate(haproxy.program, haproxy.config)
    yield Finding(
        not wrong,
        f"HAProxy would not start with {haproxy.config}:\n{wrong}"
        if wrong
        else f"{haproxy.config} is valid",
    )


def _descriptors(haproxy: LocalHaproxy) -> Iterator[Finding]:
    known = dict(
        line.split(": ", 1) for line in haproxy.query("show info").splitlines() if ": " in line
    )
    limit, wanted = int(known["Ulimit-n"]), 2 * int(known["Maxconn"])
    yield Finding(
        limit >= wanted,
        f"{limit} open files are too few for {known['Maxconn']} connections: raise LimitNOFILE"
        if limit < wanted
        else f"{limit} open files are enough for {known['Maxconn']} connections",
    )
