"""Deviations of a deployed environment, each a context manager that undoes the deviation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.e2e.topology import Cluster, Topology

Sabotage = Callable[[Cluster], AbstractContextManager[None]]


def _group(cluster: Cluster, port: int) -> str:
    assert cluster.balancer is not None
    return next(item.group.arn for item in cluster.balancer.listeners if item.port == port)


def attribute(port: int, key: str, wrong: str, right: str) -> Sabotage:
    @contextmanager
    def sabotage(cluster: Cluster) -> Iterator[None]:
        client, arn = cluster.access.client("elbv2"), _group(cluster, port)
        for value in (wrong, right):
            client.modify_target_group_attributes(
                TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}]
            )
            if value == wrong:
                yield

    return sabotage


@contextmanager
def swapped_target(cluster: Cluster) -> Iterator[None]:
    """Register node2 as the target of node1's auxiliary port."""
    client, arn = cluster.access.client("elbv2"), _group(cluster, 19997)
    mine, other = [
        [{"Id": cluster.nodes[name].instance_id, "Port": 19997}] for name in ("node1", "node2")
    ]
    client.deregister_targets(TargetGroupArn=arn, Targets=mine)
    client.register_targets(TargetGroupArn=arn, Targets=other)
    yield
    client.deregister_targets(TargetGroupArn=arn, Targets=other)
    client.register_targets(TargetGroupArn=arn, Targets=mine)


@contextmanager
def stopped_node(cluster: Cluster) -> Iterator[None]:
    client, node = cluster.access.client("ec2"), [cluster.nodes["node1"].instance_id]
    client.stop_instances(InstanceIds=node)
    yield
    client.start_instances(InstanceIds=node)


@contextmanager
def closed_door(cluster: Cluster) -> Iterator[None]:
    """Remove the rule that lets clients reach the load balancer's JDBC port."""
    assert cluster.balancer is not None
    client, (group,) = cluster.access.client("ec2"), cluster.balancer.raw["SecurityGroups"]
    clients = [{"CidrIp": "10.0.0.0/8"}]
    jdbc = [{"IpProtocol": "tcp", "FromPort": 9999, "ToPort": 9999, "IpRanges": clients}]
    client.revoke_security_group_ingress(GroupId=group, IpPermissions=jdbc)
    yield
    client.authorize_security_group_ingress(GroupId=group, IpPermissions=jdbc)


@contextmanager
def back_door(cluster: Cluster) -> Iterator[None]:
    """Add a rule that lets clients reach the nodes without the load balancer."""
    client = cluster.access.client("ec2")
    (group,) = cluster.nodes["node1"].raw["SecurityGroups"]
    clients = [{"CidrIp": "10.0.0.0/8"}]
    all_ = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535, "IpRanges": clients}]
    client.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=all_)
    yield
    client.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=all_)


@contextmanager
def moved_listener(cluster: Cluster) -> Iterator[None]:
    client = cluster.access.client("elbv2")
    assert cluster.balancer is not None
    description = client.describe_listeners(LoadBalancerArn=cluster.balancer.arn)["Listeners"]
    (arn,) = [item["ListenerArn"] for item in description if item["Port"] == 9999]
    client.modify_listener(ListenerArn=arn, Port=9998)
    yield
    client.modify_listener(ListenerArn=arn, Port=9999)


_OFF = "target_group_health.dns_failover.minimum_healthy_targets.count"
SABOTAGES: dict[str, Sabotage] = {
    "auxiliary group that pulls a zone": attribute(19997, _OFF, "1", "off"),
    "auxiliary group that hairpins": attribute(
        29997, "preserve_client_ip.enabled", "true", "false"
    ),
    "web that is not sticky": attribute(9090, "stickiness.enabled", "false", "true"),
    "other delay": attribute(9999, "deregistration_delay.timeout_seconds", "0", "300"),
    "swapped target": swapped_target,
    "stopped node": stopped_node,
    "closed door": closed_door,
    "back door": back_door,
    "moved listener": moved_listener,
}


@contextmanager
def led_elsewhere(topology: Topology) -> Iterator[None]:
    """Let the primary record name another host than the primary cluster's load balancer."""
    primary = next(item for item in topology.records if item.role == "PRIMARY")
    assert topology.environment.failover is not None
    zone = topology.environment.failover.zone.id
    (cluster, *_) = topology.clusters.values()
    client = cluster.access.client("route53")

    def lead_to(value: str) -> None:
        changed = {**primary.raw, "ResourceRecords": [{"Value": value}]}
        change = {"Action": "UPSERT", "ResourceRecordSet": changed}
        client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})

    lead_to("elsewhere.example.com")
    yield
    lead_to(primary.answer)
