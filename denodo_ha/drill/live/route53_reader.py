"""Reader of Route 53's records and health checks, also for the targets of a DNS name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.alarm_reader import alarm_alias
from denodo_ha.drill.live.aws_calls import SiteCalls, batches
from denodo_ha.drill.live.found_resource import FoundResource, Link, chosen
from denodo_ha.drill.reading.resource_reader import HEALTH_CHECK, RECORD_SET

_TAGGED_AT_ONCE: Final = 10
"""Maximum number of resources in a call (AWS, Route 53 API Reference, ListTagsForResources)."""
_ADDRESSING: Final = frozenset({"A", "AAAA", "CNAME"})


class Route53Reader:
    """Reader of Route 53, whose answers do not depend on the region.

    Args:
        calls: the caller of AWS.
        region: the region whose client is used.
    """

    def __init__(self, calls: SiteCalls, region: str) -> None:
        self._calls, self.region = calls, region
        self._zones: list[Any] | None = None

    def records(self, names: Iterable[str]) -> list[FoundResource]:
        """Return the records with the given names that lead to an address or another name."""
        if self._zones is None:
            self._zones = self._calls.items(aws_calls.HOSTED_ZONES, self.region) or []
        keyed = {
            (name, zone): (
                self.region,
                {"HostedZoneId": zone, "StartRecordName": name, "MaxItems": "100"},
            )
            for name in dict.fromkeys(map(dns_name, names))
            for zone in self._zones_of(name)
        }
        answers = self._first_pages(keyed)
        return [
            _record(self.region, zone, item)
            for (name, zone), found in answers.items()
            for item in found
            if dns_name(item["Name"]) == name and item["Type"] in _ADDRESSING
        ]

    def _first_pages(self, keyed: Mapping[Any, Any]) -> dict[Any, list[Any]]:
        """Return a page of records for each name: the first page has all records of a name."""
        return {
            key: self._calls.first_page(aws_calls.RECORDS, region, **arguments) or []
            for key, (region, arguments) in keyed.items()
        }

    def _zones_of(self, name: str) -> list[str]:
        """Return the ids of the hosted zones with the longest name that a DNS name ends with."""
        zones: dict[str, list[str]] = {}
        for zone in self._zones or ():
            zone_name = dns_name(zone["Name"])
            if name == zone_name or name.endswith(f".{zone_name}"):
                zones.setdefault(zone_name, []).append(zone["Id"].rpartition("/")[2])
        return zones[max(zones, key=len)] if zones else []

    def checks(self, ids: Iterable[str]) -> list[FoundResource]:
        """Return health checks with all their child checks."""
        waiting = [*dict.fromkeys(ids)]
        if not waiting:
            return []
        every = {
            item["Id"]: item["HealthCheckConfig"]
            for item in self._calls.items(aws_calls.HEALTH_CHECKS, self.region) or ()
        }
        used: dict[str, Any] = {}
        while waiting:
            id_ = waiting.pop()
            if id_ in every and id_ not in used:
                used[id_] = every[id_]
                waiting += every[id_].get("ChildHealthChecks", [])
        tags = self._tags(used)
        return [
            FoundResource(
                HEALTH_CHECK,
                self.region,
                id_,
                id_,
                {"HealthCheckConfig": _config(config), "HealthCheckTags": tags.get(id_, [])},
                aliases={id_: ""},
            )
            for id_, config in sorted(used.items())
        ]

    def _tags(self, ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
        keyed = {
            tuple(batch): (
                self.region,
                {"ResourceType": "healthcheck", "ResourceIds": batch},
            )
            for batch in batches(ids, _TAGGED_AT_ONCE)
        }
        answers = self._calls.each(aws_calls.CHECK_TAGS, keyed).values()
        return {
            item["ResourceId"]: [tag for tag in item["Tags"] if not tag["Key"].startswith("aws:")]
            for answer in answers
            for item in answer or ()
        }


def dns_name(name: str) -> str:
    """Return a name in lower case without a final dot; Route 53's escape of `*` becomes `*`."""
    return name.rstrip(".").lower().replace("\\052", "*")


def values_of(record: FoundResource) -> Iterator[str]:
    """Yield the names and addresses with which a record answers."""
    alias = record.properties.get("AliasTarget")
    for value in (alias["DNSName"],) if alias else record.properties.get("ResourceRecords", ()):
        yield value.text


def check_ids(records: Iterable[FoundResource]) -> Iterator[str]:
    """Yield the ids of the health checks of records."""
    for record in records:
        if "HealthCheckId" in record.properties:
            yield record.properties["HealthCheckId"].text


def _record(region: str, zone: str, item: Mapping[str, Any]) -> FoundResource:
    name, kind = dns_name(item["Name"]), item["Type"]
    properties = {
        "HostedZoneId": zone,
        "Name": f"{name}.",
        **chosen(item, "Type", "SetIdentifier", "Failover", "Weight", "Region", "GeoLocation"),
        **chosen(item, "GeoProximityLocation", "CidrRoutingConfig", "MultiValueAnswer"),
    }
    if "TTL" in item:
        properties["TTL"] = str(item["TTL"])
    if "HealthCheckId" in item:
        properties["HealthCheckId"] = Link(item["HealthCheckId"])
    if "AliasTarget" in item:
        alias = item["AliasTarget"]
        properties["AliasTarget"] = {**alias, "DNSName": Link(dns_name(alias["DNSName"]))}
    else:
        values = [record["Value"] for record in item.get("ResourceRecords", ())]
        properties["ResourceRecords"] = [Link(dns_name(value)) for value in values]
    id_ = "-".join(part for part in (name, kind, item.get("SetIdentifier", "")) if part)
    return FoundResource(RECORD_SET, region, name, id_, properties)


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    properties = dict(config)
    for name in ("FullyQualifiedDomainName", "IPAddress"):
        if config.get(name):
            properties[name] = Link(dns_name(config[name]))
    if "ChildHealthChecks" in config:
        properties["ChildHealthChecks"] = [Link(id_) for id_ in config["ChildHealthChecks"]]
    if "AlarmIdentifier" in config:
        alarm = config["AlarmIdentifier"]
        properties["AlarmIdentifier"] = {
            **alarm,
            "Name": Link(alarm_alias(alarm["Region"], alarm["Name"]), alarm["Name"]),
        }
    return properties
