"""Failures whose outcome gets worse, from the drills of both revisions."""

from collections.abc import Iterable, Iterator

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.review.finding import Finding, finding

_LOST_ALARM = "no alarm any more"
"""Beginning of the worsening that `denodo_ha.drill.comparison` reports for a lost alarm."""
_MAX_FAILURES = 3


def outcome_findings(
    base: Iterable[SynthesisedStack], new: Iterable[SynthesisedStack]
) -> Iterator[Finding]:
    """Yield a finding for each set of worsenings, with all failures that have these worsenings.

    Templates without a load balancer or an instance have no drill and no findings.
    """
    before, after = _drill(base), _drill(new)
    if before is None or after is None:
        return
    failures: dict[tuple[str, tuple[str, ...]], list[Failure]] = {}
    for change in outcome_changes(before, after):
        if change.worsenings:
            key = (change.failure.cluster, change.worsenings)
            failures.setdefault(key, []).append(change.failure)
    for (cluster, worsenings), items in failures.items():
        is_alarm = all(worsening.startswith(_LOST_ALARM) for worsening in worsenings)
        name = "alarm-lost" if is_alarm else "failure-worse"
        yield finding(name, cluster, f"{_joined(items)}: {'; '.join(worsenings)}")


def _drill(stacks: Iterable[SynthesisedStack]) -> DrillResult | None:
    model = build_model(tuple(stacks))
    return drill_model(model) if model.clusters else None


def _joined(failures: list[Failure]) -> str:
    texts = [" ".join(part for part in (item.kind, item.name) if part) for item in failures]
    more = len(texts) - _MAX_FAILURES
    return ", ".join(texts[:_MAX_FAILURES]) + (f" and {more} more" if more > 0 else "")
