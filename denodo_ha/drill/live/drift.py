"""Drift: differences of deployed resources from templates, and the outcomes that they change.

Objects are compared by the names that operators know, cluster by cluster. So a hand-made site,
which has other logical ids, can be compared too. Objects that could not be read are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from denodo_ha.drill.comparison import OutcomeChange
from denodo_ha.drill.drill_run import drill_model
from denodo_ha.drill.live.live_drill import LiveDrill
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.drill.model.balancers import Balancer, HealthThreshold, TargetGroup
from denodo_ha.drill.model.dns import Alarm, HealthCheck, Record
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.model.model import Database, Model, Subject
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.text_report import named_failures

Part = TypeVar("Part", Machine, Balancer, Database, Record)
"""An object of the model that is compared: machine, balancer, database or record."""

_MAX_CAUSES: Final = 4
"""Maximum number of differences in a sentence; the list of differences below it has all of them."""


@dataclass(frozen=True)
class Difference:
    """A difference of a deployed object from the templates.

    Attributes:
        cluster: the cluster; empty for records, checks and alarms.
        text: the deployed value, and the value in the templates.
        subject: the kind of object that differs.
    """

    cluster: str
    text: str
    subject: Subject


def with_cluster_names(base: Model, drill: LiveDrill) -> LiveDrill:
    """Return a live drill in which the clusters have the names that the templates give them.

    A site that no stack of this project has made has clusters with other names. Without equal
    names, no failure of the live drill would be compared with a failure of the templates' drill.
    """
    live = drill.result.model
    names = {
        second: first
        for first, second in _pairs_of_clusters(base, live)
        if first != second and first not in live.clusters
    }
    if not names:
        return drill

    def named(item: Part) -> Part:
        name = names.get(str(item.cluster))
        return item if name is None else replace(item, cluster=name)

    model = replace(
        live,
        clusters={
            names.get(name, name): replace(cluster, name=names.get(name, name))
            for name, cluster in live.clusters.items()
        },
        machines={key: named(machine) for key, machine in live.machines.items()},
        balancers={key: named(balancer) for key, balancer in live.balancers.items()},
        databases={key: named(database) for key, database in live.databases.items()},
        failover_names=tuple(
            replace(name, primary=named(name.primary), secondary=named(name.secondary))
            for name in live.failover_names
        ),
        license_managers={names.get(key, key): of for key, of in live.license_managers.items()},
        copies={names.get(key, key): of for key, of in live.copies.items()},
    )
    return replace(drill, result=drill_model(model, drill.result.drained))


def model_differences(
    base: Model, live: Model, unread: Iterable[UnreadPart] = ()
) -> tuple[Difference, ...]:
    """Return the differences between the model of templates and the model of a live site."""
    hidden = {subject for part in unread for subject in part.hides}
    found = (*_cluster_differences(base, live), *_dns_differences(base, live))
    return tuple(difference for difference in found if difference.subject not in hidden)


def drift_sentences(
    changes: Iterable[OutcomeChange], differences: Iterable[Difference], live: Model
) -> list[str]:
    """Return a sentence on each changed outcome, with the differences that may be its causes.

    Args:
        changes: the outcomes that differ between the templates (before) and the live site (after).
        differences: all differences.
        live: the model of the live site.
    """
    failures: dict[tuple[str, str, frozenset[str]], list[Failure]] = {}
    for change in changes:
        if change.before is not None and change.after is not None:
            effect = _effect(change, change.before, change.after)
            details = "; ".join((*_details(change.worsenings), *_details(change.improvements)))
            if effect:
                key = (effect, details, frozenset(change.failure.clusters))
                failures.setdefault(key, []).append(change.failure)
    differences = list(differences)
    return [
        f"{'; '.join(named_failures(of_effect, live))} - {effect} ({details})"
        f"{_causes(clusters, differences)}"
        for (effect, details, clusters), of_effect in failures.items()
    ]


def _effect(change: OutcomeChange, before: Outcome, after: Outcome) -> str:
    """Return a clause that compares a failure's effects, live and by templates; empty if equal."""
    survived = not before.unreachable and before.recovery is not None
    survives = not after.unreachable and after.recovery is not None
    if survived and not survives:
        return "the templates survive this failure, the deployed resources do not"
    if survives and not survived:
        return "the deployed resources survive this failure, the templates do not"
    if change.worsenings:
        return "worse for the deployed resources than for the templates"
    is_better = bool(change.improvements)
    return "better for the deployed resources than for the templates" if is_better else ""


def _details(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts of a change, without texts whose ports are all in earlier texts.

    A text is such as `9999: unreachable`; the worst texts come first.
    """
    named: set[str] = set()
    for text in texts:
        ports, _, _ = text.partition(": ")
        of_text = set(ports.split(", "))
        if all(port.isdigit() for port in of_text):
            if of_text <= named:
                continue
            named |= of_text
        yield text


def _causes(clusters: frozenset[str], differences: list[Difference]) -> str:
    """Return the end of a drift sentence: the differences that may be causes of a change.

    They are those of the failure's clusters, and those that belong to no cluster.
    """
    of_clusters = [one for one in differences if one.cluster in clusters or not one.cluster]
    causes = list(dict.fromkeys(one.text for one in of_clusters))
    if not causes:
        return "."
    more = len(causes) - _MAX_CAUSES
    listed = "; ".join(causes[:_MAX_CAUSES]) + (
        f"; and {more} more, in the list below" if more > 0 else ""
    )
    return f": {listed}."


def _cluster_differences(base: Model, live: Model) -> Iterator[Difference]:
    pairs = _pairs_of_clusters(base, live)
    for name in base.clusters.keys() - {first for first, _ in pairs}:
        yield Difference(
            name, f"cluster {name} is in the templates and is not deployed", "balancer"
        )
    for name in live.clusters.keys() - {second for _, second in pairs}:
        yield Difference(name, f"cluster {name} is deployed and is in no template", "balancer")
    for first, second in pairs:
        yield from _node_differences(base, live, first, second)
        yield from _balancer_differences(base, live, first, second)
        yield from _database_differences(base, live, first, second)


def _pairs_of_clusters(base: Model, live: Model) -> list[tuple[str, str]]:
    """Return pairs of clusters of both models.

    The clusters of a pair have the same name. Of the other clusters, two are a pair if each is the
    only one of its model in the same region.
    """
    pairs = [(name, name) for name in base.clusters if name in live.clusters]
    rest = [
        [one for name, one in model.clusters.items() if (name, name) not in pairs]
        for model in (base, live)
    ]
    for cluster in rest[0]:
        same_region = [
            [one.name for one in of_model if one.region == cluster.region] for of_model in rest
        ]
        if [len(names) for names in same_region] == [1, 1]:
            pairs.append((cluster.name, same_region[1][0]))
    return pairs


def _node_differences(base: Model, live: Model, first: str, second: str) -> Iterator[Difference]:
    before, after = (
        {model.machines[key].name: model.machines[key].zone for key in model.clusters[name].nodes}
        for model, name in ((base, first), (live, second))
    )
    for name in sorted(before.keys() - after.keys()):
        yield Difference(second, f"node {name} is in the templates and is not deployed", "node")
    for name in sorted(after.keys() - before.keys()):
        yield Difference(second, f"node {name} is deployed and is in no template", "node")
    for name in sorted(before.keys() & after.keys()):
        if before[name] is not None and before[name] != after[name]:
            text = f"node {name} is in {after[name]} (templates: {before[name]})"
            yield Difference(second, text, "zone")


def _balancer_differences(
    base: Model, live: Model, first: str, second: str
) -> Iterator[Difference]:
    balancers = [
        [model.balancers[key] for key in model.clusters[name].balancers]
        for model, name in ((base, first), (live, second))
    ]
    for before, after in zip(*balancers, strict=False):
        yield from _settings(
            second,
            f"the balancer {_id(after.key)}",
            _of_balancer(before),
            _of_balancer(after),
            "address",
        )
    listeners = [
        {listener.port: listener for balancer in of_model for listener in balancer.listeners}
        for of_model in balancers
    ]
    for port in sorted(listeners[0].keys() - listeners[1].keys()):
        yield Difference(
            second, f"a listener on port {port} is in the templates and is not deployed", "balancer"
        )
    for port in sorted(listeners[1].keys() - listeners[0].keys()):
        yield Difference(
            second, f"a listener on port {port} is deployed and is in no template", "balancer"
        )
    for port in sorted(listeners[0].keys() & listeners[1].keys()):
        for key, other in zip(
            listeners[0][port].target_groups, listeners[1][port].target_groups, strict=False
        ):
            before_group = _of_group(base, base.target_groups[key])
            after_group = _of_group(live, live.target_groups[other])
            name = f"the target group of port {port}"
            yield from _settings(second, name, before_group, after_group, "node")


def _of_balancer(balancer: Balancer) -> dict[str, str]:
    return {
        "zones": ", ".join(sorted(zone for zone in balancer.zones if zone)),
        "cross-zone load balancing": _on(balancer.cross_zone),
        "scheme": "internal" if balancer.internal else "internet-facing",
        "zonal shift": _on(balancer.zonal_shift),
    }


def _of_group(model: Model, group: TargetGroup) -> dict[str, str]:
    check = group.health_check
    targets = sorted({f"{model.machines[one.machine].name}:{one.port}" for one in group.targets})
    return {
        "health check": f"{check.interval} s x {check.unhealthy}",
        "health check's time-out": f"{check.timeout} s",
        "health check's healthy threshold": str(check.healthy),
        "health check's request": _request(group),
        "targets": "unknown" if group.targets_unknown else ", ".join(targets) or "none",
        "cross-zone load balancing": "as the balancer"
        if group.cross_zone is None
        else _on(group.cross_zone),
        "minimum of healthy targets in DNS": _threshold(group.dns_threshold),
        "minimum of healthy targets for routing": _threshold(group.routing_threshold),
    }


def _request(group: TargetGroup) -> str:
    """Return protocol, path and port of a target group's check in words."""
    check = group.health_check
    path = f" {check.path}" if check.is_http else ""
    same_port = not check.port or {target.port for target in group.targets} == {check.port}
    where = "each target's own port" if same_port else str(check.port)
    return f"{check.protocol}{path} on {where}"


def _threshold(threshold: HealthThreshold) -> str:
    parts = [
        *([str(threshold.count)] if threshold.count is not None else []),
        *([f"{threshold.percentage} %"] if threshold.percentage is not None else []),
    ]
    return " or ".join(parts) or "off"


def _on(value: bool) -> str:  # noqa: FBT001 - a property's value
    return "on" if value else "off"


def _database_differences(
    base: Model, live: Model, first: str, second: str
) -> Iterator[Difference]:
    before, after = (
        {
            one.name: {"standby in another zone": _on(one.multi_az)}
            for one in model.databases_of(name)
        }
        for model, name in ((base, first), (live, second))
    )
    yield from _mappings(second, "database", before, after, "database")


def _dns_differences(base: Model, live: Model) -> Iterator[Difference]:
    before, after = (
        {
            f"{name.name.rstrip('.')} ({role})": _of_record(model, record)
            for name in model.failover_names
            for role, record in name.records.items()
        }
        for model in (base, live)
    )
    yield from _mappings("", "record", before, after, "record")
    checks = [
        {key: _of_check(model, check) for key, check in model.checks.items()}
        for model in (base, live)
    ]
    alarms = [
        {alarm.key: _of_alarm(alarm) for alarm in model.alarms.values()} for model in (base, live)
    ]
    for kind, (of_base, of_live) in (("health check", checks), ("alarm", alarms)):
        # If none of the templates' stacks is deployed, different names do not mean drift.
        if of_base.keys() & of_live.keys():
            yield from _mappings("", kind, of_base, of_live, "check")


def _of_record(model: Model, record: Record) -> dict[str, str]:
    check = model.checks.get(record.check or "")
    return {
        "target": record.cluster or "unknown",
        "health check": check.name if check else "none" if record.check is None else "unknown",
        "evaluation of the target's health": _on(record.evaluates),
        "TTL": f"{record.ttl} s",
    }


def _of_check(model: Model, check: HealthCheck) -> dict[str, str]:
    alarm = model.alarm_of(check)
    settings: dict[str, object] = {
        "inversion": _on(check.inverted),
        "state": "disabled" if check.disabled else "enabled",
        "alarm": alarm.name if alarm else "none",
        "status without data": check.insufficient,
        "interval": f"{check.interval} s x {check.failures}",
        "children": f"{check.needed} of {len(check.children)}",
        "port": check.port,
    }
    return {name: str(value) for name, value in settings.items()}


def _of_alarm(alarm: Alarm) -> dict[str, str]:
    return {
        "condition": f"{alarm.statistic} of {alarm.metric} {alarm.operator} {alarm.threshold:g}",
        "periods": f"{alarm.period} s, {alarm.datapoints} of {alarm.periods}",
        "missing data": alarm.missing,
    }


def _mappings(
    cluster: str,
    kind: str,
    before: Mapping[str, dict[str, str]],
    after: Mapping[str, dict[str, str]],
    subject: Subject,
) -> Iterator[Difference]:
    """Yield the differences between both models' objects of a kind, compared by name."""
    for name in before.keys() - after.keys():
        yield Difference(cluster, f"{kind} {name} is in the templates and does not exist", subject)
    for name in after.keys() - before.keys():
        yield Difference(cluster, f"{kind} {name} exists and is in no template", subject)
    for name in before.keys() & after.keys():
        yield from _settings(cluster, f"{kind} {name}", before[name], after[name], subject)


def _settings(
    cluster: str,
    name: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    subject: Subject,
) -> Iterator[Difference]:
    """Yield the differences between the settings of an object in both models."""
    for setting, value in before.items():
        if after[setting] != value:
            text = f"{name}, {setting}: {after[setting]} (templates: {value})"
            yield Difference(cluster, text, subject)


def _id(key: Key) -> str:
    return key.rpartition("/")[2]
