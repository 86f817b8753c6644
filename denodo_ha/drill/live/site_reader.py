"""Site reader: reads the deployed resources of a site, and writes them as templates.

    read_live_site(Aws(), ["eu-west-1", "eu-central-1"], SiteLocator(record="denodo.example.com"))

The number of calls depends on balancers, target groups, stacks and regions, and not on nodes. The
answers of one call decide which calls follow, so the reading has steps: the entry points, the
balancers, the machines, then alarms and health checks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.alarm_reader import alarms_of_site, list_alarms
from denodo_ha.drill.live.aws_calls import LiveCall, SiteCalls
from denodo_ha.drill.live.balancer_reader import FoundBalancers, list_balancers, read_balancers
from denodo_ha.drill.live.database_reader import found_databases, list_databases
from denodo_ha.drill.live.entry_points import (
    SiteLocator,
    Surroundings,
    find_entry_points,
    region_in_name,
)
from denodo_ha.drill.live.found_machines import read_machines
from denodo_ha.drill.live.found_resource import FoundResource
from denodo_ha.drill.live.live_site import LiveSite, TargetState, UnreadPart
from denodo_ha.drill.live.machine_reader import list_addresses
from denodo_ha.drill.live.registered_targets import with_registered_targets
from denodo_ha.drill.live.route53_reader import Route53Reader, check_ids, values_of
from denodo_ha.drill.live.site_templates import SiteTemplates
from denodo_ha.drill.reading.resource_reader import (
    ALARM,
    AUTO_SCALING_GROUP,
    COMPOSITE_ALARM,
    DATABASE,
    HEALTH_CHECK,
    INSTANCE,
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    SUBNET,
    TARGET_GROUP,
)

_KEPT: Final[Mapping[LiveCall, frozenset[str]]] = {
    aws_calls.LOAD_BALANCERS: frozenset({LOAD_BALANCER, LISTENER, LISTENER_RULE, TARGET_GROUP}),
    aws_calls.LISTENERS: frozenset({LISTENER, LISTENER_RULE}),
    aws_calls.RULES: frozenset({LISTENER_RULE}),
    aws_calls.TARGET_GROUPS: frozenset({TARGET_GROUP}),
    aws_calls.INSTANCES: frozenset({INSTANCE}),
    aws_calls.SUBNETS: frozenset({SUBNET}),
    aws_calls.AUTO_SCALING_GROUPS: frozenset({AUTO_SCALING_GROUP}),
}
"""For each call: the types of resources that are taken from the deployed template if the call gives
no answer. Outcomes that depend on these resources are unknown, but the report can name nodes and
services."""
_DROPPED: Final[Mapping[LiveCall, frozenset[str]]] = {
    aws_calls.ALARMS: frozenset({ALARM, COMPOSITE_ALARM}),
    aws_calls.HEALTH_CHECKS: frozenset({HEALTH_CHECK}),
    aws_calls.DATABASES: frozenset({DATABASE}),
}
"""For each call: the types of resources that are left out if the call gives no answer."""


def read_live_site(aws: Aws, regions: Sequence[str], locator: SiteLocator) -> LiveSite:
    """Read the deployed resources of a site.

    Raises:
        UsageError: The locator names nothing that exists in these regions.
        AwsError: A call without which nothing is found gave no answer, or credentials are missing.
    """
    regions = tuple(dict.fromkeys(regions))
    account = _account(aws, regions)
    calls = SiteCalls(aws)
    route53 = Route53Reader(calls, regions[0])
    listing, addresses = list_balancers(calls, regions), list_addresses(calls, regions)
    around = Surroundings(calls, regions, listing, addresses, route53)
    points = find_entry_points(around, locator)
    groups = [arn for stack in points.own for _, arn in stack.of_type(TARGET_GROUP)]
    balancers = read_balancers(calls, listing, points.balancers, groups)
    databases = found_databases(list_databases(calls, regions), points.own)
    machines = read_machines(calls, points, balancers, [*addresses, *databases.of_site])
    records = route53.records(points.record_names)
    own_checks = [id_ for stack in points.own for _, id_ in stack.of_type(HEALTH_CHECK)]
    checks = route53.checks([*own_checks, *check_ids(records)])
    alarms = list_alarms(calls, dict.fromkeys([*regions, *_alarm_regions(checks)]))
    found = [
        *with_registered_targets(balancers, points.own, machines),
        *machines.resources,
        *databases.of_site,
        *records,
        *checks,
    ]
    found += alarms_of_site(alarms, found, points.own)
    templates = SiteTemplates(points.own, found, account)
    unread = (
        *calls.unread,
        *points.unread,
        *_other_regions(records, regions),
        *databases.unknown(machines.networks(points.own)),
    )
    kept = {region: _unread_types(calls, _KEPT, region) for region in regions}
    # Consider the calls of all regions, because health checks belong to no region.
    dropped = _unread_types(calls, _DROPPED, *regions)
    return LiveSite(
        templates.templates(
            machines.zones(listing.balancers.values()),
            kept,
            frozenset(part.region for part in unread if {"balancer", "node"} & part.hides),
        ),
        unread,
        tuple(_target_states(templates, balancers)),
        machines.drained_keys(points.own),
        (*templates.gone(kept, dropped), *machines.notes()),
    )


def _unread_types(
    calls: SiteCalls, types: Mapping[LiveCall, frozenset[str]], *regions: str
) -> frozenset[str]:
    """Return the types of resources whose call gave no answer in at least one of the regions."""
    return frozenset(
        type_
        for call, of_call in types.items()
        if any(calls.is_unread(call, region) for region in regions)
        for type_ in of_call
    )


def _account(aws: Aws, regions: Sequence[str]) -> str:
    """Return the account id of the credentials; empty if the id cannot be read."""
    try:
        return aws.account(regions)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError:
        return ""


def _alarm_regions(checks: Iterable[FoundResource]) -> Iterator[str]:
    """Yield the regions of the health checks' alarms, which may differ from the site's regions."""
    for check in checks:
        alarm = check.properties["HealthCheckConfig"].get("AlarmIdentifier")
        if alarm:
            yield alarm["Region"]


def _other_regions(
    records: Iterable[FoundResource], regions: Sequence[str]
) -> Iterator[UnreadPart]:
    """Yield the records that lead to balancers in regions that were not read."""
    for record in records:
        for value in values_of(record):
            region = region_in_name(value)
            if region and region not in regions:
                role = record.properties.get("Failover", "")
                text = (
                    f"{record.id}: its {role + ' ' if role else ''}record answers with {value}, "
                    f"and {region} was not read; add --region {region}"
                )
                yield UnreadPart("", region, text, frozenset({"record"}))


def _target_states(templates: SiteTemplates, balancers: FoundBalancers) -> Iterator[TargetState]:
    """Yield the health of each registered target, by target group."""
    for arn, health in balancers.health.items():
        region = arn.split(":")[3]
        for target in health:
            machine = templates.key_of(target.id, region, INSTANCE, LOAD_BALANCER)
            yield TargetState(
                templates.key_of(arn, region) or arn,
                machine or target.id,
                target.port,
                target.state,
                target.explanation,
            )
