"""Findings on protections that a change turns off: of deletion, TLS, checks and alarms."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import mapping_in
from denodo_ha.plan.balancer_changes import LOAD_BALANCER
from denodo_ha.plan.database_changes import INSTANCE as DATABASE
from denodo_ha.review.changes.connection_changes import CONNECTIONS_NOT_ENDED
from denodo_ha.review.changes.node_state_changes import node_states
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    LISTENER,
    TARGET_GROUP,
    Properties,
    Resources,
    StackPair,
    attributes,
    is_true,
    listener_label,
    number,
    of_type,
    referred_id,
    resource_label,
    text_of,
)

_RECORD: Final = "AWS::Route53::RecordSet"
_METRIC_ALARM: Final = "AWS::CloudWatch::Alarm"
_COMPOSITE_ALARM: Final = "AWS::CloudWatch::CompositeAlarm"
_TOPIC: Final = "AWS::SNS::Topic"
_TLS: Final = frozenset({"HTTPS", "TLS"})
_READY: Final = "/ready/"
"""Beginning of the path of the node program's readiness (docs/reference/node.md)."""
_TERMINATION: Final = "target_health_state.unhealthy.connection_termination.enabled"
"""Attribute of a target group that is true by default (AWS, Edit target group attributes for your
Network Load Balancer)."""
_KEPT: Final = frozenset({"Retain", "RetainExceptOnCreate", "Snapshot"})
"""Deletion policies that keep data (AWS, CloudFormation, DeletionPolicy attribute)."""


def protection_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on protections."""
    if pair.after is None:
        # Ignore the alarms of a cluster that is removed, which has its own finding.
        if not node_states(pair.old):
            yield from _alarms(pair)
        return
    yield from _certificates(pair)
    if pair.before is None:
        return
    yield from _deletion_protection(pair)
    yield from _tls(pair)
    yield from _health_checks(pair)
    yield from _failover_checks(pair)
    yield from _alarms(pair)
    yield from _later_alarms(pair)


def _deletion_protection(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept(LOAD_BALANCER):
        key = "deletion_protection.enabled"
        values = [attributes(one, "LoadBalancerAttributes").get(key) for one in (before, after)]
        if is_true(values[0]) and not is_true(values[1]):
            text = "deletion protection of the load balancer is turned off"
            yield finding("deletion-protection-off", pair.place("load balancer"), text)
    for _, before, after in pair.kept(DATABASE):
        if is_true(before.get("DeletionProtection")) and not is_true(
            after.get("DeletionProtection")
        ):
            text = "deletion protection of the database is turned off"
            yield finding("deletion-protection-off", pair.place("database"), text)
    policies = [_deletion_policies(template) for template in pair.templates]
    for id_ in sorted(policies[0].keys() & policies[1].keys()):
        old, new = policies[0][id_], policies[1][id_]
        if old in _KEPT and new not in _KEPT:
            text = f"DeletionPolicy {old} -> {new}: deleting the stack deletes the data"
            kind, _ = pair.new.get(id_, ("", {}))
            part = "database" if kind == DATABASE else id_
            yield finding("final-snapshot-off", pair.place(part), text)


def _deletion_policies(template: Template | None) -> dict[str, str]:
    return {
        id_: str(resource.get("DeletionPolicy", "Delete"))
        for id_, resource in mapping_in(template, "Resources").items()
        if isinstance(resource, Mapping)
    }


def _tls(pair: StackPair) -> Iterator[Finding]:
    for id_, before, after in pair.kept(LISTENER):
        old, new = str(before.get("Protocol")), str(after.get("Protocol"))
        if old in _TLS and new not in _TLS:
            text = f"port {after.get('Port')} has no TLS any more: listener protocol {old} -> {new}"
            yield finding("tls-off", pair.place(listener_label(pair.new, id_)), text)


def _certificates(pair: StackPair) -> Iterator[Finding]:
    """Yield listeners whose certificate is in another region, so that the deploy would fail."""
    region = pair.after.region if pair.after is not None else ""
    for id_, listener in of_type(pair.new, LISTENER).items():
        certificates = listener.get("Certificates")
        for entry in certificates if isinstance(certificates, list) else ():
            arn = entry.get("CertificateArn") if isinstance(entry, Mapping) else None
            parts = arn.split(":") if isinstance(arn, str) else []
            if len(parts) > 3 and region and parts[3] != region:
                text = (
                    f"the certificate is in {parts[3]} and the load balancer in {region}, so the "
                    "deploy fails"
                )
                place = pair.place(listener_label(pair.new, id_))
                yield finding("certificate-of-another-region", place, text)


def _health_checks(pair: StackPair) -> Iterator[Finding]:
    groups = _groups(pair.old), _groups(pair.new)
    for label in sorted(groups[0].keys() & groups[1].keys()):
        changes = list(_weaker(groups[0][label], groups[1][label]))
        if changes:
            yield finding("health-check-weaker", pair.place(label), "; ".join(changes))


def _groups(resources: Resources) -> dict[str, Properties]:
    """Return the target groups by service or node: a group that is replaced keeps its service."""
    groups = of_type(resources, TARGET_GROUP)
    return {resource_label(resources, id_): properties for id_, properties in groups.items()}


def _weaker(before: Properties, after: Properties) -> Iterator[str]:
    protocols = [str(group.get("HealthCheckProtocol", "TCP")) for group in (before, after)]
    if protocols[0] != "TCP" and protocols[1] == "TCP":
        yield f"the health check only opens a connection: {protocols[0]} -> TCP"
    paths = [str(group.get("HealthCheckPath", "")) for group in (before, after)]
    if paths[0].startswith(_READY) and paths[1] and not paths[1].startswith(_READY):
        yield f"the health check no longer tests readiness: {paths[0]} -> {paths[1]}"
    for key, unit in (
        ("UnhealthyThresholdCount", "failed checks until a node is out of service"),
        ("HealthCheckIntervalSeconds", "seconds between checks"),
    ):
        old, new = number(before.get(key)), number(after.get(key))
        if old is not None and new is not None and new > old:
            yield f"{unit}: {old} -> {new}"
    ends = [
        attributes(group, "TargetGroupAttributes").get(_TERMINATION) for group in (before, after)
    ]
    if not _is_false(ends[0]) and _is_false(ends[1]):
        yield CONNECTIONS_NOT_ENDED


def _is_false(value: Any) -> bool:
    return str(value).lower() == "false"


def _failover_checks(pair: StackPair) -> Iterator[Finding]:
    """Yield failover records whose cluster has fewer or weaker health checks than before."""
    records = _records(pair.old), _records(pair.new)
    for role in sorted(records[0].keys() & records[1].keys()):
        old, new = (_is_by_target_health(side[role]) for side in records)
        if new and not old:
            text = (
                "Route 53 follows the load balancer's target health instead of a health check of "
                "the cluster"
            )
            yield finding("failover-check-weaker", f"failover record: {role}", text)
        if (
            "HealthCheckId" in records[0][role]
            and not new
            and "HealthCheckId" not in records[1][role]
        ):
            text = "Route 53 no longer checks this cluster"
            yield finding("failover-check-weaker", f"failover record: {role}", text)


def _records(resources: Resources) -> dict[str, Properties]:
    records = of_type(resources, _RECORD).values()
    return {
        f"{text_of(record.get('Name', '')).rstrip('.')} {record['Failover']}": record
        for record in records
        if isinstance(record.get("Failover"), str)
    }


def _is_by_target_health(record: Properties) -> bool:
    return is_true(mapping_in(record, "AliasTarget").get("EvaluateTargetHealth"))


def _alarms(pair: StackPair) -> Iterator[Finding]:
    before, after = _notifying(pair.old), _notifying(pair.new)
    for id_ in sorted(before.keys() - after.keys()):
        text = f"this alarm no longer notifies: {before[id_]}"
        yield finding("alarm-removed", pair.place(), text)
    topics = _subscriptions(pair.old), _subscriptions(pair.new)
    for topic, endpoint in sorted(topics[0] - topics[1]):
        text = f"{endpoint} is no longer notified by the topic {topic}"
        yield finding("notification-removed", pair.place(), text)


def _later_alarms(pair: StackPair) -> Iterator[Finding]:
    """Yield alarms that notify later than before if the same event happens."""
    for id_, before, after in pair.kept(_METRIC_ALARM):
        old, new = (_seconds_until_alarm(each) for each in (before, after))
        if old is not None and new is not None and new > old and _notifies(pair.new, id_):
            text = f"the alarm {id_} notifies after {old} -> {new} s"
            yield finding("alarm-later", pair.place(), text)


def _seconds_until_alarm(alarm: Properties) -> int | None:
    periods = alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods"))
    seconds, count = number(alarm.get("Period")), number(periods)
    return None if seconds is None or count is None else seconds * count


def _notifies(resources: Resources, id_: str) -> bool:
    """Return whether an alarm notifies, or is part of a composite alarm that notifies."""
    notifying = _notifying(resources)
    parents = (
        text_of(properties.get("AlarmRule", ""))
        for composite, properties in of_type(resources, _COMPOSITE_ALARM).items()
        if composite in notifying
    )
    return id_ in notifying or any(f'"{id_}"' in rule for rule in parents)


def _notifying(resources: Resources) -> dict[str, str]:
    """Return a short description of each alarm that notifies, by logical id."""
    return {
        id_: str(properties.get("AlarmDescription", id_)).partition(":")[0]
        for kind in (_METRIC_ALARM, _COMPOSITE_ALARM)
        for id_, properties in of_type(resources, kind).items()
        if properties.get("AlarmActions") and str(properties.get("ActionsEnabled", True)) != "False"
    }


def _subscriptions(resources: Resources) -> set[tuple[str, str]]:
    """Return all subscriptions: pairs of a topic's name and a subscriber."""
    topics = of_type(resources, _TOPIC)
    found = {
        (_topic_label(topics, id_), _endpoint(entry))
        for id_, topic in topics.items()
        for entry in topic.get("Subscription") or ()
    }
    for entry in of_type(resources, "AWS::SNS::Subscription").values():
        topic = referred_id(entry.get("TopicArn"))
        label = _topic_label(topics, topic) if topic else text_of(entry.get("TopicArn", ""))
        found.add((label, _endpoint(entry)))
    return found


def _topic_label(topics: Mapping[str, Properties], id_: str) -> str:
    name = topics.get(id_, {}).get("DisplayName")
    return name if isinstance(name, str) else id_


def _endpoint(entry: Any) -> str:
    return text_of(entry.get("Endpoint", "")) if isinstance(entry, Mapping) else text_of(entry)
