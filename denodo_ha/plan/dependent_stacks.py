"""Obstacles to a destroy: stacks that need a cluster's stack, and stacks that AWS protects.

The stacks refer to each other without CloudFormation exports (the CDK's weak references), so
CloudFormation does not know of the dependency: CloudFormation would first delete the cluster's
nodes and load balancer, and then fail to delete the network, which the database still uses.
CloudFormation deletes several resources of a stack at the same time, so if a protected load
balancer makes the deletion fail, the nodes are already deleted.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import NotFound
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.stack import Stack, read_stack
from denodo_ha.environment import names

_DATABASE = "AWS::RDS::DBInstance"
_LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


@dataclass(frozen=True)
class DependentStack:
    """A deployed stack because of which a destroy would fail or break something.

    Attributes:
        stack: name of the stack.
        why: the reason, or the effect that the destruction would have on this stack.
        first: what to do before the destruction.
    """

    stack: str
    why: str
    first: str


def dependent_stacks(
    aws: Aws, site: EnvironmentLocation, cluster: StackLocation, *, config: str
) -> list[DependentStack]:
    """Return the deployed stacks that need a cluster's stack.

    Raises:
        AwsError: AWS did not answer, or denied a call.
    """
    destroy = f"npx cdk destroy -c config={shlex.quote(config)}"
    result = []
    location = replace(cluster, stack=names.catalog_stack(site.environment, cluster.name))
    catalog = _read(aws, location)
    if catalog is not None and any(True for _ in catalog.resources(_DATABASE)):
        result.append(
            DependentStack(
                catalog.name,
                f"the stack's database is in the network of {cluster.stack}, so CloudFormation "
                "would delete the nodes, and then fail at the security group and the subnets",
                "write catalog: {deletion_protection: false} for the cluster, deploy, and run "
                f"`{destroy} {catalog.name} --exclusively`, which deletes the database, with a "
                "final snapshot unless final_snapshot is false",
            )
        )
    failover = site.failover
    if failover is not None and not failover.unreachable:
        records = _read(aws, failover)
        if records is not None and cluster.name in (
            records.outputs.get(output) for output in names.CLUSTER_OF_ROLE.values()
        ):
            result.append(
                DependentStack(
                    records.name,
                    "the stack's records name the load balancer and the health checks of "
                    f"{cluster.stack}, so DNS would answer with a load balancer that does not "
                    "exist",
                    f"run `{destroy} {records.name} --exclusively`, or give failover another pair "
                    "of clusters and deploy",
                )
            )
    return result


def protected_stacks(stacks: Iterable[Stack]) -> list[DependentStack]:
    """Return the stacks with a load balancer or a database that AWS does not delete."""
    return [
        DependentStack(
            stack.name,
            f"{what} is protected from deletion, so the destroy would fail after some resources "
            "are deleted",
            f"write {key}: {{deletion_protection: false}} for the cluster, and deploy",
        )
        for stack in stacks
        for what, key in _protected(stack)
    ]


def _protected(stack: Stack) -> list[tuple[str, str]]:
    """Return each kind of protected resource of a stack, with its section of the configuration."""
    protected = []
    attributes = [
        attribute
        for _, properties in stack.resources(_LOAD_BALANCER)
        for attribute in properties.get("LoadBalancerAttributes", ())
    ]
    if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
        protected.append(("the stack's load balancer", "balancer"))
    databases = [properties for _, properties in stack.resources(_DATABASE)]
    if any(str(item.get("DeletionProtection")).lower() == "true" for item in databases):
        protected.append(("the stack's database", "catalog"))
    return protected


def _read(aws: Aws, location: StackLocation) -> Stack | None:
    try:
        return read_stack(aws, location)
    except NotFound:
        return None
