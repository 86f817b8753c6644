"""A whole drill: every failure of some templates with what it does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model import Key, Model
from denodo_ha.drill.notes import notes
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.reading.model_builder import build
from denodo_ha.drill.scenarios import scenarios


@dataclass(frozen=True)
class Drilled:
    """What came of a drill.

    Attributes:
        model: what stands there.
        outcomes: what each failure does, in the order of the failures.
        drained: keys of the nodes that were drained from the start.
    """

    model: Model
    outcomes: tuple[Outcome, ...]
    drained: frozenset[Key] = frozenset()

    @cached_property
    def by_failure(self) -> Mapping[Failure, Outcome]:
        """The outcomes by their failure."""
        return {one.failure: one for one in self.outcomes}

    @cached_property
    def without_failure(self) -> Outcome:
        """The outcome of nothing."""
        return next(one for one in self.outcomes if one.failure.kind == "nothing")

    @property
    def worst_first(self) -> list[Outcome]:
        """The outcomes, the worst first; equally bad ones stay in their order."""
        return sorted(self.outcomes, key=lambda one: one.severity, reverse=True)


def drill_paths(paths: Iterable[Path], drained: Iterable[str] = ()) -> Drilled:
    """Read templates and play every failure.

    Args:
        paths: `cdk.out` folders or template files.
        drained: nodes that are drained from the start, as CLUSTER/NODE.

    Raises:
        UsageError: a path is no template, there is no cluster, or no such node.
    """
    model = build(read_stacks(paths))
    if not model.clusters:
        raise UsageError(
            "none of these templates has a balancer or an instance, so there is nothing to lose"
        )
    return play(model, _found(model, drained))


def play(model: Model, drained: frozenset[Key] = frozenset()) -> Drilled:
    """Play every failure of a model."""
    states: dict[str, ClusterState] = {}
    for key in sorted(drained):
        one = ClusterState(drained=frozenset({key}))
        cluster = model.nodes[key].cluster
        states[cluster] = states.get(cluster, ClusterState()) | one
    engine = Engine(model, Situation(tuple(states.items())))
    outcomes = tuple(engine.play(failure, what) for failure, what in scenarios(model))
    said = (*model.notes, *notes(model, engine))
    return Drilled(replace(model, notes=said), outcomes, drained)


def _found(model: Model, drained: Iterable[str]) -> frozenset[Key]:
    """The keys of nodes by their cluster and name."""
    known = {
        f"{one.cluster}/{one.name}": one.key for one in model.nodes.values() if one.kind == "node"
    }
    for name in drained:
        if name not in known:
            message = (
                f"--drained {name}: there is no such node; these are: {', '.join(sorted(known))}"
            )
            raise UsageError(message)
    return frozenset(known[name] for name in drained)
