"""Readiness rules of earlier versions, for nodes that served clients under these rules.

A stricter rule must not take the nodes of a cluster out of service one by one while they are rolled
to a new version. So a node on which the earlier and the current rules disagree keeps the earlier
rules, with a warning, until an operator accepts the current rules (`denodo-ha roll
--accept-readiness`) or the rules agree. New nodes use the current rules from the beginning. Version
1.0 will remove this module.

Earlier rules:

- `web` was ready if `/` was answered without a server error, even if applications did not run.
- Virtual DataPort was ready if `ping.sh` succeeded, even if its ODBC port did not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.operator_command import operator_command
from hosts.denodo.readiness import ping, probes
from hosts.denodo.record import CURRENT_RULES, EARLIER_RULES
from hosts.denodo.servers import web_container
from hosts.denodo.state import Service

if TYPE_CHECKING:
    from hosts.denodo.readiness.probes import Failure
    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System

_COUNTS = "counts"
"""Value of `odbc` in the record `readiness`: Virtual DataPort is ready only if its ODBC port
answers."""


def accept(record: Record) -> None:
    """Record that from now on the current rules decide whether services of this node are ready."""
    record.remember_readiness(rules=CURRENT_RULES, why="")


def settle(system: System, state: State, record: Record) -> None:
    """Use the current rules if they agree with the earlier rules, otherwise the earlier rules.

    Call this function only while the servers run. If a service is not ready even by the earlier
    rules, this call does not decide which rules apply; a later call decides.
    """
    if record.has_current_rules:
        return
    # `raw` lists all servers of the desired state. `state.servers` may lack servers that are not
    # started because their database has no user yet.
    paths = web_container.paths(state.raw["servers"])
    differences = []
    odbc = _COUNTS
    for name, service in state.services.items():
        if service.kind == "web":
            if probes.failure(system, service) is not None:
                return
            failure = probes.failure(system, service, paths=paths)
        elif service.kind == "vdp":
            failure = _silent_odbc(system, state)
            if failure is not None:
                if ping.ask(system, state, service.port, ready=False).reason:
                    return
                odbc = ""
        else:
            continue
        if failure is not None:
            differences.append(f"{name}: {failure.reason}")
    if not differences:
        accept(record)
        return
    record.remember_readiness(rules=EARLIER_RULES, why="; ".join(differences), odbc=odbc)
    log.warning(warning(state, record))


def counts_odbc(record: Record) -> bool:
    """Return whether an ODBC port that does not answer makes Virtual DataPort not ready."""
    return record.has_current_rules or record.readiness.get("odbc") == _COUNTS


def _silent_odbc(system: System, state: State) -> Failure | None:
    failure = probes.failure(system, Service("odbc", state.ports["odbc"] or 0))
    return failure if failure is not None and failure.silent else None


def warning(state: State, record: Record) -> str:
    """Return a warning if the earlier rules decide whether the node is ready; else empty."""
    readiness = record.readiness
    if readiness.get("rules") != EARLIER_RULES:
        return ""
    accept_rules = operator_command(state, "roll", "--node", state.node, "--accept-readiness")
    return (
        f"by the readiness rules of this version, the node is not ready"
        f" ({readiness.get('why', '')}); the node remains in service by the rules of an earlier"
        f" version. Correct the cause, or run `{accept_rules}`: the node then leaves service until"
        " it is ready by the rules of this version"
    )
