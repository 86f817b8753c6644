"""Readiness rules of earlier versions, for nodes that served clients under these rules.

A stricter rule must not take the nodes of a cluster out of service, one by one, as they are
rolled. So a node on which the earlier and the current rules disagree keeps the earlier rules, with
a warning, until an operator accepts the current rules (`denodo-ha roll --accept-readiness`) or both
agree. New nodes use the current rules from the beginning. Version 1.0 will remove this module.

Earlier rule: `web` was ready if `/` was answered without a server error, even if applications did
not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.readiness import probes
from hosts.denodo.record import CURRENT_RULES, EARLIER_RULES
from hosts.denodo.servers import web_container

if TYPE_CHECKING:
    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def accept(record: Record) -> None:
    """Judge the services of this node by the current rules from now on."""
    record.remember_readiness(rules=CURRENT_RULES, why="")


def settle(system: System, state: State, record: Record) -> None:
    """Use the current rules if they agree with the earlier rules, otherwise the earlier rules.

    The servers must run. If a web service is not ready even by the earlier rules, nothing is
    decided until a later call.
    """
    if record.has_current_rules:
        return
    # `raw` has all servers of the state, also those that are not started because their database
    # has no user yet. The applied state has them too.
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
    """Return a warning if the node is judged by the earlier rules, else an empty text."""
    readiness = record.readiness
    if readiness.get("rules") != EARLIER_RULES:
        return ""
    return (
        f"by the rules of this version the node is not ready ({readiness.get('why', '')}); it"
        " serves by the earlier rules. Correct that, or run `denodo-ha roll --accept-readiness`,"
        " which takes the node out until it is ready"
    )
