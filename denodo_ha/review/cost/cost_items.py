"""Items of a stack that AWS charges: description, amount and list price.

Each resource type of a template is in one of four groups: charged by time, charged by use, both, or
free. A resource of any other type becomes an item with an unknown price, so that each sum that
lacks the resource's price is marked with `at least`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.deployed.stack import mapping_in, resources_of
from denodo_ha.review.cost.price_list import GLOBAL
from denodo_ha.review.stack_pair import (
    Properties,
    Resources,
    is_true,
    number,
    of_type,
    referred_id,
    text_of,
)

Unit = Literal["hour", "month", "GB-month"]

_INSTANCE: Final = "AWS::EC2::Instance"
_RESERVATION: Final = "AWS::EC2::CapacityReservation"
_BASELINE_IOPS: Final = 3_000
_BASELINE_MIBPS: Final = 125
"""Throughput of a gp3 volume, in MiB/s, that is not charged in addition (AWS, Amazon EBS User
Guide, General Purpose SSD volumes)."""
_HIGH_RESOLUTION_S: Final = 60
"""Seconds: alarms with a shorter period are high-resolution alarms (AWS, Amazon CloudWatch User
Guide)."""


@dataclass(frozen=True)
class Item:
    """Resources of a stack that AWS charges at the same price.

    Attributes:
        name: description of one resource.
        price: region and item of the list price; None for an item that is charged by use.
        unit: unit of the price.
        amount: number of units at the same time, such as instances, or GB of disks.
        note: how the use is charged, or why there is no price; empty otherwise.
    """

    name: str
    price: tuple[str, str] | None
    unit: Unit
    amount: Decimal
    note: str = ""


def charged_items(stacks: Iterable[SynthesisedStack]) -> list[Item]:
    """Return the items of stacks, equal items added up, and items charged by use at the end."""
    amounts: Counter[Item] = Counter()
    for stack in stacks:
        for item, amount in _items(stack.region, resources_of(stack.template)):
            amounts[item] += amount
    items = [replace(item, amount=Decimal(amount)) for item, amount in amounts.items()]
    return sorted(items, key=lambda item: item.price is None)


Counted = tuple[Item, int]


def _items(region: str, resources: Resources) -> Iterator[Counted]:
    for type_, properties in resources.values():
        if reader := _READERS.get(type_):
            yield from reader(region, properties, resources)
        elif type_ not in _FREE and not type_.startswith(_FREE_SERVICES):
            note = "this version does not know the charges of this resource type"
            yield _priced(region, type_, type_, "month", note=note)
    yield from _unused_places(region, resources)
    if of_type(resources, _INSTANCE):
        yield _by_use("data transfer", "per GB, between zones and regions, and to the internet")


def _priced(
    region: str, name: str, item: str, unit: Unit = "hour", *, amount: int = 1, note: str = ""
) -> Counted:
    return Item(name, (region, item), unit, Decimal(1), note), amount


def _by_use(name: str, note: str) -> Counted:
    return Item(name, None, "month", Decimal(1), note), 1


def _list(properties: Properties, key: str) -> list[Any]:
    """Return the list in a property; empty if the value is not a list, such as a reference."""
    value = properties.get(key)
    return value if isinstance(value, list) else []


def _instance(region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    yield _machine(region, properties.get("InstanceType"), 1)
    yield from _disks(region, properties, 1)


def _scaling_group(region: str, properties: Properties, resources: Resources) -> Iterator[Counted]:
    template = mapping_in(mapping_in(properties, "LaunchTemplate"), "LaunchTemplateId")
    _, launch = resources.get(referred_id(template) or "", ("", {}))
    data = mapping_in(launch, "LaunchTemplateData")
    count = number(properties.get("DesiredCapacity") or properties.get("MinSize")) or 1
    yield _machine(region, data.get("InstanceType"), count)
    yield from _disks(region, data, count)


def _machine(region: str, type_: Any, count: int) -> Counted:
    return _priced(region, f"EC2 instance {type_}, Linux on demand", f"ec2 {type_}", amount=count)


def _disks(region: str, machine: Properties, machines: int) -> Iterator[Counted]:
    disks = [mapping_in(entry, "Ebs") for entry in _list(machine, "BlockDeviceMappings")]
    if not disks:
        note = "the size is in the image"
        yield _priced(
            region,
            "EBS disk of the image",
            "ebs of the image",
            "GB-month",
            amount=machines,
            note=note,
        )
    for disk in disks:
        type_, size = disk.get("VolumeType", "of the image"), number(disk.get("VolumeSize"))
        name, note = f"EBS disk {type_}", ""
        is_faster = (number(disk.get("Iops")) or 0) > _BASELINE_IOPS
        is_faster = is_faster or (number(disk.get("Throughput")) or 0) > _BASELINE_MIBPS
        item = f"ebs {type_}"
        if size is None or is_faster:
            name += ", with more than the baseline performance" if is_faster else ""
            note = (
                "AWS charges the additional performance" if is_faster else "the size is not known"
            )
            item = f"{item} with additional charges" if is_faster else "ebs of unknown size"
        yield _priced(
            region, f"{name}, GB", item, "GB-month", amount=machines * (size or 1), note=note
        )


def _unused_places(region: str, resources: Resources) -> Iterator[Counted]:
    """Yield the places of capacity reservations that no instance of the stack uses."""
    running = Counter(map(_place, of_type(resources, _INSTANCE).values()))
    for properties in of_type(resources, _RESERVATION).values():
        key = _place(properties)
        unused = (number(properties.get("InstanceCount")) or 0) - running[key]
        if unused > 0:
            name = f"reserved place for {key[1]} that no node uses"
            yield _priced(region, name, f"ec2 {key[1]}", amount=unused)


def _place(machine: Properties) -> tuple[str, str]:
    return text_of(machine.get("AvailabilityZone")), text_of(machine.get("InstanceType"))


def _balancer(region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    kind = properties.get("Type", "application")
    yield _priced(region, f"{str(kind).capitalize()} Load Balancer", f"elb {kind}")
    yield _by_use("load balancers' capacity units", "per LCU-hour, by connections and traffic")
    mappings = _list(properties, "SubnetMappings")
    # Do not count addresses that this template creates: they are counted as `AWS::EC2::EIP`.
    own = [
        entry
        for entry in mappings
        if isinstance(entry, Mapping) and referred_id(entry.get("AllocationId"))
    ]
    addresses = len(mappings or _list(properties, "Subnets")) - len(own)
    if properties.get("Scheme") == "internet-facing" and addresses:
        yield _address(region, addresses)


def _address(region: str, count: int = 1) -> Counted:
    return _priced(region, "public IPv4 address", "public-ipv4", amount=count)


def _gateway(region: str, _properties: Properties, _resources: Resources) -> Iterator[Counted]:
    yield _priced(region, "NAT gateway", "nat-gateway")
    yield _by_use("data through NAT gateways", "per GB")


def _endpoint(region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    if properties.get("VpcEndpointType") == "Interface":
        zones = len(_list(properties, "SubnetIds")) or 1
        yield _priced(region, "interface endpoint in a zone", "vpc-endpoint", amount=zones)
        yield _by_use("data through interface endpoints", "per GB")


def _zone(_region: str, _properties: Properties, _resources: Resources) -> Iterator[Counted]:
    yield _priced(GLOBAL, "Route 53 hosted zone", "route53-zone", "month")
    yield _by_use("DNS queries", "per million; queries for alias records of AWS resources are free")


def _health_check(_region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    config = mapping_in(properties, "HealthCheckConfig")
    yield _by_use(
        "Route 53 health checks", "the first 50 checks of AWS endpoints in an account are free"
    )
    kind = str(config.get("Type"))
    options = (
        number(config.get("RequestInterval")) == 10,
        is_true(config.get("MeasureLatency")),
        kind.startswith("HTTPS"),
        kind.endswith("STR_MATCH"),
    )
    if any(options):
        name = "optional feature of a health check"
        yield _priced(GLOBAL, name, "route53-check-option", "month", amount=sum(options))


def _alarm(region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    queries = [mapping_in(query, "MetricStat") for query in _list(properties, "Metrics")]
    periods = [query.get("Period") for query in queries if query] or [properties.get("Period")]
    for period in periods:
        is_fast = (number(period) or _HIGH_RESOLUTION_S) < _HIGH_RESOLUTION_S
        kind = "high-resolution-alarm" if is_fast else "alarm"
        yield _priced(region, f"CloudWatch {kind.replace('-', ' ')}, per metric", kind, "month")


def _database(region: str, properties: Properties, _resources: Resources) -> Iterator[Counted]:
    zones = "multi-az" if is_true(properties.get("MultiAZ")) else "single-az"
    class_, engine = properties.get("DBInstanceClass"), properties.get("Engine")
    name = f"RDS instance {class_}, {zones.replace('az', 'AZ')}"
    kind = f"rds-{zones}" if engine == "postgres" else f"rds-{engine}-{zones}"
    yield _priced(region, name, f"{kind} {class_}")
    size, type_ = number(properties.get("AllocatedStorage")), properties.get("StorageType")
    item = f"rds-{zones}-storage {type_}"
    yield _priced(
        region,
        f"RDS storage {type_}, {zones.replace('az', 'AZ')}, GB",
        item,
        "GB-month",
        amount=size or 1,
    )
    yield _by_use("RDS backups", "per GB above the size of the database")


def _monthly(name: str, item: str, use: tuple[str, str] | None = None) -> "Reader":
    """Return a reader for resources that have a price for a month."""

    def read(region: str, _properties: Properties, _resources: Resources) -> Iterator[Counted]:
        yield _priced(region, name, item, "month")
        if use:
            yield _by_use(*use)

    return read


def _use_only(name: str, note: str) -> "Reader":
    """Return a reader for resources that AWS charges only by use."""
    return lambda _region, _properties, _resources: iter([_by_use(name, note)])


def _elastic_address(
    region: str, _properties: Properties, _resources: Resources
) -> Iterator[Counted]:
    yield _address(region)


Reader = Callable[[str, Properties, Resources], Iterable[Counted]]

_READERS: Final[Mapping[str, Reader]] = {
    _INSTANCE: _instance,
    "AWS::AutoScaling::AutoScalingGroup": _scaling_group,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::EC2::EIP": _elastic_address,
    "AWS::EC2::NatGateway": _gateway,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::FlowLog": _use_only("flow logs", "per GB that is sent and kept"),
    "AWS::Route53::HostedZone": _zone,
    "AWS::Route53::HealthCheck": _health_check,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _monthly("CloudWatch composite alarm", "composite-alarm"),
    "AWS::CloudWatch::Dashboard": _use_only(
        "CloudWatch dashboards", "the first three dashboards of an account are free"
    ),
    "AWS::KMS::Key": _monthly("KMS key", "kms-key", ("KMS requests", "per 10,000")),
    "AWS::SecretsManager::Secret": _monthly(
        "secret", "secret", ("calls of Secrets Manager", "per 10,000")
    ),
    "AWS::RDS::DBInstance": _database,
    "AWS::S3::Bucket": _use_only("S3 buckets", "per GB and request"),
    "AWS::SNS::Topic": _use_only("notifications", "the first million requests are free"),
    "AWS::Logs::LogGroup": _use_only("logs", "per GB that is sent and kept"),
}
_FREE_SERVICES: Final = ("AWS::IAM::", "AWS::SSM::", "Custom::", "AWS::CloudFormation::")
_FREE: Final = frozenset(
    {
        *(f"AWS::EC2::{name}" for name in ("EIPAssociation", "InternetGateway", "LaunchTemplate")),
        *(f"AWS::EC2::{name}" for name in ("Route", "RouteTable", "Subnet", "VPC")),
        *(f"AWS::EC2::{name}" for name in ("SecurityGroup", "SecurityGroupEgress")),
        *(f"AWS::EC2::{name}" for name in ("SecurityGroupIngress", "VPCGatewayAttachment")),
        "AWS::EC2::SubnetRouteTableAssociation",
        *(f"AWS::ElasticLoadBalancingV2::{name}" for name in ("Listener", "TargetGroup")),
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        *(f"AWS::RDS::{name}" for name in ("DBParameterGroup", "DBSubnetGroup")),
        "AWS::RDS::EventSubscription",
        *("AWS::Route53::RecordSet", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"),
        *("AWS::SNS::Subscription", "AWS::Events::Rule", "AWS::KMS::Alias", "AWS::CDK::Metadata"),
        # `_unused_places` counts the reserved places that no instance uses.
        _RESERVATION,
    }
)
"""Resource types that cost nothing themselves."""
