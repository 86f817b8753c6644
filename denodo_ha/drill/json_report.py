"""The report of a drill, or of the difference between two drills, as data for programs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from denodo_ha.drill.comparison import OutcomeChange
from denodo_ha.drill.data_loss_column import loss_lines
from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.event_orders import PROPERTIES, OrdersResult
from denodo_ha.drill.notification_column import reason_without_notification
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.policies import Verdict
from denodo_ha.environment.derived.failure_kinds import FAILURE_SENTENCES

JsonObject = dict[str, Any]


def drill_report(result: DrillResult, verdicts: Iterable[Verdict]) -> JsonObject:
    """Return the report of a drill, the worst failure first."""
    return {
        "measured": False,
        "clusters": _clusters(result),
        "scenarios": [
            {**_outcome(outcome), "lost": loss_lines(outcome, result.model)}
            for outcome in result.worst_first
        ],
        "policies": [_policy(verdict) for verdict in verdicts],
        "notes": list(result.model.notes),
    }


def orders_report(search: OrdersResult) -> JsonObject:
    """Return the report of a search of every order of events."""
    return {
        "name": search.name,
        "states": search.states,
        "depth": search.depth,
        "complete": search.complete,
        "verdict": search.word,
        "unknown": list(search.unknowns),
        "failures": list(search.failures),
        "violations": [
            {
                "property": story.property,
                "sentence": PROPERTIES[story.property],
                "states": story.count,
                "steps": list(story.steps),
            }
            for story in search.stories
        ],
    }


def comparison_report(
    changes: Sequence[OutcomeChange], verdicts: Iterable[Verdict], before: Iterable[Verdict]
) -> JsonObject:
    """Return the report of changed outcomes.

    The key `before` of each change has the outcome before the change.
    """
    counts = Counter(change.verdict for change in changes)
    held = {verdict.policy.id: verdict.holds for verdict in before}
    return {
        "measured": False,
        "scenarios": [_change(change) for change in changes],
        "changes": {word: counts[word] for word in ("worse", "new", "better", "same", "gone")},
        "policies": [
            {**_policy(verdict), "held_before": held.get(verdict.policy.id)} for verdict in verdicts
        ],
    }


def _change(change: OutcomeChange) -> JsonObject:
    if change.after:
        report = _outcome(change.after)
    else:
        report = {"failure": _failure(change.failure), "gone": True}
    return {
        **report,
        "before": _outcome(change.before) if change.before else None,
        "verdict": change.verdict,
        "worsenings": list(change.worsenings),
        "improvements": list(change.improvements),
    }


def _clusters(result: DrillResult) -> list[JsonObject]:
    machines = result.model.machines
    return [
        {
            "name": cluster.name,
            "region": cluster.region,
            "nodes": {machines[key].name: machines[key].zone for key in cluster.nodes},
            "proxies": {machines[key].name: machines[key].zone for key in cluster.proxies},
            "databases": {
                database.name: {
                    "multi_az": database.multi_az,
                    "ports": None if database.ports is None else [*database.ports],
                }
                for database in result.model.databases_of(cluster.name)
            },
            "drained": [machines[key].name for key in cluster.nodes if key in result.drained],
        }
        for cluster in result.model.clusters.values()
    ]


def _failure(failure: Failure) -> JsonObject:
    return {"kind": failure.kind, "cluster": failure.cluster, "name": failure.name}


def _outcome(outcome: Outcome) -> JsonObject:
    return {
        "failure": _failure(outcome.failure),
        "sentence": FAILURE_SENTENCES[outcome.failure.kind],
        "moves_site": outcome.moves_site,
        "dns": [
            {
                "name": change.name,
                "before": change.before,
                "after": change.after,
                "standby": change.standby,
            }
            for change in outcome.dns_changes
        ],
        "unreachable": list(outcome.unreachable),
        "partial": list(outcome.partial),
        "unknown": list(outcome.unknown),
        "meanwhile_unreachable": list(outcome.interrupted),
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
        "load_percent": outcome.load_percent,
        "terms": [{"what": step.text, "seconds": step.seconds} for step in outcome.steps],
        "heals": outcome.after_repair,
        "told": [
            {"alarm": sent.name, "urgency": sent.urgency, "seconds": sent.seconds}
            for sent in outcome.notifications
        ],
        "untold": reason_without_notification(outcome),
        "readings": list(outcome.interpretations),
    }


def _policy(verdict: Verdict) -> JsonObject:
    return {
        "id": verdict.policy.id,
        "sentence": verdict.policy.sentence,
        "source": verdict.policy.source,
        "holds": verdict.holds,
        "verdict": verdict.word,
        "broken_by": list(verdict.violations),
        "unknown": list(verdict.unknowns),
    }
