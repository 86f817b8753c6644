"""Zonal shifts of a load balancer: one at a time, and only if an attribute allows zonal shifts."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud

_ALLOWED = [{"Key": "zonal_shift.config.enabled", "Value": "true"}]


def balancer(cloud: Cloud, **properties: Any) -> str:
    """Deploy a load balancer; return its ARN."""
    cloud.deploy({**templates.network(), "Nlb": templates.balancer(**properties)})
    (balancer,) = cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    return str(balancer["LoadBalancerArn"])


def test_a_shift_starts_changes_and_ends(cloud: Cloud) -> None:
    arn, client = (
        balancer(cloud, LoadBalancerAttributes=_ALLOWED),
        cloud.client("arc-zonal-shift"),
    )
    asked = {"resourceIdentifier": arn, "awayFrom": "euw1-az1", "comment": "loss"}
    started = client.start_zonal_shift(**asked, expiresIn="8h")
    with pytest.raises(ClientError, match="ConflictException"):
        client.start_zonal_shift(**asked, expiresIn="8h")
    id_ = started["zonalShiftId"]
    changed = client.update_zonal_shift(zonalShiftId=id_, expiresIn="24h")
    assert changed["expiryTime"] > started["expiryTime"]
    (active,) = client.list_zonal_shifts(resourceIdentifier=arn, status="ACTIVE")["items"]
    assert (active["awayFrom"], active["comment"]) == ("euw1-az1", "loss")
    assert client.cancel_zonal_shift(zonalShiftId=id_)["status"] == "CANCELED"
    assert client.list_zonal_shifts(resourceIdentifier=arn, status="ACTIVE")["items"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.cancel_zonal_shift(zonalShiftId=id_)
    with pytest.raises(ClientError, match="ValidationException"):
        client.start_zonal_shift(**asked, expiresIn="soon")


def test_a_balancer_without_the_attribute_is_not_managed(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.client("arc-zonal-shift").start_zonal_shift(
            resourceIdentifier=balancer(cloud), awayFrom="euw1-az1", expiresIn="1h", comment="x"
        )
