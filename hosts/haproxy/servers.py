"""The servers of HAProxy: one for each node in each backend."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hosts.haproxy.runtime_api import LocalHaproxy

AUXILIARY = "auxiliary."
"""Prefix of the name of a backend for the auxiliary port of one node (`haproxy.routes`)."""

# HAProxy, Management Guide, "show servers state".
_RUNNING = 2
_MAINT, _DRAIN = 0x01, 0x08
_OUT = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20
"""Maintenance or drain: ordered, inherited, configured, or because of a missing address."""
_CHECKED = 0x02
_PASSED = 3
_DIGITS = 18
_STATE_VERSION = "1"
_STATE_COLUMNS = frozenset(
    {
        *("be_name", "srv_name", "srv_op_state", "srv_admin_state", "srv_uweight"),
        *("srv_check_result", "srv_check_state"),
    }
)
_STATISTICS_COLUMNS = frozenset({"pxname", "svname", "scur", "mode", "check_status", "last_chk"})


@dataclass(frozen=True)
class Server:
    """One node in one backend, as the serving worker sees it.

    Attributes:
        backend: name of the backend.
        node: name of the node.
        http: whether the backend works in HTTP mode.
        running: whether HAProxy counts the server as up; without checks it always does.
        admin: orders of operators, in HAProxy's bits.
        checked: whether HAProxy checks the server.
        passed: whether the last check passed since the server was last set down.
        weight: weight in the load balancing.
        sessions: number of sessions of the serving worker.
        last_check: result of the last check.
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
    last_check: str

    @property
    def id(self) -> str:
        """Return the name of the server in commands."""
        return f"{self.backend}/{self.node}"

    @property
    def auxiliary(self) -> bool:
        """Return whether this is the auxiliary port of a node, which clients are redirected to."""
        return self.backend.startswith(AUXILIARY)

    @property
    def maint(self) -> bool:
        """Return whether an operator set the server to maintenance."""
        return bool(self.admin & _MAINT)

    @property
    def draining(self) -> bool:
        """Return whether an operator ordered that the server gets no new sessions."""
        return bool(self.admin & _DRAIN) and not self.maint

    @property
    def usable(self) -> bool:
        """Return whether the server gets new sessions."""
        return self.running and not self.admin & _OUT and self.weight > 0

    @property
    def state(self) -> str:
        """Return the state in one or two words."""
        if self.admin & _OUT:
            order = "maint" if self.maint else "drain" if self.draining else "no address"
            return order if self.running or not self.draining else "drain, down"
        return "up" if self.running else "down"


def servers(haproxy: LocalHaproxy) -> tuple[Server, ...]:
    """Return all servers, sorted by backend and node, with auxiliary ports last.

    Raises:
        Failed: HAProxy does not answer, its answer has another form, or it has no server.
    """
    rows = parse_statistics(haproxy.query("show stat"))
    statistics = {(row["pxname"], row["svname"]): row for row in rows}
    found = [
        _server(state, statistics.get((state["be_name"], state["srv_name"]), {}))
        for state in parse_states(haproxy.query("show servers state"))
    ]
    if not found:
        message = f"HAProxy has no server: see the backends in {haproxy.config}"
        raise Failed(message)
    return tuple(sorted(found, key=lambda server: (server.auxiliary, server.backend, server.node)))


def servers_of(every: Iterable[Server], node: str) -> tuple[Server, ...]:
    """Return the servers of a node.

    Raises:
        UsageError: The node does not exist.
    """
    every = tuple(every)
    own = tuple(server for server in every if server.node == node)
    if not own:
        known = ", ".join(sorted({server.node for server in every}))
        message = f"HAProxy has no node {node}; it has {known}"
        raise UsageError(message)
    return own


def parse_statistics(answer: str) -> list[dict[str, str]]:
    """Return the rows of the answer to `show stat`.

    Raises:
        Failed: The answer is incomplete, or has another form.
    """
    text = answer.lstrip()
    try:
        header, *lines = csv.reader(io.StringIO(text[2:], newline=""), strict=True)
    except (csv.Error, ValueError):
        header, lines = [], []
    rows = [dict(zip(header, line)) for line in lines if line]
    if (
        not text.startswith("# ")
        or not answer.endswith("\n\n")
        or not _STATISTICS_COLUMNS.issubset(header)
        or any(len(line) not in (0, len(header)) for line in lines)
        or not all(_is_number(row["scur"] or "0") for row in rows)
    ):
        message = (
            f"HAProxy's statistics are incomplete or not as expected: {answer[:60]!r} …"
            f" {answer[-60:]!r}"
        )
        raise Failed(message)
    return rows


def sessions(statistics: Sequence[dict[str, str]], node: str) -> dict[str, int]:
    """Return the number of sessions of a node by backend, without backends that have none."""
    counts = {row["pxname"]: int(row["scur"] or 0) for row in statistics if row["svname"] == node}
    return {backend: count for backend, count in counts.items() if count}


def parse_states(answer: str) -> list[dict[str, str]]:
    """Return the rows of the answer to `show servers state`.

    Raises:
        Failed: The answer is incomplete, or has another form.
    """
    version, _, text = answer.partition("\n")
    lines = text.split("\n")
    names = lines[0][2:].split()
    rows = [dict(zip(names, line.split())) for line in lines[1:-2]]
    if (
        version != _STATE_VERSION
        or not lines[0].startswith("# be_id ")
        or lines[-2:] != ["", ""]
        or not answer.isascii()
        or not _STATE_COLUMNS.issubset(names)
        or any(len(line.split()) != len(names) for line in lines[1:-2])
        or not all(_has_numbers(row) for row in rows)
    ):
        message = (
            f"HAProxy's servers are incomplete or not as expected: {answer[:60]!r} …"
            f" {answer[-60:]!r}"
        )
        raise Failed(message)
    return rows


def _has_numbers(state: dict[str, str]) -> bool:
    names = _STATE_COLUMNS - {"be_name", "srv_name"}
    return all(_is_number(state[name]) for name in names)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _server(state: dict[str, str], statistics: dict[str, str]) -> Server:
    return Server(
        backend=state["be_name"],
        node=state["srv_name"],
        http=statistics.get("mode") == "http",
        running=int(state["srv_op_state"]) == _RUNNING,
        admin=int(state["srv_admin_state"]),
        checked=bool(int(state["srv_check_state"]) & _CHECKED),
        passed=int(state["srv_check_result"]) == _PASSED,
        weight=int(state["srv_uweight"]),
        sessions=int(statistics.get("scur") or 0),
        last_check=_last_check(statistics),
    )


def _last_check(statistics: dict[str, str]) -> str:
    """Return the result of the last check, such as `L4CON Connection refused`."""
    parts = (statistics.get("check_status", ""), statistics.get("last_chk", ""))
    return " ".join(" ".join(parts).split())
