"""The engine: works out the outcome of failures by AWS's documented rules."""

from collections.abc import Iterator
from dataclasses import replace

from denodo_ha.drill.engine.balancer_view import BalancerView
from denodo_ha.drill.engine.client_paths import ClientPath, PathOutcome, combined_outcome
from denodo_ha.drill.engine.machine_states import MachineStates, database_reach
from denodo_ha.drill.engine.open_points import (
    OPEN_POINTS,
    Interpretation,
    interpretations,
    relevant_open_points,
)
from denodo_ha.drill.engine.recovery_time import (
    BalancerPair,
    DnsTiming,
    database_failover,
    interrupted_ports,
    rejoining_steps,
    rerouting_steps,
)
from denodo_ha.drill.engine.route53_health import Route53Health
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.dns import FailoverName, Record
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import (
    DnsChange,
    Failure,
    Outcome,
    Reach,
    RecoverySteps,
    longest_steps,
    reach_of_chain,
    total_seconds,
)

_KEPT_VIEWS = 256
"""Maximum number of cached views of failed balancers; scenarios of two nodes need fewer."""

_PLANNED = frozenset({"node-drained", "node-replaced"})
"""The kinds of failures that are planned work: this project's commands take a node out of service
without losing a connection, so no recovery is needed."""


class Engine:
    """Engine that works out the outcomes of failures in a model.

    Args:
        model: the model of the templates.
        start: the situation at the start, for example with a drained node.
    """

    def __init__(self, model: Model, start: Situation | None = None) -> None:
        self.model = model
        self.start = start or Situation()
        self._views_at_start: dict[tuple[Key, ClusterState], BalancerView] = {}
        self._views: dict[tuple[Key, ClusterState], BalancerView] = {}
        self.open_points = relevant_open_points(model, lambda key: self.view(key, self.start))
        self._health_at_start: dict[Interpretation, Route53Health] = {}
        self._clusters_behind = {
            name.name: model.clusters_behind(name) for name in model.failover_names
        }

    def view(self, balancer: Key, situation: Situation) -> BalancerView:
        """Return a balancer's targets, addresses and ports with the failures of a situation."""
        of_model = self.model.balancers[balancer]
        state = situation.state_of(of_model.cluster)
        key = (balancer, state)
        view = self._views.get(key) or self._views_at_start.get(key)
        if view is None:
            if state == self.start.state_of(of_model.cluster):
                view = self._views_at_start[key] = BalancerView(self.model, of_model, state)
                return view
            if len(self._views) >= _KEPT_VIEWS:
                del self._views[next(iter(self._views))]
            at_start = self.view(balancer, self.start)
            view = self._views[key] = BalancerView(self.model, of_model, state, at_start)
        return view

    def health(
        self, situation: Situation, interpretation: Interpretation | None = None
    ) -> Route53Health:
        """Return the health of all checks and records in a situation."""
        return Route53Health(self.model, self.view, situation, interpretation or Interpretation())

    def play(self, failure: Failure, situation: Situation) -> Outcome:
        """Return the outcome of a failure under the worst assumptions about the open points.

        An open point is behaviour that AWS does not document (`open_points`).
        """
        whole = self.start | situation
        outcomes = {
            interpretation: self._play(failure, whole, interpretation)
            for interpretation in interpretations(self.open_points)
        }
        worst = max(outcomes.values(), key=lambda outcome: outcome.severity)
        if len({outcome.effect for outcome in outcomes.values()}) == 1:
            return worst
        return replace(worst, interpretations=tuple(self._differences(outcomes, worst)))

    def _differences(
        self, outcomes: dict[Interpretation, Outcome], worst: Outcome
    ) -> Iterator[str]:
        """Yield a text on each open point for which the opposite assumption changes the outcome."""
        shown = next(key for key, outcome in outcomes.items() if outcome == worst)
        for point in sorted(self.open_points):
            chosen = getattr(shown, point)
            other = outcomes[replace(shown, **{point: not chosen})]
            if other.effect != worst.effect:
                texts = OPEN_POINTS[point]
                yield (
                    f"this row assumes: {texts[chosen]}; if instead {texts[not chosen]}: "
                    f"{other.summary}; AWS does not document which is true"
                )

    def _play(
        self, failure: Failure, situation: Situation, interpretation: Interpretation
    ) -> Outcome:
        """Return the outcome of a failure under one set of assumptions about the open points."""
        if interpretation not in self._health_at_start:
            self._health_at_start[interpretation] = self.health(self.start, interpretation)
        before = self._health_at_start[interpretation]
        after = self.health(situation, interpretation)
        names = self._concerned(failure, situation, before, after)
        through_names = [
            _ThroughName(self, failure, name, before=before, after=after) for name in names
        ]
        joined = {record.cluster for name in names for record in name.records.values()}
        own = [path for cluster in failure.clusters for path in self.own_paths(cluster, situation)]
        used = [through.outcome() for through in through_names]
        used += [self._own_outcome(path, situation) for path in own if path.cluster not in joined]
        return combined_outcome(
            failure,
            [through.dns_change for through in through_names],
            used,
            own,
            database_lost=any(self._needs_lost_database(one.path, situation) for one in used),
        )

    def _concerned(
        self, failure: Failure, situation: Situation, before: Route53Health, after: Route53Health
    ) -> list[FailoverName]:
        """Return the failed clusters' failover names, and other names whose DNS answer changes."""
        clusters = set(failure.clusters)
        own = {
            name.name
            for name in self.model.failover_names
            if {name.primary.cluster, name.secondary.cluster} & clusters
        }
        failed = {cluster for cluster, _ in situation.clusters}
        anywhere = (
            situation.alarms_without_data
            or situation.thrown_switches
            or situation.unhealthy_checks
            or any(state.region_lost for _, state in situation.clusters)
        )
        return [
            name
            for name in self.model.failover_names
            if name.name in own
            or (
                (anywhere or not self._clusters_behind[name.name].isdisjoint(failed))
                and before.answer(name) != after.answer(name)
            )
        ]

    def path(self, name: str, record: Record, situation: Situation) -> ClientPath:
        """Return the path that clients of a name use if DNS answers with the given record."""
        if record.target in self.model.balancers:
            assert record.target is not None
            view = self.view(record.target, situation)
            return _balancer_path(name, view)
        if record.target in self.model.machines:
            assert record.target is not None
            return self._path_to_node(name, record.target, situation)
        return ClientPath(name, record.cluster or "", {}, ())

    def _path_to_node(self, name: str, key: Key, situation: Situation) -> ClientPath:
        """Return the path of clients that connect directly to a node, without a balancer."""
        node = self.model.machines[key]
        cluster = self.model.clusters[node.cluster]
        state = situation.state_of(node.cluster)
        states = MachineStates(self.model, state, {})
        services: dict[int, dict[str, Reach]] = {}
        for port in cluster.ports:
            serves = states.listens(node, port) and key not in state.unready_nodes
            reach = Reach.ALL if serves else Reach.NONE
            stored = database_reach(self.model, state, port)
            services[port] = {node.zone or "": reach_of_chain(reach, stored)}
        return ClientPath(name, cluster.name, services, cluster.ports)

    def own_paths(self, name: str, situation: Situation) -> list[ClientPath]:
        """Return the paths through a cluster's balancers, or to its first node if it has none."""
        cluster = self.model.clusters[name]
        views = [self.view(key, situation) for key in cluster.balancers]
        if views:
            return [_balancer_path(name, view) for view in views]
        return [self._path_to_node(name, node, situation) for node in cluster.nodes[:1]]

    def _own_outcome(self, path: ClientPath, situation: Situation) -> PathOutcome:
        """Return the outcome for a path through a cluster's own name."""
        paths_at_start = self.own_paths(path.cluster, self.start)
        at_start = [[*one.gaps()] for one in paths_at_start]
        gaps = [*path.gaps()]
        balancers = self.model.clusters[path.cluster].balancers
        steps: RecoverySteps | None = None
        if not gaps or gaps in at_start:
            within = longest_steps(self.steps_within(key, situation) for key in balancers)
            steps = self.with_database_failover(within, path, situation)
        repaired = (self.after_repair(key, situation) for key in balancers)
        return PathOutcome(
            path,
            steps,
            next((text for text in repaired if text), ""),
            self.interrupted(path, situation),
            max((path.load_percent(one) for one in paths_at_start), default=100),
        )

    def _needs_lost_database(self, path: ClientPath, situation: Situation) -> bool:
        state = situation.state_of(path.cluster)
        return any(database_reach(self.model, state, port) is not Reach.ALL for port in path.ports)

    def interrupted(self, path: ClientPath, situation: Situation) -> tuple[int, ...]:
        """Return the ports of a path that are not served while a shared database fails over."""
        state = situation.state_of(path.cluster)
        return tuple(interrupted_ports(self.model, state, path.ports))

    def with_database_failover(
        self, steps: RecoverySteps, path: ClientPath, situation: Situation
    ) -> RecoverySteps:
        """Return the given steps, or a simultaneous database failover if that takes longer."""
        state = situation.state_of(path.cluster)
        return longest_steps([steps, database_failover(self.model, state, path.ports)])

    def steps_within(self, target: Key | None, situation: Situation) -> RecoverySteps:
        """Return the steps until a balancer uses only working targets; empty without a balancer."""
        if target not in self.model.balancers:
            return ()
        assert target is not None
        return rerouting_steps(
            self.model, self.view(target, self.start), self.view(target, situation)
        )

    def after_repair(self, target: Key | None, situation: Situation) -> str:
        """Return a text on when repaired targets get connections; empty if no target failed."""
        if target not in self.model.balancers:
            return ""
        assert target is not None
        steps = rejoining_steps(
            self.model, self.view(target, self.start), self.view(target, situation)
        )
        return f"gets connections within {total_seconds(steps)} s after the repair" if steps else ""


def _balancer_path(name: str, view: BalancerView) -> ClientPath:
    return ClientPath(name, view.balancer.cluster, view.services, view.ports, view.serving_nodes)


class _ThroughName:
    """Outcome of a failure for the clients of a failover name."""

    def __init__(
        self,
        engine: Engine,
        failure: Failure,
        name: FailoverName,
        *,
        before: Route53Health,
        after: Route53Health,
    ) -> None:
        self._engine, self._failure, self._name = engine, failure, name
        self._before, self._after = before, after
        self._old = name.records[before.answer(name)]
        self._new = name.records[after.answer(name)]

    @property
    def dns_change(self) -> DnsChange:
        """The DNS answer before and after the failure."""
        name, new = self._name, self._new
        other = name.secondary if new is name.primary else name.primary
        return DnsChange(
            name.name,
            self._old.cluster or "elsewhere",
            new.cluster or "elsewhere",
            self._after.record(other),
        )

    def outcome(self) -> PathOutcome:
        """Return the outcome for clients that follow the name's DNS answer after the failure."""
        situation = self._after.situation
        path = self._engine.path(self._name.name, self._new, situation)
        old_path = self._engine.path(self._name.name, self._old, self._before.situation)
        return PathOutcome(
            path,
            self._steps(path, old_path),
            self._after_repair(),
            self._engine.interrupted(path, situation),
            path.load_percent(old_path),
        )

    def _steps(self, path: ClientPath, old_path: ClientPath) -> RecoverySteps | None:
        """Return the steps until all clients are served; None if some need a repair first."""
        engine, situation = self._engine, self._after.situation
        gaps = [*path.gaps()]
        if gaps and gaps != [*old_path.gaps()]:
            return None
        if self._old is not self._new:
            steps = self._timing.failover(self._name, self._balancers())
        elif self._failure.kind in _PLANNED:
            return ()
        else:
            steps = engine.steps_within(self._new.target, situation)
        return engine.with_database_failover(steps, path, situation)

    def _after_repair(self) -> str:
        """Return a sentence that says what happens after the repair."""
        if self._old is self._new:
            return self._engine.after_repair(self._new.target, self._after.situation)
        seconds = total_seconds(self._timing.failback(self._name, self._balancers()))
        cluster = self._old.cluster or "elsewhere"
        if self._timing.by_operators():
            return f"DNS answers {cluster} within {seconds} s after operators put the switch back"
        return f"DNS answers {cluster} automatically within {seconds} s after {cluster} is healthy"

    @property
    def _timing(self) -> DnsTiming:
        return DnsTiming(self._engine.model, self._before, self._after)

    def _balancers(self) -> BalancerPair:
        """Return the balancer of the record whose health changed, before and after the failure.

        Both are None if the record's target is not a balancer of the templates.
        """
        changed = next(
            (
                record
                for record in self._name.records.values()
                if self._before.record(record) != self._after.record(record)
            ),
            self._old,
        )
        if changed.target not in self._engine.model.balancers:
            return (None, None)
        assert changed.target is not None
        return (
            self._engine.view(changed.target, self._before.situation),
            self._engine.view(changed.target, self._after.situation),
        )
