"""HAProxy's processes: the master, the worker that serves, and old ones that finish.

After a reload the sessions from before it live on in the old worker, which the serving one knows
nothing of.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, NoAnswer
from hosts.haproxy.servers import rows, sessions

if TYPE_CHECKING:
    from hosts.haproxy.runtime_api import LocalHaproxy

_ROW = re.compile(
    r"^(\d+)\s+(master|worker)\s+(\d+)(?: \[failed: (\d+)\])?\s+(\d+)d(\d+)h(\d+)m(\d+)s"
)


@dataclass(frozen=True)
class Workers:
    """The processes.

    Attributes:
        serving: process id of the worker that accepts connections, None where there is none.
        old: those of workers that only finish their sessions.
        failed: how many reloads in a row did not come up.
        seconds: how long the serving one has been there.
    """

    serving: int | None
    old: tuple[int, ...]
    failed: int
    seconds: int


def workers(haproxy: LocalHaproxy) -> Workers:
    """The processes, by the master.

    Raises:
        NoAnswer: there is no master to ask.
    """
    answer = haproxy.query_master("show proc")
    serving: int | None = None
    old, failed, seconds, section = [], 0, 0, ""
    for line in answer.splitlines():
        if line.startswith("# "):
            section = line[2:].strip()
            continue
        found = _ROW.match(line)
        if not found:
            continue
        if found[2] == "master":
            failed = int(found[4] or 0)
        elif section == "old workers":
            old.append(int(found[1]))
        elif section == "workers":
            serving = int(found[1])
            days, hours, minutes, rest = (int(found[part]) for part in (5, 6, 7, 8))
            seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    return Workers(serving, tuple(old), failed, seconds)


def node_sessions(haproxy: LocalHaproxy, node: str) -> dict[str, int]:
    """Sessions of a node by backend, those of old workers included."""
    counted = Counter(sessions(rows(haproxy.query("show stat")), node))
    for process in workers(haproxy).old:
        counted.update(_of_old(haproxy, process, node))
    return dict(counted)


def _of_old(haproxy: LocalHaproxy, process: int, node: str) -> dict[str, int]:
    try:
        return sessions(rows(haproxy.query_master(f"@!{process} show stat")), node)
    except (NoAnswer, Failed):
        if process in workers(haproxy).old:
            raise
        # Its last session ended meanwhile.
        return {}
