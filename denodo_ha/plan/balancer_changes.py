"""Effect of a deploy on a cluster's load balancers, from the old and the new template.

    for change in changes(before, after):
        print(change.cluster, change.effect, ", ".join(change.why))

A replaced load balancer has another DNS name: clients that connect to the old name, and nodes of
Denodo 7.0 whose RMI host it is, need the new name. The old and the new load balancer of the same
type are compared, even if their logical ids differ. A property whose update effect is not known
counts as a replacement (`denodo_ha.environment.facts.update_effects`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag, resources_of
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import LOAD_BALANCER_IN_PLACE, Effect
from denodo_ha.plan.node_changes import describe_difference

LOAD_BALANCER: Final = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_ROWS: Final = {"application": "(cookie balancer)"}
"""Name of a load balancer in tables, by its type; load balancers of other types are named
`(balancer)`."""

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class BalancerChange:
    """Effect of a deploy on a load balancer.

    Attributes:
        cluster: the cluster.
        balancer: its name in tables.
        effect: the strongest effect of all changes.
        why: descriptions of the changes.
    """

    cluster: str
    balancer: str
    effect: Effect
    why: tuple[str, ...] = ()

    @property
    def loses_name(self) -> bool:
        """True if the DNS name that clients may use no longer exists after the deploy."""
        return self.effect in {Effect.REPLACEMENT, Effect.REMOVED}


def changes(before: Template | None, after: Template | None) -> list[BalancerChange]:
    """Return the effect of a deploy on each load balancer of a stack.

    Args:
        before: the template before the deploy, None for a new stack.
        after: the template after the deploy, None for a stack that is removed.
    """
    old, new = _balancers(before), _balancers(after)
    return [_change(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]


def _balancers(template: Template | None) -> dict[str, tuple[str, Properties]]:
    """Return logical id and properties of each load balancer, by its name in tables."""
    return {
        _ROWS.get(str(properties.get("Type")), "(balancer)"): (id_, properties)
        for id_, (kind, properties) in resources_of(template).items()
        if kind == LOAD_BALANCER
    }


def _change(
    name: str, old: tuple[str, Properties] | None, new: tuple[str, Properties] | None
) -> BalancerChange:
    known = new or old
    assert known is not None  # the load balancer is in at least one of the two templates
    cluster = resource_tag(known[1], names.CLUSTER_TAG) or ""
    if old is None:
        return BalancerChange(cluster, name, Effect.NEW)
    if new is None:
        return BalancerChange(cluster, name, Effect.REMOVED)
    (old_id, before), (new_id, after) = old, new
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    why = [describe_difference(key, before.get(key), after.get(key)) for key in keys]
    if old_id != new_id:
        why.insert(0, f"{old_id} -> {new_id}")
    if old_id != new_id or not LOAD_BALANCER_IN_PLACE.issuperset(keys):
        return BalancerChange(cluster, name, Effect.REPLACEMENT, tuple(why))
    return BalancerChange(cluster, name, Effect.IN_PLACE if keys else Effect.NOTHING, tuple(why))
