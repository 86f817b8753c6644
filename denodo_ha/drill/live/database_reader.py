"""Reader of the DB instances of Amazon RDS in some regions; one call returns a hundred."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.found_resource import FoundResource, Link, chosen, written_tags
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.drill.live.own_stacks import OwnStack
from denodo_ha.drill.reading.resource_reader import DATABASE, DATABASE_SUBNETS

_MAX_NAMES: Final = 4


def list_databases(calls: SiteCalls, regions: Iterable[str]) -> list[FoundResource]:
    """Return every DB instance of the regions, and the subnet group of each."""
    answers = calls.each(aws_calls.DATABASES, {region: (region, {}) for region in regions})
    return [
        resource
        for region, found in answers.items()
        for item in found or ()
        for resource in _resources(region, item)
    ]


def _resources(region: str, item: Mapping[str, Any]) -> Iterator[FoundResource]:
    id_, subnets = item["DBInstanceIdentifier"], item.get("DBSubnetGroup")
    properties = {
        **chosen(item, "MultiAZ", "DBClusterIdentifier", "Engine"),
        "Tags": written_tags(item.get("TagList", [])),
    }
    if item.get("ReadReplicaSourceDBInstanceIdentifier"):
        source = item["ReadReplicaSourceDBInstanceIdentifier"]
        properties["SourceDBInstanceIdentifier"] = Link(source)
    if not item.get("MultiAZ"):
        # The two instances of a Multi-AZ database exchange their zones with every failover, so no
        # zone is recorded.
        properties |= chosen(item, "AvailabilityZone")
    if subnets and "VpcId" in subnets:
        properties["VpcId"] = subnets["VpcId"]
    replications = item.get("DBInstanceAutomatedBackupsReplications", ())
    for replication in replications:
        arn = replication["DBInstanceAutomatedBackupsArn"]
        properties["AutomaticBackupReplicationRegion"] = arn.split(":")[3]
    if subnets:
        name = subnets["DBSubnetGroupName"]
        properties["DBSubnetGroupName"] = Link(f"subnets:{name}", name)
        yield FoundResource(
            DATABASE_SUBNETS,
            region,
            name,
            name,
            {
                "SubnetIds": [subnet["SubnetIdentifier"] for subnet in subnets.get("Subnets", ())],
                "VpcId": subnets.get("VpcId", ""),
            },
            aliases={f"subnets:{name}": ""},
        )
    yield FoundResource(DATABASE, region, id_, id_, properties, aliases={id_: ""})


@dataclass(frozen=True)
class FoundDatabases:
    """The databases of some regions.

    Attributes:
        of_site: DB instances of this project's stacks, and their subnet groups.
        others: all other DB instances.
    """

    of_site: tuple[FoundResource, ...]
    others: tuple[FoundResource, ...]

    def unknown(self, networks: Mapping[str, str]) -> Iterator[UnreadPart]:
        """Yield the databases that nodes may share, as parts that are unknown.

        No answer of AWS contains the database in which nodes keep their metadata.

        Args:
            networks: regions by the VPC of nodes that no stack of this project has.
        """
        for region, vpc in sorted((region, vpc) for vpc, region in networks.items()):
            ids = sorted(item.id for item in self.others if item.properties.get("VpcId") == vpc)
            if not ids:
                text = (
                    f"{region}: {vpc} has no RDS database; the drill does not read Denodo's "
                    "configuration, so it is not known if nodes keep their metadata on another "
                    "server"
                )
                yield UnreadPart("", region, text, frozenset({"metadata server"}))
            else:
                listed = ", ".join(ids[:_MAX_NAMES])
                more = f" and {len(ids) - _MAX_NAMES} more" if len(ids) > _MAX_NAMES else ""
                text = (
                    f"{region}: {vpc} has the databases {listed}{more}; the drill does not read "
                    "Denodo's configuration, so it is not known if nodes keep their metadata in "
                    "one of these databases"
                )
                yield UnreadPart("", region, text, frozenset({"database"}))


def found_databases(found: Iterable[FoundResource], own: Iterable[OwnStack]) -> FoundDatabases:
    """Return databases, divided into those of this project's stacks and all others."""
    found = list(found)
    ids = {
        (stack.region, type_, id_)
        for stack in own
        for type_ in (DATABASE, DATABASE_SUBNETS)
        for _, id_ in stack.of_type(type_)
    }
    of_site = [item for item in found if (item.region, item.type, item.id) in ids]
    others = [item for item in found if item.type == DATABASE and item not in of_site]
    return FoundDatabases(tuple(of_site), tuple(others))
