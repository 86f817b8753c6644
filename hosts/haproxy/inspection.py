"""The state of HAProxy (servers, sessions and processes), and the checks of `verify`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hosts.haproxy import next_states, server_state_file
from hosts.haproxy.errors import DONE, DOWN, NO, Failed
from hosts.haproxy.reloading import is_newer
from hosts.haproxy.servers import servers
from hosts.haproxy.validation import problem, read_config
from hosts.haproxy.workers import server_sessions, workers

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy
    from hosts.haproxy.servers import Server
    from hosts.haproxy.workers import Workers

_KEPT_ORDERS = 0x09
"""Bits of `srv_admin_state` that operators set and the state file keeps: maintenance (0x01) and
drain (0x08)."""


@dataclass(frozen=True)
class Status:
    """The state of HAProxy.

    Attributes:
        servers: all servers, one for each node in each backend.
        sessions: number of sessions by `backend/node`, including those of old workers.
        workers: HAProxy's worker processes.
    """

    servers: tuple[Server, ...]
    sessions: Counter[str]
    workers: Workers

    @property
    def code(self) -> int:
        """Return the exit code: healthy, degraded, or down if a service has no usable node."""
        services = [server for server in self.servers if not server.auxiliary]
        if unserved(services) or self.workers.serving is None:
            return DOWN
        healthy = all(server.usable for server in services) and not self.workers.failed
        return DONE if healthy else NO

    def data(self) -> dict[str, object]:
        """Return the state of HAProxy as JSON data."""
        return {
            "servers": [
                {
                    "backend": server.backend,
                    "node": server.node,
                    "state": server.state,
                    "usable": server.usable,
                    "sessions": self.sessions[server.id],
                    "check": server.last_check,
                }
                for server in self.servers
            ],
            "workers": asdict(self.workers),
        }

    def lines(self) -> Iterator[str]:
        """Return the state of HAProxy as a table for operators."""
        table = [("Backend", "Node", "State", "Sessions", "Last check")]
        for server in self.servers:
            check = server.last_check if server.checked else "never checked"
            count = str(self.sessions[server.id])
            table.append((server.backend, server.node, server.state, count, check))
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        for row in table:
            cells = (cell.ljust(width) for cell, width in zip(row, [*widths, 0]))
            yield "  ".join(cells).rstrip()
        serving = self.workers.serving
        yield "No worker serves" if serving is None else f"Worker {serving} serves"
        if self.workers.old:
            old = ", ".join(map(str, self.workers.old))
            yield f"Sessions from before a reload continue in worker {old}"
        if self.workers.failed:
            yield "The last reload failed: the previous configuration is active"


def status(haproxy: LocalHaproxy) -> Status:
    """Return the current state of HAProxy."""
    return Status(servers(haproxy), server_sessions(haproxy), workers(haproxy))


@dataclass(frozen=True)
class Finding:
    """The result of one check of `verify`.

    Attributes:
        right: whether the check passed.
        what: the checked fact, or the problem and its solution.
    """

    right: bool
    what: str


def verify(haproxy: LocalHaproxy) -> Iterator[Finding]:
    """Yield the results of the checks that HAProxy serves as configured, also after a reload."""
    every = servers(haproxy)
    yield from _check_nodes([server for server in every if not server.auxiliary])
    yield from _check_kept_orders(haproxy, every)
    yield from _check_processes(haproxy)
    yield from _check_file(haproxy)
    yield from _check_servers(haproxy)
    yield from _check_open_files(haproxy)


def unserved(services: Iterable[Server]) -> list[str]:
    """Return the names of the services without a usable node."""
    services = tuple(services)
    served = {server.backend for server in services if server.usable}
    return sorted({server.backend for server in services} - served)


def _check_nodes(services: list[Server]) -> Iterator[Finding]:
    lost = unserved(services)
    yield Finding(
        not lost, f"no node serves {', '.join(lost)}" if lost else "every service has a usable node"
    )
    for server in services:
        if not server.usable:
            what = f"{server.id} is {server.state}: {server.last_check or 'set by an operator'}"
            yield Finding(right=False, what=what)


def _check_kept_orders(haproxy: LocalHaproxy, every: Iterable[Server]) -> Iterator[Finding]:
    try:
        kept = server_state_file.admin_states(haproxy)
    except Failed as error:
        yield Finding(
            right=False, what=f"{error}; a reload would forget the drained nodes: run `save`"
        )
        return
    lost = [server.id for server in every if (kept.get(server.id, 0) ^ server.admin) & _KEPT_ORDERS]
    yield Finding(
        not lost,
        f"a reload would change the drain or maintenance of {', '.join(lost)}: run `save`"
        if lost
        else f"{haproxy.state} contains all drained nodes",
    )


def _check_processes(haproxy: LocalHaproxy) -> Iterator[Finding]:
    now = workers(haproxy)
    yield Finding(
        not now.failed and now.serving is not None,
        "the last reload failed: see `journalctl -u haproxy`, then run `reload`"
        if now.failed
        else "no worker serves: see `systemctl status haproxy`"
        if now.serving is None
        else f"worker {now.serving} serves since the last reload",
    )
    stale = is_newer(haproxy, now)
    yield Finding(
        not stale,
        f"{haproxy.config} is newer than the active configuration: run `reload`"
        if stale
        else f"{haproxy.config} is not newer than the serving worker",
    )


def _check_file(haproxy: LocalHaproxy) -> Iterator[Finding]:
    reason = problem(haproxy.program, haproxy.config)
    yield Finding(not reason, reason or f"{haproxy.config} is valid")


def _check_servers(haproxy: LocalHaproxy) -> Iterator[Finding]:
    """Check that HAProxy runs the configured servers, and that a reload loads the state file."""
    config, content = haproxy.config, read_config(haproxy.config)
    try:
        from_file = next_states.file_rows(haproxy, config, content)
        running = next_states.running_rows(haproxy)
        states = next_states.merged(from_file, running, lambda _id: True)
        forgotten = next_states.unloaded(haproxy, config, content, states)
    except Failed as error:
        yield Finding(right=False, what=f"the servers in {config} cannot be read: {error}")
        return
    differences = next_states.differences(from_file, running)
    for id_, difference in differences.items():
        what = f"{id_} differs from {config} ({difference}): run `reload`"
        yield Finding(right=False, what=what)
    if not differences:
        yield Finding(right=True, what=f"HAProxy has the servers of {config}")
    backends = sorted({id_.rpartition("/")[0] for id_ in forgotten})
    yield Finding(
        not backends,
        f"a reload would put drained nodes of {', '.join(backends)} back into service, because"
        f" {config} does not load {haproxy.state}: add `server-state-file {haproxy.state}` to"
        " `global` and `load-server-state-from-file global` to `defaults`"
        if backends
        else f"{config} loads {haproxy.state}",
    )


def _check_open_files(haproxy: LocalHaproxy) -> Iterator[Finding]:
    answer = haproxy.query("show info")
    info = dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)
    try:
        limit, connections = int(info["Ulimit-n"]), int(info["Maxconn"])
    except (KeyError, ValueError):
        message = f"HAProxy's answer to `show info` is not as expected: {answer[:100]!r}"
        raise Failed(message) from None
    enough = limit >= 2 * connections
    yield Finding(
        enough,
        f"{limit} open files are enough for {connections} connections"
        if enough
        else f"{limit} open files are too few for {connections} connections: increase LimitNOFILE"
        " of the systemd unit",
    )
