"""DNS records, health checks, alarms and roles that AWS refuses."""

from typing import Any

from tests.local_aws.resource_types.refused import NOBODY, Refused
from tests.local_aws.templates import ALARM, ROLE, ref, resource

RECORD = {"Name": "a.example.com", "Type": "A"}
ZONE = {"Zone": resource("Route53::HostedZone", Name="example.com")}
VALUE = {"TTL": "10", "ResourceRecords": ["192.0.2.1"]}


def check(**config: Any) -> dict[str, Any]:
    return resource("Route53::HealthCheck", HealthCheckConfig=config)


REFUSED: Refused = {
    "record in no zone": (
        {"It": resource("Route53::RecordSet", HostedZoneId="Z0", **RECORD, **VALUE)},
        "NoSuchHostedZone",
    ),
    "record outside its zone": (
        {
            **ZONE,
            "It": resource(
                "Route53::RecordSet", HostedZoneId=ref("Zone"), Name="a.org", Type="A", **VALUE
            ),
        },
        "InvalidChangeBatch",
    ),
    "CNAME at the apex": (
        {
            **ZONE,
            "It": resource(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                Name="example.com",
                Type="CNAME",
                **VALUE,
            ),
        },
        "InvalidChangeBatch",
    ),
    "CNAME beside another record": (
        {
            **ZONE,
            "First": resource("Route53::RecordSet", HostedZoneId=ref("Zone"), **RECORD, **VALUE),
            "It": {
                **resource(
                    "Route53::RecordSet",
                    HostedZoneId=ref("Zone"),
                    **{**RECORD, "Type": "CNAME"},
                    **VALUE,
                ),
                "DependsOn": "First",
            },
        },
        "InvalidChangeBatch",
    ),
    "record with a check of nobody": (
        {
            **ZONE,
            "It": resource(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                HealthCheckId="nobody",
                **RECORD,
                **VALUE,
            ),
        },
        "NoSuchHealthCheck",
    ),
    "alias of no balancer": (
        {
            **ZONE,
            "It": resource(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                **RECORD,
                AliasTarget={
                    "DNSName": "none-0123.elb.eu-west-1.amazonaws.com",
                    "HostedZoneId": "Z2IFOLAFXWLO4F",
                },
            ),
        },
        "InvalidChangeBatch",
    ),
    "zone with a VPC of nobody": (
        {
            "It": resource(
                "Route53::HostedZone",
                Name="a.internal",
                VPCs=[{"VPCId": f"vpc-{NOBODY}", "VPCRegion": "eu-west-1"}],
            )
        },
        "InvalidVPCId",
    ),
    "check of an alarm of nobody": (
        {
            "It": check(
                Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Name": "none", "Region": "eu-west-1"}
            )
        },
        "InvalidInput",
    ),
    "check of an alarm that is too clever": (
        {
            "Alarm": resource(
                "CloudWatch::Alarm", **{**ALARM, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
            ),
            "It": check(
                Type="CLOUDWATCH_METRIC",
                AlarmIdentifier={"Name": ref("Alarm"), "Region": "eu-west-1"},
            ),
        },
        "InvalidInput",
    ),
    "check of checks of nobody": (
        {"It": check(Type="CALCULATED", ChildHealthChecks=["nobody"], HealthThreshold=1)},
        "InvalidInput",
    ),
    "check of nowhere": ({"It": check(Type="TCP", Port=9999)}, "InvalidInput"),
    "alarm without a comparison": (
        {"It": resource("CloudWatch::Alarm", **{**ALARM, "ComparisonOperator": "Below"})},
        "ValidationError",
    ),
    "role with a policy of nobody": (
        {
            "It": resource(
                "IAM::Role",
                **{
                    **ROLE["Properties"],
                    "ManagedPolicyArns": ["arn:aws:iam::111122223333:policy/nobody"],
                },
            )
        },
        "NoSuchEntity",
    ),
    "profile with a role of nobody": (
        {"It": resource("IAM::InstanceProfile", Roles=["nobody"])},
        "NoSuchEntity",
    ),
    "association of a document of nobody": (
        {"It": resource("SSM::Association", Name="nobody")},
        "InvalidDocument",
    ),
}
