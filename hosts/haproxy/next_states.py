"""Server states that HAProxy loads at its next start, as rows of the state file.

For a server that is in both the configuration and the state file, HAProxy uses the port, check
port, TLS and weight in the state file. HAProxy also counts a server as up until its first check,
unless the state file contains another state. So this module makes the rows from the servers in the
configuration, which a trial (`hosts.haproxy.trial`) reads. In this module, "the file" is the
configuration.

- The settings of a server in the file replace the saved settings.
- Drain and maintenance that operators have set ("orders") remain.
- A server remains up or down if address, port and check are the same. Any other server is down
  until it has passed its checks.

A row has only the first twenty columns. The later columns (check port, TLS) are left out, so that
HAProxy uses these settings from the configuration.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Refused
from hosts.haproxy.servers import COLUMNS, Admin, Check, Operational, is_checked, parse_states
from hosts.haproxy.trial import trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.trial import Trial

Row = dict[str, str]
Rows = list[Row]

FILE_COLUMNS = {
    "srv_addr": "address",
    "srv_fqdn": "host name",
    "srv_port": "port",
    "srv_check_port": "check port",
    "srv_check_addr": "check address",
    "srv_use_ssl": "TLS",
    "srv_iweight": "weight",
}
"""Columns whose values come from HAProxy's configuration, with their names in messages."""

_ORDERS = Admin.MAINT | Admin.DRAIN
_SAVED = _ORDERS | Admin.DISABLED
_SETTLE_S = 30.0
_POLL_S = 0.05
_NONE = "-"
_TRACKED = "tracked"
"""Column of `show stat`: the server whose state a server follows (`track`)."""
_NEVER_CHECKED = "1"
"""Value of `srv_check_status` for a server that was never checked (HAProxy,
include/haproxy/check-t.h, HCHK_STATUS_INI)."""
_RESULT = (
    *("srv_op_state", "srv_time_since_last_change"),
    *("srv_check_status", "srv_check_result", "srv_check_health"),
)
"""Columns of the state file with the results of health checks."""


def key(row: Row) -> str:
    """Return the `backend/server` of a row."""
    return f"{row['be_name']}/{row['srv_name']}"


def text(rows: Iterable[Row]) -> bytes:
    """Return rows as the content of a state file."""
    lines = ["1", f"# {' '.join(COLUMNS)}"]
    lines += [" ".join(row[column] for column in COLUMNS) for row in rows]
    return ("\n".join([*lines, ""]) + "\n").encode()


@dataclass(frozen=True)
class NextStates:
    """Server states that HAProxy loads at its next start.

    Attributes:
        rows: a row for each server in HAProxy's configuration.
        changed: servers that must first pass their checks, each with the difference between the
            configuration and the saved state.
    """

    rows: Rows
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """Return the content of the state file."""
        return text(self.rows)

    @property
    def orders(self) -> dict[str, int]:
        """Return operators' drain and maintenance of each server (`Admin`; 0: none)."""
        return orders(self.rows)

    def with_results(self, results: NextStates) -> NextStates:
        """Return the states, in which changed servers have the check results of `results`."""
        found = {key(row): row for row in results.rows}
        rows = [
            {**row, **{column: found[key(row)][column] for column in _RESULT}}
            if key(row) in results.changed
            else row
            for row in self.rows
        ]
        return NextStates(_followed(rows), results.changed)

    def starting_down(self) -> list[str]:
        """Return the servers that start as down because of a change, not because of maintenance."""
        stopped = str(int(Operational.STOPPED))
        return [
            key(row)
            for row in self.rows
            if key(row) in self.changed
            and row["srv_op_state"] == stopped
            and not int(row["srv_admin_state"]) & Admin.MAINT
        ]


def differences(from_file: Rows, before: Rows) -> dict[str, str]:
    """Return the differences between servers in `before` and in the configuration, by server id."""
    saved, result = {key(row): row for row in before}, {}
    for row in from_file:
        old = saved.pop(key(row), None)
        difference = (
            "HAProxy lacks this server" if old is None else _difference(old, row, FILE_COLUMNS)
        )
        if difference:
            result[key(row)] = difference
    return {**result, **dict.fromkeys(saved, "the file lacks this server")}


def merged(from_file: Rows, before: Rows, same_check: Callable[[str], bool]) -> NextStates:
    """Return the configuration's servers with operators' settings and the states still valid.

    Args:
        from_file: rows of a trial that has read the configuration and no state file.
        before: rows of the running HAProxy, or of the state file.
        same_check: returns whether the check of `backend/server` is unchanged.
    """
    saved, rows, changed = {key(row): row for row in before}, [], {}
    for row in from_file:
        old = saved.get(key(row))
        reason = _reason(old, row, same_check)
        rows.append(_fresh(old, row) if reason else _carried_over(old or row, row))
        if reason:
            changed[key(row)] = reason
    return NextStates(_followed(rows), changed)


def _followed(rows: Rows) -> Rows:
    """Return the rows; a server that tracks another server (`track`) gets that server's state.

    When HAProxy starts, it does not copy the state of the tracked server; HAProxy copies only later
    changes.
    """
    leaders = {key(row): row for row in rows}

    def leader(row: Row) -> Row:
        followed = leaders.get(row.get(_TRACKED, ""))
        return row if followed is None else leader(followed)

    return [{**row, "srv_op_state": leader(row)["srv_op_state"]} for row in rows]


def _reason(old: Row | None, row: Row, same_check: Callable[[str], bool]) -> str:
    """Return why the saved state of a server is not valid any more; empty if the state is valid."""
    if old is None:
        return "the server is new"
    endpoint = {column: name for column, name in FILE_COLUMNS.items() if column != "srv_iweight"}
    difference = _difference(old, row, endpoint)
    if difference:
        return difference
    if _disabled(old) != _disabled(row):
        return "`disabled` was added" if _disabled(row) else "`disabled` was removed"
    return "the health check changes" if is_checked(row) and not same_check(key(row)) else ""


def _difference(old: Row, row: Row, columns: dict[str, str]) -> str:
    """Return the differences of a saved or running server from the configured server."""
    if row.get("srvrecord", _NONE) != _NONE and row["srvrecord"] == old.get("srvrecord"):
        return ""  # a DNS record (SRV) defines host name and port
    named = row["srv_fqdn"] != _NONE
    parts = [
        f"{name} {_shown(column, old[column])}, in the file {_shown(column, row[column])}"
        for column, name in columns.items()
        # If a server has a host name, DNS defines its address, so a different address is not a
        # change. Rows of a state file lack some columns.
        if column in old and old[column] != row[column] and not (named and column == "srv_addr")
    ]
    return "; ".join(parts)


def _shown(column: str, value: str) -> str:
    if column == "srv_use_ssl":
        return "off" if value == "0" else "on"
    return "none" if value == _NONE or (column.endswith("port") and value == "0") else value


def _fresh(old: Row | None, row: Row) -> Row:
    """Return the row of a server that is down until it has passed its checks."""
    if old is not None:
        row = {**row, "srv_admin_state": _orders(old, row)}
    return {
        **row,
        "srv_op_state": _first_state(row),
        "srv_time_since_last_change": "0",
        "srv_check_status": _NEVER_CHECKED,
        "srv_check_result": "0",
        "srv_check_health": "0",
    }


def _first_state(row: Row) -> str:
    """Return the state of a server that was never checked: down if it has checks or is disabled."""
    down = is_checked(row) or _disabled(row)
    return str(int(Operational.STOPPED if down else Operational.RUNNING))


def _carried_over(old: Row, row: Row) -> Row:
    """Return the row of a server whose saved state is still valid.

    If an operator has set the weight to 0, which is a drain, the weight remains 0. Otherwise the
    weight in the configuration is used. HAProxy uses the weights of a row only if the weight in the
    configuration has not changed.
    """
    configured = Check.CONFIGURED
    as_before = not (int(old["srv_check_state"]) ^ int(row["srv_check_state"])) & configured
    return {
        **old,
        **{column: row[column] for column in ("be_id", "srv_id", "srv_fqdn", "srv_port")},
        _TRACKED: row.get(_TRACKED, ""),
        "srv_op_state": old["srv_op_state"] if as_before else _first_state(row),
        "srv_admin_state": _orders(old, row),
        "srv_uweight": "0" if old["srv_uweight"] == "0" else old["srv_iweight"],
    }


def _orders(old: Row, row: Row) -> str:
    """Return the maintenance and drain of a server (`Admin`) for its new row.

    If `disabled` was added to the server in the configuration, or removed, the configuration
    decides and the operator's maintenance or drain ends. If both maintenance and drain are set,
    only maintenance is returned: HAProxy refuses a row with both.
    """
    admin = int(old["srv_admin_state"]) & _SAVED
    if _disabled(old) != _disabled(row):
        admin = int(row["srv_admin_state"]) & _SAVED | admin & Admin.DRAIN
    return str(admin & ~Admin.DRAIN if admin & Admin.MAINT else admin)


def _disabled(row: Row) -> bool:
    return bool(int(row["srv_admin_state"]) & Admin.DISABLED)


def orders(rows: Rows) -> dict[str, int]:
    """Return operators' drain and maintenance of each server (`Admin`; 0: none)."""
    return {key(row): _order(row) for row in rows}


def _order(row: Row) -> int:
    return int(row["srv_admin_state"]) & _ORDERS


def checked(haproxy: LocalHaproxy, file: Path, content: bytes, states: NextStates) -> NextStates:
    """Run the checks of changed servers in a trial; return the states with the results.

    Without a trial, a service whose port has changed on all nodes would be down until the new
    worker has made its first checks.

    Raises:
        Refused: The configuration does not load the state file, so drained nodes would serve.
        Failed: HAProxy does not run the configuration.
    """
    drained = {id_ for id_, order in states.orders.items() if order}
    if not drained and not states.changed:
        return states
    with trial(haproxy, file, content, states.content) as running:
        found = {key(row): row for row in running.states()}
        lost = sorted(id_ for id_ in drained if not _order(found[id_]))
        if lost:
            message = (
                f"a reload would put {', '.join(lost)} back into service, because {file} does not"
                f" load {haproxy.state}: enable the drained nodes first, or add `server-state-file"
                f" {haproxy.state}` to `global` and `load-server-state-from-file global` to"
                " `defaults`; nothing was changed"
            )
            raise Refused(message)
        found = _settled(running, set(states.changed))
    return NextStates([found[key(row)] for row in states.rows], states.changed)


def _settled(running: Trial, ids: set[str]) -> dict[str, Row]:
    """Return the rows of a trial once all checks have a result, or after a time limit."""
    end = time.monotonic() + _SETTLE_S
    while True:
        statistics = {f"{row['pxname']}/{row['svname']}": row for row in running.statistics()}
        found = {key(row): row for row in running.states()}
        open_ = [id_ for id_ in ids if not _is_settled(found[id_], statistics.get(id_, {}))]
        if not open_ or time.monotonic() > end:
            return found
        time.sleep(_POLL_S)  # HAProxy does not announce the result of a check


def _is_settled(row: Row, statistics: Row) -> bool:
    """Return whether a server of a trial is up, has failed a check, or is not being checked."""
    if int(row["srv_op_state"]) != Operational.STOPPED or not is_checked(row):
        return True
    if int(row["srv_admin_state"]) & (Admin.MAINT | Admin.INHERITED_MAINT | Admin.NO_ADDRESS):
        return True
    status = statistics.get("check_status", "").lstrip("* ")
    return status not in ("", "INI") and "OK" not in status


def unloaded(haproxy: LocalHaproxy, file: Path, content: bytes, states: NextStates) -> list[str]:
    """Return the servers whose states HAProxy does not load with a configuration.

    To find these servers, run a trial with a state file in which all servers are drained.

    Raises:
        Failed: HAProxy does not run the configuration.
    """
    drained = [{**row, "srv_admin_state": str(int(Admin.DRAIN))} for row in states.rows]
    with trial(haproxy, file, content, text(drained)) as running:
        return [key(row) for row in running.states() if not _order(row)]


def file_rows(haproxy: LocalHaproxy, file: Path, content: bytes) -> Rows:
    """Return the servers that HAProxy finds in a configuration.

    Raises:
        Failed: HAProxy does not run the configuration.
    """
    with trial(haproxy, file, content) as running:
        followed = {
            f"{row['pxname']}/{row['svname']}": row.get(_TRACKED, "")
            for row in running.statistics()
        }
        return [{**row, _TRACKED: followed.get(key(row), "")} for row in running.states()]


def running_rows(haproxy: LocalHaproxy) -> Rows:
    """Return the servers of the serving worker.

    Raises:
        Failed: HAProxy does not answer, or its answer has an unexpected format.
    """
    return parse_states(haproxy.query("show servers state"))


def as_they_are(rows: Rows) -> bytes:
    """Return the content of a state file that keeps the servers' present states unchanged."""
    return text({**row, "srv_admin_state": _orders(row, row)} for row in rows)
