"""The shared databases of the templates: DB instances on Amazon RDS with clusters' metadata."""

from collections.abc import Mapping

from denodo_ha.drill.model import Database, Key
from denodo_ha.drill.reading.expressions import marks
from denodo_ha.drill.reading.nodes import FindNodes
from denodo_ha.drill.reading.resource_reader import (
    DATABASE,
    DATABASE_SUBNETS,
    Reader,
    Resource,
    is_true,
    listed,
    mapping,
    number,
)
from denodo_ha.environment.names import CLUSTER_TAG, DATABASE_METADATA


def find_databases(
    reader: Reader, nodes: FindNodes, clusters: Mapping[str, str]
) -> dict[Key, Database]:
    """The databases by key, those whose cluster is among the templates.

    Instances of a DB cluster, and replicas, are left out: they don't fail by themselves.

    Args:
        reader: the resources.
        nodes: knows the zones of subnets.
        clusters: the clusters' names by their stack's.
    """
    found: dict[Key, Database] = {}
    for one in reader.of(DATABASE):
        if {"DBClusterIdentifier", "SourceDBInstanceIdentifier"} & set(one.properties):
            continue
        cluster = _cluster(one, clusters)
        if cluster is None:
            reader.note(
                f"{one.key}: nothing says whose metadata this database keeps (metadata "
                "Denodo.Keeps), so its failure is left out"
            )
            continue
        keeps = mapping(one.ours.get(DATABASE_METADATA))
        services = keeps.get("Services")
        if not isinstance(services, dict):
            reader.note(
                f"{one.key}: nothing says which services of {cluster} keep their metadata there "
                "(metadata Denodo.Keeps), so what its failure takes is unknown"
            )
        zones = _zones(reader, nodes, one)
        multi_az = is_true(one.properties.get("MultiAZ"))
        if not multi_az and (zones is None or len(zones) > 1):
            reader.note(
                f"{one.key}: nothing says in which zone this database is, so it is taken to be "
                "lost with each"
            )
        found[one.key] = Database(
            one.key,
            one.id,
            cluster,
            multi_az,
            zones,
            tuple(sorted(number(port, 0) for port in services.values()))
            if isinstance(services, dict)
            else None,
        )
    return found


def _cluster(database: Resource, clusters: Mapping[str, str]) -> str | None:
    """The cluster that it is for: what our metadata say, else our tag where that is a name."""
    stack = mapping(database.ours.get(DATABASE_METADATA)).get("Stack")
    tag = database.tags.get(CLUSTER_TAG)
    named = clusters.get(str(stack))
    return named or next((one for one in clusters.values() if one == tag), None)


def _zones(reader: Reader, nodes: FindNodes, database: Resource) -> tuple[str, ...] | None:
    """The zones that it may be in, None where the templates don't say it."""
    own = database.properties.get("AvailabilityZone")
    if own and not marks(own):
        return (str(own),)
    group = reader.named(database.properties.get("DBSubnetGroupName"), DATABASE_SUBNETS)
    subnets = listed(group.properties.get("SubnetIds")) if group else []
    cluster = mapping(database.ours.get(DATABASE_METADATA)).get("Stack")
    stacks = [one for one in reader.stacks if one.name in (database.stack.name, cluster)]
    zones = []
    for subnet in subnets:
        # A subnet that existed is told of by the cluster's template.
        said = (nodes.zone_of_subnet_in(stack, subnet) for stack in stacks)
        zones.append(next((zone for zone in said if zone), None))
    known = [zone for zone in zones if zone is not None]
    return tuple(dict.fromkeys(known)) if known and len(known) == len(zones) else None
