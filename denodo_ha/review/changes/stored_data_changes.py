"""Findings on stored data: kept for a shorter time, with fewer copies, less room or encryption."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.deployed.stack import mapping_in
from denodo_ha.environment import names
from denodo_ha.plan.database_changes import INSTANCE as DATABASE
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    Properties,
    StackPair,
    is_true,
    number,
    of_type,
    resource_label,
    text_of,
)

_FLOW_LOG: Final = "AWS::EC2::FlowLog"
_LOG_GROUP: Final = "AWS::Logs::LogGroup"
_BUCKET: Final = "AWS::S3::Bucket"
_LABELS: Final = {
    "AWS::EC2::LaunchTemplate": "HAProxy",
    DATABASE: "database",
    _LOG_GROUP: "logs",
}
"""Names of resource types on the page of the review."""


def stored_data_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on stored data of a stack that exists before and after the change."""
    yield from _logs(pair)
    yield from _databases(pair)
    yield from _database_room(pair)
    yield from _database_logins(pair)
    yield from _buckets(pair)
    yield from _keys(pair)


def _logs(pair: StackPair) -> Iterator[Finding]:
    if of_type(pair.old, _FLOW_LOG) and not of_type(pair.new, _FLOW_LOG):
        yield finding("logs-off", pair.place("VPC"), "connections of the VPC are no longer logged")
    for _, before, after in pair.kept(DATABASE):
        key = "EnableCloudwatchLogsExports"
        if before.get(key) and not after.get(key):
            text = "the logs of PostgreSQL are no longer sent to CloudWatch Logs"
            yield finding("logs-off", pair.place("database"), text)
    for id_, before, after in pair.kept(_LOG_GROUP):
        days = number(before.get("RetentionInDays")), number(after.get("RetentionInDays"))
        if days[1] is not None and (days[0] is None or days[1] < days[0]):
            text = f"log events are kept {days[0] or 'for ever'} -> {days[1]} days"
            yield finding("logs-shorter", pair.place(_log_group_label(id_)), text)


def _log_group_label(id_: str) -> str:
    return "logs" if id_ == names.LOG_GROUP else id_


def _databases(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept(DATABASE):
        if is_true(before.get("MultiAZ")) and not is_true(after.get("MultiAZ")):
            text = "the database has no standby in another zone any more"
            yield finding("multi-az-off", pair.place("database"), text)
        days = [number(one.get("BackupRetentionPeriod", 1)) for one in (before, after)]
        if days[0] is not None and days[1] is not None and days[1] < days[0]:
            text = f"backups are kept {days[0]} -> {days[1]} days"
            yield finding("backups-fewer", pair.place("database"), text)
        regions = [one.get("AutomaticBackupReplicationRegion") for one in (before, after)]
        if regions[0] and not regions[1]:
            text = f"backups are no longer replicated to {text_of(regions[0])}"
            yield finding("backups-fewer", pair.place("database"), text)


def _database_room(pair: StackPair) -> Iterator[Finding]:
    """Yield databases with less storage or fewer connections, and a changed existing server."""
    place = pair.place("database")
    for _, before, after in pair.kept(DATABASE):
        old, new = (number(one.get("MaxAllocatedStorage")) for one in (before, after))
        if old is not None and (new is None or new < old):
            limit = "not at all" if new is None else f"up to {new} GiB"
            text = f"RDS increases the database's storage up to {old} GiB -> {limit}"
            yield finding("storage-limit-lower", place, text)
    for _, before, after in pair.kept("AWS::RDS::DBParameterGroup"):
        limits = [
            number(mapping_in(one, "Parameters").get("max_connections")) for one in (before, after)
        ]
        if limits[0] is not None and limits[1] is not None and limits[1] < limits[0]:
            text = f"max_connections {limits[0]} -> {limits[1]}"
            yield finding("database-connections-fewer", place, text)
    servers = [_existing_server(template) for template in pair.templates]
    if None not in servers and servers[0] != servers[1]:
        text = f"the nodes' metadata is on another server: {servers[0]} -> {servers[1]}"
        yield finding("metadata-database-changed", place, text)


def _database_logins(pair: StackPair) -> Iterator[Finding]:
    """Yield logins whose secret gets another database: CloudFormation then changes the password."""
    for _, before, after in pair.kept("AWS::SecretsManager::Secret"):
        templates = [
            str(mapping_in(each, "GenerateSecretString").get("SecretStringTemplate", ""))
            for each in (before, after)
        ]
        if templates[0] != templates[1]:
            text = f"the login belongs to another database: {templates[0]} -> {templates[1]}"
            yield finding("metadata-database-changed", pair.place("database"), text)


def _existing_server(template: Any) -> str | None:
    """Return host and port of an existing database server; None if there is none."""
    outputs = [
        mapping_in(mapping_in(template, "Outputs"), name).get("Value")
        for name in (names.CATALOG_HOST, names.CATALOG_PORT)
    ]
    return ":".join(map(str, outputs)) if isinstance(outputs[0], str) else None


def _buckets(pair: StackPair) -> Iterator[Finding]:
    place = pair.place("exports")
    for _, before, after in pair.kept(_BUCKET):
        days = _noncurrent_days(before), _noncurrent_days(after)
        if days[1] is not None and (days[0] is None or days[1] < days[0]):
            text = f"older exports are kept {days[0] or 'for ever'} -> {days[1]} days"
            yield finding("backups-fewer", place, text)
        if before.get("ReplicationConfiguration") and not after.get("ReplicationConfiguration"):
            text = "exports are no longer copied to the region of the other cluster"
            yield finding("backups-fewer", place, text)


def _noncurrent_days(bucket: Properties) -> int | None:
    """Return the days for which a bucket keeps replaced objects; None if it keeps all of them."""
    rules = mapping_in(bucket, "LifecycleConfiguration").get("Rules")
    days = [
        number(mapping_in(rule, "NoncurrentVersionExpiration").get("NoncurrentDays"))
        for rule in _mappings(rules)
    ]
    return min((each for each in days if each is not None), default=None)


def _keys(pair: StackPair) -> Iterator[Finding]:
    """Yield resources that are now encrypted with a key of AWS instead of a key of the account."""
    for id_, (kind, after) in pair.new.items():
        old_kind, before = pair.old.get(id_, ("", {}))
        if kind == old_kind and _key_ids(before) and not _key_ids(after):
            text = f"AWS's key encrypts the data instead of {', '.join(_key_ids(before))}"
            label = _LABELS.get(kind) or resource_label(pair.new, id_)
            yield finding("encryption-key-removed", pair.place(label), text)


def _key_ids(properties: Properties) -> list[str]:
    """Return the keys that encrypt a database, a log group, or the disks of an instance."""
    data = mapping_in(properties, "LaunchTemplateData") or properties
    disks = data.get("BlockDeviceMappings")
    owners = [properties, *(mapping_in(disk, "Ebs") for disk in _mappings(disks))]
    return sorted({text_of(owner["KmsKeyId"]) for owner in owners if "KmsKeyId" in owner})


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    items = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, Mapping)]
