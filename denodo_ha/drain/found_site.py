"""`drain` and `enable` with --live: nodes of a found site, which has no stack of this project.

Locks, checks and undo are the same as for a cluster of this project. The target groups of a node
are read from its current registrations and its drain record instead of a deployed template
(`drill/live/operation/drain_record.py`). A found site has no history, and no alarms that a command
silences.
"""

from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Refused, UsageError
from denodo_ha.deployed.cluster import Cluster, Node
from denodo_ha.deployed.rotation.operation import ClusterOperation, OperationContext
from denodo_ha.deployed.rotation.rotation import Rotation
from denodo_ha.deployed.rotation.target_group_rotation import shared_groups
from denodo_ha.drain.draining import Draining, DrainPlan
from denodo_ha.drain.enabling import EnablePlan, Enabling
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.operation.found_rotation import FoundRotation
from denodo_ha.drill.live.operation.found_site import (
    FoundCluster,
    find_nodes,
    read_found_site,
    require_read,
    searched_regions,
)

_UNCHANGED: Final = "Nothing was changed"


def find_node(
    aws: Aws,
    regions: list[str] | None,
    locator: SiteLocator,
    node: str,
    *,
    cluster: str | None,
) -> tuple[FoundCluster, Node]:
    """Return the only node of a site with a name or an instance id, and its cluster.

    Args:
        aws: the credentials.
        regions: the regions to read; None: the region of the credentials.
        locator: names the site, for example by its load balancer.
        node: the tag `Name` or the id of an instance.
        cluster: the node's cluster, named by its region; None if only one cluster has a node of
            this name.

    Raises:
        UsageError: There is no such site, no such node, or several nodes have this name.
        AwsError: AWS did not answer, or denied a call.
    """
    site = read_found_site(aws, searched_regions(aws, regions), locator)
    if cluster is None:
        require_read(site)
    nodes = [
        (found, each)
        for found, each in find_nodes(site, node)
        if cluster in {None, found.cluster.name}
    ]
    if len(nodes) == 1:
        return nodes[0]
    if not nodes:
        require_read(site)
    listed = nodes or [(found, each) for found in site.clusters for each in found.cluster.nodes]
    known = ", ".join(
        f"{each.name} ({each.instance_id}, {found.cluster.name})" for found, each in listed
    )
    if nodes:
        message = f"several nodes are called {node}: {known}; give the instance id, or --cluster"
    else:
        where = f"{site.name}, {cluster}," if cluster else site.name
        message = f"{where} has no node {node}; its nodes are {known or 'none'}"
    raise UsageError(message)


class _FoundOperation(ClusterOperation):
    """An operation on a node of a found cluster, which has no stack of this project.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        found: the found cluster with the node.
        options: the options of the operation.
    """

    def __init__(self, context: OperationContext, *, found: FoundCluster, **options: Any) -> None:
        super().__init__(context, **options)
        self._found = found

    def _read_cluster(self) -> Cluster:
        locator = SiteLocator(balancer=self._found.balancer.arn)
        site = read_found_site(self._aws, [self._location.region], locator)
        require_read(site)
        (self._found,) = site.clusters
        return self._found.cluster

    def _rotation(self, cluster: Cluster) -> Rotation:
        return FoundRotation(self._aws, cluster, self._clock, self._progress, self._found)

    def _note(self, node: str, *, before: str = "", after: str = "") -> None:
        """Note nothing: a found site has no bucket for a history."""

    def _require_operable(self, cluster: Cluster, node: str) -> None:
        """Check that a node can be taken out and brought back by changing its registrations.

        Raises:
            Refused: The node cannot be taken out and brought back. Nothing was changed.
        """
        instance_id = cluster.node(node).instance_id
        region, record = cluster.location.region, self._found.record(instance_id)
        instance = self._found.instances.get(instance_id)
        problems = []
        if instance is None:
            problems.append(
                f"EC2 does not show the instance {instance_id}, so no drain tag can be written"
            )
        elif group := self._found.auto_scaling_group(instance_id):
            problems.append(
                f"the instance {instance_id} is in the Auto Scaling group {group}, which replaces "
                "instances that the load balancer reports as unhealthy; take the instance out with "
                f"`aws autoscaling enter-standby --instance-ids {instance_id} "
                f"--auto-scaling-group-name {group} --should-decrement-desired-capacity "
                f"--region {region}`, and bring it back with exit-standby in place of enter-standby"
            )
        by_address = [
            group.logical_id
            for group in cluster.groups
            if group.type == "ip"
            and instance is not None
            and any(target.id == instance.address for target in group.targets)
        ]
        if by_address:
            problems.append(
                f"the node is registered by its IP address in {', '.join(by_address)}, and this "
                "command changes only registrations of instances by their ids"
            )
        problems += [
            f"its tag {text} has no ports, such as 9999; write the port of the registration with "
            f"`aws ec2 create-tags --resources {instance_id} --region {region} --tags "
            f"Key={text.partition('=')[0]},Value=PORT`"
            for text in record.unreadable
        ]
        if problems:
            message = f"{node}: {'; '.join(problems)}. {_UNCHANGED}"
            raise Refused(message)


class FoundDraining(_FoundOperation, Draining):
    """Drains nodes of one found cluster."""

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str, why: str | None) -> DrainPlan:
        self._require_operable(cluster, node)
        if not shared_groups(cluster, node):
            message = (
                f"{node} is registered in no target group with other nodes, and has no drain "
                f"record. {_UNCHANGED}"
            )
            raise Refused(message)
        return super()._plan(cluster, rotation, node, why)


class FoundEnabling(_FoundOperation, Enabling):
    """Brings nodes of one found cluster back into the target groups of their drain records."""

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str) -> EnablePlan:
        self._require_operable(cluster, node)
        instance_id = cluster.node(node).instance_id
        record, lost = self._found.record(instance_id), self._found.lost_groups.get(instance_id, ())
        if not record.ports:
            message = (
                f"{node} has no drain record (the tags that drain --live writes), so it is not "
                f"known in which target groups {node} was registered. {_UNCHANGED}. If an operator "
                f"has taken {node} out by hand, register it with `aws elbv2 register-targets "
                f"--region {self._location.region} --target-group-arn ARN --targets "
                f"Id={instance_id}`"
            )
            raise Refused(message)
        if set(record.ports) <= set(lost):
            message = (
                f"none of the target groups of the drain record of {node} exists any more: "
                f"{', '.join(lost)}. {_UNCHANGED}. Register {node} with `aws elbv2 "
                "register-targets`, and remove the tags denodo:drained and denodo:drained-from:*"
            )
            raise Refused(message)
        if lost:
            self._progress.say(
                f"warning: {node} was registered in {', '.join(lost)}, which no longer exist"
            )
        return super()._plan(cluster, rotation, node)

    def _node_report(self, cluster: Cluster, node: str) -> str:  # noqa: ARG002 - as in `Enabling`
        """Return an empty text: nodes of a found cluster have no node program that could report."""
        return ""
