"""The rules by which earlier versions judged readiness, for nodes that have served by them.

A stricter rule must not take the nodes of a cluster out of service, one by one, as they are
rolled. So a node on which both rules disagree keeps the earlier one, with a warning, until its
operator accepts the current one (`denodo-ha roll --accept-readiness`) or both agree. New nodes have
the current rules from the beginning. This module goes with version 1.0.

Earlier rule: `web` was ready if `/` was answered without a server error, whatever the applications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.denodo import log, web_container
from hosts.denodo.readiness import probes
from hosts.denodo.record import CURRENT_RULES, EARLIER_RULES

if TYPE_CHECKING:
    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def accept(record: Record) -> None:
    """Judge the services of this node by the current rules from now on."""
    record.remember_readiness(rules=CURRENT_RULES, why="")


def settle(system: System, state: State, record: Record) -> None:
    """Use the current rules if both rules agree, else the earlier ones.

    The servers run. If a service is not ready by the earlier rules either, nothing is decided.
    """
    if record.has_current_rules:
        return
    # Also servers that wait for their database, as in the applied state.
    paths = web_container.paths(state.raw["servers"])
    differences = []
    for name, service in state.services.items():
        if service.kind != "web":
            continue
        if probes.failure(system, service) is not None:
            return
        failure = probes.failure(system, service, paths=paths)
        if failure is not None:
            differences.append(f"{name}: {failure.reason}")
    if not differences:
        accept(record)
        return
    record.remember_readiness(rules=EARLIER_RULES, why="; ".join(differences))
    log.warning(warning(record))


def warning(record: Record) -> str:
    """Return the warning of a node that is judged by the earlier rules, empty for other nodes."""
    readiness = record.readiness
    if readiness.get("rules") != EARLIER_RULES:
        return ""
    return (
        f"by the rules of this version the node is not ready ({readiness.get('why', '')}); it"
        " serves by the earlier rules. Correct that, or run `denodo-ha roll --accept-readiness`,"
        " which takes the node out until it is ready"
    )
