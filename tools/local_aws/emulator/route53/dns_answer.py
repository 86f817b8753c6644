"""The answer to a DNS question, as Route 53 and a VPC's resolver give it.

`answer` follows CNAME records and aliases through the hosted zones that a client sees, and through
the names of load balancers. A client outside of AWS sees the public hosted zones. A client in a VPC
also sees the private zones of the VPC, and a private zone hides a public zone with the same name
(AWS, Considerations when working with a private hosted zone). Addresses of load balancers and
instances are the loopback addresses that stand for them on this machine.

A TTL is in real seconds, like every time that a client measures: an alias has the TTL of its
target, which is 60 s for a load balancer (AWS, Choosing between alias and non-alias records),
divided by the pace.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from tools.local_aws.emulator import loopback, ministack, stand_ins
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.elb import zone_health
from tools.local_aws.emulator.rds import servers
from tools.local_aws.emulator.route53 import health_status

Record = ministack.Record

_BALANCER_TTL_S = 60
_DATABASE_TTL_S = 5
"""Project default: TTL of the endpoints of databases, as AWS publishes none."""
_MAXIMUM_LINKS = 8
"""Project default: CNAME records and aliases that an answer follows at most, so that a loop of
records ends."""
_NEGATIVE_TTL_FIELD = -1
"""Index of the last field of an SOA record, the TTL of negative answers."""


@dataclass(frozen=True)
class RecordSet:
    """The records of one name and type.

    Attributes:
        ttl: seconds of real time for which a resolver may keep the records.
        owners: load balancer and zone of each address of a load balancer.
    """

    name: str
    kind: str
    ttl: int
    values: tuple[str, ...]
    owners: tuple[tuple[str, str], ...] = ()


@dataclass
class Answer:
    """The answer to a DNS question.

    Attributes:
        code: NOERROR, NXDOMAIN, or REFUSED for a name that belongs to no zone or load balancer.
        records: the chain of records.
        authority: the SOA record of the zone that has no such name or type.
    """

    code: str = "NOERROR"
    records: list[RecordSet] = field(default_factory=list)
    authority: list[RecordSet] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, Any]:
        """Names and addresses of the answer, and the seconds for which clients may keep the answer.

        `endpoints` has, for each port of the load balancer, the endpoints on this machine.
        """
        values: dict[str, list[str]] = {"CNAME": [], "A": []}
        endpoints: dict[str, list[loopback.Endpoint]] = {}
        for item in self.records:
            values.setdefault(item.kind, []).extend(item.values)
            for arn, zone in item.owners:
                for port in _ports(arn):
                    endpoint = loopback.endpoint("balancer", arn, port, zone)
                    endpoints.setdefault(str(port), []).append(endpoint)
        return {
            "code": self.code,
            "names": values["CNAME"],
            "addresses": values["A"],
            "ttl": min((item.ttl for item in self.records), default=0),
            "endpoints": endpoints,
        }


def _ports(arn: str) -> list[int]:
    listeners = (item for _, item in ministack.listeners.all_items())
    return sorted(int(item["Port"]) for item in listeners if item["LoadBalancerArn"] == arn)


def answer(name: str, kind: str, vpc: str = "") -> Answer:
    """Return the answer for a client in a VPC, or for a client outside of AWS."""
    result, name = Answer(), _full(name)
    for link in range(_MAXIMUM_LINKS):
        balancer = _balancer_of(name)
        if balancer is not None:
            owner, zone = balancer
            result.records += _of_balancer(name, kind, owner, zone)
            return result
        database = servers.address_of(name)
        if database is not None:
            ttl, values = _real(_DATABASE_TTL_S), (database,) if kind == "A" else ()
            result.records += [RecordSet(name, kind, ttl, values)] if values else []
            return result
        hosted = _zone_of(name, vpc)
        if hosted is None:
            result.code = "NOERROR" if link else "REFUSED"
            return result
        account, zone_record = hosted
        with ministack.acting_for(account, ministack.region()):
            found = in_zone(zone_record["id"], name, kind)
            if not found:
                exists = _exists(zone_record["id"], name)
                result.code = "NOERROR" if exists or link else "NXDOMAIN"
                result.authority.append(_authority(zone_record))
                return result
        result.records.append(_on_this_machine(found, account))
        if found.kind != "CNAME" or kind == "CNAME":
            return result
        name = _full(found.values[0])
    return result


def in_zone(zone_id: str, name: str, kind: str, links: int = _MAXIMUM_LINKS) -> RecordSet | None:
    """Return the records of one hosted zone that answer a question; None if there are none.

    These are the records of the type that was asked for, else the name's CNAME record.
    """
    name = _full(name)
    there = [item for item in _records(zone_id, name) if item["Type"] in (kind, "CNAME")]
    record = chosen(there)
    if record is None:
        return None
    alias = record.get("AliasTarget")
    if not alias:
        ttl, values = _real(int(record["TTL"])), tuple(record["ResourceRecords"])
        return RecordSet(name, record["Type"], ttl, values)
    target = _full(alias["DNSName"]).removeprefix("dualstack.")
    balancer = _balancer_of(target)
    if balancer is not None:
        for item in _of_balancer(name, kind, *balancer):
            return item
        return None
    other = in_zone(zone_id, target, kind, links - 1) if links else None
    return other and replace(other, name=name)


def chosen(records: list[Record]) -> Record | None:
    """Return which of a name's records answers, by their routing policy; None without records.

    AWS, How Amazon Route 53 chooses records when health checking is configured: healthy records
    only, or all if none is healthy; SECONDARY only while it is healthy and PRIMARY is not.
    """
    roles = {item["Failover"]: item for item in records if item.get("Failover")}
    if roles:
        primary, secondary = roles.get("PRIMARY"), roles.get("SECONDARY")
        if primary is None or secondary is None:
            return primary or secondary
        moved = not health_status.of_record(primary) and health_status.of_record(secondary)
        return secondary if moved else primary
    weighted = [item for item in records if item.get("Weight") is not None]
    if not weighted:
        return next(iter(records), None)
    usable = [item for item in weighted if int(item["Weight"]) > 0] or weighted
    healthy = [item for item in usable if health_status.of_record(item)] or usable
    weights = [int(item["Weight"]) or 1 for item in healthy]
    return random.choices(healthy, weights)[0]  # noqa: S311 - distributes queries, makes no secret


def exists(zone_id: str, name: str) -> bool:
    """Return whether a hosted zone has records of a name, or of a name below it."""
    return _exists(zone_id, _full(name))


def _full(name: str) -> str:
    return f"{name.rstrip('.').lower()}."


def _real(seconds: int) -> int:
    return math.ceil(CLOCK.real(seconds))


def _records(zone_id: str, name: str) -> list[Record]:
    """Return the records of a name, or of the closest wildcard if the name has none."""
    by_name: dict[str, list[Record]] = {}
    for item in ministack.records.get(zone_id) or []:
        by_name.setdefault(_full(item["Name"]), []).append(item)
    labels = name.split(".")
    wildcards = (".".join(["*", *labels[index:]]) for index in range(1, len(labels) - 1))
    return next((by_name[item] for item in (name, *wildcards) if item in by_name), [])


def _exists(zone_id: str, name: str) -> bool:
    if _records(zone_id, name):
        return True
    return any(
        _full(item["Name"]).endswith(f".{name}") for item in ministack.records.get(zone_id) or []
    )


def _zone_of(name: str, vpc: str) -> tuple[str, Record] | None:
    """Return the account and the closest hosted zone of a name; None if no zone has the name."""
    seen = []
    for (account, _), zone in ministack.zones.to_dict().items():
        inside = bool(vpc) and any(item["VPCId"] == vpc for item in zone.get("vpcs") or [])
        visible = inside if zone.get("private") else True
        if visible and (name == zone["name"] or name.endswith(f".{zone['name']}")):
            seen.append((len(zone["name"]), inside, account, zone))
    if not seen:
        return None
    _, _, account, zone = max(seen, key=lambda item: item[:2])
    return account, zone


def _authority(zone: Record) -> RecordSet:
    """Return the SOA record, with the TTL of a negative answer (RFC 2308, section 5)."""
    soa = next(item for item in ministack.records[zone["id"]] if item["Type"] == "SOA")
    value = soa["ResourceRecords"][0]
    ttl = min(int(soa["TTL"]), int(value.split()[_NEGATIVE_TTL_FIELD]))
    return RecordSet(zone["name"], "SOA", _real(ttl), (value,))


def _balancer_of(name: str) -> tuple[tuple[str, str, Record], str] | None:
    """Return a load balancer by its DNS name, with account, region and zone; None if unknown.

    The zone is empty unless the name is that of the load balancer's address in one zone.
    """
    host = name.rstrip(".").removeprefix("dualstack.")
    for (account, region, _), balancer in ministack.load_balancers.all_items():
        dns_name = balancer["DNSName"].lower()
        if host == dns_name:
            return (account, region, balancer), ""
        if host.endswith(f".{dns_name}"):
            zone = host.removesuffix(f".{dns_name}")
            with ministack.acting_for(account, region):
                if zone in zone_health.zones(balancer):
                    return (account, region, balancer), zone
    return None


def _of_balancer(
    name: str, kind: str, owner: tuple[str, str, Record], zone: str
) -> Iterator[RecordSet]:
    """Yield the addresses of a load balancer in all zones that are in DNS, or in the given zone."""
    account, region, balancer = owner
    if kind != "A":
        return
    with ministack.acting_for(account, region):
        zones = [zone] if zone else zone_health.in_dns(balancer)
    arn = balancer["LoadBalancerArn"]
    addresses = tuple(loopback.address("balancer", arn, item) for item in zones)
    values, owners = tuple(dict.fromkeys(addresses)), tuple((arn, item) for item in zones)
    yield RecordSet(name, "A", _real(_BALANCER_TTL_S), values, owners)


def _on_this_machine(records: RecordSet, account: str) -> RecordSet:
    """Return address records with loopback addresses instead of the addresses on AWS."""
    if records.kind != "A":
        return records
    return replace(records, values=tuple(_loopback(value, account) for value in records.values))


def _loopback(value: str, account: str) -> str:
    """Return the loopback address that stands for an address on AWS, else the address itself.

    Two VPCs may use the same private address: an instance of the zone's account comes first.
    """
    if ip_address(value).is_loopback:
        return value
    instances = [
        (owner != account, str(instance["InstanceId"]))
        for (owner, _, _), instance in ministack.instances.all_items()
        if value in (instance.get("PrivateIpAddress"), instance.get("PublicIpAddress"))
        and instance["State"]["Name"] != "terminated"
    ]
    if instances:
        return _of_instance(min(instances)[1])
    for (owner, region, arn), balancer in ministack.load_balancers.all_items():
        with ministack.acting_for(owner, region):
            for mapping in balancer.get("SubnetMappings") or []:
                elastic = ministack.addresses.get(mapping.get("AllocationId", "")) or {}
                if value in (mapping.get("PrivateIPv4Address"), elastic.get("PublicIp")):
                    subnet = ministack.subnets[mapping["SubnetId"]]
                    return loopback.address("balancer", arn, subnet["AvailabilityZone"])
    return value


def _of_instance(instance_id: str) -> str:
    stand_in = stand_ins.STORE.get(instance_id)
    return stand_in["address"] if stand_in else loopback.address("instance", instance_id)
