"""Write `local/aws/schemas.json`: what CloudFormation publishes of the types that we check.

    .venv/bin/python -m tools.local_aws.schemas

The local AWS runs in an environment of its own, so the published schemas are taken from
cfn-lint, where they come with the rest of our tools, and cut down to what is used: which
properties there are, which must be given, which replace the resource when they change.
"""

import json
from pathlib import Path
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

FILE = Path(__file__).parent / "emulator" / "schemas.json"
REGION = "us-east-1"

TYPES = (
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::Instance",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBSubnetGroup",
    "AWS::RDS::EventSubscription",
    "AWS::Route53::HealthCheck",
    "AWS::Route53::HostedZone",
    "AWS::Route53::RecordSet",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SSM::Association",
    "AWS::SSM::Document",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
)


def published() -> dict[str, Any]:
    """The part of each type's schema that the local AWS checks."""
    found = {}
    for kind in TYPES:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
        read_only = {_path(one) for one in schema.get("readOnlyProperties", [])}
        found[kind] = {
            "properties": sorted(set(schema["properties"]) - read_only),
            "required": sorted(schema.get("required", [])),
            "replacing": sorted({_path(one) for one in schema.get("createOnlyProperties", [])}),
        }
    return found


def _path(pointer: str) -> str:
    """A JSON pointer's property path: `/properties/A/B` as `A/B`."""
    return pointer.removeprefix("/properties/")


def text() -> str:
    """What the file must hold."""
    return json.dumps(published(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
