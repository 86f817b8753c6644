"""Clusters in two accounts: the CDK CLI assumes roles, and stacks read each other's outputs."""

from pathlib import Path

import pytest

from tests.e2e import demands
from tests.e2e.deployment import Data, Deployment
from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server


@pytest.fixture
def two_accounts(tmp_path: Path) -> Deployment:
    """A failover between clusters in two accounts, with Denodo 8.0."""
    return Deployment.of_example("active-passive", tmp_path, _in_two_accounts)


def _in_two_accounts(data: Data) -> None:
    data["denodo"]["version"] = "8.0"
    for cluster in data["clusters"].values():
        for node in cluster["nodes"].values():
            del node["auxiliary_port"]
    data["clusters"]["passive"]["account"] = local_aws_server.new_account()


def test_are_deployed_by_one_call(two_accounts: Deployment) -> None:
    two_accounts.prepare()
    two_accounts.deploy()
    topology = two_accounts.topology()
    demands.hold(topology)
    differs, output = two_accounts.diff()
    assert not differs, output
    accounts = {
        of.access.account: of.balancer.arn.split(":")[4]
        for of in topology.clusters.values()
        if of.balancer
    }
    assert len(accounts) == 2
    assert list(accounts) == list(accounts.values())
    two_accounts.destroy()
    assert two_accounts.left() == {}


def test_a_role_that_is_not_there_is_not_assumed() -> None:
    """CloudFormation reads an output of another account's stack by assuming a role there."""
    cloud = Cloud(local_aws_server.endpoint(), local_aws_server.new_account())
    arn = "arn:aws:iam::999900003333:role/nobody"
    spec = {"StackName": "x", "OutputName": "y", "RoleArn": arn}
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::GetStackOutput": spec}}}
    with pytest.raises(Exception, match="does not exist or cannot be assumed"):
        cloud.deploy({"It": topic})
