"""The forwarding table, as the server publishes it (`emulator/elb/forwarding.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.local_aws.emulator.ec2.admission import Peer, Rules

Endpoint = tuple[str, int]
TargetKey = tuple[str, str, int]
"""ARN of the target group, id of the target, and port of the target."""


@dataclass(frozen=True)
class Threshold:
    """A minimum of healthy targets, as count and percentage; None: that value is `off`."""

    count: int | None
    percentage: int | None

    def is_met(self, healthy: int, registered: int) -> bool:
        """Return whether enough targets are healthy."""
        if self.count is not None and healthy < self.count:
            return False
        return self.percentage is None or healthy * 100 >= self.percentage * registered


@dataclass(frozen=True)
class Target:
    """A registered target.

    Attributes:
        key: its target group, id and port.
        zone: its Availability Zone; None for a target without a zone, such as a load balancer.
        state: its health, as DescribeTargetHealth shows it.
        address: its address on AWS.
        groups: its security groups.
        endpoint: where it listens on this machine; None if nothing runs there.
        cut: whether its zone is cut off.
    """

    key: TargetKey
    zone: str | None
    state: str
    address: str
    groups: tuple[str, ...]
    endpoint: Endpoint | None
    cut: bool

    @property
    def port(self) -> int:
        """The port of the target on AWS."""
        return self.key[2]

    @property
    def is_healthy(self) -> bool:
        """Return whether the target is healthy; a target without checks counts as healthy."""
        return self.state in ("healthy", "unavailable")


@dataclass(frozen=True)
class TargetGroup:
    """A target group and the current health of its targets."""

    arn: str
    protocol: str
    type: str
    attributes: Mapping[str, str]
    targets: tuple[Target, ...]

    def is_true(self, attribute: str) -> bool:
        """Return whether an attribute of the target group is `true`."""
        return self.attributes.get(attribute) == "true"

    def seconds(self, attribute: str) -> float:
        """Return the AWS seconds of an attribute, 0 if the group does not have it."""
        return float(self.attributes.get(attribute, "0"))

    @property
    def routing_threshold(self) -> Threshold:
        """The minimum of healthy targets; below it, new connections go to all targets."""
        prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
        values = (self.attributes.get(f"{prefix}.{key}", "off") for key in ("count", "percentage"))
        count, percentage = (None if value == "off" else int(value) for value in values)
        return Threshold(count, percentage)

    @property
    def encrypts(self) -> bool:
        """Return whether the load balancer uses TLS towards the targets."""
        return self.protocol in ("TLS", "HTTPS")

    @property
    def keeps_client_address(self) -> bool:
        """Return whether targets see the client's address; always true for targets of type `alb`.

        AWS, Edit target group attributes for your Network Load Balancer, Client IP preservation.
        """
        return self.type == "alb" or self.is_true("preserve_client_ip.enabled")


@dataclass(frozen=True)
class Zone:
    """A load balancer's address in a zone: its private address on AWS, and the zone's state."""

    name: str
    address: str
    cut: bool
    shifted: bool


@dataclass(frozen=True)
class Listener:
    """A listener, with its endpoint on this machine in each zone."""

    arn: str
    port: int
    protocol: str
    idle_timeout: float
    alpn: tuple[str, ...]
    certificate: tuple[str, str] | None
    target_groups: tuple[str, ...]
    bind: Mapping[str, Endpoint]

    @property
    def ends_tls(self) -> bool:
        """Return whether TLS ends at the listener."""
        return self.protocol in ("TLS", "HTTPS")


@dataclass(frozen=True)
class Balancer:
    """A load balancer."""

    arn: str
    kind: str
    groups: tuple[str, ...]
    cross_zone: bool
    idle_timeout: float
    drops_invalid_headers: bool
    zones: Mapping[str, Zone]
    listeners: tuple[Listener, ...]


@dataclass(frozen=True)
class Configuration:
    """The whole forwarding table.

    Attributes:
        pace: AWS seconds per real second.
        balancers: load balancers by ARN.
        target_groups: target groups by ARN.
        rules: rules of security groups.
        sources: the ends of flows on AWS, by the loopback address that stands for them.
    """

    pace: float
    balancers: Mapping[str, Balancer]
    target_groups: Mapping[str, TargetGroup]
    rules: Rules
    sources: Mapping[str, Peer]

    def target(self, key: TargetKey) -> Target | None:
        """Return a target; None if the target is no longer registered."""
        group = self.target_groups.get(key[0])
        targets = group.targets if group is not None else ()
        return next((target for target in targets if target.key == key), None)


EMPTY = Configuration(1.0, {}, {}, {}, {})


def read(document: Mapping[str, Any]) -> Configuration:
    """Return the forwarding table that a document of the server contains."""
    return Configuration(
        pace=float(document["pace"]),
        balancers={item["arn"]: _balancer(item) for item in document["balancers"]},
        target_groups={
            arn: TargetGroup(
                arn=arn,
                protocol=item["protocol"],
                type=item["type"],
                attributes=item["attributes"],
                targets=tuple(_target(arn, target) for target in item["targets"]),
            )
            for arn, item in document["target_groups"].items()
        },
        rules=document["rules"],
        sources={
            address: Peer(peer["address"], frozenset(peer["groups"]))
            for address, peer in document["sources"].items()
        },
    )


def _balancer(item: Mapping[str, Any]) -> Balancer:
    return Balancer(
        arn=item["arn"],
        kind=item["kind"],
        groups=tuple(item["groups"]),
        cross_zone=item["cross_zone"],
        idle_timeout=float(item["idle_timeout"]),
        drops_invalid_headers=item["drops_invalid_headers"],
        zones={
            name: Zone(name, zone["address"], zone["cut"], zone["shifted"])
            for name, zone in item["zones"].items()
        },
        listeners=tuple(_listener(listener) for listener in item["listeners"]),
    )


def _listener(item: Mapping[str, Any]) -> Listener:
    certificate = item["certificate"]
    return Listener(
        arn=item["arn"],
        port=item["port"],
        protocol=item["protocol"],
        idle_timeout=float(item["idle_timeout"]),
        alpn=tuple(item["alpn"]),
        certificate=(certificate[0], certificate[1]) if certificate else None,
        target_groups=tuple(item["target_groups"]),
        bind={zone: (host, port) for zone, (host, port) in item["bind"].items()},
    )


def _target(group: str, item: Mapping[str, Any]) -> Target:
    endpoint = item["endpoint"]
    return Target(
        key=(group, item["id"], item["port"]),
        zone=item["zone"],
        state=item["state"],
        address=item.get("address", ""),
        groups=tuple(item["groups"]),
        endpoint=(endpoint[0], endpoint[1]) if endpoint else None,
        cut=item["cut"],
    )
