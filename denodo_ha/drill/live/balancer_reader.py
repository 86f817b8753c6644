"""Reader of some load balancers with their listeners, target groups and targets.

The reader makes two calls for each target group (attributes, targets) and three for each balancer,
because these calls accept only one resource. All other calls are for a whole region, or for twenty
resources at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from denodo_ha.deployed.target_health import TargetHealth, target_health_of
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls, batches
from denodo_ha.drill.live.found_resource import (
    FoundResource,
    Link,
    chosen,
    with_links,
    written_tags,
)
from denodo_ha.drill.reading.resource_reader import (
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    TARGET_GROUP,
)

_TAGGED_AT_ONCE: Final = 20
"""Maximum number of resources in one call (AWS, Elastic Load Balancing API Reference,
DescribeTags)."""
_ARNS: Final = frozenset({"TargetGroupArn"})
_HEALTH: Final = (
    *("HealthCheckEnabled", "HealthCheckProtocol", "HealthCheckPort", "HealthCheckPath"),
    *("HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount"),
    *("UnhealthyThresholdCount", "Matcher"),
)

Item = Mapping[str, Any]


@dataclass(frozen=True)
class BalancerListing:
    """All load balancers and target groups of the regions, by ARN, as the API shows them."""

    balancers: Mapping[str, Item]
    target_groups: Mapping[str, Item]


@dataclass(frozen=True)
class FoundBalancers:
    """The balancers of a site and what belongs to them.

    Attributes:
        resources: balancers, listeners, rules and target groups.
        health: the targets of each target group with their health, by ARN; without the target
            groups whose targets could not be read.
        target_types: the type of the targets of each target group, by ARN.
    """

    resources: tuple[FoundResource, ...]
    health: Mapping[str, tuple[TargetHealth, ...]]
    target_types: Mapping[str, str]


def region_of(arn: str) -> str:
    """Return the region in an ARN."""
    return arn.split(":")[3]


def list_balancers(calls: SiteCalls, regions: Iterable[str]) -> BalancerListing:
    """Return every load balancer and target group of the regions."""
    each: dict[str, tuple[str, dict[str, Any]]] = {region: (region, {}) for region in regions}
    balancers = calls.each(aws_calls.LOAD_BALANCERS, each)
    groups = calls.each(aws_calls.TARGET_GROUPS, each)
    return BalancerListing(
        {item["LoadBalancerArn"]: item for found in balancers.values() for item in found or ()},
        {item["TargetGroupArn"]: item for found in groups.values() for item in found or ()},
    )


def read_tags(calls: SiteCalls, arns: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return the tags of load balancers and target groups that could be read, by ARN."""
    by_region: dict[str, list[str]] = {}
    for arn in arns:
        by_region.setdefault(region_of(arn), []).append(arn)
    keyed = {
        (region, number): (region, {"ResourceArns": batch})
        for region, of_region in by_region.items()
        for number, batch in enumerate(batches(of_region, _TAGGED_AT_ONCE))
    }
    answers = calls.each(aws_calls.TAGS, keyed).values()
    return {item["ResourceArn"]: item["Tags"] for answer in answers for item in answer or ()}


def read_balancers(
    calls: SiteCalls, listing: BalancerListing, arns: Iterable[str], groups: Iterable[str]
) -> FoundBalancers:
    """Return balancers, and balancers that are their targets, with what belongs to them.

    Args:
        calls: the caller of AWS.
        listing: all balancers and target groups of the regions.
        arns: the balancers.
        groups: further target groups to read, even if no listener forwards to them.
    """
    reader = _Reader(calls, listing)
    waiting = [arn for arn in arns if arn in listing.balancers]
    extra = [arn for arn in groups if arn in listing.target_groups]
    while waiting or extra:
        waiting, extra = reader.add(waiting, extra), []
    return reader.found()


class _Reader:
    def __init__(self, calls: SiteCalls, listing: BalancerListing) -> None:
        self._calls, self._listing = calls, listing
        self._resources: list[FoundResource] = []
        self._balancers: dict[str, None] = {}
        self._attributes: dict[str, list[Any] | None] = {}
        self._health: dict[str, tuple[TargetHealth, ...] | None] = {}

    def add(self, balancers: list[str], groups: list[str]) -> list[str]:
        """Read balancers and target groups; return the groups' targets that are balancers."""
        self._balancers |= dict.fromkeys(balancers)
        by_arn = {arn: (region_of(arn), {"LoadBalancerArn": arn}) for arn in balancers}
        self._attributes |= self._calls.each(aws_calls.BALANCER_ATTRIBUTES, by_arn)
        listeners = [
            item
            for found in self._calls.each(aws_calls.LISTENERS, by_arn).values()
            for item in found or ()
        ]
        rules = self._rules(listeners)
        self._resources += [self._listener(item) for item in listeners]
        self._resources += [
            self._rule(listener, rule) for listener, found in rules.items() for rule in found
        ]
        arns = [*groups, *_target_groups([*listeners, *(r for of in rules.values() for r in of)])]
        return self._add_groups(
            [
                arn
                for arn in dict.fromkeys(arns)
                if self._group(arn) is not None and arn not in self._health
            ]
        )

    def _group(self, arn: str) -> Item | None:
        """Return a target group as the API shows it.

        If target groups could not be read, return only the name from the ARN.
        """
        if self._calls.is_unread(aws_calls.TARGET_GROUPS, region_of(arn)):
            return {"TargetGroupName": arn.split("/")[1], "TargetType": "instance"}
        return self._listing.target_groups.get(arn)

    def _type(self, arn: str) -> str:
        return str((self._group(arn) or {}).get("TargetType", "instance"))

    def _rules(self, listeners: list[Any]) -> dict[str, list[Any]]:
        """Return the rules of Application Load Balancers' listeners, without the default rule."""
        arns = [item["ListenerArn"] for item in listeners if item["Protocol"] in ("HTTP", "HTTPS")]
        keyed = {arn: (region_of(arn), {"ListenerArn": arn}) for arn in arns}
        answers = self._calls.each(aws_calls.RULES, keyed)
        return {
            arn: [rule for rule in found or () if not rule.get("IsDefault")]
            for arn, found in answers.items()
        }

    def _add_groups(self, arns: list[str]) -> list[str]:
        keyed = {arn: (region_of(arn), {"TargetGroupArn": arn}) for arn in arns}
        self._attributes |= self._calls.each(aws_calls.TARGET_GROUP_ATTRIBUTES, keyed)
        answers = self._calls.each(aws_calls.TARGET_HEALTH, keyed)
        inner: dict[str, None] = {}
        for arn, found in answers.items():
            self._health[arn] = None if found is None else tuple(map(target_health_of, found))
            if self._type(arn) == "alb":
                inner |= dict.fromkeys(target.id for target in self._health[arn] or ())
        return [
            arn for arn in inner if arn in self._listing.balancers and arn not in self._balancers
        ]

    def found(self) -> FoundBalancers:
        """Return the balancers with their listeners, rules, target groups and targets."""
        tags = read_tags(self._calls, (*self._balancers, *self._health))
        resources = [
            *(self._balancer(arn, tags) for arn in self._balancers),
            *(self._target_group(arn, tags) for arn in self._health),
            *self._resources,
        ]
        return FoundBalancers(
            tuple(resources),
            {arn: health for arn, health in self._health.items() if health is not None},
            {arn: self._type(arn) for arn in self._health},
        )

    def _balancer(self, arn: str, tags: Mapping[str, list[dict[str, str]]]) -> FoundResource:
        item = self._listing.balancers[arn]
        zones = sorted(item.get("AvailabilityZones", ()), key=lambda zone: str(zone["ZoneName"]))
        properties = {
            **chosen(item, "Type", "Scheme", "IpAddressType", "SecurityGroups"),
            "Name": item["LoadBalancerName"],
            **_subnets(zones),
            **_attributes("LoadBalancerAttributes", self._attributes.get(arn)),
        }
        full_name = arn.partition(":loadbalancer/")[2]
        return _tagged(
            FoundResource(
                LOAD_BALANCER,
                region_of(arn),
                arn,
                item["LoadBalancerName"],
                properties,
                _unread("LoadBalancerAttributes", self._attributes.get(arn)),
                {arn: "", item["DNSName"]: "DNSName", full_name: "LoadBalancerFullName"},
            ),
            tags.get(arn),
        )

    def _target_group(self, arn: str, tags: Mapping[str, list[dict[str, str]]]) -> FoundResource:
        item, health = self._group(arn) or {}, self._health[arn]
        properties = {
            **chosen(item, "Port", "Protocol", "ProtocolVersion", "VpcId", "TargetType", *_HEALTH),
            "Name": item["TargetGroupName"],
            **_attributes("TargetGroupAttributes", self._attributes.get(arn)),
        }
        unread = _unread("TargetGroupAttributes", self._attributes.get(arn))
        if health is None:
            unread |= {"Targets"}
        else:
            properties["Targets"] = [
                {"Id": Link(target.id), **({"Port": target.port} if target.port else {})}
                for target in health
                if target.state != "draining"
            ]
        full_name = arn.rpartition(":")[2]
        return _tagged(
            FoundResource(
                TARGET_GROUP,
                region_of(arn),
                arn,
                item["TargetGroupName"],
                properties,
                unread,
                {arn: "", full_name: "TargetGroupFullName"},
            ),
            tags.get(arn),
        )

    def _listener(self, item: Item) -> FoundResource:
        arn, owner = item["ListenerArn"], item["LoadBalancerArn"]
        properties = {
            "LoadBalancerArn": Link(owner),
            **chosen(item, "Port", "Protocol", "SslPolicy", "Certificates", "AlpnPolicy"),
            "DefaultActions": with_links(item.get("DefaultActions", []), _ARNS),
        }
        name = f"{self._listing.balancers[owner]['LoadBalancerName']}-{item.get('Port')}"
        return FoundResource(LISTENER, region_of(arn), arn, name, properties, aliases={arn: ""})

    @staticmethod
    def _rule(listener: str, item: Item) -> FoundResource:
        arn = item["RuleArn"]
        properties = {
            "ListenerArn": Link(listener),
            **chosen(item, "Priority", "Conditions"),
            "Actions": with_links(item.get("Actions", []), _ARNS),
        }
        name = f"rule-{arn.rpartition('/')[2]}"
        return FoundResource(
            LISTENER_RULE, region_of(arn), arn, name, properties, aliases={arn: ""}
        )


def _subnets(zones: Iterable[Item]) -> dict[str, Any]:
    """Return a balancer's subnets, with the fixed address in each subnet, if there is one."""
    zones = list(zones)
    mappings = [
        {
            "SubnetId": zone["SubnetId"],
            **{
                key: value
                for address in zone.get("LoadBalancerAddresses", ())
                for key, value in chosen(address, "AllocationId", "PrivateIPv4Address").items()
            },
        }
        for zone in zones
        if "SubnetId" in zone
    ]
    if any(len(mapping) > 1 for mapping in mappings):
        return {"SubnetMappings": mappings}
    return {"Subnets": [mapping["SubnetId"] for mapping in mappings]}


def _attributes(name: str, attributes: list[Any] | None) -> dict[str, Any]:
    return {} if attributes is None else {name: attributes}


def _unread(name: str, attributes: list[Any] | None) -> frozenset[str]:
    return frozenset({name}) if attributes is None else frozenset()


def _tagged(resource: FoundResource, tags: list[dict[str, str]] | None) -> FoundResource:
    if tags is None:
        return replace(resource, unread=resource.unread | {"Tags"})
    return replace(resource, properties={**resource.properties, "Tags": written_tags(tags)})


def _target_groups(items: Iterable[Item]) -> Iterator[str]:
    """Yield the target groups to which listeners and rules forward."""
    for item in items:
        for action in (*item.get("DefaultActions", ()), *item.get("Actions", ())):
            if "TargetGroupArn" in action:
                yield action["TargetGroupArn"]
            for group in action.get("ForwardConfig", {}).get("TargetGroups", ()):
                yield group["TargetGroupArn"]
