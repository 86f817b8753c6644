"""Changes of NAT, endpoints, allowed destinations and flow logs on a deployed cluster."""

from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.cloud import Cloud
from tests.support.assembly import Template, synthesise
from tests.support.configurations import IMAGE, Data, changed, loaded, minimal

pytestmark = pytest.mark.long

_S3 = "pl-0123456789abcdef0"
_NETWORK = "clusters/main/network"
_CLOSED: Data = {
    f"{_NETWORK}/nat": "none",
    f"{_NETWORK}/endpoints": ["kms"],
    f"{_NETWORK}/flow_logs": True,
    f"{_NETWORK}/egress": [{"to": _S3, "ports": [443]}, "10.20.0.0/16"],
}
_KEPT = (
    *("AWS::EC2::Instance", "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::EC2::VPC"),
    "AWS::ElasticLoadBalancingV2::TargetGroup",
)


def _template(folder: Path, account: str, changes: Data) -> Template:
    # Without alarms, the template is within CloudFormation's limit for the body of a request.
    own = {
        "alarms": "none",
        "clusters/main/account": account,
        "clusters/main/balancer/deletion_protection": False,
    }
    data = changed(minimal(), {**changes, **own})
    folder.mkdir()
    return synthesise(loaded(folder, data), folder / "out").templates["test-main"]


def test_nodes_stay_through_every_kind_of_outbound_access(cloud: Cloud, tmp_path: Path) -> None:
    cloud.give(
        {"kind": "image", "id": IMAGE},
        {"kind": "prefix-list", "id": _S3, "name": "com.amazonaws.eu-west-1.s3"},
    )
    ids: list[dict[str, str]] = []
    steps: tuple[Data, ...] = ({}, {f"{_NETWORK}/nat": "regional"}, _CLOSED, {})
    for number, changes in enumerate(steps):
        template = _template(tmp_path / str(number), cloud.access.account, changes)
        stack = cloud.deploy(template["Resources"], template["Outputs"], "test-main")
        kept = {id_ for id_, item in template["Resources"].items() if item["Type"] in _KEPT}
        ids.append({id_: stack.ids[id_] for id_ in kept})
        _shows(cloud, number)
    assert ids == [ids[0]] * len(steps)
    stack.delete()


def _shows(cloud: Cloud, step: int) -> None:
    """Assert the NAT gateways and VPC endpoints after a step.

    The steps: NAT gateways in zones, a regional NAT gateway, none, NAT gateways in zones again.
    """
    ec2 = cloud.client("ec2")
    gateways: list[Any] = [
        gateway
        for gateway in ec2.describe_nat_gateways()["NatGateways"]
        if gateway["State"] == "available"
    ]
    assert len(gateways) == (2, 1, 0, 2)[step]
    services = {
        one["ServiceName"].rpartition(".")[2]
        for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]
    }
    assert ("kms" in services, "ssm" in services) == ((True, True) if step == 2 else (False, False))
    assert len(ec2.describe_flow_logs()["FlowLogs"]) == (1 if step == 2 else 0)
    groups = ec2.describe_security_groups()["SecurityGroups"]
    (nodes,) = [one for one in groups if one["Description"] == "Denodo nodes"]
    opened = {
        (peer.get("CidrIp") or peer["PrefixListId"], rule.get("FromPort"))
        for rule in nodes["IpPermissionsEgress"]
        for peer in [*rule["IpRanges"], *rule["PrefixListIds"]]
    }
    closed = {(_S3, 443), ("10.20.0.0/16", 1), ("10.0.0.0/16", 443)}
    assert opened == (closed if step == 2 else {("0.0.0.0/0", None)})
