"""Type of the test cases with refused templates, and values that several cases use."""

from typing import Any

from tests.local_aws.templates import ref, resource

Refused = dict[str, tuple[dict[str, Any], str]]
"""Refused templates by description, each with AWS's error code."""

NOBODY = "0123456789abcdef0"
CERTIFICATE = f"arn:aws:acm:eu-west-1:111122223333:certificate/{NOBODY}"
INNER = resource("EC2::SecurityGroup", GroupDescription="inner", VpcId=ref("Vpc"))
RULE = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}
