"""Reader of failover records in templates: pairs of the same name, type and hosted zone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from denodo_ha.drill.model.balancers import Balancer
from denodo_ha.drill.model.dns import FailoverName, Record
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.reading.health_checks import HealthCheckReader, node_with_address
from denodo_ha.drill.reading.resource_reader import (
    LOAD_BALANCER,
    RECORD_SET,
    RECORD_SET_GROUP,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true, references
from denodo_ha.environment.facts.limits import BALANCER_ALIAS_TTL_S, RECORD_TTL_AWS_S


def read_failover_names(
    reader: ResourceReader,
    checks: HealthCheckReader,
    machines: Mapping[Key, Machine],
    balancers: Mapping[Key, Balancer],
) -> tuple[tuple[FailoverName, ...], Mapping[str, str]]:
    """Return the names with both failover records, and the role of each name with only one record.

    Args:
        reader: the resources.
        checks: the health checks to which records refer.
        machines: all machines with their clusters.
        balancers: all balancers with their clusters.
    """
    pairs: dict[_RecordKey, dict[str, Record]] = {}
    for settings in _record_sets(reader):
        for policy in _OTHER_ROUTING & set(settings):
            reader.notes.other_routing(settings.get("Name"), policy)
        role = str(settings.get("Failover", ""))
        if role:
            record = _record(reader, checks, settings, machines, balancers)
            pairs.setdefault(_record_key(settings), {})[role] = record
    _join_halves(reader, pairs)
    failover_names = []
    unpaired_names = {}
    for key, records in pairs.items():
        label = _label(key, pairs)
        if {"PRIMARY", "SECONDARY"} <= set(records):
            failover_names.append(FailoverName(label, records["PRIMARY"], records["SECONDARY"]))
            reader.notes.records_without_check(label, records)
            continue
        known = not (reader.is_open(key.name) or reader.is_open(key.zone))
        role = ", ".join(records)
        reader.notes.incomplete_failover_name(label, role, known=known)
        if known:
            unpaired_names[label] = role
    return tuple(failover_names), unpaired_names


class _RecordKey(NamedTuple):
    """Name, type and zone of a record set: two failover records with the same key form a pair."""

    name: str
    type: str
    zone: str


_OTHER_ROUTING: Final = frozenset(
    {"Weight", "Region", "GeoLocation", "GeoProximityLocation", "CidrRoutingConfig"}
    | {"MultiValueAnswer"}
)


def _record_key(settings: Mapping[str, object]) -> _RecordKey:
    zone = settings.get("HostedZoneId") or settings.get("HostedZoneName") or ""
    return _RecordKey(
        _dns_name(settings.get("Name", "")), str(settings.get("Type", "")), _dns_name(zone)
    )


def _dns_name(value: object) -> str:
    """Return a name in the form that DNS compares: lower case, without the trailing dot."""
    text = str(value).rstrip(".")
    return text if references(text) or "." not in text else text.lower()


def _join_halves(reader: ResourceReader, pairs: dict[_RecordKey, dict[str, Record]]) -> None:
    """Join the PRIMARY and SECONDARY records of a name if their hosted zones may be the same.

    Two templates may refer to one hosted zone in different ways: by id, by name or by parameter.
    Only two different ids are certainly different zones.
    """
    for key in [*pairs]:
        if len(pairs.get(key, ())) != 1:
            continue
        others = [
            other
            for other, records in pairs.items()
            if other[:2] == key[:2]
            and len(records) == 1
            and not set(records) & set(pairs[key])
            and any(reader.is_open(zone) or "." in zone for zone in (key.zone, other.zone))
        ]
        if len(others) == 1:
            pairs[key] |= pairs.pop(others[0])
            reader.notes.joined_halves(key.name)


def _label(key: _RecordKey, pairs: Iterable[_RecordKey]) -> str:
    """Return the text that stands for a pair of records in the drill: its DNS name.

    If several pairs have this name, the text also has the record type or hosted zone.
    """
    same_name = [other for other in pairs if other.name == key.name]
    types = {other.type for other in same_name}
    zones = {other.zone for other in same_name if other.type == key.type}
    label = f"{key.name} {key.type}" if len(types) > 1 else key.name
    return f"{label} (zone {key.zone})" if len(zones) > 1 else label


def _record_sets(reader: ResourceReader) -> Iterator[Mapping[str, object]]:
    for record_set in reader.of_type(RECORD_SET):
        yield record_set.properties
    for group in reader.of_type(RECORD_SET_GROUP):
        for record_set in as_list(group.properties.get("RecordSets")):
            yield as_mapping(record_set)


def _record(
    reader: ResourceReader,
    checks: HealthCheckReader,
    settings: Mapping[str, object],
    machines: Mapping[Key, Machine],
    balancers: Mapping[Key, Balancer],
) -> Record:
    alias = as_mapping(settings.get("AliasTarget"))
    values = as_list(settings.get("ResourceRecords"))
    value = alias.get("DNSName") if alias else (values[0] if values else None)
    balancer = reader.referenced(value, LOAD_BALANCER)
    key = balancer.key if balancer else node_with_address(reader, value)
    target = balancers.get(key or "") or machines.get(key or "")
    if target is None:
        reader.notes.unknown_record_target(settings.get("Name"), settings.get("Failover"), value)
    check = settings.get("HealthCheckId")
    return Record(
        target=target.key if target else None,
        cluster=target.cluster if target else None,
        alias=bool(alias),
        evaluates=is_true(alias.get("EvaluateTargetHealth")),
        check=checks.check_key(check) if check else None,
        ttl=BALANCER_ALIAS_TTL_S if alias else as_integer(settings.get("TTL"), RECORD_TTL_AWS_S),
    )
