"""HAProxy's processes: the master, the serving worker, and old workers.

After a reload, sessions from before live on in the old worker, of which the serving worker knows
nothing.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, NoAnswer
from hosts.haproxy.servers import parse_statistics, sessions

if TYPE_CHECKING:
    from hosts.haproxy.runtime_api import LocalHaproxy

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
        serving: process id of the worker that accepts connections, None if there is none.
        old: process ids of workers that only finish their sessions.
        failed: number of consecutive reloads whose worker did not start.
        seconds: age of the serving worker.
    """

    serving: int | None
    old: tuple[int, ...]
    failed: int
    seconds: int


def workers(haproxy: LocalHaproxy) -> Workers:
    """Return the worker processes that the master knows.

    Raises:
        NoAnswer: The master does not answer, or its answer has another form.
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
        message = f"HAProxy's master does not list its processes as expected: {answer[:100]!r}"
        raise NoAnswer(message)
    return Workers(serving, tuple(old), failed, seconds)


def node_sessions(haproxy: LocalHaproxy, node: str) -> dict[str, int]:
    """Return the number of sessions of a node by backend, in all workers.

    Raises:
        Failed: HAProxy does not answer, or its answer has another form.
    """
    counts = Counter(sessions(parse_statistics(haproxy.query("show stat")), node))
    for process in workers(haproxy).old:
        counts.update(_sessions_of_old(haproxy, process, node))
    return dict(counts)


def _sessions_of_old(haproxy: LocalHaproxy, process: int, node: str) -> dict[str, int]:
    for tries_left in reversed(range(_OLD_WORKER_TRIES)):
        try:
            answer = haproxy.query_master(f"@!{process} show stat")
            return sessions(parse_statistics(answer), node)
        except Failed:  # noqa: PERF203 - each try may succeed
            if process not in workers(haproxy).old:
                break  # it has ended with its last session
            if not tries_left:
                raise
            time.sleep(_OLD_WORKER_PAUSE_S)  # the master lists a worker that ends for a moment
    return {}
