"""A configuration's requirements on a cluster behind HAProxy, derived from plain values."""

import json
from collections.abc import Callable
from typing import Any

from denodo_ha.environment.model.environment import Environment
from tests.e2e.topology import Cluster, TargetGroup

PortsOf = Callable[..., set[int]]
"""Function that returns the ports which a security group's ingress rules open to a peer; with
`out=True`, those of the egress rules."""


def hold(environment: Environment, cluster: Cluster, ports_of: PortsOf) -> None:
    """Assert that clients reach the nodes through a load balancer and the HAProxy instances."""
    proxies = cluster.proxies
    machine = cluster.settings.balancer.proxy.instance
    assert machine is not None
    assert len(proxies) == machine.count
    assert len({item.zone for item in proxies.values()}) == min(
        machine.count, len(cluster.settings.network.zones)
    )
    for item in proxies.values():
        _machine(cluster, item.raw)
    _listeners(environment, cluster)
    _rules(environment, cluster, ports_of)
    _parameter(environment, cluster)


def _machine(cluster: Cluster, instance: dict[str, Any]) -> None:
    machine = cluster.settings.balancer.proxy.instance
    assert machine is not None
    assert (instance["ImageId"], instance["InstanceType"]) == (machine.image, machine.type)
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert not instance.get("PublicIpAddress")
    ids = [item["Ebs"]["VolumeId"] for item in instance["BlockDeviceMappings"]]
    volumes = cluster.access.client("ec2").describe_volumes(VolumeIds=ids)["Volumes"]
    assert all(item["Encrypted"] and item["VolumeType"] == "gp3" for item in volumes)


def _listeners(environment: Environment, cluster: Cluster) -> None:
    assert cluster.balancer is not None
    result = {item.port: item for item in cluster.balancer.listeners}
    expected = {
        item.port: ("denodo:service", name, f"/health/{name}")
        for name, item in environment.services.items()
    }
    for name, node in cluster.settings.nodes.items():
        if node.auxiliary_port:
            expected[node.auxiliary_port] = ("denodo:node", name, "/health")
    assert set(result) == set(expected)
    for port, (tag, name, path) in expected.items():
        assert result[port].protocol == "TCP"
        group = result[port].group
        assert group.tags[tag] == name
        _group(cluster, group, port, path)


def _group(cluster: Cluster, group: TargetGroup, port: int, path: str) -> None:
    targets = [item for item in group.targets if item.state != "draining"]
    assert {item.node for item in targets} == set(cluster.proxies)
    assert {item.port for item in targets} == {port}
    assert {item.state for item in targets} <= {"healthy", "initial"}
    attributes = group.attributes
    assert attributes["proxy_protocol_v2.enabled"] == "true"
    assert attributes["preserve_client_ip.enabled"] == "false"
    delay = str(cluster.settings.balancer.deregistration_delay)
    assert attributes["deregistration_delay.timeout_seconds"] == delay
    health = str(cluster.settings.balancer.proxy.health_port)
    description = group.raw
    assert (description["HealthCheckPort"], description["HealthCheckPath"]) == (health, path)


def _rules(environment: Environment, cluster: Cluster, ports_of: PortsOf) -> None:
    """Check security groups: clients reach only the load balancer, and only HAProxy the nodes."""
    assert cluster.balancer is not None
    (front,) = cluster.balancer.raw["SecurityGroups"]
    (middle,) = {
        item["GroupId"] for of in cluster.proxies.values() for item in of.raw["SecurityGroups"]
    }
    served = {item.port for item in cluster.balancer.listeners}
    for cidr in cluster.settings.balancer.clients:
        assert served <= ports_of(front, cidr)
        assert not ports_of(middle, cidr)
    health = cluster.settings.balancer.proxy.health_port
    assert ports_of(middle, front) == served | {health}
    assert ports_of(front, middle, out=True) == served | {health}
    behind = {item.node_port or item.port for item in environment.services.values()}
    behind |= {
        item.auxiliary_port for item in cluster.settings.nodes.values() if item.auxiliary_port
    }
    for name, node in cluster.nodes.items():
        if not cluster.settings.nodes[name].instance_id:
            (group,) = (item["GroupId"] for item in node.raw["SecurityGroups"])
            assert behind <= ports_of(group, middle)
            assert behind <= ports_of(middle, group, out=True)
            assert not ports_of(group, front)


def _parameter(environment: Environment, cluster: Cluster) -> None:
    """Check that the HAProxy instances' parameter names a file with every port and node."""
    name = f"/denodo/{environment.name}/{cluster.name}/haproxy/state"
    description = cluster.access.client("ssm").get_parameter(Name=name)["Parameter"]
    bucket, _, key = json.loads(description["Value"])["file"].removeprefix("s3://").partition("/")
    answer = cluster.access.client("s3").get_object(Bucket=bucket, Key=key)
    text = answer["Body"].read().decode()
    assert cluster.balancer is not None
    for listener in cluster.balancer.listeners:
        assert f"bind :{listener.port} accept-proxy" in text
    for node in cluster.settings.nodes:
        assert f"server {node} " in text
