"""Resources of a template, created in moto by direct calls.

moto's CloudFormation refuses a TCP listener and ignores `Targets`. The resources that commands read
are created; others, such as roles and rules, only get an id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from moto.ec2.models import ec2_backends

from tests.commands.account import dns
from tests.commands.account.cloudformation import Deployed
from tests.commands.account.dns import MOTO
from tests.commands.account.expressions import Expressions
from tests.commands.account.targets import Targets

_FIRST = (
    "AWS::EC2::Instance",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Route53::HostedZone",
)
_CHECK_KEYS = (
    *("HealthCheckPort", "HealthCheckProtocol", "HealthCheckPath", "HealthCheckIntervalSeconds"),
    *("HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount"),
)

Client = Callable[[str, str], Any]


class Making:
    """Creates the resources of a stack.

    Args:
        stack: the stack, which gets its physical ids and outputs.
        client: returns the client of a service and region.
        targets: the targets of all target groups.
        output: returns an output of another stack, by stack and name.
    """

    def __init__(
        self,
        stack: Deployed,
        client: Client,
        targets: Targets,
        outputs: Callable[[str, str], str],
    ) -> None:
        self._stack, self._client, self._targets = stack, client, targets
        self._attributes: dict[tuple[str, str], Any] = {}
        self._expressions = Expressions(
            stack.physical_ids,
            lambda id_, name: self._attributes.get((id_, name), f"{id_}.{name}"),
            lambda arguments: outputs(arguments["StackName"], arguments["OutputName"]),
        )

    def make(self) -> None:
        """Create all resources, and record physical ids and outputs."""
        makers: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
            "AWS::EC2::Instance": self.instance,
            "AWS::ElasticLoadBalancingV2::LoadBalancer": self._balancer,
            "AWS::ElasticLoadBalancingV2::TargetGroup": self._group,
            "AWS::ElasticLoadBalancingV2::Listener": self._listener,
            "AWS::CloudWatch::Alarm": self._alarm,
            "AWS::Route53::HealthCheck": self._check,
            "AWS::Route53::HostedZone": self._zone,
            "AWS::Route53::RecordSet": self._record,
            "AWS::SSM::Parameter": self._parameter,
        }
        resources = self._stack.template["Resources"]
        self._adopt()
        for id_ in sorted(
            resources, key=lambda logical_id: resources[logical_id]["Type"] not in _FIRST
        ):
            kind = resources[id_]["Type"]
            make = makers.get(kind, self._unmade)
            properties = resources[id_].get("Properties", {})
            self._stack.physical_ids[id_] = make(id_, properties)
        for name, output in self._stack.template.get("Outputs", {}).items():
            self._stack.outputs[name] = str(self._expressions.value(output["Value"]))

    def _unmade(self, id_: str, _: Mapping[str, Any]) -> str:
        return f"{self._stack.name}-{id_}"

    def _of(self, service: str) -> Any:
        return self._client(service, self._stack.region)

    def _adopt(self) -> None:
        """Create the instances of adopted nodes, with their ids in the template."""
        for name, output in self._stack.template.get("Outputs", {}).items():
            if name.startswith("NodeId") and isinstance(output["Value"], str):
                self._run("m5.xlarge", "ami-0123456789abcdef0", "", [], id_=output["Value"])

    def instance(self, id_: str, properties: Mapping[str, Any]) -> str:
        """Create a running instance in a subnet of the zone that `properties` contain."""
        instance_id, address = self._run(
            properties["InstanceType"],
            properties["ImageId"],
            properties.get("AvailabilityZone", ""),
            self._expressions.value(properties.get("Tags", [])),
        )
        self._attributes[id_, "PrivateIp"] = address
        return instance_id

    def _run(
        self, kind: str, image: str, zone: str, tags: list[dict[str, str]], id_: str = ""
    ) -> tuple[str, str]:
        client = self._of("ec2")
        subnets = self._subnets()
        arguments: dict[str, Any] = {"SubnetId": subnets.get(zone, min(subnets.values()))}
        if tags:
            arguments["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
        (made,) = client.run_instances(
            InstanceType=kind, ImageId=image, MinCount=1, MaxCount=1, **arguments
        )["Instances"]
        if id_:
            backend = ec2_backends[MOTO][self._stack.region]
            instance: Any = backend.get_instance_by_id(made["InstanceId"])
            instance.id = id_
        return id_ or made["InstanceId"], made["PrivateIpAddress"]

    @cached_property
    def _default_subnets(self) -> Sequence[Mapping[str, Any]]:
        """The subnets of the region that moto creates by default."""
        subnets: Sequence[Mapping[str, Any]] = self._of("ec2").describe_subnets()["Subnets"]
        return subnets

    def _subnets(self) -> dict[str, str]:
        """Return the ids of moto's default subnets by zone."""
        return {one["AvailabilityZone"]: one["SubnetId"] for one in self._default_subnets}

    def _balancer(self, id_: str, properties: Mapping[str, Any]) -> str:
        client = self._of("elbv2")
        (made,) = client.create_load_balancer(
            Name=f"lb-{_short(self._stack, id_)}",
            Type=properties.get("Type", "application"),
            Scheme=properties.get("Scheme", "internet-facing"),
            Subnets=sorted(self._subnets().values()),
            Tags=properties["Tags"],
        )["LoadBalancers"]
        arn = str(made["LoadBalancerArn"])
        self._attributes |= {
            (id_, "DNSName"): made["DNSName"],
            (id_, "CanonicalHostedZoneID"): made["CanonicalHostedZoneId"],
            (id_, "LoadBalancerFullName"): arn.split("loadbalancer/")[1],
        }
        return arn

    def _group(self, id_: str, properties: Mapping[str, Any]) -> str:
        client = self._of("elbv2")
        (vpc,) = {subnet["VpcId"] for subnet in self._default_subnets}
        (made,) = client.create_target_group(
            Name=f"tg-{_short(self._stack, id_)}",
            Protocol=properties["Protocol"],
            Port=properties["Port"],
            VpcId=vpc,
            TargetType=properties.get("TargetType", "instance"),
            Tags=properties["Tags"],
            **{key: properties[key] for key in _CHECK_KEYS if key in properties},
        )["TargetGroups"]
        arn = str(made["TargetGroupArn"])
        attributes = properties.get("TargetGroupAttributes", [])
        client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
        delays = {tag["Key"]: tag["Value"] for tag in attributes}
        self._targets.add_group(
            arn,
            port=properties["Port"],
            delay=float(delays.get("deregistration_delay.timeout_seconds", 300)),
            warm_up=properties["HealthCheckIntervalSeconds"] * properties["HealthyThresholdCount"],
        )
        targets = self._expressions.value(properties.get("Targets", []))
        if targets:
            # Register the targets here first: the call below would register them as new targets,
            # whose first checks have not passed yet.
            self._targets.register(arn, targets, old=True)
            client.register_targets(TargetGroupArn=arn, Targets=targets)
        self._attributes[id_, "TargetGroupFullName"] = arn.rpartition(":")[2]
        return arn

    def _listener(self, _: str, properties: Mapping[str, Any]) -> str:
        properties = self._expressions.value(properties)
        (made,) = self._of("elbv2").create_listener(
            LoadBalancerArn=properties["LoadBalancerArn"],
            Port=properties["Port"],
            Protocol=properties["Protocol"],
            # Leave out the certificate, since moto would look for the certificate, which does not
            # exist.
            DefaultActions=properties["DefaultActions"],
        )["Listeners"]
        return str(made["ListenerArn"])

    def _alarm(self, id_: str, properties: Mapping[str, Any]) -> str:
        name = properties.get("AlarmName", f"{self._stack.name}-{id_}-0123456789AB")
        properties = self._expressions.value({**properties, "AlarmName": name})
        self._of("cloudwatch").put_metric_alarm(**properties)
        return str(name)

    def _check(self, id_: str, properties: Mapping[str, Any]) -> str:
        name = f"{self._stack.name}-{id_}"
        made = dns.health_check(self._of("route53"), name, self._expressions.value(properties))
        self._attributes[id_, "HealthCheckId"] = made
        return made

    def _zone(self, id_: str, properties: Mapping[str, Any]) -> str:
        name = f"{self._stack.name}-{id_}"
        made = dns.private_zone(self._of("route53"), name, self._expressions.value(properties))
        self._attributes[id_, "Id"] = made
        return made

    def _record(self, _: str, properties: Mapping[str, Any]) -> str:
        return dns.record(self._of("route53"), self._expressions.value(properties))

    def _parameter(self, _: str, properties: Mapping[str, Any]) -> str:
        properties = self._expressions.value(properties)
        self._of("ssm").put_parameter(
            Name=properties["Name"],
            Value=str(properties["Value"]),
            Type=properties["Type"],
            Overwrite=True,
        )
        return str(properties["Name"])


def _short(stack: Deployed, id_: str) -> str:
    """Return a name of at most 28 characters that no other resource has."""
    return f"{abs(hash((stack.name, stack.region, id_))):020d}"[-20:]


def nodes(stack: Deployed) -> Iterator[tuple[str, str]]:
    """Yield name and instance id of each node of a stack, from tags and outputs."""
    written = stack.template.get("Metadata", {}).get("Denodo", {}).get("Nodes", {})
    for output, id_ in stack.outputs.items():
        if output.startswith("NodeId"):
            yield written.get(output, output.removeprefix("NodeId")), id_
