"""Sites whose records have addresses or further names, and target groups with addresses."""

from typing import Any

import pytest

from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import LiveDrill, drill_live
from denodo_ha.drill.outcome import Failure
from tests.support.hand_made_site import REGIONS, ZONE_NAME, HandMadeSite
from tests.support.recorded_calls import RecordedCalls

SOLO = f"solo.{ZONE_NAME}"


def drill_of(calls: RecordedCalls, name: str) -> LiveDrill:
    calls.forget()
    return drill_live(profile=None, regions=REGIONS, locator=SiteLocator(record=name))


def elastic_address(site: HandMadeSite, region: str, node: str) -> str:
    """Give a node an Elastic IP address, and return the address."""
    ec2 = site.clusters[region].cloud.client("ec2")
    (reservation,) = ec2.describe_instances(InstanceIds=[site.clusters[region].nodes[node]])[
        "Reservations"
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc = reservation["Instances"][0]["VpcId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    allocated = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(
        AllocationId=allocated["AllocationId"], InstanceId=site.clusters[region].nodes[node]
    )
    return str(allocated["PublicIp"])


def failover_record(address: str, role: str, check: str) -> dict[str, Any]:
    return {
        "Name": SOLO,
        "Type": "A",
        "SetIdentifier": role,
        "Failover": role,
        "TTL": 10,
        "ResourceRecords": [{"Value": address}],
        "HealthCheckId": check,
    }


@pytest.fixture(scope="module")
def solo(site: HandMadeSite) -> str:
    """Create a failover name for two nodes without load balancers, each with an endpoint check."""
    dns = site.clusters[REGIONS[0]].cloud.client("route53")
    changes = []
    for region, role in zip(REGIONS, ("PRIMARY", "SECONDARY"), strict=True):
        address = elastic_address(site, region, "node1")
        check = dns.create_health_check(
            CallerReference=role,
            HealthCheckConfig={
                "Type": "TCP",
                "IPAddress": address,
                "Port": 9999,
                "RequestInterval": 10,
                "FailureThreshold": 3,
            },
        )["HealthCheck"]["Id"]
        record = failover_record(address, role, check)
        changes.append({"Action": "CREATE", "ResourceRecordSet": record})
    dns.change_resource_record_sets(HostedZoneId=site.hosted_zone, ChangeBatch={"Changes": changes})
    return SOLO


def test_records_with_addresses_lead_to_instances(calls: RecordedCalls, solo: str) -> None:
    drill = drill_of(calls, solo)
    assert {one for part in drill.site.unread for one in part.hides} == {"metadata server"}
    assert {
        name: len(one.nodes) for name, one in drill.result.model.clusters.items()
    } == dict.fromkeys(REGIONS, 1)
    lost = drill.result.by_failure[Failure("node-lost", "eu-west-1", "denodo-node1")]
    # The health check needs 3 x 10 s and its time-out of 10 s; the record's TTL of 10 s follows.
    assert (lost.moves_site, lost.recovery) == (True, 10 * 3 + 10 + 10)


def create_record(site: HandMadeSite, **record: Any) -> str:
    site.clusters[REGIONS[0]].cloud.client("route53").change_resource_record_sets(
        HostedZoneId=site.hosted_zone,
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )
    return str(record["Name"])


def cname(name: str, value: str, **policy: Any) -> dict[str, Any]:
    values = [{"Value": value}]
    return {**policy, "Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": values}


def test_a_name_of_a_name_leads_to_its_failover_records(
    site: HandMadeSite, calls: RecordedCalls
) -> None:
    """A site's old name may be a CNAME record of its failover name, such as after an adoption."""
    first = create_record(site, **cname(f"first.{ZONE_NAME}", "Second.example.com."))
    create_record(site, **cname(f"second.{ZONE_NAME}", site.record))
    model = drill_of(calls, first).result.model
    assert [name.name for name in model.failover_names] == [site.record]
    assert set(model.clusters) == set(REGIONS)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (cname(f"round.{ZONE_NAME}", f"round.{ZONE_NAME}"), "this name answers with round"),
        (
            cname(f"far.{ZONE_NAME}", "nlb-1.elb.us-east-1.amazonaws.com"),
            "no load balancer or instance of this account .* add --region us-east-1",
        ),
        # The reader follows the CNAME record of `split`, and refuses its weighted routing policy.
        (
            cname(f"split.{ZONE_NAME}", f"denodo.{ZONE_NAME}", SetIdentifier="1", Weight=1),
            "this name answers with denodo",
        ),
    ],
)
def test_names_that_lead_elsewhere(
    site: HandMadeSite, calls: RecordedCalls, record: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        drill_of(calls, create_record(site, **record))


def test_a_target_by_its_address_is_the_node(site: HandMadeSite, calls: RecordedCalls) -> None:
    cluster = site.clusters["eu-west-1"]
    ec2, elb = cluster.cloud.client("ec2"), cluster.cloud.client("elbv2")
    (reservation,) = ec2.describe_instances(InstanceIds=[cluster.nodes["node2"]])["Reservations"]
    (instance,) = reservation["Instances"]
    group = elb.create_target_group(
        Name="by-address", Protocol="TCP", Port=8443, VpcId=instance["VpcId"], TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(
        TargetGroupArn=group, Targets=[{"Id": instance["PrivateIpAddress"], "Port": 8443}]
    )
    elb.create_listener(
        LoadBalancerArn=cluster.balancer,
        Protocol="TCP",
        Port=8443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    model = drill_of(calls, site.record).result.model
    (found,) = (one for one in model.target_groups.values() if "8443" in one.name)
    assert [model.machines[target.machine].name for target in found.targets] == ["denodo-node2"]
    assert len(model.clusters["eu-west-1"].nodes) == 2
