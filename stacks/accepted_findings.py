"""What validators find in our templates on purpose, with the reason for each.

One table for CDK's own validation, which runs at every synth, and for cdk-nag's AwsSolutions,
which runs in the tests. What is acknowledged stays in the reports, with its reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, Validations
from aws_cdk.region_info import RegionInfo
from constructs import IConstruct

from denodo_ha.environment import names
from denodo_ha.environment.derived import (
    cookie_balancer,
    failover_plan,
    node_metadata,
)
from denodo_ha.environment.model.environment import Environment

_BUILT_IN = "CloudFormation-Validate"
_CDK = "Annotation"
_NAG = "AwsSolutions"


@dataclass(frozen=True)
class AcceptedFinding:
    """A finding and why it is meant."""

    source: str
    rule: str
    reason: str

    @property
    def id(self) -> str:
        """The finding's qualified id."""
        return f"{self.source}::{self.rule}"


_ALWAYS = (
    AcceptedFinding(
        _BUILT_IN,
        "W3010",
        "Zones are named on purpose: a node belongs to one zone, and one that CloudFormation "
        "chooses would put all nodes into the first",
    ),
    AcceptedFinding(
        _BUILT_IN,
        "W9010",
        "Images are pinned on purpose: one that is looked up replaces every node at once",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC28",
        "Target health decides on a node every few seconds; metrics by the minute decide nothing",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC29",
        "Termination protection would block the replacement of a node by CloudFormation; what a "
        "node knows is in its image, its configuration and its metadata's backup",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-IAM5[Resource::*]",
        "Session Manager's actions take no resource, nor do those that describe health or put a "
        "metric: these are bounded by region, and the metric by its namespace",
    ),
)
_NO_LOGS = (
    "A Network Load Balancer writes access logs for TLS listeners only, so they would leave "
    "out most of what passes; flow logs and Denodo's own log have all of it"
)
_NO_WEB_LOGS = (
    "; those of the Application Load Balancer behind it hold addresses and queries of users, and "
    "who keeps them how long is the account's decision: who wants them turns them on"
)
_GIVEN_SUBNETS = (
    AcceptedFinding(
        _CDK,
        "@aws-cdk/aws-ec2:noSubnetRouteTableId",
        "The routes of a subnet that another stack or somebody else made are not read here",
    ),
)
_CREATED_VPC = (
    AcceptedFinding(
        _NAG,
        "AwsSolutions-VPC7",
        "Flow logs are the account's decision: who wants them turns them on for all VPCs",
    ),
)
_HAPROXY = (
    AcceptedFinding(
        _CDK,
        "@aws-cdk/aws-autoscaling:desiredCapacitySet",
        "The number of HAProxies is the configuration's, and nothing else changes it",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-AS3",
        "The group's size never changes by itself; that HAProxies are lost is seen in the health "
        "of their targets, within seconds",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC26",
        "The rule fails by itself: where a stack has a launch template, it looks for that of every "
        "instance, and the nodes have none; tests see that every disk is encrypted",
    ),
)
_PUBLIC = (
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC23",
        "The configuration opens the balancer to the world, and synth warns of it",
    ),
)
_SHARED = (
    AcceptedFinding(
        _NAG,
        "AwsSolutions-SMG4",
        "The nodes read their login when they start, so a new password needs a rolling restart: "
        "an operator rotates it with `denodo-ha catalog rotate`, between two users",
    ),
)
_DATABASE = (
    AcceptedFinding(
        _NAG,
        "AwsSolutions-RDS11",
        "Another port hides nothing: the database is private, and its group admits the nodes alone",
    ),
)
_EXPORTED = (
    AcceptedFinding(
        _NAG,
        "AwsSolutions-S1",
        "Access logs need a second bucket; who wants to know turns on CloudTrail's data events",
    ),
)


def accepted_findings(environment: Environment) -> Iterator[AcceptedFinding]:
    """The findings that a configuration brings, with their reasons."""
    yield from _ALWAYS
    clusters = environment.clusters.values()
    behind = any(cookie_balancer.alb_services(environment, cluster) for cluster in clusters)
    yield AcceptedFinding(_NAG, "AwsSolutions-ELB2", _NO_LOGS + _NO_WEB_LOGS * behind)
    if any(one.network.vpc is not None or node_metadata.creates_database(one) for one in clusters):
        yield from _GIVEN_SUBNETS
    if any(cluster.network.vpc is None for cluster in clusters):
        yield from _CREATED_VPC
    if any(cluster.balancer.kind == "haproxy" for cluster in clusters):
        yield from _HAPROXY
    if any("0.0.0.0/0" in cluster.balancer.clients for cluster in clusters):
        yield from _PUBLIC
    if any(cluster.catalog is not None for cluster in clusters):
        yield from _SHARED
    if any(node_metadata.creates_database(cluster) for cluster in clusters):
        yield from _DATABASE
    if any(cluster.exports is not None for cluster in clusters):
        yield from _EXPORTED
    machines = (
        machine
        for cluster in clusters
        for machine in (cluster.instance, *(node.instance for node in cluster.nodes.values()))
        if machine is not None
    )
    yield from _stacks_by_name(environment)
    yield from _nodes_by_tag(environment)
    proxies = [one.balancer.proxy.instance for one in clusters]
    given = [*machines, *(one for one in proxies if one is not None)]
    for arn in sorted({arn for one in given for arn in one.role_policies or ()}):
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM4[Policy::{arn}]",
            "The configuration names this policy for the machines",
        )


def _stacks_by_name(environment: Environment) -> Iterator[AcceptedFinding]:
    """The stacks that the failover's operators may look at."""
    failover = environment.failover
    if failover is None:
        return
    account = failover_plan.stack_account(environment, failover)
    regions = {
        names.failover_stack(environment.name): failover_plan.stack_region(environment, failover)
    }
    for name, cluster in failover_plan.cluster_pair(environment):
        if cluster.account == account:
            regions[names.cluster_stack(environment.name, name)] = cluster.region
    for stack, region in sorted(regions.items()):
        partition = RegionInfo.get(region).partition
        arn = f"arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/*"
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM5[Resource::{arn}]",
            "One stack, by its name: what follows is an id that is new with every stack",
        )


def _nodes_by_tag(environment: Environment) -> Iterator[AcceptedFinding]:
    """What the operators of nodes may change."""
    for name, cluster in sorted(environment.clusters.items()):
        partition = RegionInfo.get(cluster.region).partition
        where = f"{cluster.region}:{cluster.account}"
        stack = names.cluster_stack(environment.name, name)
        states = f"parameter{names.node_parameter(environment.name, name, '*')}"
        for resource, reason in (
            (f"ec2:{where}:instance/*", "Instances with the tags of this cluster only"),
            (
                f"elasticloadbalancing:{where}:targetgroup/*/*",
                "Groups with the tags of this cluster only",
            ),
            (f"ssm:{where}:{states}", "The desired states of this cluster, which hold no secret"),
            (
                f"cloudformation:{where}:stack/{stack}/*",
                "One stack, by its name: what follows is an id that is new with every stack",
            ),
        ):
            arn = f"arn:{partition}:{resource}"
            yield AcceptedFinding(_NAG, f"AwsSolutions-IAM5[Resource::{arn}]", reason)


def acknowledge(scope: IConstruct, environment: Environment) -> None:
    """Acknowledge, below a construct, what a configuration brings."""
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=one.id, reason=one.reason) for one in accepted_findings(environment))
    )
