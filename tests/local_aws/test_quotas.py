"""Quotas: applied values by account and region, AWS's defaults, and the limits of two services."""

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.cloud import Cloud

VCPUS = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}


def test_an_applied_quota_is_of_its_account_and_region(cloud: Cloud) -> None:
    client = cloud.client("service-quotas")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        client.get_service_quota(**VCPUS)
    assert client.get_aws_default_service_quota(**VCPUS)["Quota"]["Value"] == 5
    account = cloud.access.account
    cloud.call(f"quotas/{account}", {"eu-west-1": {"L-1216C47A": 32}}, "PUT")
    assert client.get_service_quota(**VCPUS)["Quota"]["Value"] == 32
    other = cloud.of(region="eu-central-1").client("service-quotas")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        other.get_service_quota(**VCPUS)


def test_limits_of_balancers_and_health_checks(cloud: Cloud) -> None:
    described = cloud.client("elbv2").describe_account_limits()
    assert described["ResponseMetadata"]["RequestId"]
    limits = described["Limits"]
    assert {limit["Name"]: limit["Max"] for limit in limits}["network-load-balancers"] == "50"
    answer = cloud.client("route53").get_account_limit(Type="MAX_HEALTH_CHECKS_BY_OWNER")
    assert (answer["Limit"]["Value"], answer["Count"]) == (200, 0)
