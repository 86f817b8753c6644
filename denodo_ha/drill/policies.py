"""The policies that a drill must meet: a class for each, with id, sentence and source."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.model.dns import Record
from denodo_ha.drill.model.machines import Machine
from denodo_ha.drill.model.model import ANY_SUBJECT, Cluster, Model, Subject
from denodo_ha.drill.outcome import Outcome, Reach

_NODE_FAILURES = ("node-lost", "node-not-ready", "node-drained")
_NODE_OUT_OF_SERVICE = ("node-lost", "node-drained")
_LIMITED_BY_MAX_RECOVERY = (
    "node-lost",
    "zone-lost",
    "balancer-lost",
    "database-failed",
    "region-lost",
)


class Policy(ABC):
    """A condition that a drill must meet.

    Attributes:
        id: its name.
        sentence: the condition.
        source: the document or option that the policy is based on.
        rests_on: the kinds of objects that must be known to decide that the policy holds.
        is_broken_by_absence: whether a missing object breaks the policy. If an object could not be
            read, this object may be the missing one, so the policy is then unknown.
    """

    id: ClassVar[str]
    rests_on: ClassVar[frozenset[Subject]]
    is_broken_by_absence: ClassVar[bool] = False
    sentence: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield each violation in a few words."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a policy.

    Attributes:
        policy: the policy.
        violations: each violation in a few words.
        unknowns: descriptions of values that the verdict needs and the templates do not contain.
    """

    policy: Policy
    violations: tuple[str, ...]
    unknowns: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Return whether no violation exists, and no unknown value could hide a violation."""
        return not self.violations and not self.unknowns

    @property
    def is_broken(self) -> bool:
        """Return whether the policy is violated, regardless of unknown values."""
        return bool(self.violations)

    @property
    def word(self) -> str:
        """Verdict in one word: broken, holds or unknown."""
        return "broken" if self.is_broken else "holds" if self.holds else "unknown"


class NothingFailed(Policy):
    """Without any failure, all services are reached, and DNS answers with the primary."""

    id = "nothing-failed"
    rests_on = frozenset({"balancer", "node", "record", "check"})
    sentence = (
        "Without a failure, DNS answers with the primary, and clients reach every service at every "
        "address of every name."
    )
    source = "AWS, Amazon Route 53 API, ResourceRecordSet, Failover; AWS, Target group health"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield names that do not resolve to the primary, and ports with lost connections."""
        primaries = {name.name: name.primary.cluster for name in result.model.failover_names}
        outcome = result.without_failure
        for change in outcome.dns_changes:
            if change.after != (primaries[change.name] or "elsewhere"):
                yield f"DNS answers {change.after} for {change.name}"
        for gap in outcome.gaps:
            if gap.reach is not Reach.UNKNOWN:
                at = f" at {gap.address}" if gap.address else ""
                how = (
                    "is reached only by some connections"
                    if gap.reach is Reach.SOME
                    else "is not reached"
                )
                yield f"{gap.port} through {gap.through}{at} {how}"


class NodeMovesSite(Policy):
    """Losing one node never triggers a site failover."""

    id = "node-moves-site"
    rests_on = frozenset({"balancer", "node", "record", "check"})
    sentence = "Losing one node of a cluster of two or more never triggers a site failover."
    source = "AWS, Amazon Route 53 API, AliasTarget, EvaluateTargetHealth"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the failures of nodes that change the answer of DNS."""
        for outcome in _outcomes_of(result, *_NODE_FAILURES):
            if outcome.moves_site and _has_other_nodes(result, outcome):
                yield str(outcome.failure)


class NodeUnreachable(Policy):
    """If one node fails, the other nodes serve all services."""

    id = "node-unreachable"
    rests_on = frozenset({"balancer", "node"})
    sentence = "Losing one node of a cluster of two or more leaves no service unreachable."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the failures of nodes that leave ports unreachable, and the ports."""
        for outcome in _outcomes_of(result, *_NODE_FAILURES):
            if _has_other_nodes(result, outcome):
                partial = outcome.failure.kind in _NODE_OUT_OF_SERVICE
                yield from _unreachable_ports(result, outcome, partial=partial)


class ZoneUnreachable(Policy):
    """If one zone is lost, the other zones serve all services."""

    id = "zone-unreachable"
    rests_on = frozenset({"balancer", "address", "node", "zone", "database"})
    sentence = (
        "Losing one zone leaves no service unreachable, if the nodes of a cluster are in two or "
        "more zones."
    )
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the zones whose loss leaves ports unreachable, and the ports."""
        for outcome in _outcomes_of(result, "zone-lost"):
            zones = [
                {node.zone for node in nodes_in_service(result, cluster)}
                for cluster in _clusters(result.model, outcome)
            ]
            if all(len(of_cluster) > 1 for of_cluster in zones):
                yield from _unreachable_ports(result, outcome, partial=True)


class OneZone(Policy):
    """The nodes of a cluster are not all in one zone: they would be lost together."""

    id = "one-zone"
    rests_on = frozenset({"node", "zone"})
    sentence = "The nodes of a cluster of two or more are in two or more zones."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the clusters whose nodes are all in one zone."""
        for cluster in result.model.clusters.values():
            zones = [result.model.machines[key].zone for key in cluster.nodes]
            if len(zones) > 1 and None not in zones and len(set(zones)) == 1:
                yield f"{cluster.name}: all nodes are in {zones[0]}"


class DeadSite(Policy):
    """The loss of the primary's region triggers the site failover."""

    id = "dead-site"
    rests_on = frozenset({"balancer", "record", "check"})
    is_broken_by_absence = True
    sentence = (
        "Losing the primary's region triggers a failover to the secondary, unless only operators "
        "can trigger a failover."
    )
    source = "AWS, Configuring DNS failover"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the failover names that still resolve to a primary in a lost region."""
        model = result.model
        for label, role in model.unpaired_names.items():
            yield f"{label} has only a {role} record, so DNS cannot fail over"
        for name in model.failover_names:
            primary, secondary = name.primary.cluster, name.secondary.cluster
            if primary is None or secondary is None or model.by_operators_alone(name.primary):
                continue
            region = model.clusters[primary].region
            if region == model.clusters[secondary].region:
                continue
            for outcome in _outcomes_of(result, "region-lost"):
                answers = [one.after for one in outcome.dns_changes if one.name == name.name]
                if outcome.failure.name == region and primary in answers:
                    yield f"{outcome.failure}: DNS still answers {primary} for {name.name}"


class DatabaseAlone(Policy):
    """A shared database has a standby."""

    id = "database-alone"
    rests_on = frozenset({"database", "metadata server"})
    sentence = "The failure of a shared database leaves no service unreachable permanently."
    source = "AWS, Well-Architected Framework, Reliability Pillar, REL10-BP01"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the databases whose failure leaves ports unreachable, and the ports."""
        for outcome in _outcomes_of(result, "database-failed"):
            yield from _unreachable_ports(result, outcome, partial=True)


@dataclass(frozen=True)
class MaxRecovery(Policy):
    """No recovery takes longer than the limit of `--max-recovery`."""

    seconds: int
    id: ClassVar[str] = "max-recovery"
    rests_on: ClassVar[frozenset[Subject]] = frozenset(ANY_SUBJECT)
    sentence: ClassVar[str] = (
        "New connections succeed again within the seconds of --max-recovery after the loss of a "
        "node, a zone, a balancer, a shared database or a region."
    )
    source: ClassVar[str] = "the option --max-recovery"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the failures whose recovery takes longer than the limit."""
        for outcome in _outcomes_of(result, *_LIMITED_BY_MAX_RECOVERY):
            if outcome.recovery is None:
                yield f"{outcome.failure}: only after a repair"
            elif outcome.recovery > self.seconds:
                yield f"{outcome.failure}: {outcome.recovery} s"


@dataclass(frozen=True)
class MinSecondary(Policy):
    """A secondary has at least as many jdbc targets as `--min-secondary` says."""

    targets: int = 1
    id: ClassVar[str] = "min-secondary"
    rests_on: ClassVar[frozenset[Subject]] = frozenset({"balancer", "node", "record"})
    is_broken_by_absence: ClassVar[bool] = True
    sentence: ClassVar[str] = (
        "The secondary's jdbc target group has at least as many targets as --min-secondary "
        "requires (default: 1)."
    )
    source: ClassVar[str] = "the option --min-secondary"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the secondaries that have fewer jdbc targets than the minimum."""
        for name in result.model.failover_names:
            count = _jdbc_targets(result, name.secondary)
            if count is not None and count < self.targets:
                yield f"{name.secondary.cluster}: {count} of {self.targets}"


@dataclass(frozen=True)
class MaxLoad(Policy):
    """No node has a higher load after a failure than the limit of `--max-load`."""

    percent: int
    id: ClassVar[str] = "max-load"
    rests_on: ClassVar[frozenset[Subject]] = ANY_SUBJECT
    sentence: ClassVar[str] = (
        "After the loss of a node, a zone, a balancer or a region, no node has more than the "
        "percentage of --max-load of its load before the loss."
    )
    source: ClassVar[str] = "the option --max-load"

    def violations(self, result: DrillResult) -> Iterator[str]:
        """Yield the failures after which a node's load is above the limit."""
        for outcome in _outcomes_of(result, *_NODE_FAILURES, *_LIMITED_BY_MAX_RECOVERY):
            if outcome.load_percent > self.percent:
                yield f"{outcome.failure}: {outcome.load_percent} %"


STANDARD_POLICIES: tuple[type[Policy], ...] = (
    *(NothingFailed, NodeMovesSite, NodeUnreachable, ZoneUnreachable, OneZone, DeadSite),
    DatabaseAlone,
)
"""The policies that every drill applies; they have no options."""

POLICY_IDS = (
    *(policy.id for policy in STANDARD_POLICIES),
    *(MinSecondary.id, MaxRecovery.id, MaxLoad.id),
)


def apply_policies(
    result: DrillResult,
    *,
    max_recovery: int | None,
    min_secondary: int,
    max_load: int | None = None,
    ignored: Iterable[str] = (),
) -> tuple[Verdict, ...]:
    """Return the verdict on every policy that is not ignored."""
    policies: list[Policy] = [policy() for policy in STANDARD_POLICIES]
    policies.append(MinSecondary(min_secondary))
    if max_recovery is not None:
        policies.append(MaxRecovery(max_recovery))
    if max_load is not None:
        policies.append(MaxLoad(max_load))
    return tuple(_verdict(result, policy) for policy in policies if policy.id not in ignored)


def _verdict(result: DrillResult, policy: Policy) -> Verdict:
    violations, unknowns = tuple(policy.violations(result)), _unknowns(result.model, policy)
    may_be_hidden = _may_have_hidden_balancer(result.model) or (
        policy.is_broken_by_absence and bool(unknowns)
    )
    if violations and may_be_hidden:
        possible = (f"broken unless unread resources change this: {text}" for text in violations)
        return Verdict(policy, (), (*unknowns, *possible))
    return Verdict(policy, violations, unknowns)


def _may_have_hidden_balancer(model: Model) -> bool:
    """Return whether a cluster without a known balancer may have an unread balancer."""
    is_opaque = any(unknown.hides == ANY_SUBJECT for unknown in model.unknowns)
    return is_opaque and any(not cluster.balancers for cluster in model.clusters.values())


def _unknowns(model: Model, policy: Policy) -> tuple[str, ...]:
    """Return descriptions of values that a policy needs and the templates do not contain."""
    return tuple(
        unknown.text for unknown in model.unknowns if not policy.rests_on.isdisjoint(unknown.hides)
    )


def nodes_in_service(result: DrillResult, cluster: Cluster) -> list[Machine]:
    """Return a cluster's nodes that are not drained.

    By draining nodes, operators accept that the cluster depends on the remaining ones.
    """
    return [result.model.machines[key] for key in cluster.nodes if key not in result.drained]


def _outcomes_of(result: DrillResult, *kinds: str) -> Iterator[Outcome]:
    return (outcome for outcome in result.outcomes if outcome.failure.kind in kinds)


def _clusters(model: Model, outcome: Outcome) -> list[Cluster]:
    return [model.clusters[name] for name in outcome.failure.clusters]


def _has_other_nodes(result: DrillResult, outcome: Outcome) -> bool:
    """Return whether the failed node's cluster has several nodes in service."""
    clusters = _clusters(result.model, outcome)
    return all(len(nodes_in_service(result, cluster)) > 1 for cluster in clusters)


def _unreachable_ports(result: DrillResult, outcome: Outcome, *, partial: bool) -> Iterator[str]:
    """Yield the ports that a failure makes unreachable.

    Ports that are unreachable even without the failure are left out.

    Args:
        result: the drill.
        outcome: the failure's outcome.
        partial: whether to include ports that some connections, or the connections to one address,
            do not reach.
    """
    before = result.without_failure.gaps
    gaps = [gap for gap in outcome.gaps if gap.reach is not Reach.UNKNOWN and gap not in before]
    ports = {gap.port for gap in gaps if partial or gap.port in outcome.unreachable}
    if ports:
        yield f"{outcome.failure}: {', '.join(map(str, sorted(ports)))}"


def _jdbc_targets(result: DrillResult, record: Record) -> int | None:
    """Return the number of targets behind a record's jdbc port; None if it is not known."""
    balancer = result.model.balancers.get(record.target or "")
    if balancer is None:
        return None if record.target is None else 1
    groups = [
        result.model.target_groups[key]
        for listener in balancer.listeners
        for key in listener.target_groups
        if listener.port == balancer.jdbc_port
        or result.model.target_groups[key].name in ("jdbc", "9999")
    ]
    counts = [
        sum(target.machine not in result.drained for target in group.targets) for group in groups
    ]
    return min(counts, default=None)
