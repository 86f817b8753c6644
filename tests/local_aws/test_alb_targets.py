"""An Application Load Balancer as the target of a Network Load Balancer, as on AWS."""

from typing import Any

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, DeployError, Stack
from tests.local_aws.templates import Resources, ref
from tests.support.waiting import until


def alb(**properties: Any) -> dict[str, Any]:
    """Return the inner load balancer, an Application Load Balancer."""
    return templates.balancer(**{"Type": "application", **properties})


def web(**properties: Any) -> dict[str, Any]:
    """Return the inner load balancer's target group, with the nodes as targets."""
    plain = {"Protocol": "HTTP", "Port": 9090, "HealthCheckProtocol": "HTTP"}
    targets = [{"Id": ref(name), "Port": 9090} for name in ("Node1", "Node2")]
    return templates.group(**{**plain, "Targets": targets, **properties})


def front(**properties: Any) -> dict[str, Any]:
    """Return the outer load balancer's target group, with the inner load balancer as target."""
    plain = {
        "Port": 80,
        "TargetType": "alb",
        "HealthCheckProtocol": "HTTP",
        "Targets": [{"Id": ref("Alb"), "Port": 80}],
    }
    return {**templates.group(**{**plain, **properties}), "DependsOn": "WebListener"}


def both() -> Resources:
    """Return an outer load balancer, an inner load balancer as its target, and two nodes."""
    nodes = {
        key: item for key, item in templates.serving().items() if key not in ("Group", "Listener")
    }
    return {
        **nodes,
        "Alb": alb(),
        "Web": web(),
        "WebListener": templates.listener(
            80, "Web", Protocol="HTTP", LoadBalancerArn=ref("Alb"), Tags=[]
        ),
        "Front": front(),
        "Listener": templates.listener(80, "Front"),
    }


REFUSED: dict[str, tuple[Resources, str]] = {
    "in one zone": ({"Alb": alb(Subnets=[ref("A")])}, "At least two subnets"),
    "without room": (
        {
            "Small": templates.resource(
                "EC2::Subnet",
                VpcId=ref("Vpc"),
                CidrBlock="10.0.2.0/28",
                AvailabilityZone="eu-west-1b",
            ),
            "Alb": alb(Subnets=[ref("A"), ref("Small")]),
        },
        "Not enough IP space",
    ),
    "no balancer at all": (
        {"Front": front(Targets=[{"Id": ref("Node1"), "Port": 80}])},
        "InvalidTarget",
    ),
    "a Network Load Balancer": (
        {"Front": front(Targets=[{"Id": ref("Nlb"), "Port": 80}])},
        "InvalidTarget",
    ),
    "two of them": (
        {"Front": front(Targets=[{"Id": ref("Alb"), "Port": port} for port in (80, 81)])},
        "TooManyTargets",
    ),
    "no listener on its port": (
        {"Front": front(Port=81, Targets=[{"Id": ref("Alb"), "Port": 81}])},
        "must have at least one listener",
    ),
    "settings of its own": (
        {
            "Front": front(
                TargetGroupAttributes=[
                    {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
                ]
            )
        },
        "can't be modified",
    ),
    "TLS in front": ({"Front": front(Protocol="TLS")}, "must be 'TCP'"),
    "checked by connecting": ({"Front": front(HealthCheckProtocol="TCP")}, "is not supported"),
    "nodes checked by connecting": ({"Web": web(HealthCheckProtocol="TCP")}, "is not supported"),
    "nodes of a group of TCP": (
        {"Web": web(Protocol="TCP", HealthCheckProtocol="TCP")},
        "IncompatibleProtocols",
    ),
    "a group of HTTP in front": (
        {"Listener": templates.listener(80, "Web")},
        "IncompatibleProtocols",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_as_in_aws(cloud: Cloud, what: str) -> None:
    changes, output = REFUSED[what]
    cloud.give({"kind": "image", "id": templates.IMAGE})
    with pytest.raises(DeployError, match=output):
        cloud.deploy({**both(), **changes})


def test_it_is_healthy_as_long_as_a_node_behind_it_is(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(both())
    _wait(cloud, stack, "healthy")
    client = cloud.client("ec2")
    client.stop_instances(InstanceIds=[stack.ids["Node1"]])
    assert _state(cloud, stack) == "healthy"
    client.stop_instances(InstanceIds=[stack.ids["Node2"]])
    assert _state(cloud, stack) == "unhealthy"
    client.start_instances(InstanceIds=[stack.ids["Node1"]])
    _wait(cloud, stack, "healthy")
    stack.delete()


def _state(cloud: Cloud, stack: Stack) -> str:
    description = cloud.client("elbv2").describe_target_health(TargetGroupArn=stack.ids["Front"])
    (item,) = description["TargetHealthDescriptions"]
    assert item["Target"] == {"Id": stack.ids["Alb"], "Port": 80}
    return str(item["TargetHealth"]["State"])


def _wait(cloud: Cloud, stack: Stack, state: str) -> None:
    until(lambda: _state(cloud, stack) == state)
