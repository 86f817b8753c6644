"""Sample templates: two clusters and their failover name, in every form that the drill reads.

The templates have none of this project's tags, and other logical ids than this project's stacks.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import read_template_file
from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model

Data = dict[str, Any]
Templates = dict[str, Data]
Health = Literal["alias", "alarm", "endpoint", "ip"]
"""Source of the health of each record: the alias record's targets, an alarm on the load balancer,
an endpoint check of the load balancer, or an endpoint check of a single node's address."""

TEMPLATES: Final = Path(__file__).parent / "templates"
FILES: Final = [TEMPLATES / f"{name}.yaml" for name in ("site-a", "site-b", "names")]
"""Templates in YAML of the clusters and their failover name; the clusters have auxiliary ports."""
REGIONS: Final = {"a": "eu-west-1", "b": "us-east-1"}
JDBC: Final = 9999
SERVES: Final = {"9999": {"Nodes": [{"Ref": "Box1"}, {"Ref": "Box2"}], "Path": "/ready/jdbc"}}
"""Metadata of proxies in a template: for each port, the nodes behind the port, and the path that
the proxies request to check the nodes."""
_ELB: Final = "AWS::ElasticLoadBalancingV2"


def resource(kind: str, **properties: Any) -> Data:
    return {"Type": kind, "Properties": properties}


def attributes(**values: str) -> list[Data]:
    """Return attributes in the form of templates; two underscores in a name stand for a dot."""
    return [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]


def ref(id_: str) -> Data:
    return {"Ref": id_}


def get_att(id_: str, attribute: str) -> Data:
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
    """Return a template of nodes behind a balancer; a health check follows the jdbc alarm.

    Args:
        name: a or b.
        nodes: the zones of its nodes, by letter.
        services: ports of services.
        auxiliary: whether each node has an auxiliary port, 20001 and so on.
        internal: whether the balancer is internal.
        cross_zone: whether cross-zone load balancing is on.
        zones: the balancer's zones.
    """
    region = REGIONS[name]
    resources: Data = {
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
        resources[f"Net{zone}"] = resource("AWS::EC2::Subnet", AvailabilityZone=f"{region}{zone}")
    machines = [f"Box{number}" for number, _ in enumerate(nodes, 1)]
    for machine, zone in zip(machines, nodes, strict=True):
        resources[machine] = resource("AWS::EC2::Instance", SubnetId=ref(f"Net{zone}"))
    for port in services:
        resources |= listener(f"P{port}", port, machines)
    if auxiliary:
        for number, machine in enumerate(machines, 1):
            resources |= listener(f"Aux{number}", 20000 + number, [machine])
    resources["NoneHealthy"] = alarm(f"P{JDBC}")
    resources["Watch"] = metric_check("NoneHealthy", region)
    outputs = {
        "Name": {"Value": get_att("Front", "DNSName")},
        "Zone": {"Value": get_att("Front", "CanonicalHostedZoneID")},
        "Check": {"Value": ref("Watch")},
    }
    return {"Resources": resources, "Outputs": outputs}


def listener(name: str, port: int, machines: list[str]) -> Data:
    """Return a listener and its target group."""
    return {
        f"{name}In": resource(
            f"{_ELB}::Listener",
            LoadBalancerArn=ref("Front"),
            Port=port,
            Protocol="TCP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": ref(name)}],
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
    """Return an alarm that goes to ALARM if a target group has no healthy target."""
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
            {"Name": "LoadBalancer", "Value": get_att("Front", "LoadBalancerFullName")},
            {"Name": "TargetGroup", "Value": get_att(group, "TargetGroupFullName")},
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


def single_node(name: str) -> Data:
    """Return a template of one node with a fixed public address and no balancer."""
    resources = {
        "Net": resource("AWS::EC2::Subnet", AvailabilityZone=f"{REGIONS[name]}a"),
        "Box1": resource("AWS::EC2::Instance", SubnetId=ref("Net")),
        "Fixed": resource("AWS::EC2::EIP"),
        "Bound": resource(
            "AWS::EC2::EIPAssociation",
            AllocationId=get_att("Fixed", "AllocationId"),
            InstanceId=ref("Box1"),
        ),
    }
    return {"Resources": resources, "Outputs": {"Name": {"Value": get_att("Fixed", "PublicIp")}}}


def failover_name(health: Health, *, control: str = "automatic", secondary: bool = True) -> Data:
    """Return the failover name's template, with the operators' switch.

    Args:
        health: how the health of the records' clusters is determined.
        control: `automatic`, or `operator` if only the switch decides about the primary.
        secondary: whether the secondary has a health check.
    """
    resources: Data = {
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
    own = {side: _own_check(resources, health, side) for side in "ab"}
    if health != "alias" and control == "automatic":
        resources["Both"] = check(
            Type="CALCULATED", ChildHealthChecks=[own["a"], first], HealthThreshold=2
        )
        first = ref("Both")
    second = own["b"] if secondary and health != "alias" else None
    resources["First"] = _record("a", health, first)
    resources["Second"] = _record("b", health, second)
    return {"Resources": resources}


def _own_check(resources: Data, health: Health, side: str) -> Any:
    """Return a reference to the health check of a cluster; None if the record is an alias.

    The switch's health check is a different health check.
    """
    if health == "alarm":
        return output(f"site-{side}", "Check")
    if health == "alias":
        return None
    address = {"endpoint": "FullyQualifiedDomainName", "ip": "IPAddress"}[health]
    resources[f"Probe{side}"] = check(
        Type="TCP",
        Port=JDBC,
        RequestInterval=10,
        FailureThreshold=3,
        **{address: output(f"site-{side}", "Name")},
    )
    return ref(f"Probe{side}")


def _record(side: str, health: Health, check_id: Any) -> Data:
    """Return a failover record of a cluster."""
    settings: Data = {
        "Name": "sql.example.org.",
        "SetIdentifier": side,
        "Failover": {"a": "PRIMARY", "b": "SECONDARY"}[side],
    }
    if check_id is not None:
        settings["HealthCheckId"] = check_id
    value = output(f"site-{side}", "Name")
    if health == "alias":
        target = {
            "DNSName": value,
            "HostedZoneId": output(f"site-{side}", "Zone"),
            "EvaluateTargetHealth": True,
        }
        return resource("AWS::Route53::RecordSet", Type="A", AliasTarget=target, **settings)
    record_type = "A" if health == "ip" else "CNAME"
    return resource(
        "AWS::Route53::RecordSet", Type=record_type, TTL="30", ResourceRecords=[value], **settings
    )


def two_clusters(health: Health = "alarm", **settings: Any) -> Templates:
    """Return templates of two clusters and their failover name; arguments go to each template."""
    of_name = {key: settings.pop(key) for key in ("control", "secondary") if key in settings}
    template: Callable[..., Data] = single_node if health == "ip" else cluster
    if health == "endpoint":
        settings.setdefault("internal", False)
    return {
        "site-a": template("a", **settings),
        "site-b": template("b", **settings),
        "names": failover_name(health, **of_name),
    }


def with_proxies(
    serves: Data | None = None, *, size: int = 2, health: Health = "alarm"
) -> Templates:
    """Return two clusters; in the primary, proxies are between the load balancer and the nodes."""
    templates = two_clusters(health)
    resources = templates["site-a"]["Resources"]
    resources["P9999"]["Properties"].pop("Targets")
    resources["Proxies"] = resource(
        "AWS::AutoScaling::AutoScalingGroup",
        MinSize=str(size),
        MaxSize="4",
        VPCZoneIdentifier=[ref("Neta"), ref("Netb")],
        TargetGroupARNs=[ref("P9999")],
    )
    if serves is not None:
        resources["Proxies"]["Metadata"] = {"Denodo": {"Serves": serves}}
    return templates


def one_cluster(**changes: Any) -> Templates:
    """Return the template of one cluster; `changes` set sections of the template."""
    return {"site-a": cluster("a") | changes}


def add(templates: Templates, id_: str, kind: str, **settings: Any) -> Templates:
    """Add a resource to the template of the first cluster."""
    templates["site-a"]["Resources"][id_] = resource(kind, **settings)
    return templates


def yaml_templates() -> Templates:
    """Return the templates in the folder `templates`, by stack name."""
    return {file.stem: read_template_file(file) for file in FILES}


def properties(templates: Templates, stack: str, id_: str) -> Any:
    return templates[stack]["Resources"][id_]["Properties"]


def model(templates: Mapping[str, Data]) -> Model:
    """Return the drill's model of templates, which are given by their stacks' names."""
    regions = {"site-a": REGIONS["a"], "site-b": REGIONS["b"], "names": REGIONS["b"]}
    return build_model(
        tuple(
            SynthesisedStack(name, regions.get(name, name), "", template)
            for name, template in templates.items()
        )
    )


def drill(templates: Mapping[str, Data]) -> DrillResult:
    return drill_model(model(templates))


def violations(result: DrillResult, **settings: Any) -> dict[str, tuple[str, ...]]:
    """Return the violations of each broken policy, by the policy's id."""
    verdicts = apply_policies(result, **{"max_recovery": None, "min_secondary": 1, **settings})
    return {verdict.policy.id: verdict.violations for verdict in verdicts if verdict.is_broken}


def unknown_policies(result: DrillResult, **settings: Any) -> dict[str, tuple[str, ...]]:
    """Return the unknown points of each policy whose result is unknown, by the policy's id."""
    verdicts = apply_policies(result, **{"max_recovery": None, "min_secondary": 1, **settings})
    return {
        verdict.policy.id: verdict.unknowns for verdict in verdicts if verdict.word == "unknown"
    }
