"""What an environment is, read back from the API: nothing here looks at a template.

Stacks are asked only what they hold; everything else comes from the services themselves.
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
from tools.local_aws.readback_alb import Behind, behind

Attributes = dict[str, str]


@dataclass(frozen=True)
class Node:
    """An instance that serves."""

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
class Group:
    """A target group."""

    arn: str
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: Attributes = field(compare=False)
    tags: Attributes = field(compare=False)
    targets: tuple[Target, ...] = ()

    @property
    def key(self) -> str:
        """The service or node that it is for."""
        return self.tags.get(names.SERVICE_TAG) or self.tags.get(names.NODE_TAG, "?")


@dataclass(frozen=True)
class Listener:
    """A listener with the group whose targets serve it, and the balancer in between if any."""

    port: int
    protocol: str
    certificates: tuple[str, ...]
    attributes: Attributes = field(compare=False)
    group: Group
    behind: Behind | None = None


@dataclass(frozen=True)
class Balancer:
    """A load balancer."""

    arn: str
    dns_name: str
    scheme: str
    type: str
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: Attributes = field(compare=False)
    listeners: tuple[Listener, ...] = ()


@dataclass(frozen=True)
class Record:
    """A record of the failover's name."""

    name: str
    type: str
    role: str
    answer: str
    check: str
    raw: dict[str, Any] = field(repr=False, compare=False)


class Cluster:
    """One cluster as the API shows it."""

    def __init__(self, endpoint: str, environment: Environment, name: str) -> None:
        self.name = name
        self.settings = environment.clusters[name]
        self.stack = names.cluster_stack(environment.name, name)
        self.access = Access(endpoint, self.settings.account, self.settings.region)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return _outputs(self.access, self.stack)

    @cached_property
    def resources(self) -> dict[str, list[str]]:
        """Physical ids of what the stack holds, by type."""
        return _resources(self.access, self.stack)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name: the outputs name their instances."""
        ids = {
            self.outputs[names.node_id_output(name)]: name
            for name in self.settings.nodes
            if names.node_id_output(name) in self.outputs
        }
        if not ids:
            return {}
        answer = self.access.client("ec2").describe_instances(InstanceIds=sorted(ids))
        found = [one for of in answer["Reservations"] for one in of["Instances"]]
        return {ids[one["InstanceId"]]: _node(ids[one["InstanceId"]], one) for one in found}

    @cached_property
    def proxies(self) -> dict[str, Node]:
        """The HAProxies by name, which is ours here: they have none."""
        wanted = {names.BALANCER_TAG: "haproxy", names.CLUSTER_TAG: self.name}
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
        answer = self.access.client("ec2").describe_instances(
            Filters=[*filters, {"Name": "instance-state-name", "Values": ["running"]}]
        )
        found = [one for of in answer["Reservations"] for one in of["Instances"]]
        found.sort(key=lambda one: (one["Placement"]["AvailabilityZone"], one["InstanceId"]))
        return {
            f"haproxy{number}": _node(f"haproxy{number}", one)
            for number, one in enumerate(found, 1)
        }

    @cached_property
    def balancer(self) -> Balancer | None:
        """The balancer that clients connect to, None where there is none."""
        arns = self.resources.get("AWS::ElasticLoadBalancingV2::LoadBalancer", [])
        if not arns:
            return None
        client = self.access.client("elbv2")
        answer = client.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"]
        # With an ALB behind it, the NLB is what clients see.
        shown = sorted(answer, key=lambda one: str(one["Type"]) != "network")[0]
        arn = shown["LoadBalancerArn"]
        attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return Balancer(
            arn,
            shown["DNSName"],
            shown["Scheme"],
            shown["Type"],
            shown,
            _map(attributes),
            tuple(self._listeners(client, arn)),
        )

    def _listeners(self, client: Any, balancer: str) -> Iterator[Listener]:
        found = client.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        for one in sorted(found, key=lambda shown: int(shown["Port"])):
            arn = one["ListenerArn"]
            attributes = client.describe_listener_attributes(ListenerArn=arn)["Attributes"]
            (action,) = one["DefaultActions"]
            between = behind(client, action["TargetGroupArn"])
            yield Listener(
                one["Port"],
                one["Protocol"],
                tuple(of["CertificateArn"] for of in one.get("Certificates", [])),
                _map(attributes),
                self._group(client, between.group if between else action["TargetGroupArn"]),
                between,
            )

    def _group(self, client: Any, arn: str) -> Group:
        (shown,) = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
        attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        (tagged,) = client.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        known = (*self.nodes.values(), *self.proxies.values())
        node_names = {node.instance_id: node.name for node in known}
        targets = [
            Target(
                node_names.get(one["Target"]["Id"], one["Target"]["Id"]),
                one["Target"]["Id"],
                one["Target"]["Port"],
                one["TargetHealth"]["State"],
                one["TargetHealth"].get("Reason", ""),
            )
            for one in health
        ]
        return Group(
            arn,
            shown,
            _map(attributes),
            _map(tagged["Tags"]),
            tuple(sorted(targets, key=lambda target: (target.node, target.port))),
        )


class Topology:
    """A whole environment as the API shows it."""

    def __init__(self, endpoint: str, environment: Environment) -> None:
        self.environment = environment
        self.clusters = {
            name: Cluster(endpoint, environment, name) for name in sorted(environment.clusters)
        }
        failover = environment.failover
        self._access: Access | None = None
        if failover is not None:
            account, region = (
                failover_plan.stack_account(environment, failover),
                failover_plan.stack_region(environment, failover),
            )
            self._access = Access(endpoint, account, region)

    @cached_property
    def endpoint(self) -> str:
        """The name that clients use, empty without failover."""
        if self._access is None:
            return ""
        stack = names.failover_stack(self.environment.name)
        return _outputs(self._access, stack).get(names.ENDPOINT, "")

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The records of the failover's name."""
        failover = self.environment.failover
        if self._access is None or failover is None:
            return ()
        name = f"{failover_plan.dns_name(failover)}."
        answer = self._access.client("route53").list_resource_record_sets(
            HostedZoneId=failover.zone.id
        )
        found = [
            Record(
                one["Name"],
                one["Type"],
                one.get("Failover", ""),
                _answer(one),
                one.get("HealthCheckId", ""),
                one,
            )
            for one in answer["ResourceRecordSets"]
            if one["Name"] == name and one["Type"] not in ("NS", "SOA")
        ]
        return tuple(sorted(found, key=lambda record: record.role))

    @cached_property
    def checks(self) -> dict[str, dict[str, Any]]:
        """Settings of the account's health checks by id."""
        if self._access is None:
            return {}
        answer = self._access.client("route53").list_health_checks()["HealthChecks"]
        return {one["Id"]: one["HealthCheckConfig"] for one in answer}


def _node(name: str, shown: dict[str, Any]) -> Node:
    return Node(
        name,
        shown["InstanceId"],
        shown["State"]["Name"],
        shown["Placement"]["AvailabilityZone"],
        shown.get("PrivateIpAddress", ""),
        shown.get("PublicIpAddress", ""),
        shown,
    )


def _answer(record: dict[str, Any]) -> str:
    """What a record answers with."""
    if "AliasTarget" in record:
        return f"alias {record['AliasTarget']['DNSName']}"
    return ", ".join(one["Value"] for one in record["ResourceRecords"])


def _map(pairs: list[dict[str, str]]) -> Attributes:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _outputs(access: Access, stack: str) -> dict[str, str]:
    try:
        (found,) = access.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError:
        return {}
    return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}


def _resources(access: Access, stack: str) -> dict[str, list[str]]:
    pages = access.client("cloudformation").get_paginator("list_stack_resources")
    found: dict[str, list[str]] = {}
    for page in pages.paginate(StackName=stack):
        for one in page["StackResourceSummaries"]:
            found.setdefault(one["ResourceType"], []).append(one["PhysicalResourceId"])
    return found
