"""Works out what a situation does."""

from collections.abc import Iterator
from dataclasses import replace

from denodo_ha.drill.engine import databases, duration_terms, recovery_time
from denodo_ha.drill.engine.balancer_view import View
from denodo_ha.drill.engine.check_health import Health, looks_at, open_points
from denodo_ha.drill.engine.client_paths import Way, outcome_of, shortly
from denodo_ha.drill.engine.duration_terms import Term
from denodo_ha.drill.engine.machines import Machines
from denodo_ha.drill.engine.reachability import Reach, chained
from denodo_ha.drill.engine.recovery_time import Timing
from denodo_ha.drill.engine.situation import OPEN_POINTS, ClusterState, Reading, Situation, readings
from denodo_ha.drill.model import Key, Model, Record, Site
from denodo_ha.drill.outcome import Failure, Move, Outcome


class Engine:
    """Plays situations on a model.

    Args:
        model: what stands there.
        start: what has failed already, such as a drained node.
    """

    def __init__(self, model: Model, start: Situation | None = None) -> None:
        self.model = model
        self.start = start or Situation()
        self._well: dict[tuple[Key, ClusterState], View] = {}
        self._views: dict[tuple[Key, ClusterState], View] = {}
        self._points = open_points(model, self.view, self.start)
        self._before: dict[Reading, Health] = {}
        self._looks_at = {site.name: looks_at(model, site) for site in model.sites}
        self._sites = {
            name: site
            for site in model.sites
            for name in (site.primary.cluster, site.secondary.cluster)
            if name is not None
        }

    def view(self, balancer: Key, situation: Situation) -> View:
        """A balancer in a situation."""
        found = self.model.balancers[balancer]
        state = situation.of(found.cluster)
        kept = self._well if state == self.start.of(found.cluster) else self._views
        key = (balancer, state)
        if key not in kept:
            if len(kept) >= _KEPT and kept is self._views:
                del kept[next(iter(kept))]
            kept[key] = View(self.model, found, state)
        return kept[key]

    def health(self, situation: Situation, reading: Reading | None = None) -> Health:
        """All checks and records in a situation."""
        return Health(self.model, self.view, situation, reading or Reading())

    def play(self, failure: Failure, situation: Situation) -> Outcome:
        """What a failure does, in the worst reading of what is open."""
        whole = self.start | situation
        found = [(one, self._played(failure, whole, one)) for one in readings(self._points)]
        worst = max((outcome for _, outcome in found), key=lambda one: one.severity)
        if len({outcome.effect for _, outcome in found}) == 1:
            return worst
        return replace(worst, readings=tuple(self._told(found, worst)))

    def _told(self, found: list[tuple[Reading, Outcome]], worst: Outcome) -> Iterator[str]:
        """Each open point that makes a difference, and what its readings come to."""
        shown = next(reading for reading, outcome in found if outcome == worst)
        by_reading = dict(found)
        for point in sorted(self._points):
            chosen = getattr(shown, point)
            other = by_reading[replace(shown, **{point: not chosen})]
            if other.effect != worst.effect:
                words = OPEN_POINTS[point]
                yield (
                    f"shown: {words[chosen]}; if {words[not chosen]}: "
                    f"{shortly(other)}; AWS does not say which"
                )

    def _played(self, failure: Failure, situation: Situation, reading: Reading) -> Outcome:
        if reading not in self._before:
            self._before[reading] = self.health(self.start, reading)
        before, after = self._before[reading], self.health(situation, reading)
        names = [name for name in failure.cluster.split(", ") if name]
        sites = self._concerned(names, situation, before, after)
        moves, ways, sums, heals = [], [], [], []
        for site in sites:
            roles = before.side(site), after.side(site)
            records = [site.records[role] for role in roles]
            sides = [one.cluster or "elsewhere" for one in records]
            other = site.secondary if records[1] is site.primary else site.primary
            moves.append(Move(site.name, sides[0], sides[1], after.record(other)))
            way = self._way(site.name, records[1], situation)
            ways.append(way)
            sums.append(self._sum(site, records, (before, after), way, failure))
            heals.append(self._heals(site, records, (before, after)))
        joined = {one.cluster for site in sites for one in site.records.values()}
        own = [way for name in names for way in self._own(name, situation)]
        for way in own:
            if way.cluster not in joined:
                ways.append(way)
                sums.append(self._alone(way, situation))
                heals.append(self._heals_alone(way, situation))
        gone = [way for way in ways if any(self._missing(way, situation))]
        if gone:
            heals.append("served again once the database answers")
        outcome = outcome_of(failure, moves, (ways, own), sums, heals)
        waiting = {port for way in ways for port in self._waiting(way, situation)}
        return replace(outcome, meanwhile=tuple(sorted(waiting)))

    def _missing(self, way: Way, situation: Situation) -> Iterator[int]:
        """The ports of a way that need a database which is gone."""
        state = situation.of(way.cluster)
        served = ((port, databases.answers(self.model, state, port)) for port in way.ports)
        return (port for port, reach in served if reach is not Reach.ALL)

    def _waiting(self, way: Way, situation: Situation) -> Iterator[int]:
        """The ports of a way that need a database which fails over."""
        return databases.waiting(self.model, situation.of(way.cluster), way.ports)

    def _with_failover(
        self, found: tuple[Term, ...], way: Way, situation: Situation
    ) -> tuple[Term, ...]:
        """The longer of some steps and a database's failover, which goes on at the same time."""
        state = situation.of(way.cluster)
        return max(
            found, databases.failover(self.model, state, way.ports), key=duration_terms.total
        )

    def _concerned(
        self, names: list[str], situation: Situation, before: Health, after: Health
    ) -> list[Site]:
        """The sites of the failed clusters, and all others that move."""
        own = {self._sites[name].name for name in names if name in self._sites}
        touched = {name for name, _ in situation.clusters}
        only_clusters = not (situation.silent or situation.thrown or situation.unhealthy) and not (
            any(state.region for _, state in situation.clusters)
        )
        return [
            site
            for site in self.model.sites
            if site.name in own
            or (
                not (only_clusters and self._looks_at[site.name].isdisjoint(touched))
                and before.side(site) != after.side(site)
            )
        ]

    def _way(self, name: str, record: Record, situation: Situation) -> Way:
        """The way through a record that DNS answers."""
        if record.target in self.model.balancers:
            assert record.target is not None
            view = self.view(record.target, situation)
            return Way(name, view.balancer.cluster, view.services, view.ports)
        if record.target in self.model.nodes:
            assert record.target is not None
            return self._bare(name, record.target, situation)
        return Way(name, record.cluster or "", {}, ())

    def _bare(self, name: str, node: Key, situation: Situation) -> Way:
        machine = self.model.nodes[node]
        cluster = self.model.clusters[machine.cluster]
        state = situation.of(machine.cluster)
        machines = Machines(self.model, state, {})
        reached: dict[int, dict[str, Reach]] = {}
        for port in cluster.ports:
            serves = machines.listens(machine, port) and node not in state.promoting
            reach = Reach.ALL if serves else Reach.NONE
            kept = databases.answers(self.model, state, port)
            reached[port] = {machine.zone or "": chained(reach, kept)}
        return Way(name, cluster.name, reached, cluster.ports)

    def _own(self, name: str, situation: Situation) -> list[Way]:
        """The ways through a cluster's own balancers, or to its node."""
        cluster = self.model.clusters[name]
        views = [self.view(key, situation) for key in cluster.balancers]
        if views:
            return [Way(name, name, view.services, view.ports) for view in views]
        return [self._bare(name, node, situation) for node in cluster.nodes[:1]]

    def _sum(
        self,
        site: Site,
        records: list[Record],
        healths: tuple[Health, Health],
        way: Way,
        failure: Failure,
    ) -> tuple[Term, ...] | None:
        """The steps until clients of a site are served again; None if they never all are."""
        before, after = healths
        served = self._way(site.name, records[0], before.situation)
        if any(way.gaps()) and [*way.gaps()] != [*served.gaps()]:
            return None
        if records[0] is not records[1]:
            views = self._both(site, records, healths)
            moved = Timing(self.model, before, after).move(site.primary, site.secondary, views)
            return self._with_failover(moved, way, after.situation)
        if failure.kind in PLANNED:
            return ()
        found = self._within(records[1].target, after.situation)
        return self._with_failover(found, way, after.situation)

    def _both(
        self, site: Site, records: list[Record], healths: tuple[Health, Health]
    ) -> recovery_time.BothViews:
        before, after = healths
        changed = next(
            (one for one in site.records.values() if before.record(one) != after.record(one)),
            records[0],
        )
        if changed.target not in self.model.balancers:
            return (None, None)
        assert changed.target is not None
        return (
            self.view(changed.target, before.situation),
            self.view(changed.target, after.situation),
        )

    def _within(self, target: Key | None, situation: Situation) -> tuple[Term, ...]:
        if target not in self.model.balancers:
            return ()
        assert target is not None
        return recovery_time.within(
            self.model, self.view(target, self.start), self.view(target, situation)
        )

    def _alone(self, way: Way, situation: Situation) -> tuple[Term, ...] | None:
        before = self._own(way.cluster, self.start)
        if any(way.gaps()) and [*way.gaps()] not in [[*one.gaps()] for one in before]:
            return None
        keys = self.model.clusters[way.cluster].balancers
        found = [self._within(key, situation) for key in keys]
        longest = max(found, key=duration_terms.total, default=())
        return self._with_failover(longest, way, situation)

    def _heals(self, site: Site, records: list[Record], healths: tuple[Health, Health]) -> str:
        """What happens when it is well again."""
        before, after = healths
        if records[0] is records[1]:
            target = records[1].target
            if target not in self.model.balancers:
                return ""
            assert target is not None
            return self._back(target, after.situation)
        clock = Timing(self.model, before, after)
        seconds = duration_terms.total(
            clock.back(site.primary, site.secondary, self._both(site, records, healths))
        )
        name = records[0].cluster or "elsewhere"
        if clock.by_people():
            return f"stays until people put the switch back, then {name} within {seconds} s"
        return f"{name} again within {seconds} s of being healthy, by itself"

    def _heals_alone(self, way: Way, situation: Situation) -> str:
        keys = self.model.clusters[way.cluster].balancers
        return next((said for said in (self._back(key, situation) for key in keys) if said), "")

    def _back(self, target: Key, situation: Situation) -> str:
        found = recovery_time.within_back(
            self.model, self.view(target, self.start), self.view(target, situation)
        )
        return (
            f"gets connections within {duration_terms.total(found)} s of working" if found else ""
        )


_KEPT = 256
"""How many balancers' failures are kept: more than a pair of nodes ever comes back to."""

PLANNED = frozenset({"node-drained"})
"""What the project's own commands do without a connection lost."""
