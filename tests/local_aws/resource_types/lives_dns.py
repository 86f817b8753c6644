"""Life cycles of hosted zones, records, health checks and alarms."""

from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.resource_types.life import Case, Shown
from tests.local_aws.templates import ALARM, ref, resource


def _zone(cloud: Cloud, id_: str) -> Shown:
    try:
        description = cloud.client("route53").get_hosted_zone(Id=id_)
    except ClientError:
        return None
    zone = description["HostedZone"]
    return {
        "Name": zone["Name"],
        "Private": zone["Config"]["PrivateZone"],
        "Comment": zone["Config"].get("Comment", ""),
        "VPCs": len(description.get("VPCs", [])),
    }


def _record(cloud: Cloud, name: str) -> Shown:
    client = cloud.client("route53")
    for zone in client.list_hosted_zones()["HostedZones"]:
        result = client.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        for description in result:
            if description["Name"] == name and description["Type"] not in ("NS", "SOA"):
                return dict(description)
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
    description = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return next(iter(description), None)


CASES = (
    Case(
        "Route53::HostedZone",
        {
            **templates.network(),
            "It": resource(
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
            "Zone": resource("Route53::HostedZone", Name="example.com"),
            "It": resource(
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
            "It": resource(
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
        {"It": resource("CloudWatch::Alarm", **ALARM)},
        _alarm,
        {"Threshold": 1.0, "Period": 60, "Statistic": "Maximum"},
        in_place=({"Threshold": 2}, {"Threshold": 2.0}),
        replaced_by={"AlarmName": "named"},
    ),
)
