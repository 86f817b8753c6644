"""Hosted zones (public, or private to VPCs), and records.

Records are checked as ChangeResourceRecordSets checks them.
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

ZONE = "AWS::Route53::HostedZone"
RECORD = "AWS::Route53::RecordSet"
_APEX_TYPES = ("SOA", "NS")

_r53 = ministack.route53


def fault(code: str, message: str, status: int = 400) -> AwsError:
    """Return an error of Route 53."""
    return AwsError(code, message, service="Route53", status=status)


def zone(zone_id: str) -> ministack.Record:
    """Return a hosted zone; raise AwsError if the hosted zone does not exist."""
    record: ministack.Record | None = ministack.zones.get(zone_id.removeprefix("/hostedzone/"))
    if record is None:
        message = f"No hosted zone found with ID: {zone_id}"
        raise fault("NoSuchHostedZone", message, status=404)
    return record


def make_zone(
    name: str,
    *,
    zone_id: str | None = None,
    vpcs: list[dict[str, str]] | None = None,
    comment: str = "",
    reference: str = "",
) -> ministack.Record:
    """Create a hosted zone, private if it has VPCs, under the given id or a new id."""
    full = f"{name.rstrip('.')}."
    id_ = zone_id or private(_r53, "_zone_id")()
    for vpc in vpcs or []:
        _check_conflict(full, vpc, id_)
    record = {
        "id": id_,
        "name": full,
        "caller_reference": reference or id_,
        "comment": comment,
        "private": bool(vpcs),
        "vpcs": vpcs or [],
    }
    ministack.zones[id_] = record
    ministack.records[id_] = private(_r53, "_default_records")(full)
    return record


def _check_conflict(name: str, vpc: dict[str, str], own: str) -> None:
    for other in ministack.zones.values():
        if other["id"] != own and other["name"] == name and vpc in other.get("vpcs", []):
            message = f"The VPC {vpc['VPCId']} is already associated with a zone named {name}"
            raise fault("ConflictingDomainExists", message)


def _vpcs(properties: Properties) -> list[dict[str, str]]:
    """Return a private zone's VPCs, also of other regions; raise AwsError for a missing VPC."""
    result = []
    for item in properties.get("VPCs") or []:
        vpc = {"VPCRegion": item["VPCRegion"], "VPCId": item["VPCId"]}
        if not ministack.vpcs.contains_scoped(
            ministack.account(), item["VPCRegion"], item["VPCId"]
        ):
            message = f"The VPC {item['VPCId']} in {item['VPCRegion']} does not exist"
            raise fault("InvalidVPCId", message)
        result.append(vpc)
    return result


def _comment(properties: Properties) -> str:
    return str((properties.get("HostedZoneConfig") or {}).get("Comment", ""))


def _create_zone(logical_id: str, properties: Properties, stack: str) -> Made:
    if not properties.get("Name"):
        raise fault("InvalidInput", "A hosted zone needs a Name")
    record = make_zone(
        properties["Name"],
        vpcs=_vpcs(properties),
        comment=_comment(properties),
        reference=f"{stack}-{logical_id}",
    )
    ministack.route53_tags[("hostedzone", record["id"])] = _tags(properties, "HostedZoneTags")
    return record["id"], _zone_attributes(record)


def _tags(properties: Properties, key: str) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in resource_types.tags(properties, key)}


def _zone_attributes(record: ministack.Record) -> dict[str, Any]:
    servers = (
        [] if record["private"] else [item.rstrip(".") for item in private(_r53, "_DEFAULT_NS")]
    )
    return {"Id": record["id"], "NameServers": servers}


def _update_zone(zone_id: str, old: Properties, new: Properties, _stack: str) -> Made:
    record = zone(zone_id)
    vpcs = _vpcs(new)
    for vpc in vpcs:
        _check_conflict(record["name"], vpc, zone_id)
    if bool(vpcs) != record["private"]:
        message = "A public zone cannot become private, and a private zone cannot become public"
        raise fault("InvalidInput", message)
    record.update(vpcs=vpcs, comment=_comment(new))
    stored = ministack.route53_tags.get(("hostedzone", zone_id)) or {}
    own = _tags(old, "HostedZoneTags")
    others = {name: value for name, value in stored.items() if name not in own}
    ministack.route53_tags[("hostedzone", zone_id)] = {**others, **_tags(new, "HostedZoneTags")}
    return zone_id, _zone_attributes(record)


def _delete_zone(zone_id: str, _properties: Properties) -> None:
    record = ministack.zones.get(zone_id)
    if record is None:
        return
    others = [
        item
        for item in ministack.records.get(zone_id, [])
        if not (item["Type"] in _APEX_TYPES and item["Name"] == record["name"])
    ]
    if others:
        message = "The specified hosted zone contains non-required resource record sets"
        raise fault("HostedZoneNotEmpty", message)
    ministack.zones.pop(zone_id, None)
    ministack.records.pop(zone_id, None)
    ministack.route53_tags.pop(("hostedzone", zone_id), None)


def _check_record(properties: Properties) -> None:
    """Check a record's zone, health check and values as ChangeResourceRecordSets does."""
    owner = zone(str(properties.get("HostedZoneId", "")))
    name, kind = f"{properties['Name'].rstrip('.')}.", properties["Type"]
    if name != owner["name"] and not name.endswith(f".{owner['name']}"):
        message = f"RRSet with DNS name {name} is not permitted in zone {owner['name']}"
        raise fault("InvalidChangeBatch", message)
    if kind == "CNAME" and name == owner["name"]:
        message = f"RRSet of type CNAME with DNS name {name} is not permitted at apex"
        raise fault("InvalidChangeBatch", message)
    check = properties.get("HealthCheckId")
    if check and check not in ministack.health_checks:
        message = f"No health check exists with the specified ID {check}."
        raise fault("NoSuchHealthCheck", message)
    alias, values = properties.get("AliasTarget"), properties.get("ResourceRecords")
    if bool(alias) == bool(values):
        message = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]]"
        raise fault("InvalidInput", message)
    if values and "TTL" not in properties:
        message = "Missing field 'TTL' in Change with ResourceRecords"
        raise fault("InvalidInput", message)
    _check_cname(name, kind, owner["id"])
    _check_failover(properties, name)
    if alias:
        _check_alias(alias, name)


def _check_cname(name: str, kind: str, zone_id: str) -> None:
    """Refuse to give one name both a CNAME record and a record of another type."""
    others = {item["Type"] for item in ministack.records.get(zone_id, []) if item["Name"] == name}
    if others - {kind} and "CNAME" in others | {kind}:
        message = (
            f"RRSet of type {kind} with DNS name {name} conflicts with other "
            "records with the same DNS name and is not permitted"
        )
        raise fault("InvalidChangeBatch", message)


def _check_failover(properties: Properties, name: str) -> None:
    failover = properties.get("Failover")
    if failover and not properties.get("SetIdentifier"):
        message = "Missing field 'SetIdentifier' in Change with Failover"
        raise fault("InvalidInput", message)
    if not failover:
        return
    zone_id = properties["HostedZoneId"].removeprefix("/hostedzone/")
    for other in ministack.records.get(zone_id, []):
        same = (other["Name"], other["Type"]) == (name, properties["Type"])
        twin = other.get("SetIdentifier") == properties["SetIdentifier"]
        if same and not twin and other.get("Failover") == failover:
            message = f"A {failover} failover record set with the name {name} already exists"
            raise fault("InvalidChangeBatch", message)


def _check_alias(alias: Properties, name: str) -> None:
    """Check that an alias names an existing load balancer and that load balancer's hosted zone."""
    target = str(alias.get("DNSName", "")).rstrip(".").lower().removeprefix("dualstack.")
    if ".elb." not in target:
        return
    for (account, _region, _arn), balancer in ministack.load_balancers.all_items():
        if balancer["DNSName"].lower() == target and account:
            if balancer.get("CanonicalHostedZoneId") != alias.get("HostedZoneId"):
                break
            return
    message = (
        f"Tried to create an alias that targets {target}., type A in zone "
        f"{alias.get('HostedZoneId')}, but the alias target name does not lie within the target "
        f"zone (for {name})"
    )
    raise fault("InvalidChangeBatch", message)


def install() -> None:
    """Declare hosted zones, and add checks to the records that MiniStack makes."""
    resource_types.declare(ZONE, create=_create_zone, update=_update_zone, delete=_delete_zone)
    resource_types.check(RECORD, _check_record)
