"""Reader of the shared databases in templates: DB instances of RDS with clusters' metadata."""

from collections.abc import Mapping

from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Database
from denodo_ha.drill.reading.machines import MachineReader
from denodo_ha.drill.reading.resource_reader import (
    DATABASE,
    DATABASE_SUBNETS,
    Resource,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true, references
from denodo_ha.environment.names import CATALOG_HOST, CLUSTER_TAG, DATABASE_METADATA


def read_databases(
    reader: ResourceReader, machines: MachineReader, clusters: Mapping[str, str]
) -> dict[Key, Database]:
    """Return the databases of the clusters by key.

    Instances of a DB cluster and replicas are omitted: losing one of them alone stops no service.

    Args:
        reader: the resources.
        machines: the machines, with the zones of subnets.
        clusters: the name of the first cluster of each stack.
    """
    for stack in reader.stacks:
        host = as_mapping(as_mapping(stack.template.get("Outputs")).get(CATALOG_HOST)).get("Value")
        if isinstance(host, str):
            reader.notes.existing_metadata_server(stack.name, host)
    databases: dict[Key, Database] = {}
    for resource in reader.of_type(DATABASE):
        if {"DBClusterIdentifier", "SourceDBInstanceIdentifier"} & set(resource.properties):
            continue
        cluster = _cluster(resource, clusters)
        if cluster is None:
            reader.notes.database_of_unknown_cluster(resource.key)
            continue
        services = as_mapping(resource.own_metadata.get(DATABASE_METADATA)).get("Services")
        if not isinstance(services, dict):
            reader.notes.database_of_unknown_services(resource.key, cluster)
        zones = _zones(reader, machines, resource)
        multi_az = is_true(resource.properties.get("MultiAZ"))
        if not multi_az and (zones is None or len(zones) > 1):
            reader.notes.database_in_unknown_zone(resource.key)
        databases[resource.key] = Database(
            resource.key,
            resource.id,
            cluster,
            multi_az,
            zones,
            tuple(sorted(as_integer(port, 0) for port in services.values()))
            if isinstance(services, dict)
            else None,
        )
    return databases


def _cluster(database: Resource, clusters: Mapping[str, str]) -> str | None:
    """Return the name of the cluster that uses a database.

    The name is in the `Metadata` of the database's resource, or else in the database's tag.
    """
    stack = as_mapping(database.own_metadata.get(DATABASE_METADATA)).get("Stack")
    tag = database.tags.get(CLUSTER_TAG)
    by_tag = tag if tag in clusters.values() else None
    return clusters.get(str(stack)) or by_tag


def _zones(
    reader: ResourceReader, machines: MachineReader, database: Resource
) -> tuple[str, ...] | None:
    """Return the zones in which a database may be, None if the templates lack one of them."""
    zone = database.properties.get("AvailabilityZone")
    if zone and not references(zone):
        return (str(zone),)
    group = reader.referenced(database.properties.get("DBSubnetGroupName"), DATABASE_SUBNETS)
    subnets = as_list(group.properties.get("SubnetIds")) if group else []
    cluster = as_mapping(database.own_metadata.get(DATABASE_METADATA)).get("Stack")
    stacks = [stack for stack in reader.stacks if stack.name in (database.stack.name, cluster)]
    zones: list[str] = []
    for subnet in subnets:
        # The zone of a subnet that no template creates is in the metadata of the cluster's
        # template.
        by_stack = (machines.zone_of_subnet(stack, subnet) for stack in stacks)
        subnet_zone = next((zone for zone in by_stack if zone), None)
        if subnet_zone is None:
            return None
        zones.append(subnet_zone)
    return tuple(dict.fromkeys(zones)) or None
