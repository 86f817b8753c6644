"""Denodo's script `ping.sh`, which tests whether Virtual DataPort is alive or (`-r`) ready.

A server in promotion or single-user mode is alive but not ready: it queues requests. Each call of
the script starts a Java process, so the script is used rarely. An update of Denodo 8.0 added `-r`;
earlier updates refuse the option. The date of that update (about 20230301) is an estimate, so the
program tests whether the script has the option.

Sources: Denodo, Virtual DataPort Administration Guide, "Ping Script"; Denodo's container images,
health check of Virtual DataPort (`ping.sh -r -t 5000 //localhost:9999/admin`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.readiness.probes import NO_ANSWER
from hosts.denodo.servers.scripts import run_script
from hosts.denodo.state import OLDEST

if TYPE_CHECKING:
    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System

SECONDS = 10
"""Time limit in seconds of one `ping.sh`, which starts Java. Denodo's health check of 9.x has the
same time limit."""
_MILLISECONDS = 5000
_SCRIPT = "ping.sh"

# Denodo does not document the texts that these two patterns match. If an answer matches neither
# pattern, the program runs the script again: without `-r`, or without arguments to read its usage
# text.
_REFUSED_OPTION = re.compile(
    r"(un(recognized|recognised|known|expected|supported)|invalid|illegal)[^\n]*(option|argument)"
    r"|\busage:",
    re.IGNORECASE,
)
_QUEUES = re.compile(r"single[ -]?user|promotion", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """Answer of Virtual DataPort to a ping.

    Attributes:
        reason: why the server is not ready, empty if it is ready.
        busy: whether the server is alive but queues requests.
    """

    reason: str = ""
    busy: bool = False


def ask(system: System, state: State, port: int, *, ready: bool) -> Answer:
    """Ping Virtual DataPort.

    Args:
        system: the machine.
        state: contains DENODO_HOME.
        port: port of Virtual DataPort.
        ready: use `-r`; if that fails, ping without `-r`, to distinguish busy from dead servers.
    """
    answer = _ping(system, state, port, ready=ready)
    if not ready or not answer.reason or answer.busy or answer.reason.startswith(NO_ANSWER):
        return answer
    plain = _ping(system, state, port, ready=False)
    if plain.reason:
        return plain
    if not _REFUSED_OPTION.search(answer.reason):
        return Answer(answer.reason, busy=True)
    if state.readiness == "strict":
        return Answer(
            f"{answer.reason}; `denodo.readiness: strict` needs an update of Denodo whose {_SCRIPT}"
            " has the option -r"
        )
    return plain


def asks_readiness(state: State, record: Record) -> bool:
    """Return whether pings of Virtual DataPort use `-r`."""
    if state.version == OLDEST or state.readiness == "ping":
        return False
    # Without a record, use `-r`: if the script refuses the option, `ask` pings again without it.
    return state.readiness == "strict" or record.readiness.get("ping") != "alive"


def find_ready_option(system: System, state: State, record: Record, port: int) -> None:
    """Record whether `ping.sh` has the option `-r`; for the test, Virtual DataPort must run."""
    if state.version == OLDEST or state.readiness != "auto":
        return
    has_option = _has_ready_option(system, state, port)
    record.remember_readiness(ping="ready" if has_option else "alive")
    if not has_option:
        log.warning(warning(state, record))


def warning(state: State, record: Record) -> str:
    """Return a warning if pings cannot notice that a server is in promotion; else empty."""
    if state.readiness != "auto" or record.readiness.get("ping") != "alive":
        return ""
    return (
        f"bin/{_SCRIPT} has no option -r, so the node remains ready during promotions and in"
        " single-user mode; install a newer update of Denodo, or write `denodo.readiness: ping`"
        " into the configuration to remove this warning"
    )


def _has_ready_option(system: System, state: State, port: int) -> bool:
    answer = _ping(system, state, port, ready=True)
    if not answer.reason or answer.busy:
        return True
    if _REFUSED_OPTION.search(answer.reason):
        return False
    # The error shows nothing about the option. Called without arguments, the script prints its
    # usage text, which lists its options.
    usage = run_script(state, _SCRIPT, seconds=SECONDS)
    options = re.findall(r"(?<![\w-])-[a-z](?!\w)", f"{usage.output}\n{usage.errors}")
    return "-r" in options or "-t" not in options


def _ping(system: System, state: State, port: int, *, ready: bool) -> Answer:
    options = ["-r"] if ready else []
    address = f"//{system.local}:{port}/admin"
    try:
        result = run_script(
            state, _SCRIPT, *options, "-t", str(_MILLISECONDS), address, seconds=SECONDS
        )
    except OSError as error:
        return Answer(f"bin/{_SCRIPT} cannot be run: {error.strerror}")
    if result.succeeded:
        return Answer()
    if result.status is None:
        return Answer(f"{NO_ANSWER}: ping.sh did not end within {SECONDS} s")
    reason = f"ping.sh {result}"
    queues = _QUEUES.search(reason) and not _REFUSED_OPTION.search(reason)
    return Answer(reason, busy=bool(queues))
