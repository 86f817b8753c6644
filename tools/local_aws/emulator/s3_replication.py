"""S3: replication between buckets that a template configures.

MiniStack replicates new objects, and reads the policy of another account's bucket. This module
passes `ReplicationConfiguration` of a template on to MiniStack, and refuses what S3 refuses: a
destination that does not exist or is not versioned (Amazon S3 API Reference, PutBucketReplication).
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError

KIND = "AWS::S3::Bucket"
_REPLICATION = "ReplicationConfiguration"
_VERSIONED = "Enabled"


def _refuse(message: str) -> AwsError:
    return AwsError("InvalidRequest", message, service="S3")


def _rules(properties: Properties) -> list[dict[str, Any]]:
    configuration: dict[str, Any] = properties.get(_REPLICATION) or {"Rules": []}
    return [{**rule, "ID": rule.get("Id", "rule")} for rule in configuration["Rules"]]


def _check(properties: Properties) -> None:
    """Refuse a destination that does not exist or keeps no versions."""
    for rule in _rules(properties):
        destination = rule["Destination"]["Bucket"].split(":::")[-1]
        owner = ministack.bucket_owner(destination)
        if owner is None:
            raise _refuse("Destination bucket must exist.")
        versioning = ministack.bucket_versioning.get_scoped(owner, None, destination, "")
        if versioning != _VERSIONED:
            raise _refuse("Destination bucket must have versioning enabled.")


def _configure(name: str, properties: Properties) -> None:
    """Set or remove the replication of a bucket."""
    if properties.get(_REPLICATION) is None:
        ministack.bucket_replication.pop(name, None)
        return
    if ministack.bucket_versioning.get(name) != _VERSIONED:
        message = "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
        raise _refuse(message)
    role = properties[_REPLICATION]["Role"]
    ministack.bucket_replication[name] = {"Role": role, "Rules": _rules(properties)}


def install() -> None:
    """Configure the replication of a bucket after the bucket is created or updated."""
    resource_types.check(KIND, _check)
    handler = ministack.handlers[KIND]
    create, update = handler["create"], handler["update"]

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        name, attributes = create(logical_id, properties, stack)
        _configure(name, properties)
        return name, attributes

    def updated(
        name: str, old: Properties, new: Properties, stack: str, logical_id: str = ""
    ) -> Made:
        new_name, attributes = update(name, old, new, stack, logical_id)
        _configure(new_name, new)
        return new_name, attributes

    handler.update(create=created, update=updated)
    allows = ministack.private(ministack.s3, "_replication_destination_allows")

    def allows_with_tls(*given: Any) -> bool:
        """Evaluate the destination's policy as for S3 itself, which uses TLS.

        Clients of the local AWS do not use TLS.
        """
        address, _ = ministack.request_origin.get()
        token = ministack.request_origin.set((address, True))
        try:
            return bool(allows(*given))
        finally:
            ministack.request_origin.reset(token)

    ministack.replace(ministack.s3, "_replication_destination_allows", allows_with_tls)
