"""What must hold of a drill, each policy a small class with an id, a sentence and its source."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from denodo_ha.drill.drill_run import Drilled
from denodo_ha.drill.engine.check_health import checks_of
from denodo_ha.drill.engine.reachability import Reach
from denodo_ha.drill.model import Cluster, Model, Node, Record
from denodo_ha.drill.outcome import Outcome

_NODE = ("node-lost", "node-not-ready", "node-drained")
_LOST = ("node-lost", "node-drained")
_PROMISED = ("node-lost", "zone-lost", "balancer-lost", "database-failed", "region-lost")


class Policy(ABC):
    """Something that must hold.

    Attributes:
        id: its name.
        sentence: what must hold.
        source: who says so.
    """

    id: ClassVar[str]
    sentence: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """What breaks it, each in a few words."""


@dataclass(frozen=True)
class Verdict:
    """What came of a policy."""

    policy: Policy
    broken_by: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.broken_by


class NothingFailed(Policy):
    """Without any failure all is reached, and DNS answers the primary."""

    id = "nothing-failed"
    sentence = (
        "With nothing failed, DNS answers the primary and every service is reached by every "
        "address of every name."
    )
    source = "AWS, Amazon Route 53 API, ResourceRecordSet, Failover; AWS, Target group health"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The names whose side is the secondary, and the ports that are not reached."""
        primaries = {site.name: site.primary.cluster for site in drilled.model.sites}
        outcome = drilled.without_failure
        for move in outcome.moves:
            if move.after != (primaries[move.site] or "elsewhere"):
                yield f"DNS answers {move.after} for {move.site}"
        for gap in outcome.gaps:
            if gap.reach is not Reach.UNKNOWN:
                at = f" at {gap.address}" if gap.address else ""
                how = "is reached by some only" if gap.reach is Reach.SOME else "is not reached"
                yield f"{gap.port} through {gap.through}{at} {how}"


class NodeMovesSite(Policy):
    """One node is no reason to move everybody."""

    id = "node-moves-site"
    sentence = "No single node of a cluster of two or more moves the site."
    source = "AWS, Amazon Route 53 API, AliasTarget, EvaluateTargetHealth"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The nodes that do."""
        for outcome in drilled.outcomes:
            one_of_several = outcome.failure.kind in _NODE and _several(drilled, outcome)
            if one_of_several and outcome.moves_site:
                yield str(outcome.failure)


class NodeUnreachable(Policy):
    """The other nodes serve what one did."""

    id = "node-unreachable"
    sentence = "No single node of a cluster of two or more leaves a service unreachable."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The nodes that do, and the ports."""
        for outcome in drilled.outcomes:
            if outcome.failure.kind in _NODE and _several(drilled, outcome):
                some = outcome.failure.kind in _LOST
                yield from _unreached(drilled, outcome, some=some)


class ZoneUnreachable(Policy):
    """The other zones serve what one did."""

    id = "zone-unreachable"
    sentence = (
        "No single zone leaves a service unreachable, where a cluster's nodes stand in two or more."
    )
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The zones that do, and the ports."""
        for outcome in drilled.outcomes:
            if outcome.failure.kind != "zone-lost":
                continue
            clusters = _clusters(drilled.model, outcome)
            zones = [{node.zone for node in in_service(drilled, one)} for one in clusters]
            if all(len(of) > 1 for of in zones):
                yield from _unreached(drilled, outcome, some=True)


class OneZone(Policy):
    """Two nodes in one zone are lost with it."""

    id = "one-zone"
    sentence = "The nodes of a cluster of two or more stand in two or more zones."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The clusters whose nodes share their zone."""
        for cluster in drilled.model.clusters.values():
            zones = [drilled.model.nodes[key].zone for key in cluster.nodes]
            if len(zones) > 1 and None not in zones and len(set(zones)) == 1:
                yield f"{cluster.name}: all nodes in {zones[0]}"


class DeadSite(Policy):
    """A lost primary is what failover is for."""

    id = "dead-site"
    sentence = (
        "The loss of the primary's region moves the site to the secondary, unless operators alone "
        "decide."
    )
    source = "AWS, Configuring DNS failover"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The names that stay."""
        model = drilled.model
        for site in model.sites:
            names = site.primary.cluster, site.secondary.cluster
            if None in names or by_people_alone(model, site.primary):
                continue
            region, other = (model.clusters[name].region for name in names if name)
            for outcome in drilled.outcomes:
                failure = outcome.failure
                lost = failure.kind == "region-lost" and failure.name == region != other
                sides = [one.after for one in outcome.moves if one.site == site.name]
                if lost and names[0] in sides:
                    yield f"{failure}: DNS still answers {names[0]} for {site.name}"


class DatabaseAlone(Policy):
    """A shared database has a standby."""

    id = "database-alone"
    sentence = "The failure of a shared database leaves no service unreachable for good."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The databases that do, and the ports."""
        for outcome in drilled.outcomes:
            if outcome.failure.kind == "database-failed":
                yield from _unreached(drilled, outcome, some=True)


@dataclass(frozen=True)
class MaxRecovery(Policy):
    """The seconds that somebody has promised."""

    seconds: int
    id: ClassVar[str] = "max-recovery"
    sentence: ClassVar[str] = (
        "New connections succeed again within the given seconds of the loss of a node, a zone, a "
        "balancer, a shared database or a region."
    )
    source: ClassVar[str] = "the option --max-recovery"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The failures that take longer."""
        for outcome in drilled.outcomes:
            if outcome.failure.kind in _PROMISED:
                if outcome.recovery is None:
                    yield f"{outcome.failure}: never by itself"
                elif outcome.recovery > self.seconds:
                    yield f"{outcome.failure}: {outcome.recovery} s"


@dataclass(frozen=True)
class MinSecondary(Policy):
    """A secondary must be able to serve."""

    targets: int = 1
    id: ClassVar[str] = "min-secondary"
    sentence: ClassVar[str] = "The secondary's jdbc group has the given number of targets or more."
    source: ClassVar[str] = "the option --min-secondary"

    def broken_by(self, drilled: Drilled) -> Iterator[str]:
        """The secondaries with fewer."""
        for site in drilled.model.sites:
            found = _jdbc_targets(drilled, site.secondary)
            if found is not None and found < self.targets:
                yield f"{site.secondary.cluster}: {found} of {self.targets}"


def judge(
    drilled: Drilled, *, max_recovery: int | None, min_secondary: int, ignored: Iterable[str] = ()
) -> tuple[Verdict, ...]:
    """What came of every policy."""
    found: list[Policy] = [one() for one in ALWAYS]
    found.append(MinSecondary(min_secondary))
    if max_recovery is not None:
        found.append(MaxRecovery(max_recovery))
    return tuple(
        Verdict(policy, tuple(policy.broken_by(drilled)))
        for policy in found
        if policy.id not in ignored
    )


ALWAYS: tuple[type[Policy], ...] = (
    *(NothingFailed, NodeMovesSite, NodeUnreachable, ZoneUnreachable, OneZone, DeadSite),
    DatabaseAlone,
)
IDS = (*(one.id for one in ALWAYS), MinSecondary.id, MaxRecovery.id)


def by_people_alone(model: Model, record: Record) -> bool:
    """Whether a record's health hangs on switches and on nothing else."""
    checks = [one for one in checks_of(model, record) if one.kind != "CALCULATED"]
    alarms = [model.alarms.get(one.alarm or "") for one in checks]
    evaluates = record.alias and record.evaluates
    return bool(alarms) and not evaluates and all(one and one.switch for one in alarms)


def in_service(drilled: Drilled, cluster: Cluster) -> list[Node]:
    """A cluster's nodes that are not drained: who drains one has chosen to stand on the others."""
    return [drilled.model.nodes[key] for key in cluster.nodes if key not in drilled.drained]


def _clusters(model: Model, outcome: Outcome) -> list[Cluster]:
    return [model.clusters[name] for name in outcome.failure.cluster.split(", ") if name]


def _several(drilled: Drilled, outcome: Outcome) -> bool:
    return all(len(in_service(drilled, one)) > 1 for one in _clusters(drilled.model, outcome))


def _unreached(drilled: Drilled, outcome: Outcome, *, some: bool) -> Iterator[str]:
    """The ports that a failure takes away, and that are there without it.

    Args:
        drilled: the drill.
        outcome: what the failure does.
        some: whether it counts, too, when some of the connections fail, or all at one address.
    """
    before = drilled.without_failure.gaps
    gaps = [gap for gap in outcome.gaps if gap.reach is not Reach.UNKNOWN and gap not in before]
    ports = {gap.port for gap in gaps if some or gap.port in outcome.unreachable}
    if ports:
        yield f"{outcome.failure}: {', '.join(map(str, sorted(ports)))}"


def _jdbc_targets(drilled: Drilled, record: Record) -> int | None:
    """The targets of the group behind a record's jdbc port; None where that is not known."""
    balancer = drilled.model.balancers.get(record.target or "")
    if balancer is None:
        return None if record.target is None else 1
    groups = [
        drilled.model.groups[key]
        for listener in balancer.listeners
        for key in listener.groups
        if listener.port == balancer.jdbc or drilled.model.groups[key].name in ("jdbc", "9999")
    ]
    counts = [
        sum(target.machine not in drilled.drained for target in group.targets) for group in groups
    ]
    return min(counts, default=None)
