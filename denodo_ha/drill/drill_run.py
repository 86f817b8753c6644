"""A whole drill: reads templates and works out the outcome of every scenario."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.engine.alarm_states import AlarmStates
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import NO_FAILURE, ClusterState, Situation
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.notes import load_notes, model_notes
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.drill.scenarios import scenarios


@dataclass(frozen=True)
class DrillResult:
    """The result of a drill.

    Attributes:
        model: the model of the templates, with all notes.
        outcomes: the outcome of each failure, in the order of the scenarios.
        drained: keys of the nodes that are drained before any failure.
    """

    model: Model
    outcomes: tuple[Outcome, ...]
    drained: frozenset[Key] = frozenset()

    @cached_property
    def start(self) -> Situation:
        """The situation before any failure, in which some nodes may be drained."""
        return _start(self.model, self.drained)

    @cached_property
    def by_failure(self) -> Mapping[Failure, Outcome]:
        """The outcome of each failure."""
        return {outcome.failure: outcome for outcome in self.outcomes}

    @cached_property
    def without_failure(self) -> Outcome:
        """The outcome without a failure."""
        return next(outcome for outcome in self.outcomes if outcome.failure.kind == "nothing")

    @property
    def worst_first(self) -> list[Outcome]:
        """The outcomes, most severe first; outcomes of equal severity keep their order."""
        return worst_first(self.outcomes)


def worst_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes, most severe first; outcomes of equal severity keep their order."""
    return sorted(outcomes, key=lambda outcome: outcome.severity, reverse=True)


def drill_paths(paths: Iterable[Path], drained: Sequence[str] = ()) -> DrillResult:
    """Read templates and return their drill.

    Args:
        paths: `cdk.out` folders or template files.
        drained: nodes that are drained before any failure, as CLUSTER/NODE.

    Raises:
        UsageError: A path is not a template, the templates have no cluster, or a node to drain
            does not exist.
    """
    model = build_model(read_stacks(paths))
    if not model.clusters:
        message = (
            "none of these templates has a load balancer or an instance that could fail: give the "
            "template of a cluster's stack"
        )
        if model.unknowns:
            message += f"; {'; '.join(unknown.text for unknown in model.unknowns)}"
        raise UsageError(message)
    return drill_model(model, keys_of_nodes(model, drained))


def drill_model(model: Model, drained: frozenset[Key] = frozenset()) -> DrillResult:
    """Return the drill of a model in which some nodes are drained before any failure."""
    engine = Engine(model, _start(model, drained))
    outcomes = tuple(_outcomes(engine))
    notes = [
        *model_notes(
            model, lambda balancer: engine.view(balancer, engine.start).addresses, drained
        ),
        *load_notes(outcomes),
    ]
    model = replace(
        model,
        notes=(*model.notes, *(note.text for note in notes)),
        unknowns=(*model.unknowns, *(note for note in notes if note.hides)),
    )
    return DrillResult(model, outcomes, drained)


def _outcomes(engine: Engine) -> Iterator[Outcome]:
    """Yield the outcome of each scenario.

    Consecutive scenarios with the same situation are worked out only once.
    """
    previous: tuple[str, Situation, Outcome] | None = None
    alarms = AlarmStates(engine)
    for failure, situation in scenarios(engine.model):
        if previous is not None and previous[:2] == (failure.cluster, situation):
            yield replace(previous[2], failure=failure)
            continue
        outcome = replace(
            engine.play(failure, situation), notifications=alarms.notifications(situation)
        )
        previous = (failure.cluster, situation, outcome)
        yield outcome


def _start(model: Model, drained: frozenset[Key]) -> Situation:
    """Return a situation without failures in which some nodes are drained."""
    states: dict[str, ClusterState] = {}
    for key in sorted(drained):
        cluster = model.machines[key].cluster
        state = ClusterState(drained_nodes=frozenset({key}))
        states[cluster] = states.get(cluster, NO_FAILURE) | state
    return Situation(tuple(states.items()))


def keys_of_nodes(model: Model, names: Sequence[str]) -> frozenset[Key]:
    """Return the keys of nodes that are given as CLUSTER/NODE.

    Raises:
        UsageError: A node does not exist.
    """
    keys = {
        f"{machine.cluster}/{machine.name}": machine.key
        for machine in model.machines.values()
        if machine.kind == "node"
    }
    for name in names:
        if name not in keys:
            message = (
                f"--drained {name}: no node has this name; the nodes are: {', '.join(sorted(keys))}"
            )
            raise UsageError(message)
    return frozenset(keys[name] for name in names)
