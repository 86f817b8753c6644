"""Findings of template validators that this project accepts, each with its reason.

The findings are those of the CDK's own validation, which runs at every synth, and of cdk-nag's
AwsSolutions, which runs in the tests. Validation reports contain the accepted findings, with their
reasons.

A stack acknowledges only its own findings. If every stack acknowledged the findings of all
clusters, the number of acknowledgements would grow with the square of the number of clusters.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

from denodo_ha.environment import names
from denodo_ha.environment.derived import (
    cookie_balancer,
    failover_plan,
    node_metadata,
)
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from stacks.log_group import INSTANCES

_BUILT_IN = "CloudFormation-Validate"
_ANNOTATION = "Annotation"
_NAG = "AwsSolutions"


@dataclass(frozen=True)
class AcceptedFinding:
    """Finding of a validator that this project accepts, with the reason."""

    validator: str
    rule: str
    reason: str

    @property
    def id(self) -> str:
        """Id of the finding, with the validator's name: `VALIDATOR::RULE`."""
        return f"{self.validator}::{self.rule}"


_WILDCARD_RESOURCE = AcceptedFinding(
    _NAG,
    "AwsSolutions-IAM5[Resource::*]",
    "The actions of Session Manager, the actions that describe health and the action that puts a "
    "metric cannot be limited to a resource; health is limited by region, the metric by region "
    "and namespace",
)
_ONE_STACK = (
    "A single stack, selected by name: the wildcard matches the id, which differs for each new "
    "stack"
)

_CLUSTER = (
    AcceptedFinding(
        _BUILT_IN,
        "W3010",
        "Zones are set on purpose: each node belongs to one zone, and CloudFormation would put "
        "all nodes into the first zone",
    ),
    AcceptedFinding(
        _BUILT_IN,
        "W9010",
        "Images are pinned on purpose: a lookup of the latest image would replace all nodes at "
        "once",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC28",
        "Target health detects a failed node within seconds; metrics per minute are not used for "
        "this",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC29",
        "Termination protection would prevent CloudFormation from replacing a node; the data of a "
        "node is in its image, in the configuration and in the backup of its metadata",
    ),
    _WILDCARD_RESOURCE,
)
_NO_ACCESS_LOGS = (
    "A Network Load Balancer writes access logs only for TLS listeners, so most connections would "
    "be missing; flow logs and Denodo's own log contain all connections"
)
_NO_APPLICATION_ACCESS_LOGS = (
    "; access logs of the Application Load Balancer contain addresses and queries of users: the "
    "owner of the account decides on their storage and retention, and enables them"
)
_IMPORTED_SUBNETS = AcceptedFinding(
    _ANNOTATION,
    "@aws-cdk/aws-ec2:noSubnetRouteTableId",
    "This stack does not use the route tables of subnets from other stacks",
)
_CREATED_VPC = AcceptedFinding(
    _NAG,
    "AwsSolutions-VPC7",
    "The owner of the account decides on flow logs, and enables them for all VPCs, or here with "
    "flow_logs",
)
_HAPROXY = (
    AcceptedFinding(
        _ANNOTATION,
        "@aws-cdk/aws-autoscaling:desiredCapacitySet",
        "The configuration sets the number of HAProxy instances, and nothing else changes it",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-AS3",
        "The Auto Scaling group is never scaled automatically; target health shows the loss of "
        "an HAProxy instance within seconds",
    ),
    AcceptedFinding(
        _NAG,
        "AwsSolutions-EC26",
        "False positive: in a stack with a launch template, the rule expects one for each "
        "instance, and nodes have none; tests check that all disks are encrypted",
    ),
)
_PUBLIC = AcceptedFinding(
    _NAG,
    "AwsSolutions-EC23",
    "The configuration opens the load balancer to the internet, and synth prints a warning",
)
_LOGINS = AcceptedFinding(
    _NAG,
    "AwsSolutions-SMG4",
    "Nodes read their login when they start, so a new password requires a rolling restart: "
    "an operator rotates it with `denodo-ha catalog rotate`, which alternates between two users",
)
_DATABASE = AcceptedFinding(
    _NAG,
    "AwsSolutions-RDS11",
    "Another port would not improve security: the database is private, and its security group "
    "allows only the nodes",
)
_EXPORTS = AcceptedFinding(
    _NAG,
    "AwsSolutions-S1",
    "Access logs would require a second bucket; CloudTrail data events record access instead",
)


def of_cluster_stack(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield the accepted findings of a cluster's stack."""
    cluster = environment.clusters[name]
    yield from _CLUSTER
    if cluster.balancer.kind != "none":
        has_cookies = bool(cookie_balancer.alb_services(environment, cluster))
        reason = _NO_ACCESS_LOGS + _NO_APPLICATION_ACCESS_LOGS * has_cookies
        yield AcceptedFinding(_NAG, "AwsSolutions-ELB2", reason)
    if cluster.network.vpc is not None:
        yield _IMPORTED_SUBNETS
    elif not cluster.network.flow_logs:
        yield _CREATED_VPC
    if cluster.balancer.kind == "haproxy":
        yield from _HAPROXY
    if failover_plan.ANYWHERE in cluster.balancer.clients:
        yield _PUBLIC
    yield from _operator_resources(environment, name)
    if cluster.exports is not None:
        yield from _copied_exports(environment, name)
    if environment.logs is not None:
        yield from _log_resources(cluster)
    yield from _history_of_cluster(environment, name)
    for arn in sorted(_machine_policies(cluster)):
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM4[Policy::{arn}]",
            "The configuration attaches this policy to the machines",
        )


def of_metadata_stack(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield the accepted findings of a cluster's metadata stack."""
    cluster = environment.clusters[name]
    if node_metadata.creates_database(cluster):
        yield from (_IMPORTED_SUBNETS, _DATABASE)
    if cluster.catalog is not None:
        yield _LOGINS
    if cluster.exports is not None:
        yield _EXPORTS
        yield from _replication_resources(environment, name)
    if node_metadata.has_stack(cluster):
        yield from _catalog_operator_resources(environment, name)
        yield from _history_of_cluster(environment, name)


def _copied_exports(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards in the policies of nodes that import copies of exports."""
    partition = node_metadata.partition(environment.clusters[name].region)
    for source in node_metadata.copied_clusters(environment, name):
        copies = node_metadata.export_copy_bucket_name(environment, source)
        for key in (node_metadata.EXPORT_MANIFEST, node_metadata.EXPORT_METADATA):
            yield AcceptedFinding(
                _NAG,
                f"AwsSolutions-IAM5[Resource::arn:{partition}:s3:::{copies}/*/{key}]",
                "A node may import the export of any node of the other cluster",
            )


def of_export_copy_stack() -> Iterator[AcceptedFinding]:
    """Yield the accepted findings of a stack with copies of exports."""
    yield _EXPORTS


def of_failover_stack(environment: Environment) -> Iterator[AcceptedFinding]:
    """Yield the accepted findings of the failover stack."""
    failover = environment.failover
    if failover is None:
        return
    yield _WILDCARD_RESOURCE
    account = failover_plan.stack_account(environment, failover)
    regions = {
        names.failover_stack(environment.name): failover_plan.stack_region(environment, failover)
    }
    for name, cluster in failover_plan.cluster_pair(environment):
        if cluster.account == account:
            regions[names.cluster_stack(environment.name, name)] = cluster.region
    for stack, region in sorted(regions.items()):
        yield _wildcard_in(region, account, f"cloudformation:stack/{stack}/*", _ONE_STACK)
    pair = [name for name, _ in failover_plan.cluster_pair(environment)]
    partition = node_metadata.partition(failover_plan.stack_region(environment, failover))
    yield from _history(environment, pair, account, partition)
    yield from _manifests(partition, node_metadata.history_buckets(environment, pair, account))


def _operator_resources(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards in the policies of a cluster's operators and Solution Manager."""
    cluster = environment.clusters[name]
    stack = names.cluster_stack(environment.name, name)
    parameters = f"ssm:parameter{names.node_parameter(environment.name, name, '*')}"
    for resource, reason in (
        ("ec2:instance/*", "Only instances with the tags of this cluster"),
        (
            "elasticloadbalancing:targetgroup/*/*",
            "Only target groups with the tags of this cluster",
        ),
        ("ec2:volume/*", "Only volumes with the tags of this cluster"),
        (parameters, "The desired states of this cluster, which contain no secret"),
        (f"cloudformation:stack/{stack}/*", _ONE_STACK),
    ):
        yield _wildcard_in(cluster.region, cluster.account, resource, reason)
    # ARNs of snapshots have no account.
    yield _wildcard_in(
        cluster.region, "", "ec2:snapshot/*", "Only new snapshots, with the tags of this cluster"
    )


def _replication_resources(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards in the policy of the role that copies a cluster's exports."""
    if node_metadata.export_copy_target(environment, name) is None:
        return
    partition = node_metadata.partition(environment.clusters[name].region)
    for bucket in (
        node_metadata.export_bucket_name(environment, name),
        node_metadata.export_copy_bucket_name(environment, name),
    ):
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM5[Resource::arn:{partition}:s3:::{bucket}/*]",
            "S3 copies every object of the bucket",
        )


def _log_resources(cluster: Cluster) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards in the permissions to write and read a cluster's logs."""
    group = f"logs:log-group:<{names.LOG_GROUP}>"
    for resource, reason in (
        (f"{group}:*", "The streams of this cluster's log group"),
        *((f"{group}:log-stream:{node}/*", "The node's own streams") for node in cluster.nodes),
        *(
            [(f"{group}:log-stream:{INSTANCES}/*", "The streams of HAProxy instances")]
            * (cluster.balancer.kind == "haproxy")
        ),
        ("logs:log-group:*", "Names of log groups, to find those of deleted stacks"),
    ):
        yield _wildcard_in(cluster.region, cluster.account, resource, reason)


_RESTORE_KINDS = ("auto-backup", "subgrp", "pg", "og")
"""Kinds of RDS resources that a restore needs besides the database: backup, subnet group, parameter
group and option group."""


def _catalog_operator_resources(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards in the policy for operators of a cluster's metadata."""
    cluster = environment.clusters[name]
    resources = {
        f"cloudformation:stack/{stack}/*": _ONE_STACK
        for stack in (
            names.cluster_stack(environment.name, name),
            names.catalog_stack(environment.name, name),
            *(
                names.export_copy_stack(environment.name, source)
                for source in node_metadata.copied_clusters(environment, name)
            ),
        )
    }
    if cluster.catalog is not None:
        resources["ec2:instance/*"] = "Only instances with the tags of this cluster"
        for user in ("userid", "username"):
            resources[f"ssm:session/<aws:{user}>-*"] = "Only the operator's own sessions"
    for resource, reason in resources.items():
        yield _wildcard_in(cluster.region, cluster.account, resource, reason)
    yield AcceptedFinding(
        _NAG,
        "AwsSolutions-IAM5[Resource::*]",
        "The ARN of the database, which the action describes, is not known in advance",
    )
    if node_metadata.copied_databases(environment, name):
        for resource, reason in (
            *((f"rds:{kind}:*", "Copies and settings of databases") for kind in _RESTORE_KINDS),
            ("secretsmanager:secret:rds!db-*", "Secrets that RDS creates and names"),
            ("kms:key/*", "Only through RDS, for the restored database"),
        ):
            yield _wildcard_in(cluster.region, cluster.account, resource, reason)
    partition = node_metadata.partition(cluster.region)
    yield from _manifests(partition, node_metadata.readable_export_buckets(environment, name))


def _manifests(partition: str, buckets: Iterable[str]) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards for the manifests in buckets of exports and of their copies."""
    for bucket in buckets:
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM5[Resource::arn:{partition}:s3:::{bucket}/*/export.json]",
            "The manifests of all nodes' exports, which contain no metadata",
        )


def _history(
    environment: Environment, clusters: Iterable[str], account: str, partition: str
) -> Iterator[AcceptedFinding]:
    """Yield accepted wildcards for the history in the clusters' buckets."""
    for bucket in node_metadata.history_buckets(environment, clusters, account):
        yield AcceptedFinding(
            _NAG,
            f"AwsSolutions-IAM5[Resource::arn:{partition}:s3:::{bucket}/"
            f"{node_metadata.HISTORY_PREFIX}*]",
            "Only the entries of the history, which contain no secret",
        )


def _history_of_cluster(environment: Environment, name: str) -> Iterator[AcceptedFinding]:
    cluster = environment.clusters[name]
    clusters = node_metadata.history_clusters(environment, name)
    partition = node_metadata.partition(cluster.region)
    return _history(environment, clusters, cluster.account, partition)


def _wildcard_in(region: str, account: str, resource: str, reason: str) -> AcceptedFinding:
    """Return the accepted finding for a resource `SERVICE:NAME` whose name contains a wildcard."""
    service, _, resource_name = resource.partition(":")
    partition = node_metadata.partition(region)
    arn = f"arn:{partition}:{service}:{region}:{account}:{resource_name}"
    return AcceptedFinding(_NAG, f"AwsSolutions-IAM5[Resource::{arn}]", reason)


def _machine_policies(cluster: Cluster) -> set[str]:
    """Return the ARNs of the managed policies that the configuration attaches to machines."""
    nodes = (cluster.instance, *(node.instance for node in cluster.nodes.values()))
    machines = (*nodes, cluster.balancer.proxy.instance)
    return {
        arn for machine in machines if machine is not None for arn in machine.role_policies or ()
    }


def acknowledge(scope: IConstruct, findings: Iterable[AcceptedFinding]) -> None:
    """Acknowledge accepted findings in a construct and in all constructs below the construct."""
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=finding.id, reason=finding.reason) for finding in findings)
    )
