"""Life cycles of instances and security groups."""

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.resource_types.life import Case, Shown, ec2
from tests.local_aws.templates import attribute, ref, resource


def _instance(cloud: Cloud, id_: str) -> Shown:
    description = ec2("describe_instances", "Reservations", "InstanceIds")(cloud, id_)
    return description and dict(description["Instances"][0])


def _rule(cloud: Cloud, id_: str) -> Shown:
    description = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return next((item for item in description if item["SecurityGroupRuleId"] == id_), None)


GROUPS = {
    **templates.network(),
    "Inner": resource("EC2::SecurityGroup", GroupDescription="inner", VpcId=ref("Vpc")),
}
RULE = {"GroupId": attribute("Inner", "GroupId"), "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}

CASES = (
    Case(
        "EC2::SecurityGroup",
        {
            **templates.network(),
            "It": resource("EC2::SecurityGroup", GroupDescription="it", VpcId=ref("Vpc")),
        },
        ec2("describe_security_groups", "SecurityGroups", "GroupIds"),
        {"Description": "it"},
        replaced_by={"GroupDescription": "another"},
    ),
    Case(
        "EC2::SecurityGroupIngress",
        {**GROUPS, "It": resource("EC2::SecurityGroupIngress", **RULE, CidrIp="10.0.0.0/8")},
        _rule,
        {"CidrIpv4": "10.0.0.0/8", "FromPort": 1, "IsEgress": False},
        in_place=({"Description": "told"}, {"Description": "told"}),
        replaced_by={"ToPort": 9},
    ),
    Case(
        "EC2::SecurityGroupEgress",
        {**GROUPS, "It": resource("EC2::SecurityGroupEgress", **RULE, CidrIp="10.0.0.0/8")},
        _rule,
        {"CidrIpv4": "10.0.0.0/8", "IsEgress": True},
        replaced_by={"CidrIp": "192.0.2.0/24"},
    ),
    Case(
        "EC2::CapacityReservation",
        {
            "It": resource(
                "EC2::CapacityReservation",
                InstanceType="m5.xlarge",
                InstancePlatform="Linux/UNIX",
                AvailabilityZone="eu-west-1a",
                InstanceCount=2,
                InstanceMatchCriteria="open",
            )
        },
        ec2("describe_capacity_reservations", "CapacityReservations", "CapacityReservationIds"),
        {"State": "active", "TotalInstanceCount": 2, "AvailableInstanceCount": 2},
        in_place=({"InstanceCount": 3}, {"TotalInstanceCount": 3, "AvailableInstanceCount": 3}),
        replaced_by={"InstanceType": "m5.2xlarge"},
        gone=lambda shown: shown is not None and shown["State"] == "cancelled",
    ),
    Case(
        "EC2::Instance",
        {**templates.network(), "It": templates.node(MetadataOptions={"HttpTokens": "required"})},
        _instance,
        {"InstanceType": "m5.xlarge", "PrivateIpAddress": "10.0.0.4"},
        in_place=({"InstanceType": "m5.2xlarge"}, {"InstanceType": "m5.2xlarge"}),
        replaced_by={"SubnetId": ref("B")},
        gone=lambda shown: shown is None or shown["State"]["Name"] == "terminated",
    ),
)
