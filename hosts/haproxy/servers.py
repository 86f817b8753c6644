"""The servers of HAProxy: one for each node in each backend."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy

AUXILIARY = "auxiliary."
"""Prefix of the name of a backend for the auxiliary port of one node (`haproxy.routes`)."""

_DIGITS = 18
_STATE_VERSION = "1"
_STATE_NUMBERS = frozenset(
    {
        *("srv_op_state", "srv_admin_state", "srv_uweight", "srv_iweight", "srv_port"),
        *("srv_check_status", "srv_check_result", "srv_check_health", "srv_check_state"),
    }
)
COLUMNS = (
    *("be_id", "be_name", "srv_id", "srv_name", "srv_addr", "srv_op_state", "srv_admin_state"),
    *("srv_uweight", "srv_iweight", "srv_time_since_last_change", "srv_check_status"),
    *("srv_check_result", "srv_check_health", "srv_check_state", "srv_agent_state"),
    *("bk_f_forced_id", "srv_f_forced_id", "srv_fqdn", "srv_port", "srvrecord"),
)
"""Columns of the state file that HAProxy requires (include/haproxy/server-t.h,
SRV_STATE_FILE_MIN_FIELDS)."""
_STATISTICS_COLUMNS = frozenset({"pxname", "svname", "scur", "mode", "check_status", "last_chk"})


class Operational(IntEnum):
    """Operational states (HAProxy, include/haproxy/server-t.h, `enum srv_state`).

    Only a server in the state STOPPED is down; in all other states the server is up.
    """

    STOPPED = 0
    STARTING = 1
    """The server is up, and gets only a part of its traffic while `slowstart` is in progress."""
    RUNNING = 2
    STOPPING = 3
    """The server is up for existing sessions only, such as after a 404 with `disable-on-404`."""


class Admin(IntFlag):
    """Administrative states of a server (HAProxy, include/haproxy/server-t.h, `enum srv_admin`).

    A server that is disabled in the configuration has both `DISABLED` and `MAINT`. If it has only
    `DISABLED`, an operator has enabled the server, and the server is not in maintenance.
    """

    MAINT = 0x01
    INHERITED_MAINT = 0x02
    DISABLED = 0x04
    DRAIN = 0x08
    INHERITED_DRAIN = 0x10
    NO_ADDRESS = 0x20
    NAME_CHANGED = 0x40


class Check(IntFlag):
    """Bits of `srv_check_state` (HAProxy, include/haproxy/check-t.h, `CHK_ST_`)."""

    CONFIGURED = 0x02
    ENABLED = 0x04


_KNOWN_ADMIN = 0x7F

PASSED = 3
"""Value of `srv_check_result` for a check that passed without a condition (HAProxy,
include/haproxy/check-t.h, `enum chk_result`). The value 4, passed with a condition, means that the
node wants no new sessions."""


@dataclass(frozen=True)
class Server:
    """One node in one backend, as the serving worker sees it.

    Attributes:
        backend: name of the backend.
        node: name of the node.
        address: IP address of the server, `-` while the address is unknown.
        host: host name that resolves to the address, `-` if the configuration contains an address.
        http: whether the backend works in HTTP mode.
        operational: operational state, RUNNING for a server without checks.
        admin: administrative state, as set by operators or the configuration.
        checked: whether HAProxy checks the server.
        passed: whether the last check passed; False if no check has run since the server was set
            to down.
        weight: weight for load balancing.
        sessions: number of sessions of the serving worker.
        last_check: result of the last check.
    """

    backend: str
    node: str
    address: str
    host: str
    http: bool
    operational: Operational
    admin: Admin
    checked: bool
    passed: bool
    weight: int
    sessions: int
    last_check: str

    @property
    def id(self) -> str:
        """Return `backend/server`, by which HAProxy's commands name the server."""
        return f"{self.backend}/{self.node}"

    @property
    def auxiliary(self) -> bool:
        """Return whether the server is a node's auxiliary port, to which nodes redirect clients."""
        return self.backend.startswith(AUXILIARY)

    @property
    def up(self) -> bool:
        """Return whether HAProxy counts the server as up."""
        return self.operational is not Operational.STOPPED

    @property
    def maint(self) -> bool:
        """Return whether an operator set the server to maintenance."""
        return Admin.MAINT in self.admin

    @property
    def draining(self) -> bool:
        """Return whether an operator set the server to drain, that is, to get no new sessions."""
        return Admin.DRAIN in self.admin and not self.maint

    @property
    def usable(self) -> bool:
        """Return whether the server gets new sessions."""
        return self.state == "up"

    @property
    def state(self) -> str:
        """Return the server's state in one or two words, such as `up` or `drain, down`."""
        return next(word for word, holds in self._states() if holds)

    def _states(self) -> Iterator[tuple[str, bool]]:
        """Yield states in order of priority, each with whether the server is in this state."""
        drained = bool(self.admin & (Admin.DRAIN | Admin.INHERITED_DRAIN))
        yield "maint", bool(self.admin & (Admin.MAINT | Admin.INHERITED_MAINT))
        yield "drain, down", drained and not self.up
        yield "drain", drained
        yield "no address", Admin.NO_ADDRESS in self.admin
        yield "down", not self.up
        yield "stopping", self.operational is Operational.STOPPING
        # HAProxy's own statistics also show a server with weight 0 as drained.
        yield "drain", self.weight == 0
        yield "up", True


def servers(haproxy: LocalHaproxy) -> tuple[Server, ...]:
    """Return all servers, sorted by backend and node, with auxiliary ports last.

    Raises:
        Failed: HAProxy does not answer, has no server, or answers in an unexpected format.
    """
    found = servers_in(haproxy.query("show stat"), haproxy.query("show servers state"))
    if not found:
        message = f"HAProxy has no server: see the backends in {haproxy.config}"
        raise Failed(message)
    return found


def servers_in(statistics: str, states: str) -> tuple[Server, ...]:
    """Return the servers in a worker's answers to `show stat` and `show servers state`.

    Raises:
        Failed: An answer is incomplete, or has an unexpected format.
    """
    rows = {(row["pxname"], row["svname"]): row for row in parse_statistics(statistics)}
    found = [
        _server(state, rows.get((state["be_name"], state["srv_name"]), {}))
        for state in parse_states(states)
    ]
    return tuple(sorted(found, key=lambda server: (server.auxiliary, server.backend, server.node)))


def parse_statistics(answer: str) -> list[dict[str, str]]:
    """Return the rows of the answer to `show stat`.

    Raises:
        Failed: The answer is incomplete, or has an unexpected format.
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
            "HAProxy's answer to `show stat` is incomplete or not as expected:"
            f" {answer[:60]!r} … {answer[-60:]!r}"
        )
        raise Failed(message)
    return rows


def parse_states(answer: str) -> list[dict[str, str]]:
    """Return the rows of the answer to `show servers state`.

    Raises:
        Failed: The answer is incomplete, or has an unexpected format.
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
        or not set(COLUMNS).issubset(names)
        or any(len(line.split()) != len(names) for line in lines[1:-2])
        or not all(_has_numbers(row) for row in rows)
    ):
        message = (
            "HAProxy's answer to `show servers state` is incomplete or not as expected:"
            f" {answer[:60]!r} … {answer[-60:]!r}"
        )
        raise Failed(message)
    return rows


def _has_numbers(state: dict[str, str]) -> bool:
    known = state["srv_op_state"] in {str(int(operational)) for operational in Operational}
    return known and all(_is_number(state[name]) for name in _STATE_NUMBERS)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _server(state: dict[str, str], statistics: dict[str, str]) -> Server:
    return Server(
        backend=state["be_name"],
        node=state["srv_name"],
        address=state["srv_addr"],
        host=state["srv_fqdn"],
        http=statistics.get("mode") == "http",
        operational=Operational(int(state["srv_op_state"])),
        admin=Admin(int(state["srv_admin_state"]) & _KNOWN_ADMIN),
        checked=is_checked(state),
        passed=int(state["srv_check_result"]) == PASSED,
        weight=int(state["srv_uweight"]),
        sessions=int(statistics.get("scur") or 0),
        last_check=_last_check(statistics),
    )


def is_checked(state: dict[str, str]) -> bool:
    """Return whether HAProxy checks the server of a row when it is not in maintenance."""
    both = Check.CONFIGURED | Check.ENABLED
    return Check(int(state["srv_check_state"]) & both) == both


def _last_check(statistics: dict[str, str]) -> str:
    """Return the result of a server's last health check, such as `L4CON Connection refused`."""
    parts = (statistics.get("check_status", ""), statistics.get("last_chk", ""))
    return " ".join(" ".join(parts).split())
