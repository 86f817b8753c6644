"""What a configuration demands of a cluster behind HAProxy, said from its plain values."""

import json
from collections.abc import Callable
from typing import Any

from denodo_ha.environment.model.environment import Environment
from tests.e2e.topology import Cluster, TargetGroup

PortsOf = Callable[..., set[int]]
"""The ports that a group's rules open to a peer, inwards or with `out=True` outwards."""


def hold(environment: Environment, cluster: Cluster, ports_of: PortsOf) -> None:
    """Assert that HAProxies are in front of the nodes, and a balancer in front of them."""
    proxies = cluster.proxies
    machine = cluster.settings.balancer.proxy.instance
    assert machine is not None
    assert len(proxies) == machine.count
    assert len({one.zone for one in proxies.values()}) == min(
        machine.count, len(cluster.settings.network.zones)
    )
    for one in proxies.values():
        _machine(cluster, one.raw)
    _listeners(environment, cluster)
    _rules(environment, cluster, ports_of)
    _parameter(environment, cluster)


def _machine(cluster: Cluster, shown: dict[str, Any]) -> None:
    machine = cluster.settings.balancer.proxy.instance
    assert machine is not None
    assert (shown["ImageId"], shown["InstanceType"]) == (machine.image, machine.type)
    assert shown["MetadataOptions"]["HttpTokens"] == "required"
    assert not shown.get("PublicIpAddress")
    ids = [one["Ebs"]["VolumeId"] for one in shown["BlockDeviceMappings"]]
    volumes = cluster.access.client("ec2").describe_volumes(VolumeIds=ids)["Volumes"]
    assert all(one["Encrypted"] and one["VolumeType"] == "gp3" for one in volumes)


def _listeners(environment: Environment, cluster: Cluster) -> None:
    assert cluster.balancer is not None
    found = {one.port: one for one in cluster.balancer.listeners}
    wanted = {
        one.port: ("denodo:service", name, f"/health/{name}")
        for name, one in environment.services.items()
    }
    for name, node in cluster.settings.nodes.items():
        if node.auxiliary_port:
            wanted[node.auxiliary_port] = ("denodo:node", name, "/health")
    assert set(found) == set(wanted)
    for port, (tag, name, path) in wanted.items():
        assert found[port].protocol == "TCP"
        group = found[port].group
        assert group.tags[tag] == name
        _group(cluster, group, port, path)


def _group(cluster: Cluster, group: TargetGroup, port: int, path: str) -> None:
    targets = [one for one in group.targets if one.state != "draining"]
    assert {one.node for one in targets} == set(cluster.proxies)
    assert {one.port for one in targets} == {port}
    assert {one.state for one in targets} <= {"healthy", "initial"}
    attributes = group.attributes
    assert attributes["proxy_protocol_v2.enabled"] == "true"
    assert attributes["preserve_client_ip.enabled"] == "false"
    delay = str(cluster.settings.balancer.deregistration_delay)
    assert attributes["deregistration_delay.timeout_seconds"] == delay
    health = str(cluster.settings.balancer.proxy.health_port)
    shown = group.raw
    assert (shown["HealthCheckPort"], shown["HealthCheckPath"]) == (health, path)


def _rules(environment: Environment, cluster: Cluster, ports_of: PortsOf) -> None:
    """Clients to the balancer, that to HAProxy, HAProxy to the nodes, and nobody past it."""
    assert cluster.balancer is not None
    (front,) = cluster.balancer.raw["SecurityGroups"]
    (middle,) = {
        one["GroupId"] for of in cluster.proxies.values() for one in of.raw["SecurityGroups"]
    }
    served = {one.port for one in cluster.balancer.listeners}
    for cidr in cluster.settings.balancer.clients:
        assert served <= ports_of(front, cidr)
        assert not ports_of(middle, cidr)
    health = cluster.settings.balancer.proxy.health_port
    assert ports_of(middle, front) == served | {health}
    assert ports_of(front, middle, out=True) == served | {health}
    behind = {one.node_port or one.port for one in environment.services.values()}
    behind |= {one.auxiliary_port for one in cluster.settings.nodes.values() if one.auxiliary_port}
    for name, node in cluster.nodes.items():
        if not cluster.settings.nodes[name].instance_id:
            (group,) = (one["GroupId"] for one in node.raw["SecurityGroups"])
            assert behind <= ports_of(group, middle)
            assert behind <= ports_of(middle, group, out=True)
            assert not ports_of(group, front)


def _parameter(environment: Environment, cluster: Cluster) -> None:
    """The HAProxies' parameter names a file that has every port and every node."""
    name = f"/denodo/{environment.name}/{cluster.name}/haproxy/state"
    shown = cluster.access.client("ssm").get_parameter(Name=name)["Parameter"]
    bucket, _, key = json.loads(shown["Value"])["file"].removeprefix("s3://").partition("/")
    answer = cluster.access.client("s3").get_object(Bucket=bucket, Key=key)
    text = answer["Body"].read().decode()
    assert cluster.balancer is not None
    for listener in cluster.balancer.listeners:
        assert f"bind :{listener.port} accept-proxy" in text
    for node in cluster.settings.nodes:
        assert f"server {node} " in text
