"""A drill as data for machines."""

from collections.abc import Iterable
from typing import Any

from denodo_ha.drill.drill_run import Drilled
from denodo_ha.drill.engine import databases
from denodo_ha.drill.outcome import Outcome
from denodo_ha.drill.policies import Verdict

Data = dict[str, Any]


def report(drilled: Drilled, verdicts: Iterable[Verdict]) -> Data:
    """All of a drill, the worst failure first."""
    return {
        "measured": False,
        "clusters": clusters(drilled),
        "scenarios": [scenario(outcome) for outcome in drilled.worst_first],
        "policies": [policy(verdict) for verdict in verdicts],
        "notes": list(drilled.model.notes),
    }


def clusters(drilled: Drilled) -> list[Data]:
    """The clusters that were found, with their nodes."""
    model = drilled.model
    return [
        {
            "name": one.name,
            "region": one.region,
            "nodes": {model.nodes[key].name: model.nodes[key].zone for key in one.nodes},
            "proxies": {model.nodes[key].name: model.nodes[key].zone for key in one.proxies},
            "databases": {
                of.name: {
                    "multi_az": of.multi_az,
                    "ports": None if of.ports is None else [*of.ports],
                }
                for of in databases.of(model, one)
            },
            "drained": [model.nodes[key].name for key in one.nodes if key in drilled.drained],
        }
        for one in model.clusters.values()
    ]


def scenario(outcome: Outcome) -> Data:
    """One failure and what it does."""
    failure = outcome.failure
    return {
        "failure": {"kind": failure.kind, "cluster": failure.cluster, "name": failure.name},
        "moves_site": outcome.moves_site,
        "dns": [
            {"name": one.site, "before": one.before, "after": one.after, "standby": one.spare}
            for one in outcome.moves
        ],
        "unreachable": list(outcome.unreachable),
        "partial": list(outcome.partial),
        "unknown": list(outcome.unknown),
        "meanwhile_unreachable": list(outcome.meanwhile),
        "gaps": [
            {
                "through": gap.through,
                "port": gap.port,
                "address": gap.address,
                "reached_by": gap.reach.value,
            }
            for gap in outcome.gaps
        ],
        "recovery_seconds": outcome.recovery,
        "terms": [{"what": term.what, "seconds": term.seconds} for term in outcome.terms],
        "heals": outcome.heals,
        "readings": list(outcome.readings),
    }


def policy(verdict: Verdict) -> Data:
    """One policy and what came of it."""
    return {
        "id": verdict.policy.id,
        "sentence": verdict.policy.sentence,
        "source": verdict.policy.source,
        "holds": verdict.holds,
        "broken_by": list(verdict.broken_by),
    }
