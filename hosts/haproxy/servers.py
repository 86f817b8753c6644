"""What HAProxy knows of the nodes: a server for each, in each backend."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hosts.haproxy.runtime_api import LocalHaproxy

AUXILIARY = "auxiliary."
"""Begins the name of a backend for one node's auxiliary port (`haproxy.routes`)."""

# HAProxy, Management Guide, "show servers state".
_RUNNING = 2
_MAINT, _DRAIN = 0x01, 0x08
_OUT = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20
"""Maintenance or drain: ordered, inherited, configured, or for the want of an address."""
_CHECKED = 0x02
_PASSED = 3


@dataclass(frozen=True)
class Server:
    """One node in one backend, as the serving worker has it.

    Attributes:
        running: whether it counts as up; one that nobody checks always does.
        admin: what operators ordered, in HAProxy's bits.
        checked: whether it is checked at all.
        passed: whether its last check passed since it was last set down.
        sessions: sessions of the serving worker.
        told: what the last check found.
    """

    backend: str
    node: str
    http: bool
    running: bool
    admin: int
    checked: bool
    passed: bool
    weight: int
    sessions: int
    told: str

    @property
    def id(self) -> str:
        """As commands name it."""
        return f"{self.backend}/{self.node}"

    @property
    def auxiliary(self) -> bool:
        """Whether it is a node's auxiliary port, which clients come to because they were sent."""
        return self.backend.startswith(AUXILIARY)

    @property
    def maint(self) -> bool:
        """Whether an operator took it out at once."""
        return bool(self.admin & _MAINT)

    @property
    def draining(self) -> bool:
        """Whether an operator ordered that it gets no new sessions."""
        return bool(self.admin & _DRAIN) and not self.maint

    @property
    def usable(self) -> bool:
        """Whether it gets new sessions."""
        return self.running and not self.admin & _OUT and self.weight > 0

    @property
    def state(self) -> str:
        """In a word."""
        if self.admin & _OUT:
            ordered = "maint" if self.maint else "drain" if self.draining else "no address"
            return ordered if self.running or not self.draining else "drain, down"
        return "up" if self.running else "down"


def servers(haproxy: LocalHaproxy) -> tuple[Server, ...]:
    """Every server, by backend and node."""
    statistics = {(row["pxname"], row["svname"]): row for row in rows(haproxy.query("show stat"))}
    found = []
    for state in states(haproxy.query("show servers state")):
        known = statistics.get((state["be_name"], state["srv_name"]), {})
        found.append(_server(state, known))
    return tuple(sorted(found, key=lambda one: (one.auxiliary, one.backend, one.node)))


def of_node(every: Iterable[Server], node: str) -> tuple[Server, ...]:
    """A node's servers.

    Raises:
        UsageError: there is no such node.
    """
    every = tuple(every)
    found = tuple(one for one in every if one.node == node)
    if not found:
        known = ", ".join(sorted({one.node for one in every}))
        message = f"HAProxy has no node {node}; it has {known}"
        raise UsageError(message)
    return found


def rows(answer: str) -> list[dict[str, str]]:
    """The rows of a `show stat`.

    Raises:
        Failed: it is none.
    """
    lines = answer.lstrip().lstrip("# ").splitlines()
    if not lines or not lines[0].startswith("pxname,"):
        message = f"HAProxy's statistics are not as expected: {answer[:100]!r}"
        raise Failed(message)
    return [row for row in csv.DictReader(lines) if row.get("svname")]


def sessions(found: Sequence[dict[str, str]], node: str) -> dict[str, int]:
    """Sessions of a node by backend, where there are any."""
    counted = {row["pxname"]: int(row["scur"] or 0) for row in found if row["svname"] == node}
    return {backend: count for backend, count in counted.items() if count}


def states(answer: str) -> list[dict[str, str]]:
    """The rows of a `show servers state`.

    Raises:
        Failed: it is none.
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[1].startswith("# be_id "):
        message = f"HAProxy's servers are not as expected: {answer[:100]!r}"
        raise Failed(message)
    names = lines[1].lstrip("# ").split()
    return [dict(zip(names, line.split())) for line in lines[2:]]


def _server(state: dict[str, str], known: dict[str, str]) -> Server:
    return Server(
        backend=state["be_name"],
        node=state["srv_name"],
        http=known.get("mode") == "http",
        running=int(state["srv_op_state"]) == _RUNNING,
        admin=int(state["srv_admin_state"]),
        checked=bool(int(state["srv_check_state"]) & _CHECKED),
        passed=int(state["srv_check_result"]) == _PASSED,
        weight=int(state["srv_uweight"]),
        sessions=int(known.get("scur") or 0),
        told=_told(known),
    )


def _told(known: dict[str, str]) -> str:
    """The last check in words, such as `L4CON Connection refused`."""
    return " ".join(f"{known.get('check_status', '')} {known.get('last_chk', '')}".split())
