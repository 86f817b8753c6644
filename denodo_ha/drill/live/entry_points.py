"""Entry points of a site: the balancers, nodes and records from which the reading continues."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from denodo_ha.cli.errors import AwsError, UsageError
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.balancer_reader import BalancerListing, read_tags, region_of
from denodo_ha.drill.live.found_resource import FoundResource
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.drill.live.machine_reader import read_instances
from denodo_ha.drill.live.own_stacks import OwnStack, list_own_stacks, read_own_stacks
from denodo_ha.drill.live.route53_reader import Route53Reader, dns_name, values_of
from denodo_ha.drill.reading.resource_reader import LOAD_BALANCER, RECORD_SET
from denodo_ha.environment.names import ENVIRONMENT_TAG

_REGION_IN_NAME: Final = re.compile(
    r"\.elb\.([a-z0-9-]+)\.amazonaws|\.([a-z0-9-]+)\.elb\.amazonaws"
)
"""The region in the DNS name of a Network or an Application Load Balancer (AWS, Elastic Load
Balancing, DNS name)."""
_MAX_NAMES: Final = 20


@dataclass(frozen=True)
class SiteLocator:
    """Locator of a site: exactly one of three ways to name a site has a value.

    Attributes:
        environment: the name of an environment of this project.
        record: a DNS name with records of Route 53.
        balancer: the name, ARN or DNS name of a load balancer.
    """

    environment: str | None = None
    record: str | None = None
    balancer: str | None = None

    def __post_init__(self) -> None:
        """Check that exactly one of the three attributes has a value.

        Raises:
            UsageError: No attribute has a value, or several have.
        """
        if sum(value is not None for value in (self.environment, self.record, self.balancer)) != 1:
            message = (
                "which site? Give -c CONFIG, or with --region REGION one of --environment NAME "
                "(stacks of this project), --record NAME (a DNS name) and --balancer NAME (a load "
                "balancer)"
            )
            raise UsageError(message)


@dataclass(frozen=True)
class EntryPoints:
    """The entry points of a site.

    Attributes:
        own: the stacks of this project.
        balancers: ARNs of the balancers.
        instances: instances that are already known, by id, as the API shows them.
        record_names: the DNS names whose records belong to the site.
        unread: the parts that could not be read.
    """

    own: tuple[OwnStack, ...] = ()
    balancers: tuple[str, ...] = ()
    instances: Mapping[str, Any] = field(default_factory=dict)
    record_names: tuple[str, ...] = ()
    unread: tuple[UnreadPart, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """Resources of the regions, from which entry points are chosen.

    Attributes:
        calls: the caller of AWS.
        regions: the regions.
        listing: all balancers and target groups.
        addresses: the Elastic IP addresses.
        route53: the reader of records.
    """

    calls: SiteCalls
    regions: Sequence[str]
    listing: BalancerListing
    addresses: Sequence[FoundResource]
    route53: Route53Reader


def find_entry_points(around: Surroundings, locator: SiteLocator) -> EntryPoints:
    """Return the entry points of the site that a locator names.

    Raises:
        UsageError: The locator names nothing that exists in these regions.
        AwsError: A call without which nothing is found gave no answer.
    """
    calls, regions = around.calls, around.regions
    if locator.environment is not None:
        return _of_environment(calls, regions, locator.environment)
    record_names: tuple[str, ...] = ()
    instances: dict[str, Any] = {}
    if locator.balancer is not None:
        arns = [_named(calls, around.listing, locator.balancer)]
    else:
        record_names, arns, instances = _behind_name(around, dns_name(str(locator.record)))
    environments = _environments(calls, arns, instances)
    # A tag does not prove that a stack owns the balancer: an adoption sets the tags before a stack
    # imports the balancer.
    every = list_own_stacks(calls, regions) if environments else {}
    own = [_of_stacks(calls, every[name]) for name in environments if name in every]
    return EntryPoints(
        tuple(stack for points in own for stack in points.own),
        tuple(dict.fromkeys([*arns, *(arn for points in own for arn in points.balancers)])),
        instances,
        (*record_names, *(name for points in own for name in points.record_names)),
        tuple(part for points in own for part in points.unread),
    )


def _behind_name(
    around: Surroundings, name: str
) -> tuple[tuple[str, ...], list[str], dict[str, Any]]:
    """Follow a DNS name; return the last names, and the balancers and instances behind them.

    A name without a routing policy may lead to another name, such as the CNAME record that switches
    an adopted site. Names behind a routing policy are not followed: the name with the policy, which
    may be the failover, is the one to read.

    Raises:
        UsageError: The name has no record, or its records lead to no balancer or instance.
        AwsError: Nothing was found, and a call gave no answer.
    """
    seen: list[str] = []
    names = [name]
    while True:
        seen += names
        records = around.route53.records(names)
        if not records:
            message = (
                f"--record {name}: no hosted zone of this account has an A or CNAME record with "
                "this name"
            )
            raise _nothing(around.calls, message)
        arns, instances = _behind_records(around, records)
        if arns or instances:
            return tuple(names), arns, instances
        values = sorted({value for record in records for value in values_of(record)})
        simple = not any("SetIdentifier" in record.properties for record in records)
        names = [
            value
            for value in map(dns_name, values)
            if simple and value not in seen and around.route53.records([value])
        ]
        if not names:
            raise _nothing(around.calls, _elsewhere(name, seen, values, around.regions))


def _elsewhere(
    name: str, names: Sequence[str], values: Sequence[str], regions: Sequence[str]
) -> str:
    """Return the message for a name that leads to no balancer or instance of the regions."""
    missing = sorted({region_in_name(value) for value in values} - {"", *regions})
    remedy = " ".join(["add", *(f"--region {region}" for region in missing)])
    return (
        f"--record {name}: {'this name' if len(names) == 1 else names[-1]} answers with "
        f"{', '.join(values)}, and no load balancer or instance of this account in "
        f"{', '.join(regions)} has this name or address: "
        f"{remedy if missing else 'check --region and --profile'}"
    )


def _of_environment(calls: SiteCalls, regions: Sequence[str], environment: str) -> EntryPoints:
    every = list_own_stacks(calls, regions)
    if environment not in every:
        known = ", ".join(sorted(every))
        others = (
            f"the deployed environments are {known}"
            if known
            else "no environment is deployed at all"
        )
        message = (
            f"no stack of environment {environment} is deployed in {', '.join(regions)} in this "
            f"account; {others}: check --environment, --region and --profile"
        )
        raise _nothing(calls, message)
    return _of_stacks(calls, every[environment])


def _of_stacks(calls: SiteCalls, stacks: list[tuple[str, Mapping[str, Any]]]) -> EntryPoints:
    """Return the entry points of the stacks of one environment."""
    own, unread = read_own_stacks(calls, stacks)
    return EntryPoints(
        tuple(own),
        tuple(arn for stack in own for _, arn in stack.of_type(LOAD_BALANCER)),
        {},
        tuple(
            dict.fromkeys(
                dns_name(id_)
                for stack in own
                for logical_id, id_ in stack.of_type(RECORD_SET)
                if "Failover" in stack.properties(logical_id)
            )
        ),
        tuple(unread),
    )


def _nothing(calls: SiteCalls, message: str) -> UsageError | AwsError:
    """Return the error for a site that was not found: an AWS error if a call gave no answer."""
    if calls.unread:
        return AwsError(f"{message}; {'; '.join(part.text for part in calls.unread)}")
    return UsageError(message)


def _named(calls: SiteCalls, listing: BalancerListing, name: str) -> str:
    """Return the ARN of the balancer that has the given name, ARN or DNS name.

    Raises:
        UsageError: No balancer has the name, or several have.
        AwsError: The balancers could not be read.
    """
    arns = [
        arn
        for arn, item in listing.balancers.items()
        if name in (arn, item["LoadBalancerName"]) or dns_name(name) == dns_name(item["DNSName"])
    ]
    if len(arns) > 1:
        regions = ", ".join(sorted(map(region_of, arns)))
        message = (
            f"--balancer {name}: load balancers in {regions} have this name; give an ARN instead "
            "of the name, or only one --region"
        )
        raise UsageError(message)
    if not arns:
        known = sorted(item["LoadBalancerName"] for item in listing.balancers.values())
        more = f" and {len(known) - _MAX_NAMES} more" if len(known) > _MAX_NAMES else ""
        listed = f"{', '.join(known[:_MAX_NAMES])}{more}" if known else "none"
        message = (
            f"--balancer {name}: no load balancer has this name; the load balancers are: {listed}"
        )
        raise _nothing(calls, message)
    return arns[0]


def _behind_records(
    around: Surroundings, records: Iterable[FoundResource]
) -> tuple[list[str], dict[str, Any]]:
    """Return the balancers and the instances to which records lead."""
    calls, regions, listing = around.calls, around.regions, around.listing
    values = list(dict.fromkeys(value for record in records for value in values_of(record)))
    by_name = {dns_name(item["DNSName"]): arn for arn, item in listing.balancers.items()}
    arns = [
        by_name[name]
        for value in values
        for name in (value, value.removeprefix("dualstack."))
        if name in by_name
    ]
    numbers = [value for value in values if _is_address(value)]
    ids = {
        region: [
            item.properties["InstanceId"].text
            for item in around.addresses
            if item.region == region and item.id in numbers
        ]
        for region in regions
    }
    by_region = dict.fromkeys(regions, numbers) if numbers else {}
    return list(dict.fromkeys(arns)), read_instances(calls, ids, by_region)


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _environments(calls: SiteCalls, arns: Iterable[str], instances: Mapping[str, Any]) -> list[str]:
    """Return the environments of this project to which balancers and instances belong."""
    tags = [*read_tags(calls, arns).values(), *(one.get("Tags", []) for one in instances.values())]
    values = {tag["Value"] for of_one in tags for tag in of_one if tag["Key"] == ENVIRONMENT_TAG}
    return sorted(values)


def region_in_name(name: str) -> str:
    """Return the region in a balancer's DNS name, empty for any other name."""
    match = _REGION_IN_NAME.search(name)
    return (match[1] or match[2]) if match else ""
