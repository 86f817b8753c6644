"""Dependent stacks: deployed stacks that need the stack of a cluster that is to be destroyed.

The stacks refer to each other without CloudFormation exports (the CDK's weak references), so
CloudFormation does not know of the dependency: it would first delete the cluster's nodes and load
balancer, and then fail to delete the network, which the database still uses.
"""

import shlex
from dataclasses import dataclass, replace

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import NotFound
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.stack import Stack, read_stack
from denodo_ha.environment import names

_DATABASE = "AWS::RDS::DBInstance"


@dataclass(frozen=True)
class DependentStack:
    """A deployed stack that needs the stack to be destroyed.

    Attributes:
        stack: name of the stack.
        why: the effect that the destruction would have on this stack.
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
                f"its database is in the network of {cluster.stack}, so CloudFormation would "
                "delete the nodes and then fail at the security group and the subnets",
                "write catalog: {deletion_protection: false} for the cluster, deploy, and run "
                f"`{destroy} {catalog.name} --exclusively`: it deletes the database, with a final "
                "snapshot unless final_snapshot is false",
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
                    f"its records name the balancer and the health checks of {cluster.stack}, so "
                    "DNS would answer with a balancer that does not exist",
                    f"run `{destroy} {records.name} --exclusively`, or give failover another pair "
                    "of clusters and deploy",
                )
            )
    return result


def _read(aws: Aws, location: StackLocation) -> Stack | None:
    try:
        return read_stack(aws, location)
    except NotFound:
        return None
