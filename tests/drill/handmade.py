"""Templates made by hand: two clusters and their failover name, in every shape that matters.

Nothing of ours is in them: no tags of ours, other logical ids than our stacks have.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import read_template_file
from denodo_ha.drill.model import Model
from denodo_ha.drill.reading.model_builder import build_model

Data = dict[str, Any]
Kind = Literal["alias", "alarm", "endpoint", "ip"]

TEMPLATES: Final = Path(__file__).parent / "templates"
REGIONS: Final = {"a": "eu-west-1", "b": "us-east-1"}
JDBC: Final = 9999
_ELB: Final = "AWS::ElasticLoadBalancingV2"
_OPEN: Final = {"Type": "forward"}


def resource(kind: str, **properties: Any) -> Data:
    return {"Type": kind, "Properties": properties}


def attributes(**said: str) -> list[Data]:
    """Attributes as templates have them; two underscores stand for a dot."""
    return [{"Key": key.replace("__", "."), "Value": value} for key, value in said.items()]


def ref(id_: str) -> Data:
    return {"Ref": id_}


def got(id_: str, attribute: str) -> Data:
    return {"Fn::GetAtt": [id_, attribute]}


def output(stack: str, name: str) -> Data:
    return {"Fn::GetStackOutput": {"StackName": stack, "OutputName": name}}


def cluster(
    name: str,
    *,
    nodes: str = "ab",
    services: tuple[int, ...] = (JDBC,),
    auxiliary: bool = False,
    internal: bool = True,
    cross_zone: bool = True,
    zones: str = "ab",
) -> Data:
    """A template of nodes behind a balancer, with an alarm's check on the jdbc group.

    Args:
        name: a or b.
        nodes: the zones of its nodes, by letter.
        services: ports of services.
        auxiliary: whether each node has an auxiliary port, 20001 and so on.
        internal: whether the balancer is.
        cross_zone: whether it is on.
        zones: the balancer's zones.
    """
    region = REGIONS[name]
    found: Data = {
        "Front": resource(
            f"{_ELB}::LoadBalancer",
            Type="network",
            Scheme="internal" if internal else "internet-facing",
            Subnets=[ref(f"Net{zone}") for zone in zones],
            LoadBalancerAttributes=attributes(
                load_balancing__cross_zone__enabled=str(cross_zone).lower()
            ),
        )
    }
    for zone in dict.fromkeys(zones + nodes):
        found[f"Net{zone}"] = resource("AWS::EC2::Subnet", AvailabilityZone=f"{region}{zone}")
    machines = [f"Box{number}" for number, _ in enumerate(nodes, 1)]
    for machine, zone in zip(machines, nodes, strict=True):
        found[machine] = resource("AWS::EC2::Instance", SubnetId=ref(f"Net{zone}"))
    for port in services:
        found |= served(f"P{port}", port, machines)
    if auxiliary:
        for number, machine in enumerate(machines, 1):
            found |= served(f"Aux{number}", 20000 + number, [machine])
    found["Nobody"] = alarm(f"P{JDBC}")
    found["Watch"] = metric_check("Nobody", region)
    outputs = {
        "Name": {"Value": got("Front", "DNSName")},
        "Zone": {"Value": got("Front", "CanonicalHostedZoneID")},
        "Check": {"Value": ref("Watch")},
    }
    return {"Resources": found, "Outputs": outputs}


def served(name: str, port: int, machines: list[str]) -> Data:
    """A listener and a group."""
    return {
        f"{name}In": resource(
            f"{_ELB}::Listener",
            LoadBalancerArn=ref("Front"),
            Port=port,
            Protocol="TCP",
            DefaultActions=[_OPEN | {"TargetGroupArn": ref(name)}],
        ),
        name: resource(
            f"{_ELB}::TargetGroup",
            Port=port,
            Protocol="TCP",
            HealthCheckIntervalSeconds=5,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            Targets=[{"Id": ref(machine), "Port": port} for machine in machines],
            TargetGroupAttributes=[],
        ),
    }


def alarm(group: str, **changes: Any) -> Data:
    """An alarm on no healthy target in a group."""
    settings: Data = {
        "Namespace": "AWS/NetworkELB",
        "MetricName": "HealthyHostCount",
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "missing",
        "Dimensions": [
            {"Name": "LoadBalancer", "Value": got("Front", "LoadBalancerFullName")},
            {"Name": "TargetGroup", "Value": got(group, "TargetGroupFullName")},
        ],
    }
    return resource("AWS::CloudWatch::Alarm", **settings | changes)


def metric_check(alarm_id: str, region: str, insufficient: str = "Unhealthy") -> Data:
    return check(
        Type="CLOUDWATCH_METRIC",
        AlarmIdentifier={"Name": ref(alarm_id), "Region": region},
        InsufficientDataHealthStatus=insufficient,
    )


def check(**settings: Any) -> Data:
    return resource("AWS::Route53::HealthCheck", HealthCheckConfig=settings)


def bare(name: str) -> Data:
    """A template of one node with a fixed public address and nothing in front."""
    found = {
        "Net": resource("AWS::EC2::Subnet", AvailabilityZone=f"{REGIONS[name]}a"),
        "Box1": resource("AWS::EC2::Instance", SubnetId=ref("Net")),
        "Fixed": resource("AWS::EC2::EIP"),
        "Bound": resource(
            "AWS::EC2::EIPAssociation",
            AllocationId=got("Fixed", "AllocationId"),
            InstanceId=ref("Box1"),
        ),
    }
    return {"Resources": found, "Outputs": {"Name": {"Value": got("Fixed", "PublicIp")}}}


def names(kind: Kind, *, control: str = "automatic", secondary: bool = True) -> Data:
    """The failover name's template, with the operators' switch."""
    found: Data = {
        "Lever": resource(
            "AWS::CloudWatch::Alarm",
            Namespace="Ops/Lever",
            MetricName="UseB",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
        ),
        "LeverCheck": metric_check("Lever", REGIONS["b"], "LastKnownStatus"),
    }
    first: Any = ref("LeverCheck")
    own = {side: _own(found, kind, side) for side in "ab"}
    if kind != "alias" and control == "automatic":
        found["Both"] = check(
            Type="CALCULATED", ChildHealthChecks=[own["a"], first], HealthThreshold=2
        )
        first = ref("Both")
    second = own["b"] if secondary and kind != "alias" else None
    found["First"] = record("a", kind, first)
    found["Second"] = record("b", kind, second)
    return {"Resources": found}


def _own(found: Data, kind: Kind, side: str) -> Any:
    """The check of a cluster of its own."""
    if kind == "alarm":
        return output(f"site-{side}", "Check")
    if kind == "alias":
        return None
    address = {"endpoint": "FullyQualifiedDomainName", "ip": "IPAddress"}[kind]
    found[f"Probe{side}"] = check(
        Type="TCP",
        Port=JDBC,
        RequestInterval=10,
        FailureThreshold=3,
        **{address: output(f"site-{side}", "Name")},
    )
    return ref(f"Probe{side}")


def record(side: str, kind: Kind, health: Any) -> Data:
    """A failover record of a cluster."""
    settings: Data = {
        "Name": "sql.example.org.",
        "SetIdentifier": side,
        "Failover": {"a": "PRIMARY", "b": "SECONDARY"}[side],
    }
    if health is not None:
        settings["HealthCheckId"] = health
    value = output(f"site-{side}", "Name")
    if kind == "alias":
        target = {
            "DNSName": value,
            "HostedZoneId": output(f"site-{side}", "Zone"),
            "EvaluateTargetHealth": True,
        }
        return resource("AWS::Route53::RecordSet", Type="A", AliasTarget=target, **settings)
    of_type = "A" if kind == "ip" else "CNAME"
    return resource(
        "AWS::Route53::RecordSet", Type=of_type, TTL="30", ResourceRecords=[value], **settings
    )


def site(kind: Kind = "alarm", **settings: Any) -> dict[str, Data]:
    """Both clusters and their name; the settings are `cluster`'s and `names`'."""
    of_names = {key: settings.pop(key) for key in ("control", "secondary") if key in settings}
    made: Callable[..., Data] = bare if kind == "ip" else cluster
    if kind == "endpoint":
        settings.setdefault("internal", False)
    return {
        "site-a": made("a", **settings),
        "site-b": made("b", **settings),
        "names": names(kind, **of_names),
    }


def model(templates: Mapping[str, Data]) -> Model:
    """The model of templates by their stacks' names."""
    regions = {"site-a": REGIONS["a"], "site-b": REGIONS["b"], "names": REGIONS["b"]}
    return build_model(
        tuple(
            SynthesisedStack(name, regions.get(name, name), "", template)
            for name, template in templates.items()
        )
    )


def written() -> dict[str, Data]:
    """The site that is written in YAML in `templates/`."""
    return {
        name: read_template_file(TEMPLATES / f"{name}.yaml")
        for name in ("site-a", "site-b", "names")
    }
