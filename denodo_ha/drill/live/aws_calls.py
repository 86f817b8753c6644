"""The calls to AWS of the live reading: one list, from which the IAM policy is made.

Every call goes through `SiteCalls`. A call that is denied, throttled or not answered does not end
the reading: it is recorded, and the objects that the call reads are unknown.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    Throttled,
)
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.drill.model.model import ANY_SUBJECT, Subject

DRILL: Final = "drill"
ADOPT: Final = "adopt"


@dataclass(frozen=True)
class LiveCall:
    """A kind of call to AWS that changes nothing.

    Attributes:
        service: the service as boto3 names it.
        operation: the operation as boto3 names it.
        action: the IAM action that permits the call.
        answer: the key of the list in the answer.
        subject: the objects that are unknown without the answer, as words of a sentence.
        hides: the kinds of objects, as in the drill's model, that are unknown without the answer.
        used_by: the command that makes the call.
    """

    service: str
    operation: str
    action: str
    answer: str
    subject: str
    hides: frozenset[Subject]
    used_by: str = DRILL


def _call(
    service: str, operation: str, action: str, answer: str, subject: str, *hides: Subject
) -> LiveCall:
    return LiveCall(service, operation, action, answer, subject, frozenset(hides) or ANY_SUBJECT)


def _of_adoption(service: str, operation: str, action: str, answer: str, subject: str) -> LiveCall:
    return LiveCall(service, operation, action, answer, subject, frozenset(), ADOPT)


_ELB: Final = "elasticloadbalancing"

STACKS: Final = _call(
    *("cloudformation", "describe_stacks", "cloudformation:DescribeStacks", "Stacks"),
    "the stacks of this project",
)
STACK_RESOURCES: Final = _call(
    *("cloudformation", "list_stack_resources", "cloudformation:ListStackResources"),
    *("StackResourceSummaries", "the resources of a stack of this project"),
)
TEMPLATE: Final = _call(
    *("cloudformation", "get_template", "cloudformation:GetTemplate", "TemplateBody"),
    "values that only the template of a stack of this project has, such as the failover records "
    "and the delays of checks",
    *("node", "zone", "database", "record"),
)
LOAD_BALANCERS: Final = _call(
    *("elbv2", "describe_load_balancers", f"{_ELB}:DescribeLoadBalancers", "LoadBalancers"),
    "the load balancers",
)
BALANCER_ATTRIBUTES: Final = _call(
    *("elbv2", "describe_load_balancer_attributes", f"{_ELB}:DescribeLoadBalancerAttributes"),
    *("Attributes", "the attributes of a load balancer, such as cross-zone load balancing"),
    *("balancer", "address"),
)
LISTENERS: Final = _call(
    *("elbv2", "describe_listeners", f"{_ELB}:DescribeListeners", "Listeners"),
    "the listeners of a load balancer",
    *("balancer", "node"),
)
RULES: Final = _call(
    *("elbv2", "describe_rules", f"{_ELB}:DescribeRules", "Rules"),
    "the rules of a listener",
    *("balancer", "node"),
)
TARGET_GROUPS: Final = _call(
    *("elbv2", "describe_target_groups", f"{_ELB}:DescribeTargetGroups", "TargetGroups"),
    "the target groups and their health checks",
    *("balancer", "node", "check"),
)
TARGET_GROUP_ATTRIBUTES: Final = _call(
    *("elbv2", "describe_target_group_attributes", f"{_ELB}:DescribeTargetGroupAttributes"),
    *("Attributes", "the attributes of a target group, such as its minimum of healthy targets"),
    *("balancer", "address", "record"),
)
TARGET_HEALTH: Final = _call(
    *("elbv2", "describe_target_health", f"{_ELB}:DescribeTargetHealth"),
    *(
        "TargetHealthDescriptions",
        "the targets of a target group, and the present health of the targets",
    ),
    *("balancer", "node"),
)
TAGS: Final = _call(
    *("elbv2", "describe_tags", f"{_ELB}:DescribeTags", "TagDescriptions"),
    "the tags of load balancers and target groups, which name clusters, services and nodes",
    "node",
)
INSTANCES: Final = _call(
    *("ec2", "describe_instances", "ec2:DescribeInstances", "Reservations"),
    "the instances: zones, types and whether they exist",
    *("node", "zone", "record"),
)
SUBNETS: Final = _call(
    *("ec2", "describe_subnets", "ec2:DescribeSubnets", "Subnets"),
    "the zones of subnets",
    *("address", "zone"),
)
ADDRESSES: Final = _call(
    *("ec2", "describe_addresses", "ec2:DescribeAddresses", "Addresses"),
    "the Elastic IP addresses",
    "record",
)
AUTO_SCALING_GROUPS: Final = _call(
    *("autoscaling", "describe_auto_scaling_groups", "autoscaling:DescribeAutoScalingGroups"),
    *("AutoScalingGroups", "the Auto Scaling groups"),
    *("node", "zone"),
)
ALARMS: Final = _call(
    *("cloudwatch", "describe_alarms", "cloudwatch:DescribeAlarms", "MetricAlarms"),
    "the alarms, and therefore the metrics that health checks monitor and the notifications",
    "check",
)
HOSTED_ZONES: Final = _call(
    *("route53", "list_hosted_zones", "route53:ListHostedZones", "HostedZones"),
    "the hosted zones, and therefore the records in them",
    "record",
)
RECORDS: Final = _call(
    *("route53", "list_resource_record_sets", "route53:ListResourceRecordSets"),
    *("ResourceRecordSets", "the records of a hosted zone"),
    "record",
)
HEALTH_CHECKS: Final = _call(
    *("route53", "list_health_checks", "route53:ListHealthChecks", "HealthChecks"),
    "the health checks of Route 53",
    "check",
)
CHECK_TAGS: Final = _call(
    *("route53", "list_tags_for_resources", "route53:ListTagsForResources", "ResourceTagSets"),
    "the names of health checks",
    "check",
)
DATABASES: Final = _call(
    *("rds", "describe_db_instances", "rds:DescribeDBInstances", "DBInstances"),
    "the databases",
    "database",
)

CALLS: Final[tuple[LiveCall, ...]] = (
    *(STACKS, STACK_RESOURCES, TEMPLATE),
    *(LOAD_BALANCERS, BALANCER_ATTRIBUTES, LISTENERS, RULES),
    *(TARGET_GROUPS, TARGET_GROUP_ATTRIBUTES, TARGET_HEALTH, TAGS),
    *(INSTANCES, SUBNETS, ADDRESSES, AUTO_SCALING_GROUPS),
    *(ALARMS, HOSTED_ZONES, RECORDS, HEALTH_CHECKS, CHECK_TAGS, DATABASES),
)
"""The kinds of calls that `drill --live` makes."""

LISTENER_ATTRIBUTES: Final = _of_adoption(
    *("elbv2", "describe_listener_attributes", f"{_ELB}:DescribeListenerAttributes"),
    *("Attributes", "the attributes of a listener, such as its idle timeout"),
)
SECURITY_GROUPS: Final = _of_adoption(
    *("ec2", "describe_security_groups", "ec2:DescribeSecurityGroups", "SecurityGroups"),
    "the security groups of load balancers and nodes",
)
SECURITY_GROUP_RULES: Final = _of_adoption(
    *("ec2", "describe_security_group_rules", "ec2:DescribeSecurityGroupRules"),
    *("SecurityGroupRules", "the rules of security groups, which have the networks of clients"),
)
VPCS: Final = _of_adoption(
    *("ec2", "describe_vpcs", "ec2:DescribeVpcs", "Vpcs"), "the networks (CIDR) of VPCs"
)
PREFIX_LISTS: Final = _of_adoption(
    *("ec2", "describe_managed_prefix_lists", "ec2:DescribeManagedPrefixLists", "PrefixLists"),
    "the prefix list of Route 53's health checkers",
)
ADOPT_CALLS: Final[tuple[LiveCall, ...]] = (
    *CALLS,
    *(LISTENER_ATTRIBUTES, SECURITY_GROUPS, SECURITY_GROUP_RULES, VPCS, PREFIX_LISTS),
)
"""The kinds of calls that `adopt` makes."""


def read_only_policy(calls: Iterable[LiveCall] = CALLS) -> dict[str, Any]:
    """Return the IAM policy that permits every call of the live reading.

    The policy allows the actions on all resources and without a condition: most actions support
    neither resources nor conditions (AWS, Service Authorization Reference), and a site may be
    anywhere in the account.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DenodoHaDrillLive",
                "Effect": "Allow",
                "Action": sorted({call.action for call in calls}),
                "Resource": "*",
            }
        ],
    }


class SiteCalls:
    """Caller of AWS for one reading, which records the calls that got no answer.

    Args:
        aws: the credentials.
    """

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self._lock = threading.Lock()
        self._unread: dict[tuple[str, str], UnreadPart] = {}

    @property
    def unread(self) -> tuple[UnreadPart, ...]:
        """Calls to which AWS gave no answer, in a fixed order."""
        return tuple(self._unread[key] for key in sorted(self._unread))

    def is_unread(self, call: LiveCall, region: str) -> bool:
        """Return whether at least one call of this kind gave no answer in a region."""
        return (call.action, region) in self._unread

    def items(self, call: LiveCall, region: str, **arguments: Any) -> list[Any] | None:
        """Return the items of all pages of an answer, None if there is no answer.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials have expired.
        """
        pages = self.pages(call, region, **arguments)
        return None if pages is None else [item for page in pages for item in page[call.answer]]

    def first_page(self, call: LiveCall, region: str, **arguments: Any) -> list[Any] | None:
        """Return the items of the first page of an answer, None if there is no answer.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials have expired.
        """
        page = self.answer(call, region, **arguments)
        return None if page is None else list(page)

    def answer(self, call: LiveCall, region: str, **arguments: Any) -> Any:
        """Make a call once; return the value at the key `LiveCall.answer`, None without an answer.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials have expired.
        """

        def made(client: Any) -> Any:
            return getattr(client, call.operation)(**arguments)[call.answer]

        return self._translated(call, region, made)

    def pages(self, call: LiveCall, region: str, **arguments: Any) -> list[Any] | None:
        """Return all pages of an answer, None if there is no answer.

        Raises:
            NoCredentials: There are no credentials.
            ExpiredCredentials: The credentials have expired.
        """

        def made(client: Any) -> list[Any]:
            if not client.can_paginate(call.operation):
                return [getattr(client, call.operation)(**arguments)]
            pages = [*client.get_paginator(call.operation).paginate(**arguments)]
            # Access the key of the answer, so that a missing key is reported as an unreadable
            # answer of this call.
            _ = [page[call.answer] for page in pages]
            return pages

        result: list[Any] | None = self._translated(call, region, made)
        return result

    def _translated(self, call: LiveCall, region: str, made: Callable[[Any], Any]) -> Any:
        try:
            with translated_errors():
                return made(self.aws.client(call.service, region))
        except (NoCredentials, ExpiredCredentials):
            raise
        except AwsError as error:
            self._note(call, region, error)
            return None

    def each(
        self, call: LiveCall, keyed: Mapping[Any, tuple[str, Mapping[str, Any]]]
    ) -> dict[Any, list[Any] | None]:
        """Make a call for each value (region, arguments) of `keyed`; return the items by key."""
        keys = list(keyed)

        def one(key: Any) -> list[Any] | None:
            region, arguments = keyed[key]
            return self.items(call, region, **arguments)

        return dict(zip(keys, map_concurrently(one, keys), strict=True))

    def _note(self, call: LiveCall, region: str, error: AwsError) -> None:
        part = UnreadPart(call.action, region, _unread_text(call, region, error), call.hides)
        with self._lock:
            self._unread.setdefault((call.action, region), part)


def _unread_text(call: LiveCall, region: str, error: AwsError) -> str:
    """Return a sentence on what is unknown without an answer, why, and what to do."""
    unknown = f"{region}: these parts are not known: {call.subject}"
    if isinstance(error, AccessDenied):
        return (
            f"{unknown}; {call.action} is not permitted: `denodo-ha {call.used_by} --show-policy` "
            "prints the IAM policy that this role needs"
        )
    if isinstance(error, Throttled):
        return f"{unknown}; AWS throttles {call.action}: run the command again"
    return f"{unknown}; {call.action} gave no answer: {error}"


def batches(values: Iterable[str], size: int) -> list[list[str]]:
    """Return the distinct values in their order, divided into lists of at most `size` values."""
    distinct = list(dict.fromkeys(values))
    return [distinct[start : start + size] for start in range(0, len(distinct), size)]


def concurrently(*reads: Callable[[], Any]) -> list[Any]:
    """Call the given functions at the same time, and return their results in the given order."""
    return map_concurrently(lambda read: read(), reads)
