"""Life cycles of load balancers, target groups and listeners."""

from collections.abc import Iterable

from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.resource_types.life import Case, Read, Shown, must_be_not_found
from tests.local_aws.templates import ref


def _elb(operation: str, key: str, argument: str) -> Read:
    def read(cloud: Cloud, arn: str) -> Shown:
        try:
            result = getattr(cloud.client("elbv2"), operation)(**{argument: [arn]})[key]
        except ClientError as error:
            must_be_not_found(error)
            return None
        return next(iter(result), None)

    return read


def _balancer(cloud: Cloud, arn: str) -> Shown:
    description = _elb("describe_load_balancers", "LoadBalancers", "LoadBalancerArns")(cloud, arn)
    if description is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    zones = sorted(zone["ZoneName"] for zone in description["AvailabilityZones"])
    return {**description, **_map(attributes), "Zones": zones}


def _group(cloud: Cloud, arn: str) -> Shown:
    description = _elb("describe_target_groups", "TargetGroups", "TargetGroupArns")(cloud, arn)
    if description is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    serving = [item for item in health if item["TargetHealth"]["State"] != "draining"]
    return {**description, **_map(attributes), "Count": len(serving)}


def _listener(cloud: Cloud, arn: str) -> Shown:
    description = _elb("describe_listeners", "Listeners", "ListenerArns")(cloud, arn)
    if description is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_listener_attributes(ListenerArn=arn)["Attributes"]
    return {**description, **_map(attributes)}


def _map(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


OTHER = {"Other": templates.group(Port=8888)}

CASES = (
    Case(
        "ElasticLoadBalancingV2::LoadBalancer",
        {**templates.network(), "It": templates.balancer()},
        _balancer,
        {
            "Type": "network",
            "Scheme": "internal",
            "Zones": ["eu-west-1a", "eu-west-1b"],
            "CanonicalHostedZoneId": "Z2IFOLAFXWLO4F",
            "load_balancing.cross_zone.enabled": "false",
        },
        in_place=({"Subnets": [ref("A")]}, {"Zones": ["eu-west-1a"]}),
        replaced_by={"Type": "application"},
    ),
    Case(
        "ElasticLoadBalancingV2::TargetGroup",
        {**templates.network(), "Node": templates.node(), "It": templates.group(ref("Node"))},
        _group,
        {
            "Count": 1,
            "HealthCheckIntervalSeconds": 5,
            "deregistration_delay.timeout_seconds": "300",
            "preserve_client_ip.enabled": "true",
        },
        in_place=({"Targets": [], "HealthyThresholdCount": 3}, {"Count": 0}),
        replaced_by={"Port": 9998},
    ),
    Case(
        "ElasticLoadBalancingV2::Listener",
        {**templates.behind(), **OTHER, "It": templates.listener()},
        _listener,
        {"Port": 9999, "Protocol": "TCP", "tcp.idle_timeout.seconds": "350"},
        in_place=(
            {
                "Port": 9998,
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref("Other")}],
                "ListenerAttributes": [{"Key": "tcp.idle_timeout.seconds", "Value": "6000"}],
            },
            {"Port": 9998, "tcp.idle_timeout.seconds": "6000"},
        ),
    ),
)
