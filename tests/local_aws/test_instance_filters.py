"""Filters of DescribeInstances."""

import pytest

from tests.local_aws.cloud import Cloud
from tests.support.hand_made_site import make_site


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("instance-id", "InstanceId"),
        ("private-ip-address", "PrivateIpAddress"),
        ("subnet-id", "SubnetId"),
    ],
)
def test_a_filter_selects_the_instances_with_a_value(cloud: Cloud, name: str, field: str) -> None:
    site = make_site(cloud)
    wanted = site.clusters["eu-west-1"].nodes["node1"]
    client = site.clusters["eu-west-1"].cloud.client("ec2")
    (described,) = client.describe_instances(InstanceIds=[wanted])["Reservations"]
    value = described["Instances"][0][field]
    filtered = client.describe_instances(Filters=[{"Name": name, "Values": [value]}])
    found = [
        instance["InstanceId"]
        for reservation in filtered["Reservations"]
        for instance in reservation["Instances"]
    ]
    assert found == [wanted]
    other = [{"Name": name, "Values": ["other"]}]
    assert client.describe_instances(Filters=other)["Reservations"] == []
