"""Failures that can occur and be repaired: the events in the orders that `--orders` searches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.dns import FailoverName, HealthCheck
from denodo_ha.drill.model.model import Model

_MAX_SINGLE_MACHINES: Final = 3
"""Maximum number of nodes of a cluster, and of its proxies, each of which fails alone in the search
of event orders. In a larger cluster, only the first machine fails alone, and all other machines
fail together.
"""


@dataclass(frozen=True)
class Breakage:
    """A failure that can occur and be repaired.

    Attributes:
        text: description of the failure.
        repaired: description of the repair.
        situation: the situation that the failure causes.
        is_blind: whether only the data of metrics is missing: until the repair, health checks on
            these metrics do not detect other failures.
    """

    text: str
    repaired: str
    situation: Situation
    is_blind: bool = False


def breakages(
    model: Model, name: FailoverName, checks: Iterable[HealthCheck]
) -> Iterator[Breakage]:
    """Yield the failures of a failover name's clusters and of its health checks' metrics.

    Args:
        model: the model of the templates.
        name: the failover name.
        checks: the health checks of the name's records, with the child checks of calculated checks.
    """
    clusters = list(
        dict.fromkeys(
            record.cluster for record in name.records.values() if record.cluster is not None
        )
    )
    for cluster in clusters:
        yield from _of_cluster(model, cluster)
    yield from _regions(model, clusters)
    yield from _metrics(model, checks)


def _of_cluster(model: Model, name: str) -> Iterator[Breakage]:
    """Yield the failures of a cluster's nodes, proxies and balancers."""
    cluster = model.clusters[name]

    def breakage(what: str, state: ClusterState) -> Breakage:
        return Breakage(f"{what} lost", f"{what} repaired", Situation(((name, state),)))

    for kind, kinds, machines in (
        ("node", "nodes", cluster.nodes),
        ("proxy", "proxies", cluster.proxies),
    ):
        alone = machines if len(machines) <= _MAX_SINGLE_MACHINES else machines[:1]
        for key in alone:
            state = ClusterState(lost_machines=frozenset({key}))
            yield breakage(f"{kind} {name}/{model.machines[key].name}", state)
        if len(machines) > len(alone):
            state = ClusterState(lost_machines=frozenset(machines[1:]))
            first = model.machines[machines[0]].name
            yield breakage(f"all {kinds} of {name} except {first}", state)
    for key in cluster.balancers:
        state = ClusterState(lost_balancers=frozenset({key}))
        yield breakage(f"balancer {key.partition('/')[2]} of {name}", state)


def _regions(model: Model, clusters: Iterable[str]) -> Iterator[Breakage]:
    """Yield the loss of each region, which affects all given clusters in that region."""
    by_region: dict[str, list[str]] = {}
    for name in clusters:
        by_region.setdefault(model.clusters[name].region, []).append(name)
    for names in by_region.values():
        situation = Situation(tuple((name, ClusterState(region_lost=True)) for name in names))
        text = f"region of {' and '.join(names)}"
        yield Breakage(f"{text} lost", f"{text} repaired", situation)


def _metrics(model: Model, checks: Iterable[HealthCheck]) -> Iterator[Breakage]:
    """Yield the loss of the metric data of each cluster's alarms.

    If the balancers of alarms are unknown, all such alarms of a region lose their data together.
    """
    alarms_by_owner: dict[str, set[str]] = {}
    for check in checks:
        alarm = model.alarm_of(check)
        if alarm is not None and not alarm.switch:
            balancer = model.balancers.get(alarm.balancer or "")
            owner = balancer.cluster if balancer else alarm.region
            alarms_by_owner.setdefault(owner, set()).add(alarm.key)
    for owner, alarms in alarms_by_owner.items():
        text = f"metrics of {owner}"
        situation = Situation(alarms_without_data=frozenset(alarms))
        yield Breakage(f"{text} missing", f"{text} again", situation, is_blind=True)
