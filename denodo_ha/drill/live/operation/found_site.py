"""Found site: clusters without a stack of this project, for `status`, `drain` and `enable`.

    site = read_found_site(aws, ["eu-west-1"], SiteLocator(balancer="denodo-nlb"))

One load balancer is one cluster, named after its region. Its nodes are the instances that are
registered in its target groups, and the instances whose drain record names one of these target
groups. The site is read with some of the calls of `drill --live`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, UsageError
from denodo_ha.deployed.balancer import Balancer
from denodo_ha.deployed.cluster import Cluster, Node
from denodo_ha.deployed.environment_locator import StackLocation, regions_to_search
from denodo_ha.deployed.instances import Instance, instance_of
from denodo_ha.deployed.stack import Stack
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.balancer_reader import (
    BalancerListing,
    FoundBalancers,
    list_balancers,
    read_balancers,
    region_of,
)
from denodo_ha.drill.live.entry_points import SiteLocator, Surroundings, find_entry_points
from denodo_ha.drill.live.machine_reader import GROUP_TAG, list_addresses, read_instances
from denodo_ha.drill.live.operation.drain_record import DrainRecord, record_of
from denodo_ha.drill.live.operation.found_groups import target_groups
from denodo_ha.drill.live.route53_reader import Route53Reader, dns_name
from denodo_ha.environment.names import DRAINED_TAG, NODE_TAG

_NO_RECORD: Final = DrainRecord()


@dataclass(frozen=True)
class FoundCluster:
    """A cluster without a stack of this project.

    Attributes:
        cluster: the cluster; its stack is empty.
        instances: the instances of its nodes, by id.
        health: the targets of each target group at the time of the reading, by ARN; without the
            target groups whose targets could not be read.
        balancer_state: the state of its load balancer.
        records: the drain records of the nodes, by instance id.
        lost_groups: the names of target groups of drain records that no longer exist, by instance
            id.
    """

    cluster: Cluster
    instances: Mapping[str, Instance]
    health: Mapping[str, GroupHealth]
    balancer_state: str
    records: Mapping[str, DrainRecord]
    lost_groups: Mapping[str, tuple[str, ...]]

    @property
    def balancer(self) -> Balancer:
        """The load balancer."""
        assert self.cluster.balancer is not None  # every found cluster has a load balancer
        return self.cluster.balancer

    def record(self, instance_id: str) -> DrainRecord:
        """Return the drain record of an instance; empty for an instance without a drain record."""
        return self.records.get(instance_id, _NO_RECORD)

    def auto_scaling_group(self, instance_id: str) -> str:
        """Return the name of an instance's Auto Scaling group; empty without such a group."""
        instance = self.instances.get(instance_id)
        return instance.tags.get(GROUP_TAG, "") if instance else ""


@dataclass(frozen=True)
class FoundSite:
    """Clusters without a stack of this project.

    Attributes:
        name: the site's name in output: the record or the load balancer.
        record: the DNS name of the site; empty if it was found by its load balancer.
        clusters: the clusters, by region.
        unread: what could not be read, why, and what to do.
    """

    name: str
    record: str
    clusters: tuple[FoundCluster, ...]
    unread: tuple[str, ...]


def read_found_site(aws: Aws, regions: Sequence[str], locator: SiteLocator) -> FoundSite:
    """Return the clusters of the site that a record or a load balancer names.

    Raises:
        UsageError: The locator names nothing that exists in these regions, no load balancer, two
            load balancers in a region, or a site of this project's stacks.
        AwsError: A call without which nothing is found gave no answer, or credentials are missing.
    """
    calls = SiteCalls(aws)
    listing = list_balancers(calls, regions)
    addresses = list_addresses(calls, regions) if locator.record else ()
    route53 = Route53Reader(calls, regions[0])
    points = find_entry_points(Surroundings(calls, regions, listing, addresses, route53), locator)
    if points.own:
        stacks = ", ".join(stack.name for stack in points.own)
        message = (
            f"--live: this site has stacks of this project ({stacks}). Leave out --live, and name "
            "the environment with -c CONFIG or --environment NAME"
        )
        raise UsageError(message)
    by_region = _by_region(points.balancers, listing)
    clusters = tuple(_Reader(calls, listing, arn).read() for _, arn in sorted(by_region.items()))
    name = str(locator.record or locator.balancer)
    unread = tuple(part.text for part in calls.unread)
    return FoundSite(name, dns_name(locator.record or ""), clusters, unread)


def chosen_locator(
    *,
    live: bool,
    record: str | None,
    balancer: str | None,
    config: str | None,
    environment: str | None,
) -> SiteLocator:
    """Return the site that the options of a command name.

    Raises:
        UsageError: The options name no site, or both a site without a stack and an environment.
    """
    names = {"--config": config, "--environment": environment}
    given = [option for option, value in names.items() if value is not None]
    problems = []
    if not live:
        problems.append("--record and --balancer can be given only with --live")
    if given:
        problems.append(
            f"{', '.join(given)} cannot be given with --live, which is for sites without a stack "
            "of this project"
        )
    if (record is None) == (balancer is None):
        problems.append(
            "which site? With --live give --region REGION, and either --record NAME (a DNS name) "
            "or --balancer NAME (a load balancer)"
        )
    if problems:
        raise UsageError("; ".join(problems))
    return SiteLocator(record=record, balancer=balancer)


def searched_regions(aws: Aws, regions: Sequence[str] | None) -> tuple[str, ...]:
    """Return the regions of the options, else the region of the credentials.

    Raises:
        UsageError: The options and the credentials name no region.
    """
    searched = regions_to_search(aws, regions)
    if not searched:
        raise UsageError("which regions? Name every region that the site uses with --region")
    return searched


def require_read(site: FoundSite) -> None:
    """Check that all parts of a site could be read: a drain with unknown targets could do harm.

    Raises:
        AwsError: A call gave no answer.
    """
    if site.unread:
        raise AwsError("; ".join(site.unread))


def _by_region(arns: Iterable[str], listing: BalancerListing) -> dict[str, str]:
    by_region: dict[str, list[str]] = {}
    for arn in arns:
        by_region.setdefault(region_of(arn), []).append(arn)
    if not by_region:
        message = (
            "--live: the site has no load balancer in these regions, so there is no target group: "
            "check --region"
        )
        raise UsageError(message)
    for region, of_region in by_region.items():
        if len(of_region) > 1:
            known = ", ".join(
                sorted(listing.balancers[arn]["LoadBalancerName"] for arn in of_region)
            )
            message = (
                f"--live: the site has several load balancers in {region}: {known}. Name one "
                "load balancer with --balancer"
            )
            raise UsageError(message)
    return {region: arn for region, (arn,) in by_region.items()}


class _Reader:
    """Reader of one found cluster."""

    def __init__(self, calls: SiteCalls, listing: BalancerListing, arn: str) -> None:
        self._calls, self._listing, self._arn = calls, listing, arn
        self._region = region_of(arn)

    def read(self) -> FoundCluster:
        """Return the found cluster, with its targets, instances and drain records."""
        balancers = read_balancers(self._calls, self._listing, [self._arn], ())
        drained = self._drained()
        names = {arn: self._name(arn) for arn in balancers.health}
        mine = {
            id_: record
            for id_, record in ((id_, record_of(item.tags)) for id_, item in drained.items())
            if set(record.ports) & {*names.values()} or id_ in _targets(balancers)
        }
        balancers, lost = self._with_recorded(balancers, mine)
        instances = {**self._registered(balancers), **{id_: drained[id_] for id_ in mine}}
        nodes = _nodes([*_targets(balancers), *mine], instances)
        groups = target_groups(
            [one for one in balancers.resources if one.region == self._region],
            {arn: balancers.health.get(arn) for arn in balancers.target_types},
            {id_: record.ports for id_, record in mine.items()},
            {node.instance_id: node.name for node in nodes},
        )
        item = self._listing.balancers[self._arn]
        account = self._arn.split(":")[4]
        records = {id_: record_of(instance.tags) for id_, instance in instances.items()}
        return FoundCluster(
            Cluster(
                StackLocation(self._region, "", account, self._region),
                _empty_stack(self._region, account),
                nodes,
                Balancer(self._arn, item["DNSName"], ()),
                groups,
            ),
            instances,
            {
                group.arn: GroupHealth(group, balancers.health[group.arn])
                for group in groups
                if group.arn in balancers.health
            },
            str(item.get("State", {}).get("Code", "unknown")),
            records,
            lost,
        )

    def _name(self, arn: str) -> str:
        return str(self._listing.target_groups.get(arn, {}).get("TargetGroupName", ""))

    def _drained(self) -> dict[str, Instance]:
        """Return the region's instances with a drain tag by id, also those of other sites."""
        filters = [
            {"Name": "tag-key", "Values": [DRAINED_TAG]},
            {
                "Name": "instance-state-name",
                "Values": ["pending", "running", "stopping", "stopped"],
            },
        ]
        found = self._calls.items(aws_calls.INSTANCES, self._region, Filters=filters) or ()
        return _instances(item for reservation in found for item in reservation["Instances"])

    def _registered(self, balancers: FoundBalancers) -> dict[str, Instance]:
        found = read_instances(self._calls, {self._region: _targets(balancers)}, {})
        return _instances(found.values())

    def _with_recorded(
        self, balancers: FoundBalancers, records: Mapping[str, DrainRecord]
    ) -> tuple[FoundBalancers, dict[str, tuple[str, ...]]]:
        """Return the balancers with the target groups that drain records name.

        Also return, by instance id, the recorded target groups that no longer exist. A target group
        that no listener uses any more is found only by the record.
        """
        by_name = {
            item["TargetGroupName"]: arn
            for arn, item in self._listing.target_groups.items()
            if region_of(arn) == self._region
        }
        names = {name for record in records.values() for name in record.ports}
        further = [
            by_name[name]
            for name in sorted(names & by_name.keys())
            if by_name[name] not in balancers.target_types
        ]
        if further:
            more = read_balancers(self._calls, self._listing, (), further)
            balancers = FoundBalancers(
                (*balancers.resources, *more.resources),
                {**balancers.health, **more.health},
                {**balancers.target_types, **more.target_types},
            )
        lost = {
            id_: tuple(sorted(record.ports.keys() - by_name.keys()))
            for id_, record in records.items()
        }
        return balancers, {id_: names for id_, names in lost.items() if names}


def _targets(balancers: FoundBalancers) -> list[str]:
    """Return the ids of the instances that are targets of the load balancers' target groups."""
    ids = (target.id for targets in balancers.health.values() for target in targets)
    return [id_ for id_ in dict.fromkeys(ids) if id_.startswith("i-")]


def _instances(items: Iterable[Mapping[str, Any]]) -> dict[str, Instance]:
    with translated_errors():
        return {str(item["InstanceId"]): instance_of(item) for item in items}


def _nodes(ids: Iterable[str], instances: Mapping[str, Instance]) -> tuple[Node, ...]:
    """Return the nodes by name; instances that have the same name are named by their ids."""
    names = {id_: _node_name(id_, instances.get(id_)) for id_ in dict.fromkeys(ids)}
    every = list(names.values())
    return tuple(
        Node(name if every.count(name) == 1 else id_, id_, None)
        for id_, name in sorted(names.items(), key=lambda item: (item[1], item[0]))
    )


def _node_name(id_: str, instance: Instance | None) -> str:
    tags = instance.tags if instance else {}
    return tags.get(NODE_TAG) or tags.get("Name") or id_


def _empty_stack(region: str, account: str) -> Stack:
    return Stack("", "", region, account, "", {}, {}, {}, {"Resources": {}}, {})


def find_nodes(site: FoundSite, node: str) -> Iterator[tuple[FoundCluster, Node]]:
    """Yield each node of a site that has the given name or instance id, with its cluster."""
    for found in site.clusters:
        for each in found.cluster.nodes:
            tags = (
                found.instances[each.instance_id].tags
                if each.instance_id in found.instances
                else {}
            )
            if node in {each.name, each.instance_id, tags.get(NODE_TAG), tags.get("Name")}:
                yield found, each
