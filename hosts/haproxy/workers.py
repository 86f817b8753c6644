"""HAProxy's processes: the master, the serving worker, and old workers.

After a reload, existing sessions continue in the old worker. The serving worker does not report
these sessions.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, NoAnswer
from hosts.haproxy.machines import machine
from hosts.haproxy.servers import servers, servers_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server

_OLD_WORKER_TRIES = 3
_OLD_WORKER_PAUSE_S = 0.2
_ROW = re.compile(
    r"^(\d{1,18})\s+(master|worker)\s+(\d+)(?: \[failed: (\d{1,18})\])?"
    r"\s+(\d{1,18})d(\d{1,18})h(\d{1,18})m(\d{1,18})s"
)


@dataclass(frozen=True)
class Workers:
    """The worker processes.

    Attributes:
        serving: process id of the worker that accepts connections, None if no worker does.
        old: process ids of workers that only finish their sessions.
        failed: number of consecutive reloads whose worker did not start.
        seconds: age of the serving worker.
    """

    serving: int | None
    old: tuple[int, ...]
    failed: int
    seconds: int


def workers(haproxy: LocalHaproxy) -> Workers:
    """Return the worker processes that HAProxy's master process lists.

    Raises:
        NoAnswer: The master does not answer, or its answer has an unexpected format.
    """
    answer = haproxy.query_master("show proc")
    serving: int | None = None
    master, old, failed, seconds, section = False, [], 0, 0, ""
    for line in answer.splitlines():
        if line.startswith("# "):
            section = line[2:].strip()
            continue
        row = _ROW.match(line)
        if not row:
            continue
        if row[2] == "master":
            master, failed = True, int(row[4] or 0)
        elif section == "old workers":
            old.append(int(row[1]))
        elif section == "workers":
            serving = int(row[1])
            days, hours, minutes, rest = (int(row[group]) for group in (5, 6, 7, 8))
            seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if not master:
        message = f"HAProxy's answer to `show proc` is not as expected: {answer[:100]!r}"
        raise NoAnswer(message)
    return Workers(serving, tuple(old), failed, seconds)


def node_sessions(haproxy: LocalHaproxy, node: str) -> dict[str, int]:
    """Return the number of sessions of a node's machine by backend, in all workers.

    Raises:
        UsageError: There is no such node, or several machines have the name.
        Failed: HAProxy does not answer, or its answer has an unexpected format.
    """
    counts: Counter[str] = Counter()
    serving = servers(haproxy)
    own = machine(serving, node)
    for every in (serving, *_old_servers(haproxy)):
        for server in every:
            if server.sessions and own.has(server, every):
                counts[server.backend] += server.sessions
    return dict(counts)


def server_sessions(haproxy: LocalHaproxy) -> Counter[str]:
    """Return the number of sessions by `backend/server`, in all workers.

    Raises:
        Failed: HAProxy does not answer, or its answer has an unexpected format.
    """
    counts: Counter[str] = Counter()
    for every in (servers(haproxy), *_old_servers(haproxy)):
        counts.update({server.id: server.sessions for server in every})
    return counts


def _old_servers(haproxy: LocalHaproxy) -> Iterator[tuple[Server, ...]]:
    for process in workers(haproxy).old:
        yield _servers_of_old(haproxy, process)


def _servers_of_old(haproxy: LocalHaproxy, process: int) -> tuple[Server, ...]:
    for tries_left in reversed(range(_OLD_WORKER_TRIES)):
        try:
            statistics = haproxy.query_master(f"@!{process} show stat")
            return servers_in(statistics, haproxy.query_master(f"@!{process} show servers state"))
        except Failed:  # noqa: PERF203 - each try may succeed
            if process not in workers(haproxy).old:
                break  # the old worker has ended with its last session
            if not tries_left:
                raise
            time.sleep(
                _OLD_WORKER_PAUSE_S
            )  # for a short time, the master also lists a worker that has ended
    return ()
