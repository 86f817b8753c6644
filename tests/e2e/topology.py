"""A deployed environment as read from the services' APIs, without templates.

CloudFormation only lists the resources of a stack; all other values come from the APIs of the
services that own the resources. This module does not use the product's own readers
(`denodo_ha.deployed`), so that the tests can check the readers independently.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.model.environment import Environment
from tools.local_aws.credentials import Access

Attributes = dict[str, str]


@dataclass(frozen=True)
class Node:
    """An instance of a node or of HAProxy."""

    name: str
    instance_id: str
    state: str
    zone: str
    private_ip: str
    public_ip: str
    raw: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Target:
    """A registered target with its health."""

    node: str
    instance_id: str
    port: int
    state: str
    reason: str


@dataclass(frozen=True)
class TargetGroup:
    """A target group."""

    arn: str
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: Attributes = field(compare=False)
    tags: Attributes = field(compare=False)
    targets: tuple[Target, ...] = ()

    @property
    def key(self) -> str:
        """Name of the service or node that this target group belongs to; "?" without such a tag."""
        return self.tags.get(names.SERVICE_TAG) or self.tags.get(names.NODE_TAG, "?")


@dataclass(frozen=True)
class InnerAlb:
    """An Application Load Balancer that is the target of a Network Load Balancer.

    Attributes:
        arn: its ARN.
        protocol: protocol of the ALB's listener.
        certificates: certificates of the ALB's listener.
        group: ARN of the target group that the ALB's listener forwards to.
        front: the Network Load Balancer's target group, with the target's health as `State`.
        raw: the load balancer as DescribeLoadBalancers shows it.
        attributes: its attributes.
    """

    arn: str
    protocol: str
    certificates: tuple[str, ...]
    group: str
    front: dict[str, Any] = field(repr=False, compare=False)
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: Attributes = field(compare=False)


@dataclass(frozen=True)
class Listener:
    """A listener, the target group with the nodes, and the ALB between them if there is one."""

    port: int
    protocol: str
    certificates: tuple[str, ...]
    attributes: Attributes = field(compare=False)
    group: TargetGroup
    alb: InnerAlb | None = None


@dataclass(frozen=True)
class LoadBalancer:
    """The load balancer that clients connect to."""

    arn: str
    dns_name: str
    scheme: str
    type: str
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: Attributes = field(compare=False)
    listeners: tuple[Listener, ...] = ()


@dataclass(frozen=True)
class Record:
    """A record of the failover endpoint."""

    name: str
    type: str
    role: str
    answer: str
    check: str
    raw: dict[str, Any] = field(repr=False, compare=False)


class Cluster:
    """One cluster as the APIs show it."""

    def __init__(self, endpoint: str, environment: Environment, name: str) -> None:
        self.name = name
        self.settings = environment.clusters[name]
        self.stack = names.cluster_stack(environment.name, name)
        self.access = Access(endpoint, self.settings.account, self.settings.region)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of the cluster's stack."""
        return _outputs(self.access, self.stack)

    @cached_property
    def resources(self) -> dict[str, list[str]]:
        """Physical ids of the resources of the cluster's stack, by type."""
        pages = self.access.client("cloudformation").get_paginator("list_stack_resources")
        ids: dict[str, list[str]] = {}
        for page in pages.paginate(StackName=self.stack):
            for summary in page["StackResourceSummaries"]:
                ids.setdefault(summary["ResourceType"], []).append(summary["PhysicalResourceId"])
        return ids

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, found by the instance ids of the stack's outputs."""
        name_of = {
            self.outputs[names.node_id_output(name)]: name
            for name in self.settings.nodes
            if names.node_id_output(name) in self.outputs
        }
        if not name_of:
            return {}
        instances = self._instances(InstanceIds=sorted(name_of))
        return {
            name_of[item["InstanceId"]]: _node(name_of[item["InstanceId"]], item)
            for item in instances
        }

    @cached_property
    def proxies(self) -> dict[str, Node]:
        """The HAProxy instances. They have no names, so this class numbers them by zone and id."""
        tags = {"denodo:balancer": "haproxy", "denodo:cluster": self.name}
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        filters.append({"Name": "instance-state-name", "Values": ["running"]})
        instances = self._instances(Filters=filters)
        instances.sort(key=lambda item: (item["Placement"]["AvailabilityZone"], item["InstanceId"]))
        return {
            f"haproxy{number}": _node(f"haproxy{number}", item)
            for number, item in enumerate(instances, 1)
        }

    def _instances(self, **selection: Any) -> list[dict[str, Any]]:
        answer = self.access.client("ec2").describe_instances(**selection)
        return [item for reservation in answer["Reservations"] for item in reservation["Instances"]]

    @cached_property
    def balancer(self) -> LoadBalancer | None:
        """The load balancer that clients connect to, None without a load balancer."""
        arns = self.resources.get("AWS::ElasticLoadBalancingV2::LoadBalancer", [])
        if not arns:
            return None
        client = self.access.client("elbv2")
        balancers = client.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"]
        # If the cluster has an NLB and ALBs, clients connect to the NLB.
        raw = sorted(balancers, key=lambda item: str(item["Type"]) != "network")[0]
        arn = raw["LoadBalancerArn"]
        attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return LoadBalancer(
            arn,
            raw["DNSName"],
            raw["Scheme"],
            raw["Type"],
            raw,
            _by_key(attributes),
            tuple(self._listeners(client, arn)),
        )

    def _listeners(self, client: Any, balancer: str) -> Iterator[Listener]:
        listeners = client.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        for raw in sorted(listeners, key=lambda item: int(item["Port"])):
            arn = raw["ListenerArn"]
            attributes = client.describe_listener_attributes(ListenerArn=arn)["Attributes"]
            (action,) = raw["DefaultActions"]
            alb = _inner_alb(client, action["TargetGroupArn"])
            yield Listener(
                raw["Port"],
                raw["Protocol"],
                _certificates(raw),
                _by_key(attributes),
                self._group(client, alb.group if alb else action["TargetGroupArn"]),
                alb,
            )

    def _group(self, client: Any, arn: str) -> TargetGroup:
        (raw,) = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
        attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        (tags,) = client.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        known = (*self.nodes.values(), *self.proxies.values())
        name_of = {node.instance_id: node.name for node in known}
        targets = [
            Target(
                name_of.get(item["Target"]["Id"], item["Target"]["Id"]),
                item["Target"]["Id"],
                item["Target"]["Port"],
                item["TargetHealth"]["State"],
                item["TargetHealth"].get("Reason", ""),
            )
            for item in health
        ]
        return TargetGroup(
            arn,
            raw,
            _by_key(attributes),
            _by_key(tags["Tags"]),
            tuple(sorted(targets, key=lambda target: (target.node, target.port))),
        )


class Topology:
    """A whole environment as the APIs show it."""

    def __init__(self, endpoint: str, environment: Environment) -> None:
        self.environment = environment
        self.clusters = {
            name: Cluster(endpoint, environment, name) for name in sorted(environment.clusters)
        }
        failover = environment.failover
        self._access: Access | None = None
        if failover is not None:
            account = failover_plan.stack_account(environment, failover)
            region = failover_plan.stack_region(environment, failover)
            self._access = Access(endpoint, account, region)

    @cached_property
    def endpoint(self) -> str:
        """The host name that clients use, empty without failover."""
        if self._access is None:
            return ""
        stack = names.failover_stack(self.environment.name)
        return _outputs(self._access, stack).get(names.ENDPOINT, "")

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The records of the failover endpoint."""
        failover = self.environment.failover
        if self._access is None or failover is None:
            return ()
        name = f"{failover_plan.dns_name(failover)}."
        answer = self._access.client("route53").list_resource_record_sets(
            HostedZoneId=failover.zone.id
        )
        records = [
            Record(
                item["Name"],
                item["Type"],
                item.get("Failover", ""),
                _answer(item),
                item.get("HealthCheckId", ""),
                item,
            )
            for item in answer["ResourceRecordSets"]
            if item["Name"] == name and item["Type"] not in ("NS", "SOA")
        ]
        return tuple(sorted(records, key=lambda record: record.role))

    @cached_property
    def checks(self) -> dict[str, dict[str, Any]]:
        """Settings of the account's health checks, by id."""
        if self._access is None:
            return {}
        answer = self._access.client("route53").list_health_checks()["HealthChecks"]
        return {item["Id"]: item["HealthCheckConfig"] for item in answer}


def _inner_alb(client: Any, group_arn: str) -> InnerAlb | None:
    """Return the ALB that is a target group's target; None if the targets are instances."""
    (front,) = client.describe_target_groups(TargetGroupArns=[group_arn])["TargetGroups"]
    if front["TargetType"] != "alb":
        return None
    health = client.describe_target_health(TargetGroupArn=group_arn)["TargetHealthDescriptions"]
    (target,) = (item["Target"] for item in health)
    arn = target["Id"]
    (raw,) = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    listeners = client.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    (listener,) = (item for item in listeners if item["Port"] == target["Port"])
    (action,) = listener["DefaultActions"]
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    return InnerAlb(
        arn,
        listener["Protocol"],
        _certificates(listener),
        action["TargetGroupArn"],
        {**front, "State": health[0]["TargetHealth"]["State"]},
        raw,
        _by_key(attributes),
    )


def _node(name: str, raw: dict[str, Any]) -> Node:
    return Node(
        name,
        raw["InstanceId"],
        raw["State"]["Name"],
        raw["Placement"]["AvailabilityZone"],
        raw.get("PrivateIpAddress", ""),
        raw.get("PublicIpAddress", ""),
        raw,
    )


def _answer(record: dict[str, Any]) -> str:
    if "AliasTarget" in record:
        return f"alias {record['AliasTarget']['DNSName']}"
    return ", ".join(item["Value"] for item in record["ResourceRecords"])


def _certificates(listener: dict[str, Any]) -> tuple[str, ...]:
    return tuple(item["CertificateArn"] for item in listener.get("Certificates", []))


def _by_key(pairs: list[dict[str, str]]) -> Attributes:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _outputs(access: Access, stack: str) -> dict[str, str]:
    try:
        (raw,) = access.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError:
        return {}
    return {item["OutputKey"]: item["OutputValue"] for item in raw.get("Outputs", [])}
