"""Type by type: create, read back, update in place, replace, delete.

Each case is a template, a change that AWS makes in place and one that replaces the resource,
and what the service then shows.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local import things
from tests.local.cloud import Cloud, DeployError
from tests.local.things import attribute, one, ref

Shown = dict[str, Any] | None
Read = Callable[[Cloud, str], Shown]


@dataclass(frozen=True)
class Case:
    """A type's life.

    Attributes:
        kind: the type, without `AWS::`.
        resources: the template; the resource is `It`.
        read: reads it back by its id, None if it is not there.
        shows: what is read back at first.
        in_place: properties that change in place, and what is read back then.
        replaced_by: properties that replace the resource.
    """

    kind: str
    resources: dict[str, Any]
    read: Read
    shows: dict[str, Any]
    in_place: tuple[dict[str, Any], dict[str, Any]] | None = None
    replaced_by: dict[str, Any] | None = None
    gone: Callable[[Shown], bool] = field(default=lambda shown: shown is None)


def _must_be_not_found(error: ClientError) -> None:
    """Any other error is one."""
    if "NotFound" not in error.response["Error"]["Code"]:
        raise error


def _ec2(operation: str, key: str, argument: str) -> Read:
    def read(cloud: Cloud, id_: str) -> Shown:
        try:
            found = getattr(cloud.client("ec2"), operation)(**{argument: [id_]})[key]
        except ClientError as error:
            _must_be_not_found(error)
            return None
        return next(iter(found), None)

    return read


def _instance(cloud: Cloud, id_: str) -> Shown:
    shown = _ec2("describe_instances", "Reservations", "InstanceIds")(cloud, id_)
    return shown and dict(shown["Instances"][0])


def _address(cloud: Cloud, ip: str) -> Shown:
    shown = cloud.client("ec2").describe_addresses()["Addresses"]
    return next((one for one in shown if one["PublicIp"] == ip), None)


def _association(cloud: Cloud, id_: str) -> Shown:
    shown = cloud.client("ec2").describe_addresses()["Addresses"]
    return next((one for one in shown if one.get("AssociationId") == id_), None)


def _rule(cloud: Cloud, id_: str) -> Shown:
    shown = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return next((one for one in shown if one["SecurityGroupRuleId"] == id_), None)


def _route(cloud: Cloud, id_: str) -> Shown:
    table, _, destination = id_.partition("|")
    found = _ec2("describe_route_tables", "RouteTables", "RouteTableIds")(cloud, table)
    routes = found["Routes"] if found else []
    return next((one for one in routes if one.get("DestinationCidrBlock") == destination), None)


def _subnet_association(cloud: Cloud, id_: str) -> Shown:
    tables = cloud.client("ec2").describe_route_tables()["RouteTables"]
    found = [one for table in tables for one in table["Associations"]]
    return next((one for one in found if one["RouteTableAssociationId"] == id_), None)


def _attachment(cloud: Cloud, id_: str) -> Shown:
    gateways = cloud.client("ec2").describe_internet_gateways()["InternetGateways"]
    found = [one for gateway in gateways for one in gateway["Attachments"]]
    return next((one for one in found if one["VpcId"] == id_.partition("|")[2]), None)


def _elb(operation: str, key: str, argument: str) -> Read:
    def read(cloud: Cloud, arn: str) -> Shown:
        try:
            found = getattr(cloud.client("elbv2"), operation)(**{argument: [arn]})[key]
        except ClientError as error:
            _must_be_not_found(error)
            return None
        return next(iter(found), None)

    return read


def _balancer(cloud: Cloud, arn: str) -> Shown:
    shown = _elb("describe_load_balancers", "LoadBalancers", "LoadBalancerArns")(cloud, arn)
    if shown is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    zones = sorted(zone["ZoneName"] for zone in shown["AvailabilityZones"])
    return {**shown, **_map(attributes), "Zones": zones}


def _group(cloud: Cloud, arn: str) -> Shown:
    shown = _elb("describe_target_groups", "TargetGroups", "TargetGroupArns")(cloud, arn)
    if shown is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    serving = [one for one in health if one["TargetHealth"]["State"] != "draining"]
    return {**shown, **_map(attributes), "Count": len(serving)}


def _listener(cloud: Cloud, arn: str) -> Shown:
    shown = _elb("describe_listeners", "Listeners", "ListenerArns")(cloud, arn)
    if shown is None:
        return None
    client = cloud.client("elbv2")
    attributes = client.describe_listener_attributes(ListenerArn=arn)["Attributes"]
    return {**shown, **_map(attributes)}


def _map(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _zone(cloud: Cloud, id_: str) -> Shown:
    try:
        shown = cloud.client("route53").get_hosted_zone(Id=id_)
    except ClientError:
        return None
    zone = shown["HostedZone"]
    return {
        "Name": zone["Name"],
        "Private": zone["Config"]["PrivateZone"],
        "Comment": zone["Config"].get("Comment", ""),
        "VPCs": len(shown.get("VPCs", [])),
    }


def _record(cloud: Cloud, name: str) -> Shown:
    client = cloud.client("route53")
    for zone in client.list_hosted_zones()["HostedZones"]:
        found = client.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        for shown in found:
            if shown["Name"] == name and shown["Type"] not in ("NS", "SOA"):
                return dict(shown)
    return None


def _check(cloud: Cloud, id_: str) -> Shown:
    try:
        return dict(
            cloud.client("route53").get_health_check(HealthCheckId=id_)["HealthCheck"][
                "HealthCheckConfig"
            ]
        )
    except ClientError:
        return None


def _alarm(cloud: Cloud, name: str) -> Shown:
    shown = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return next(iter(shown), None)


def _parameter(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("ssm").get_parameter(Name=name)["Parameter"])
    except ClientError:
        return None


def _document(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("ssm").get_document(Name=name))
    except ClientError:
        return None


def _ssm_association(cloud: Cloud, id_: str) -> Shown:
    try:
        shown = cloud.client("ssm").describe_association(AssociationId=id_)
    except ClientError:
        return None
    return dict(shown["AssociationDescription"])


def _role(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("iam").get_role(RoleName=name)["Role"])
    except ClientError:
        return None


def _profile(cloud: Cloud, name: str) -> Shown:
    try:
        shown = cloud.client("iam").get_instance_profile(InstanceProfileName=name)
    except ClientError:
        return None
    profile = shown["InstanceProfile"]
    return {**profile, "Names": len(profile["Roles"])}


def _topic(cloud: Cloud, arn: str) -> Shown:
    try:
        return dict(cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"])
    except ClientError:
        return None


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }
    ],
}
ROLE = one("IAM::Role", AssumeRolePolicyDocument=TRUST)
ALARM = {
    "Namespace": "AWS/NetworkELB",
    "MetricName": "HealthyHostCount",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
}
GROUPS = {
    **things.network(),
    "Inner": one("EC2::SecurityGroup", GroupDescription="inner", VpcId=ref("Vpc")),
}
RULE = {"GroupId": attribute("Inner", "GroupId"), "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}
TABLE = {**things.public(), "Table": one("EC2::RouteTable", VpcId=ref("Vpc"))}
DOCUMENT = {"schemaVersion": "2.2", "mainSteps": []}
BEHIND = {**things.network(), "Nlb": things.balancer(), "Group": things.group()}
OTHER = {"Other": things.group(Port=8888)}

CASES = [
    Case(
        "EC2::VPC",
        {"It": one("EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsSupport=True)},
        _ec2("describe_vpcs", "Vpcs", "VpcIds"),
        {"CidrBlock": "10.0.0.0/16", "State": "available"},
        replaced_by={"CidrBlock": "10.1.0.0/16"},
    ),
    Case(
        "EC2::Subnet",
        {
            "Vpc": one("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "It": one(
                "EC2::Subnet",
                VpcId=ref("Vpc"),
                CidrBlock="10.0.0.0/24",
                AvailabilityZone="eu-west-1b",
            ),
        },
        _ec2("describe_subnets", "Subnets", "SubnetIds"),
        {"AvailabilityZone": "eu-west-1b", "MapPublicIpOnLaunch": False},
        in_place=({"MapPublicIpOnLaunch": True}, {"MapPublicIpOnLaunch": True}),
        replaced_by={"CidrBlock": "10.0.7.0/24"},
    ),
    Case(
        "EC2::InternetGateway",
        {"It": one("EC2::InternetGateway")},
        _ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayIds"),
        {"Attachments": []},
    ),
    Case(
        "EC2::VPCGatewayAttachment",
        {
            "Vpc": one("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Gateway": one("EC2::InternetGateway"),
            "It": one(
                "EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")
            ),
        },
        _attachment,
        {"State": "available"},
    ),
    Case(
        "EC2::RouteTable",
        {**things.network(), "It": one("EC2::RouteTable", VpcId=ref("Vpc"))},
        _ec2("describe_route_tables", "RouteTables", "RouteTableIds"),
        {"Associations": []},
    ),
    Case(
        "EC2::Route",
        {
            **TABLE,
            "It": {
                **one(
                    "EC2::Route",
                    RouteTableId=ref("Table"),
                    DestinationCidrBlock="0.0.0.0/0",
                    GatewayId=ref("Gateway"),
                ),
                "DependsOn": "Attached",
            },
        },
        _route,
        {"DestinationCidrBlock": "0.0.0.0/0", "State": "active"},
        replaced_by={"DestinationCidrBlock": "192.0.2.0/24"},
    ),
    Case(
        "EC2::SubnetRouteTableAssociation",
        {
            **TABLE,
            "It": one(
                "EC2::SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref("A")
            ),
        },
        _subnet_association,
        {"Main": False},
        replaced_by={"SubnetId": ref("B")},
    ),
    Case(
        "EC2::VPCEndpoint",
        {
            **TABLE,
            "It": one(
                "EC2::VPCEndpoint",
                VpcId=ref("Vpc"),
                ServiceName="com.amazonaws.eu-west-1.s3",
                VpcEndpointType="Gateway",
            ),
        },
        _ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointIds"),
        {"ServiceName": "com.amazonaws.eu-west-1.s3", "State": "available"},
        in_place=({"RouteTableIds": [ref("Table")]}, {}),
        replaced_by={"ServiceName": "com.amazonaws.eu-west-1.dynamodb"},
    ),
    Case(
        "EC2::EIP",
        {"It": one("EC2::EIP", Domain="vpc")},
        _address,
        {"Domain": "vpc"},
        in_place=({"Tags": [{"Key": "a", "Value": "b"}]}, {}),
    ),
    Case(
        "EC2::EIPAssociation",
        {
            **things.public(),
            "Node": things.node(),
            "Ip": one("EC2::EIP", Domain="vpc"),
            "It": {
                **one(
                    "EC2::EIPAssociation",
                    InstanceId=ref("Node"),
                    AllocationId=attribute("Ip", "AllocationId"),
                ),
                "DependsOn": "Attached",
            },
        },
        _association,
        {"Domain": "vpc"},
    ),
    Case(
        "EC2::NatGateway",
        {
            **things.public(),
            "Ip": one("EC2::EIP", Domain="vpc"),
            "It": {
                **one(
                    "EC2::NatGateway",
                    SubnetId=ref("A"),
                    AllocationId=attribute("Ip", "AllocationId"),
                ),
                "DependsOn": "Attached",
            },
        },
        _ec2("describe_nat_gateways", "NatGateways", "NatGatewayIds"),
        {"State": "available"},
        in_place=({"Tags": [{"Key": "a", "Value": "b"}]}, {"State": "available"}),
        gone=lambda shown: shown is None or shown["State"] == "deleted",
    ),
    Case(
        "EC2::SecurityGroup",
        {
            **things.network(),
            "It": one("EC2::SecurityGroup", GroupDescription="it", VpcId=ref("Vpc")),
        },
        _ec2("describe_security_groups", "SecurityGroups", "GroupIds"),
        {"Description": "it"},
        replaced_by={"GroupDescription": "another"},
    ),
    Case(
        "EC2::SecurityGroupIngress",
        {**GROUPS, "It": one("EC2::SecurityGroupIngress", **RULE, CidrIp="10.0.0.0/8")},
        _rule,
        {"CidrIpv4": "10.0.0.0/8", "FromPort": 1, "IsEgress": False},
        in_place=({"Description": "told"}, {"Description": "told"}),
        replaced_by={"ToPort": 9},
    ),
    Case(
        "EC2::SecurityGroupEgress",
        {**GROUPS, "It": one("EC2::SecurityGroupEgress", **RULE, CidrIp="10.0.0.0/8")},
        _rule,
        {"CidrIpv4": "10.0.0.0/8", "IsEgress": True},
        replaced_by={"CidrIp": "192.0.2.0/24"},
    ),
    Case(
        "EC2::Instance",
        {**things.network(), "It": things.node(MetadataOptions={"HttpTokens": "required"})},
        _instance,
        {"InstanceType": "m5.xlarge", "PrivateIpAddress": "10.0.0.4"},
        in_place=({"InstanceType": "m5.2xlarge"}, {"InstanceType": "m5.2xlarge"}),
        replaced_by={"SubnetId": ref("B")},
        gone=lambda shown: shown is None or shown["State"]["Name"] == "terminated",
    ),
    Case(
        "ElasticLoadBalancingV2::LoadBalancer",
        {**things.network(), "It": things.balancer()},
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
        {**things.network(), "Node": things.node(), "It": things.group(ref("Node"))},
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
        {**BEHIND, **OTHER, "It": things.listener()},
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
    Case(
        "Route53::HostedZone",
        {
            **things.network(),
            "It": one(
                "Route53::HostedZone",
                Name="a.internal",
                VPCs=[{"VPCId": ref("Vpc"), "VPCRegion": "eu-west-1"}],
            ),
        },
        _zone,
        {"Name": "a.internal.", "Private": True, "VPCs": 1},
        in_place=({"HostedZoneConfig": {"Comment": "told"}}, {"Comment": "told", "VPCs": 1}),
        replaced_by={"Name": "b.internal"},
    ),
    Case(
        "Route53::RecordSet",
        {
            "Zone": one("Route53::HostedZone", Name="example.com"),
            "It": one(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                Name="denodo.example.com.",
                Type="A",
                TTL="10",
                ResourceRecords=["192.0.2.1"],
            ),
        },
        _record,
        {"TTL": 10, "Type": "A"},
        in_place=({"TTL": "20"}, {"TTL": 20}),
        replaced_by={"Name": "other.example.com."},
    ),
    Case(
        "Route53::HealthCheck",
        {
            "It": one(
                "Route53::HealthCheck",
                HealthCheckConfig={"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 9999},
            )
        },
        _check,
        {"Type": "TCP", "Port": 9999, "RequestInterval": 30, "FailureThreshold": 3},
        in_place=(
            {"HealthCheckConfig": {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 1}},
            {"Port": 1},
        ),
        replaced_by={"HealthCheckConfig": {"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 9999}},
    ),
    Case(
        "CloudWatch::Alarm",
        {"It": one("CloudWatch::Alarm", **ALARM)},
        _alarm,
        {"Threshold": 1.0, "Period": 60, "Statistic": "Maximum"},
        in_place=({"Threshold": 2}, {"Threshold": 2.0}),
        replaced_by={"AlarmName": "named"},
    ),
    Case(
        "SSM::Parameter",
        {"It": one("SSM::Parameter", Name="/denodo/a", Type="String", Value="{}")},
        _parameter,
        {"Value": "{}"},
        in_place=({"Value": "[]"}, {"Value": "[]", "Version": 2}),
        replaced_by={"Name": "/denodo/b"},
    ),
    Case(
        "SSM::Document",
        {"It": one("SSM::Document", Name="run", DocumentType="Command", Content=DOCUMENT)},
        _document,
        {"Status": "Active", "DocumentVersion": "1"},
        in_place=({"Content": {**DOCUMENT, "description": "a"}}, {"DocumentVersion": "2"}),
        replaced_by={"Name": "walk"},
    ),
    Case(
        "SSM::Association",
        {"It": one("SSM::Association", Name="AWS-RunShellScript")},
        _ssm_association,
        {"Name": "AWS-RunShellScript"},
        in_place=({"AssociationName": "a"}, {"AssociationName": "a"}),
    ),
    Case(
        "IAM::Role",
        {"It": ROLE},
        _role,
        {"Path": "/"},
        in_place=({"Description": "told"}, {"Description": "told"}),
        replaced_by={"Path": "/denodo/"},
    ),
    Case(
        "IAM::InstanceProfile",
        {"Role": ROLE, "It": one("IAM::InstanceProfile", Roles=[ref("Role")])},
        _profile,
        {"Names": 1},
        replaced_by={"Path": "/denodo/"},
    ),
    Case(
        "SNS::Topic",
        {"It": one("SNS::Topic", DisplayName="a")},
        _topic,
        {"DisplayName": "a"},
        in_place=({"DisplayName": "b"}, {"DisplayName": "b"}),
        replaced_by={"TopicName": "named"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_lives(cloud: Cloud, case: Case) -> None:
    cloud.give({"kind": "image", "id": things.IMAGE})
    first = cloud.deploy(case.resources)
    id_ = first.ids["It"]
    _shows(case.read(cloud, id_), case.shows)

    if case.in_place is not None:
        properties, then = case.in_place
        assert cloud.deploy(_with(case.resources, properties)).ids["It"] == id_
        _shows(case.read(cloud, id_), then)

    if case.replaced_by is not None:
        id_, old = cloud.deploy(_with(case.resources, case.replaced_by)).ids["It"], id_
        assert id_ != old
        assert case.gone(case.read(cloud, old))

    first.delete()
    assert case.gone(case.read(cloud, id_))


def _with(resources: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(resources)
    changed["It"]["Properties"] |= properties
    return changed


def _shows(shown: Shown, wanted: dict[str, Any]) -> None:
    assert shown is not None
    assert wanted.items() <= {key: shown.get(key) for key in wanted}.items()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_refuses_what_its_schema_does_not_know(cloud: Cloud, case: Case) -> None:
    wrong = {"It": one(case.kind, Nonsense=1)}
    with pytest.raises(DeployError, match=r"extraneous key \[Nonsense\] is not permitted"):
        cloud.deploy(wrong)


def test_refuses_a_type_that_nobody_knows(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::EC2::Toaster\]"):
        cloud.deploy({"It": one("EC2::Toaster")})


def test_refuses_what_lacks_a_required_property(cloud: Cloud) -> None:
    with pytest.raises(DeployError, match=r"required key \[VpcId\] not found"):
        cloud.deploy({"It": one("EC2::Subnet", CidrBlock="10.0.0.0/24")})
