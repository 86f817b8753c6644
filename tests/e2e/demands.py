"""A configuration's requirements on the deployed environment, derived from plain values.

This module uses no template and no derived values of the product: it states the requirements
independently, and compares them with what the APIs return.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from denodo_ha.environment.facts.denodo_ports import SCHEDULER_AUXILIARY_PORT, SCHEDULER_PORT
from denodo_ha.environment.model.cluster import Cluster as Settings
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings, Service
from hosts.denodo.state_reader import parse
from tests.e2e import demands_haproxy
from tests.e2e.topology import Cluster, Listener, TargetGroup, Topology

DEFAULTS = {"interval": 5, "timeout": 4, "healthy": 2, "unhealthy": 2}
ANYWHERE = "0.0.0.0/0"


def hold(topology: Topology) -> None:
    """Assert that a deployed environment meets all requirements of its configuration."""
    for cluster in topology.clusters.values():
        _Demands(topology.environment, cluster).hold()
    if topology.environment.failover is not None:
        _records(topology)


class _Demands:
    """Requirements of the configuration that one deployed cluster must meet."""

    def __init__(self, environment: Environment, cluster: Cluster) -> None:
        self.environment, self.cluster, self.settings = environment, cluster, cluster.settings
        self.seven = environment.denodo.version == "7.0"
        self.rules = list(_rules(cluster))

    def hold(self) -> None:
        self.nodes()
        self.names()
        self.states()
        if self.settings.balancer.kind == "none":
            assert self.cluster.balancer is None
            self.node_lets_clients_in()
            return
        self.balancer()
        if self.settings.balancer.kind == "haproxy":
            demands_haproxy.hold(self.environment, self.cluster, self.ports)
            return
        self.listeners()
        self.clients_get_in_and_nodes_are_behind()

    def nodes(self) -> None:
        """Check each node's zone, subnet, IMDSv2, instance type, disks and public address."""
        assert set(self.cluster.nodes) == set(self.settings.nodes)
        for name, node in self.cluster.nodes.items():
            expected = self.settings.nodes[name]
            assert (node.state, node.zone) == ("running", expected.zone)
            if expected.instance_id:
                assert node.instance_id == expected.instance_id
                continue
            assert node.raw["MetadataOptions"]["HttpTokens"] == "required"
            subnet = self.settings.network.zones[expected.zone].nodes
            assert subnet is None or node.raw["SubnetId"] == subnet
            assert bool(node.public_ip) == _faces_the_internet(self.settings)
            machine = self.settings.instance
            own = expected.instance
            assert node.raw["InstanceType"] == ((own and own.type) or (machine and machine.type))
            self.disks(node.raw)

    def names(self) -> None:
        """Check that every created node has a DNS name that resolves to its private address."""
        client = self.cluster.access.client("route53")
        domain = f"{self.cluster.name}.{self.environment.name}.internal."
        zones = {item["Name"]: item["Id"] for item in client.list_hosted_zones()["HostedZones"]}
        own = {name for name, of in self.settings.nodes.items() if not of.instance_id}
        description = client.list_resource_record_sets(HostedZoneId=zones[domain])[
            "ResourceRecordSets"
        ]
        records = {
            item["Name"]: item["ResourceRecords"] for item in description if item["Type"] == "A"
        }
        assert records == {
            f"{name.lower()}.{domain}": [{"Value": self.cluster.nodes[name].private_ip}]
            for name in own
        }

    def states(self) -> None:
        """Check each created node's desired state, and that the state's node program exists."""
        parameters = self.cluster.access.client("ssm")
        objects = self.cluster.access.client("s3")
        balancer = self.cluster.balancer
        for name, expected in self.settings.nodes.items():
            if expected.instance_id:
                continue
            path = f"/denodo/{self.environment.name}/{self.cluster.name}/{name}"
            state = parse(parameters.get_parameter(Name=path)["Parameter"]["Value"])
            own = f"{name.lower()}.{self.cluster.name}.{self.environment.name}.internal"
            assert state.host == own
            assert state.rmi_host == (balancer.dns_name if self.seven and balancer else own)
            assert state.ports.get("auxiliary") == expected.auxiliary_port
            assert set(state.services) == set(self.environment.services)
            bucket, key = state.raw["program"].removeprefix("s3://").split("/", 1)
            packed = objects.get_object(Bucket=bucket, Key=key)["Body"].read()
            with zipfile.ZipFile(io.BytesIO(packed)) as program:
                assert {"__main__.py", "hosts/denodo/state.py"} <= set(program.namelist())

    def disks(self, instance: dict[str, Any]) -> None:
        ids = [item["Ebs"]["VolumeId"] for item in instance["BlockDeviceMappings"]]
        description = self.cluster.access.client("ec2").describe_volumes(VolumeIds=ids)["Volumes"]
        assert all(item["Encrypted"] and item["VolumeType"] == "gp3" for item in description)

    def balancer(self) -> None:
        balancer, expected = self.cluster.balancer, self.settings.balancer
        assert balancer is not None
        assert (balancer.type, balancer.scheme) == ("network", expected.scheme)
        assert balancer.attributes["load_balancing.cross_zone.enabled"] == _text(
            expected.cross_zone
        )
        assert balancer.attributes["deletion_protection.enabled"] == _text(
            expected.deletion_protection
        )
        zones = {item["ZoneName"]: item for item in balancer.raw["AvailabilityZones"]}
        assert set(zones) == set(self.settings.network.zones)
        for zone, address in expected.addresses.items():
            (fixed,) = zones[zone]["LoadBalancerAddresses"]
            assert address in (fixed.get("AllocationId"), fixed.get("PrivateIPv4Address"))
        assert self.cluster.outputs["BalancerDnsName"] == balancer.dns_name

    def listeners(self) -> None:
        """Check that each service and 7.0 auxiliary port has one listener and one target group."""
        balancer = self.cluster.balancer
        assert balancer is not None
        result = {item.port: item for item in balancer.listeners}
        nodes = set(self.settings.nodes)
        expected = set()
        for name, service in self.environment.services.items():
            expected.add(service.port)
            self.service(name, service, result[service.port], nodes)
        if self.seven:
            for name, node in self.settings.nodes.items():
                assert node.auxiliary_port is not None
                expected.add(node.auxiliary_port)
                self.auxiliary(name, node.auxiliary_port, result[node.auxiliary_port])
        assert set(result) == expected

    def service(self, name: str, service: Service, listener: Listener, nodes: set[str]) -> None:
        port = service.node_port or service.port
        group = listener.group
        if service.idle_timeout is not None:
            assert listener.attributes["tcp.idle_timeout.seconds"] == str(service.idle_timeout)
        assert group.tags["denodo:service"] == name
        if service.sticky == "cookie":
            self.cookies(service, listener)
            self.group(group, nodes, port, service.health)
            return
        assert listener.alb is None
        if service.tls is None:
            assert (listener.protocol, listener.certificates) == ("TCP", ())
        else:
            certificate = service.tls.get(self.cluster.name, service.tls.get("*"))
            assert (listener.protocol, listener.certificates) == ("TLS", (certificate,))
        sticky = service.sticky is True
        assert group.attributes["stickiness.enabled"] == _text(sticky)
        assert group.attributes["preserve_client_ip.enabled"] == _text(service.client_ip)
        self.group(group, nodes, port, service.health)

    def cookies(self, service: Service, listener: Listener) -> None:
        """Check the internal ALB that terminates TLS and sets the cookie for a service."""
        behind, group = listener.alb, listener.group
        assert behind is not None
        assert (listener.protocol, listener.certificates) == ("TCP", ())
        assert (behind.raw["Type"], behind.raw["Scheme"]) == ("application", "internal")
        zones = {item["ZoneName"] for item in behind.raw["AvailabilityZones"]}
        assert zones == set(self.settings.network.zones)
        certificate = service.tls and service.tls.get(self.cluster.name, service.tls.get("*"))
        assert behind.protocol == ("HTTPS" if certificate else "HTTP")
        assert behind.certificates == ((certificate,) if certificate else ())
        assert behind.front["State"] in {"healthy", "initial"}
        assert behind.front["HealthCheckProtocol"] == behind.protocol
        idle = int(behind.attributes["idle_timeout.timeout_seconds"])
        assert idle >= (service.idle_timeout or 350)
        assert group.attributes["stickiness.enabled"] == "true"
        assert group.attributes["stickiness.type"] == "lb_cookie"
        tls = (service.node_port or service.port) == 9443
        assert group.raw["Protocol"] == ("HTTPS" if tls else "HTTP")

    def auxiliary(self, node: str, port: int, listener: Listener) -> None:
        """Check the target group of an auxiliary port: its health must not affect zones in DNS."""
        group = listener.group
        assert group.tags["denodo:node"] == node
        assert group.attributes["preserve_client_ip.enabled"] == "false"
        off = "target_group_health.dns_failover.minimum_healthy_targets.count"
        assert group.attributes[off] == "off"
        self.group(group, {node}, port, HealthSettings())

    def group(self, group: TargetGroup, nodes: set[str], port: int, own: HealthSettings) -> None:
        assert {target.node for target in group.targets if target.state != "draining"} == nodes
        assert {target.port for target in group.targets if target.state != "draining"} == {port}
        assert {target.state for target in group.targets} <= {"healthy", "initial", "draining"}
        delay = group.attributes["deregistration_delay.timeout_seconds"]
        assert delay == str(self.settings.balancer.deregistration_delay)
        general, description = self.settings.balancer.health, group.raw
        values = {
            key: getattr(own, key) or getattr(general, key) or default
            for key, default in DEFAULTS.items()
        }
        assert description["HealthCheckIntervalSeconds"] == values["interval"]
        assert description["HealthCheckTimeoutSeconds"] == values["timeout"]
        assert description["HealthyThresholdCount"] == values["healthy"]
        assert description["UnhealthyThresholdCount"] == values["unhealthy"]
        assert group.tags["denodo:environment"] == self.environment.name
        assert group.tags["denodo:cluster"] == self.cluster.name

    def clients_get_in_and_nodes_are_behind(self) -> None:
        """Check that clients reach only the load balancer, which reaches the nodes."""
        balancer = self.cluster.balancer
        assert balancer is not None
        (front,) = balancer.raw["SecurityGroups"]
        served = {item.port for item in balancer.listeners}
        behind = {
            target.port
            for item in balancer.listeners
            if item.alb is None
            for target in item.group.targets
        }
        for cidr in self.settings.balancer.clients:
            assert served <= self.ports(front, cidr)
        for group in self.node_groups():
            assert behind <= self.ports(group, front)
            assert behind <= self.ports(front, group, out=True)
            for cidr in set(self.settings.balancer.clients) - set(self.managers()):
                assert self.ports(group, cidr) == self.past_the_balancer()

        for item in balancer.listeners:
            if item.alb is not None:
                (second,) = item.alb.raw["SecurityGroups"]
                assert {_peer(rule) for rule in self.into(second)} == {front}
                assert item.port in self.ports(second, front) & self.ports(front, second, out=True)
                ports = {target.port for target in item.group.targets}
                for group in self.node_groups():
                    assert ports <= self.ports(group, second)
                    assert ports <= self.ports(second, group, out=True)

    def node_lets_clients_in(self) -> None:
        ports = {item.node_port or item.port for item in self.environment.services.values()}
        for group in self.node_groups():
            for cidr in self.settings.balancer.clients:
                assert ports <= self.ports(group, cidr)

    def past_the_balancer(self) -> set[int]:
        """Return the node ports that clients use directly: the Scheduler's second connection."""
        schedulers = {item.node_port or item.port for item in self.environment.services.values()}
        own = any(node.scheduler_auxiliary_port for node in self.settings.nodes.values())
        inside = self.settings.balancer.scheme == "internal"
        return (
            {SCHEDULER_AUXILIARY_PORT}
            if SCHEDULER_PORT in schedulers and inside and not own
            else set()
        )

    def managers(self) -> tuple[str, ...]:
        manager = self.environment.solution_manager
        return manager.cidrs if manager else ()

    def node_groups(self) -> set[str]:
        """Return the security groups of created nodes; adopted instances keep their own."""
        return {
            group["GroupId"]
            for name, node in self.cluster.nodes.items()
            if not self.settings.nodes[name].instance_id
            for group in node.raw["SecurityGroups"]
        }

    def into(self, group: str) -> list[dict[str, Any]]:
        return [item for item in self.rules if item["GroupId"] == group and not item["IsEgress"]]

    def ports(self, group: str, peer: str, *, out: bool = False) -> set[int]:
        """Return the ports that a security group's rules open to a peer."""
        return {
            port
            for item in self.rules
            if (item["GroupId"], _peer(item), item["IsEgress"]) == (group, peer, out)
            for port in range(item["FromPort"], item["ToPort"] + 1)
        }


def _faces_the_internet(cluster: Settings) -> bool:
    return cluster.balancer.kind == "none" and cluster.balancer.scheme == "internet-facing"


def _rules(cluster: Cluster) -> Iterator[dict[str, Any]]:
    pages = cluster.access.client("ec2").get_paginator("describe_security_group_rules")
    for page in pages.paginate():
        yield from page["SecurityGroupRules"]


def _peer(rule: dict[str, Any]) -> str:
    group = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    return str(rule.get("CidrIpv4") or group or rule.get("PrefixListId"))


def _records(topology: Topology) -> None:
    """Check the two records of the failover name: each has the address and check of its cluster."""
    failover = topology.environment.failover
    assert failover is not None
    apex = failover.record == "@"
    name = failover.zone.name if apex else f"{failover.record}.{failover.zone.name}"
    assert topology.endpoint == name
    records = {record.role: record for record in topology.records}
    assert set(records) == {"PRIMARY", "SECONDARY"}
    assert len(topology.records) == 2
    for role, cluster_name in (("PRIMARY", failover.primary), ("SECONDARY", failover.secondary)):
        record, cluster = records[role], topology.clusters[cluster_name]
        assert record.name == f"{name}."
        if cluster.balancer is not None:
            assert cluster.balancer.dns_name in record.answer
            assert record.type == ("A" if record.answer.startswith("alias") else "CNAME")
        else:
            (node,) = cluster.nodes.values()
            assert (record.type, record.answer) == ("A", node.public_ip or node.private_ip)
        if "AliasTarget" in record.raw:
            assert record.raw["AliasTarget"]["EvaluateTargetHealth"] is True
        else:
            assert record.raw["TTL"] == (10 if failover.ttl is None else failover.ttl)
            if role == "PRIMARY" or failover.secondary_health:
                _check(topology, record.check, cluster)


def _check(topology: Topology, check: str, cluster: Cluster) -> None:
    """Check that a record's health check monitors the record's cluster: endpoint or alarms."""
    config = topology.checks[check]
    children = [topology.checks[item] for item in config.get("ChildHealthChecks", [])] or [config]
    jdbc = topology.environment.services["jdbc"]
    seen = []
    for item in children:
        if item["Type"] == "CLOUDWATCH_METRIC":
            named = item["AlarmIdentifier"]
            client = cluster.access.client("cloudwatch")
            description = client.describe_alarms(AlarmNames=[named["Name"]])["MetricAlarms"]
            if description and description[0]["MetricName"] == "ActiveFlowCount":
                assert item["InsufficientDataHealthStatus"] == "Unhealthy"
            elif description and description[0]["Namespace"] == "AWS/NetworkELB":
                assert cluster.balancer is not None
                values = {pair["Name"]: pair["Value"] for pair in description[0]["Dimensions"]}
                assert cluster.balancer.arn.endswith(values["LoadBalancer"])
                (group,) = [of.group for of in cluster.balancer.listeners if of.port == jdbc.port]
                assert group.arn.endswith(values["TargetGroup"])
                assert item["InsufficientDataHealthStatus"] == "LastKnownStatus"
                seen.append(item)
        elif item["Type"] == "TCP":
            place = item.get("FullyQualifiedDomainName") or item["IPAddress"]
            if cluster.balancer is not None:
                assert (place, item["Port"]) == (cluster.balancer.dns_name, jdbc.port)
            else:
                (node,) = cluster.nodes.values()
                assert (place, item["Port"]) == (node.public_ip, jdbc.node_port or jdbc.port)
            seen.append(item)
    control = topology.environment.failover and topology.environment.failover.control
    assert seen or control == "operator"


def _text(flag: object) -> str:
    return str(bool(flag)).lower()
