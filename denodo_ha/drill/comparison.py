"""The difference between the drills of two sets of templates."""

from collections.abc import Iterator
from dataclasses import dataclass

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.outcome import Failure, Outcome


@dataclass(frozen=True)
class OutcomeChange:
    """A failure with another outcome than before; an outcome is None where there is none."""

    failure: Failure
    before: Outcome | None
    after: Outcome | None


def outcome_changes(base: DrillResult, new: DrillResult) -> tuple[OutcomeChange, ...]:
    """Return the changes, the worst present outcome first, then failures that no longer exist."""
    return tuple(_changes(base, new))


def _changes(base: DrillResult, new: DrillResult) -> Iterator[OutcomeChange]:
    for outcome in new.worst_first:
        before = base.by_failure.get(outcome.failure)
        if before != outcome:
            yield OutcomeChange(outcome.failure, before, outcome)
    for outcome in base.worst_first:
        if outcome.failure not in new.by_failure:
            yield OutcomeChange(outcome.failure, outcome, None)
