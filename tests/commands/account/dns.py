"""Records, hosted zones and health checks of a template, created in moto by direct calls."""

from collections.abc import Mapping
from typing import Any

from moto.route53.models import route53_backends

MOTO = "123456789012"
"""Account id in which moto simulates resources. The account ids of the configuration appear only in
the ids of stacks."""

_NOT_OF_THE_API = {"Comment", "HostedZoneId", "ResourceRecords", "TTL"}


def health_check(client: Any, name: str, properties: Mapping[str, Any]) -> str:
    """Create a health check, and return its id."""
    made = client.create_health_check(
        CallerReference=name, HealthCheckConfig=properties["HealthCheckConfig"]
    )["HealthCheck"]
    client.change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=made["Id"], AddTags=properties["HealthCheckTags"]
    )
    return str(made["Id"])


def private_zone(client: Any, name: str, properties: Mapping[str, Any]) -> str:
    """Create a private hosted zone, and return its id."""
    made = client.create_hosted_zone(
        Name=properties["Name"],
        CallerReference=name,
        HostedZoneConfig={"PrivateZone": True},
        VPC=properties["VPCs"][0],
    )["HostedZone"]
    return str(made["Id"]).rpartition("/")[2]


def record(client: Any, properties: Mapping[str, Any]) -> str:
    """Create a record, and its public zone if it does not exist yet; return the record's name."""
    _known(client, properties["HostedZoneId"], properties["Name"])
    made = {key: value for key, value in properties.items() if key not in _NOT_OF_THE_API}
    if "ResourceRecords" in properties:
        values = [{"Value": value} for value in properties["ResourceRecords"]]
        made |= {"ResourceRecords": values, "TTL": int(properties["TTL"])}
    client.change_resource_record_sets(
        HostedZoneId=properties["HostedZoneId"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": made}]},
    )
    return str(properties["Name"])


def _known(client: Any, id_: str, record: str) -> None:
    """Create a record's public hosted zone with the id in the template, if the zone is missing."""
    zones = route53_backends[MOTO]["aws"].zones
    if id_ not in zones:
        name = record.rstrip(".").split(".", 1)[1]
        client.create_hosted_zone(Name=name, CallerReference=id_)
        zone = zones.pop(next(key for key, one in zones.items() if one.name == f"{name}."))
        zone.resource_id = id_
        zones[id_] = zone
