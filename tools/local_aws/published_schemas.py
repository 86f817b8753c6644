"""Write `emulator/cloudformation/schemas.json`: resource schemas as CloudFormation publishes them.

    .venv/bin/python -m tools.local_aws.published_schemas

The server runs in its own virtual environment, without cfn-lint. So this program reads the schemas
of cfn-lint and reduces them to the parts that the server uses: the properties of a type, the
required properties, the properties whose change replaces the resource, and the properties that
identify the resource in an import.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "emulator/cloudformation/schemas.json"
REGION = "us-east-1"

TYPES = (
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::CapacityReservation",
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::FlowLog",
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
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
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


def reduced_schemas() -> dict[str, Any]:
    """Return the part of each type's schema that the server checks."""
    # The import takes more than half a second, and every worker of the tests imports this module.
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - takes long

    schemas = {}
    for kind in TYPES:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
        read_only = {_path(pointer) for pointer in schema.get("readOnlyProperties", [])}
        schemas[kind] = {
            "properties": sorted(set(schema["properties"]) - read_only),
            "required": sorted(schema.get("required", [])),
            "replacing": sorted(
                {_path(pointer) for pointer in schema.get("createOnlyProperties", [])}
            ),
            "identifier": [_path(pointer) for pointer in schema["primaryIdentifier"]],
        }
    return schemas


def _path(pointer: str) -> str:
    """Return the property path of a JSON pointer: `A/B` for `/properties/A/B`."""
    return pointer.removeprefix("/properties/")


def text() -> str:
    """Return the content of `emulator/cloudformation/schemas.json`."""
    return json.dumps(reduced_schemas(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
