"""Small templates: a network with nodes and a load balancer, with the fewest properties."""

from typing import Any

Resources = dict[str, Any]


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def attribute(name: str, of: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, of]}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


IMAGE = "ami-0aaaaaaaaaaaaaaaa"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }
    ],
}
ROLE = resource("IAM::Role", AssumeRolePolicyDocument=_TRUST)
ALARM = {
    "Namespace": "AWS/NetworkELB",
    "MetricName": "HealthyHostCount",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
}


def network() -> Resources:
    """Return a VPC with two private subnets."""
    return {
        "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "A": resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock="10.0.0.0/24",
            AvailabilityZone="eu-west-1a",
        ),
        "B": resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock="10.0.1.0/24",
            AvailabilityZone="eu-west-1b",
        ),
    }


def public() -> Resources:
    """Return a network with an internet gateway."""
    gateway = {"VpcId": ref("Vpc"), "InternetGatewayId": ref("Gateway")}
    return {
        **network(),
        "Gateway": resource("EC2::InternetGateway"),
        "Attached": resource("EC2::VPCGatewayAttachment", **gateway),
    }


def node(subnet: str = "A", **properties: Any) -> dict[str, Any]:
    return resource(
        "EC2::Instance",
        **{"ImageId": IMAGE, "InstanceType": "m5.xlarge", "SubnetId": ref(subnet), **properties},
    )


def group(*targets: dict[str, Any], **properties: Any) -> dict[str, Any]:
    plain = {
        "Protocol": "TCP",
        "Port": 9999,
        "VpcId": ref("Vpc"),
        "TargetType": "instance",
        "HealthCheckProtocol": "TCP",
        "HealthCheckIntervalSeconds": 5,
        "HealthCheckTimeoutSeconds": 4,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Targets": [{"Id": target, "Port": 9999} for target in targets],
    }
    return resource("ElasticLoadBalancingV2::TargetGroup", **{**plain, **properties})


def balancer(**properties: Any) -> dict[str, Any]:
    plain = {"Type": "network", "Scheme": "internal", "Subnets": [ref("A"), ref("B")]}
    return resource("ElasticLoadBalancingV2::LoadBalancer", **{**plain, **properties})


def listener(port: int = 9999, group: str = "Group", **properties: Any) -> dict[str, Any]:
    plain = {
        "LoadBalancerArn": ref("Nlb"),
        "Port": port,
        "Protocol": "TCP",
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref(group)}],
    }
    return resource("ElasticLoadBalancingV2::Listener", **{**plain, **properties})


def serving() -> Resources:
    """Return two nodes behind a load balancer."""
    return {
        **network(),
        "Node1": node("A"),
        "Node2": node("B"),
        "Nlb": balancer(),
        "Group": group(ref("Node1"), ref("Node2")),
        "Listener": listener(),
    }


def behind() -> Resources:
    """Return a load balancer, and a target group that no listener uses yet."""
    return {**network(), "Nlb": balancer(), "Group": group()}
