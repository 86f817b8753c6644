"""The failover records of the templates, as sites."""

from collections.abc import Iterator, Mapping

from denodo_ha.drill.model import Balancer, Key, Node, Record, Site
from denodo_ha.drill.reading.checks import FindChecks, node_of
from denodo_ha.drill.reading.resource_reader import (
    LOAD_BALANCER,
    RECORD,
    RECORDS,
    Reader,
    is_true,
    listed,
    mapping,
    number,
)
from denodo_ha.environment.facts.limits import BALANCER_ALIAS_TTL_S, RECORD_TTL_AWS_S


def find_sites(
    reader: Reader,
    checks: FindChecks,
    nodes: Mapping[Key, Node],
    balancers: Mapping[Key, Balancer],
) -> tuple[Site, ...]:
    """The names that have a PRIMARY and a SECONDARY."""
    pairs: dict[tuple[str, str], dict[str, Record]] = {}
    for settings in _all(reader):
        role = str(settings.get("Failover", ""))
        if not role:
            continue
        name = str(settings.get("Name", "")).rstrip(".")
        pair = pairs.setdefault((name, str(settings.get("Type", ""))), {})
        pair[role] = _record(reader, checks, settings, (nodes, balancers))
    found = []
    for (name, kind), records in pairs.items():
        many = sum(other == name for other, _ in pairs) > 1
        shown = f"{name} {kind}" if many else name
        if {"PRIMARY", "SECONDARY"} <= set(records):
            found.append(Site(shown, records["PRIMARY"], records["SECONDARY"]))
            _say_unchecked(reader, shown, records)
        else:
            reader.note(f"{shown}: has only a {', '.join(records)} record, so nothing fails over")
    return tuple(found)


def _all(reader: Reader) -> Iterator[Mapping[str, object]]:
    for one in reader.of(RECORD):
        yield one.properties
    for group in reader.of(RECORDS):
        for record in listed(group.properties.get("RecordSets")):
            yield mapping(record)


def _record(
    reader: Reader,
    checks: FindChecks,
    settings: Mapping[str, object],
    known: tuple[Mapping[Key, Node], Mapping[Key, Balancer]],
) -> Record:
    nodes, balancers = known
    alias = mapping(settings.get("AliasTarget"))
    values = listed(settings.get("ResourceRecords"))
    value = alias.get("DNSName") if alias else (values[0] if values else None)
    balancer = reader.named(value, LOAD_BALANCER)
    target = balancer.key if balancer else node_of(reader, value)
    cluster = None
    if target in balancers:
        assert target is not None
        cluster = balancers[target].cluster
    elif target in nodes:
        assert target is not None
        cluster = nodes[target].cluster
    else:
        target = None
        reader.note(
            f"{settings.get('Name')}: its {settings.get('Failover')} record answers with {value}, "
            "which none of these templates has; what lies there is unknown"
        )
    check = settings.get("HealthCheckId")
    return Record(
        target=target,
        cluster=cluster,
        alias=bool(alias),
        evaluates=is_true(alias.get("EvaluateTargetHealth")),
        check=checks.reference(check) if check else None,
        ttl=BALANCER_ALIAS_TTL_S if alias else number(settings.get("TTL"), RECORD_TTL_AWS_S),
    )


def _say_unchecked(reader: Reader, name: str, records: Mapping[str, Record]) -> None:
    for role, record in records.items():
        if record.check is None and not (record.alias and record.evaluates):
            what = "never moves by itself" if role == "PRIMARY" else "may move onto a dead cluster"
            reader.note(
                f"{name}: its {role} record has no health check, so it always counts as healthy "
                f"and the site {what}"
            )
