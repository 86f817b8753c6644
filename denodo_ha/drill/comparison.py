"""What a change of templates changes in a drill."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from denodo_ha.drill.drill_run import Drilled
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.policies import Verdict
from denodo_ha.drill.report.json_report import Data, policy, scenario


@dataclass(frozen=True)
class Change:
    """A failure whose outcome is another than before; None where there was or is none."""

    failure: Failure
    before: Outcome | None
    after: Outcome | None


def changes(base: Drilled, new: Drilled) -> tuple[Change, ...]:
    """What differs, the worst of now first, then what can no longer fail."""
    return tuple(_changed(base, new))


def _changed(base: Drilled, new: Drilled) -> Iterator[Change]:
    for outcome in new.worst_first:
        before = base.by_failure.get(outcome.failure)
        if before != outcome:
            yield Change(outcome.failure, before, outcome)
    for outcome in base.worst_first:
        if outcome.failure not in new.by_failure:
            yield Change(outcome.failure, outcome, None)


def report(found: Iterable[Change], verdicts: Iterable[Verdict], before: Iterable[Verdict]) -> Data:
    """The changes as data: each scenario as it is now, with what it was under `before`."""
    scenarios = []
    for change in found:
        now = change.after
        failure = {"failure": scenario(change.before)["failure"]} if change.before else {}
        shown = scenario(now) if now else {**failure, "gone": True}
        scenarios.append({**shown, "before": scenario(change.before) if change.before else None})
    held = {verdict.policy.id: verdict.holds for verdict in before}
    return {
        "measured": False,
        "scenarios": scenarios,
        "policies": [{**policy(one), "held_before": held.get(one.policy.id)} for one in verdicts],
    }
