"""The forwarding table: all that the process of the load balancers must know, as one document.

`GET /_local/forwarding?after=VERSION` returns the document once its version differs from VERSION,
or after `_LONGEST_WAIT_S`. The document has every load balancer of every account, the loopback
endpoint of each listener in each zone, the target groups with the current health of their targets,
and the rules of the security groups.
"""

import asyncio
import json
import time
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from tools.local_aws.emulator import cuts, loopback, ministack, stand_ins
from tools.local_aws.emulator.child_processes import CHILDREN
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.ec2 import security_groups
from tools.local_aws.emulator.elb import (
    alb_targets,
    certificates,
    listeners,
    load_balancers,
    target_health,
    zonal_shifts,
)
from tools.local_aws.emulator.elb.forwarding_changes import CHANGES
from tools.local_aws.emulator.errors import InvalidRequestError
from tools.local_aws.emulator.living import LIVING

Document = dict[str, Any]

CLIENTS: dict[str, str] = {}
"""Addresses on AWS by the loopback address of a client, as set by `PUT /_local/clients`."""

_PROCESS, _MODULE = "balancers", "tools.local_aws.living.balancer"
_LONGEST_WAIT_S = 25.0
"""Project default: longest wait for a change of the forwarding table, below the time-out of clients
of the control API."""
_LOOK_S = 0.2
"""Project default: seconds between two polls for changes."""
_CLOCK_S = 10
"""Project default: AWS seconds after which the table is compared even without a recorded change,
since health also changes with time: a deregistration delay or a zonal shift ends."""


async def changed(after: str) -> None:
    """Wait, at most `_LONGEST_WAIT_S`, until the version of the forwarding table is not `after`."""
    number, since = -1, 0.0
    for _ in range(int(_LONGEST_WAIT_S / _LOOK_S)):
        now = time.monotonic()
        if number != CHANGES.number or now >= since + CLOCK.real(_CLOCK_S):
            number, since = CHANGES.number, now
            if current()["version"] != after:
                return
        await asyncio.sleep(_LOOK_S)


def current() -> Document:
    """Return the forwarding table, with its version."""
    table = _Table()
    for (account, region, arn), record in [*ministack.load_balancers.all_items()]:
        if "SubnetMappings" in record:
            with ministack.acting_for(account, region):
                table.add(arn, record, region)
    table.add_sources()
    content = table.document
    version = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return {"version": version, **content}


class _Table:
    def __init__(self) -> None:
        self._balancers: list[Document] = []
        self._groups: dict[str, Document] = {}
        self._rules: dict[str, Document] = {}
        self._sources: dict[str, Document] = {}

    @property
    def document(self) -> Document:
        return {
            "pace": CLOCK.pace,
            "balancers": self._balancers,
            "target_groups": self._groups,
            "rules": self._rules,
            "sources": self._sources,
        }

    def add(self, arn: str, record: ministack.Record, region: str) -> None:
        """Add a load balancer with its listeners and target groups."""
        attributes = _attributes(ministack.load_balancer_attributes, arn)
        zones = zones_of(record, region)
        there = [
            (listener_arn, item)
            for listener_arn, item in ministack.listeners.items()
            if item["LoadBalancerArn"] == arn
        ]
        for _, item in there:
            for group in listeners.groups_of(item):
                self._add_group(group)
        self._balancers.append(
            {
                "arn": arn,
                "kind": record["Type"],
                "groups": self._with_rules(record["SecurityGroups"]),
                "cross_zone": attributes.get("load_balancing.cross_zone.enabled") == "true",
                "idle_timeout": float(attributes.get("idle_timeout.timeout_seconds", 60)),
                "drops_invalid_headers": (
                    attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true"
                ),
                "zones": zones,
                "listeners": [_listener(id_, item, arn, [*zones]) for id_, item in there],
            }
        )

    def _add_group(self, arn: str) -> None:
        group = ministack.target_groups[arn]
        target_health.count(arn, "")  # remove targets whose deregistration delay is over
        self._groups[arn] = {
            "protocol": group["Protocol"],
            "type": group["TargetType"],
            "attributes": _attributes(ministack.target_group_attributes, arn),
            "targets": [
                self._target(arn, group, target) for target in [*ministack.targets.get(arn, [])]
            ],
        }

    def _target(self, arn: str, group: ministack.Record, target: Document) -> Document:
        state = target_health.health(arn, target).state
        common = {"id": target["Id"], "port": target["Port"], "state": state}
        if alb_targets.leads_there(group):
            return {**common, **self._balancer_as_target(target["Id"])}
        instance = target_health.instance_of(group, target)
        zone = instance["Placement"]["AvailabilityZone"] if instance else None
        owner = instance["InstanceId"] if instance else target["Id"]
        return {
            **common,
            "zone": zone,
            "cut": cuts.is_cut(ministack.region(), zone or "", owner),
            "endpoint": stand_ins.endpoint(owner, target["Port"]),
            "address": instance["PrivateIpAddress"] if instance else target["Id"],
            "groups": self._with_rules(
                [item["GroupId"] for item in instance["SecurityGroups"]] if instance else []
            ),
        }

    def _balancer_as_target(self, arn: str) -> Document:
        """Return a load balancer that is a target: its address, security groups, and any cut.

        The target's endpoint is None, because the process of the load balancers knows the endpoint.
        """
        record = ministack.load_balancers.get(arn) or {"SecurityGroups": [], "SubnetMappings": []}
        addresses = load_balancers.private_addresses(record)
        return {
            "zone": None,
            "cut": cuts.is_cut(ministack.region(), "", arn),
            "endpoint": None,
            "address": next(iter(addresses.values()), ""),
            "groups": self._with_rules(record["SecurityGroups"]),
        }

    def _with_rules(self, groups: list[str]) -> list[str]:
        for group in groups:
            if group not in self._rules:
                self._rules[group] = security_groups.rules(group)
        return groups

    def add_sources(self) -> None:
        """Add the loopback addresses of instances and clients, with their addresses on AWS."""
        owners: dict[str, list[Document]] = {}
        for _, instance in [*ministack.instances.all_items()]:
            stand_in = stand_ins.STORE.get(instance["InstanceId"], {})
            address = stand_in.get("address", loopback.SHARED)
            if address != loopback.SHARED:
                groups = [item["GroupId"] for item in instance["SecurityGroups"]]
                peer = {"address": instance["PrivateIpAddress"], "groups": groups}
                owners.setdefault(address, []).append(peer)
        self._sources = {address: peers[0] for address, peers in owners.items() if len(peers) == 1}
        for address, aws_address in CLIENTS.items():
            self._sources[address] = {"address": aws_address, "groups": []}


def zones_of(record: ministack.Record, region: str) -> dict[str, Document]:
    """Return the state of each zone of a load balancer, with the private address in the zone.

    The state says whether a cut or a zonal shift takes the zone out.
    """
    away = zonal_shifts.zones_away(record["LoadBalancerArn"])
    ids = {
        subnet["AvailabilityZone"]: subnet.get("AvailabilityZoneId")
        for subnet in map(ministack.subnets.get, record["Subnets"])
        if subnet is not None
    }
    return {
        zone: {
            "address": address,
            "cut": cuts.is_cut(region, zone, record["LoadBalancerArn"]),
            "shifted": ids[zone] in away,
        }
        for zone, address in load_balancers.private_addresses(record).items()
    }


def _listener(id_: str, record: ministack.Record, balancer: str, zones: list[str]) -> Document:
    attributes = _attributes(ministack.listener_attributes, id_)
    named = record.get("Certificates") or []
    return {
        "arn": id_,
        "port": record["Port"],
        "protocol": record["Protocol"],
        "idle_timeout": float(attributes.get("tcp.idle_timeout.seconds", 350)),
        "alpn": record.get("AlpnPolicy") or [],
        "certificate": certificates.files(named[0]) if named else None,
        "target_groups": listeners.groups_of(record),
        "bind": {
            zone: loopback.endpoint("balancer", balancer, record["Port"], zone) for zone in zones
        },
    }


def _attributes(store: Any, arn: str) -> dict[str, str]:
    return {item["Key"]: str(item["Value"]) for item in store.get(arn) or []}


def set_clients(addresses: dict[str, str]) -> dict[str, str]:
    """Set the AWS address of clients, by their loopback address; replace earlier settings.

    Raises:
        InvalidRequestError: a client is not on this machine.
        ValueError: a value is not an address.
    """
    for client, aws_address in addresses.items():
        ip_address(aws_address)
        if not ip_address(client).is_loopback:
            message = f"a client must be on this machine, and {client} is not a loopback address"
            raise InvalidRequestError(message)
    CLIENTS.clear()
    CLIENTS.update(addresses)
    return CLIENTS


def install(port: int) -> None:
    """Start and stop the process of the load balancers with the part `balancers`.

    Args:
        port: port of this server.
    """
    LIVING.when(
        "balancers",
        lambda: CHILDREN.start(_PROCESS, _MODULE, f"http://127.0.0.1:{port}"),
        lambda: CHILDREN.stop(_PROCESS),
    )
