"""Stacks created and updated through CloudFormation's API, without the CDK CLI.

Each run of the CDK CLI takes 1.2 to 2 s of CPU time. Tests of `make local`, and end-to-end tests of
deploys, run the CLI.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.local_aws.cloud import Cloud, Stack
from tools.local_aws import bootstrap
from tools.local_aws.bootstrap import Location
from tools.local_aws.credentials import Access
from tools.local_aws.paths import ROOT

_WAIT_S: Final = 300
_BOOTSTRAP = ROOT / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
_BOOTSTRAP_PARAMETERS = {
    "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
    "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
}
"""Parameters that `cdk bootstrap` sets for an account that no other account deploys to."""


def upload_template(access: Access, name: str, template: dict[str, Any]) -> str:
    """Return the URL of a template, which may be larger than a request's limit."""
    bucket = f"{name}-{access.account}"
    client = access.client("s3")
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": access.region}
        )
    client.put_object(Bucket=bucket, Key=name, Body=json.dumps(template).encode())
    return f"{access.endpoint}/{bucket}/{name}"


def update_stack(access: Access, name: str, template: dict[str, Any]) -> None:
    """Update a stack, and wait until the update is complete."""
    client, url = access.client("cloudformation"), upload_template(access, name, template)
    client.update_stack(StackName=name, TemplateURL=url, Capabilities=["CAPABILITY_NAMED_IAM"])
    wait_for_stack(client, name, "UPDATE_COMPLETE")


def wait_for_stack(client: Any, name: str, status: str) -> None:
    """Wait until a stack has a status.

    Raises:
        RuntimeError: The operation has failed; the message has CloudFormation's reasons.
    """
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        if stack["StackStatus"] == status:
            return
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.05)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    message = f"{name} is {stack['StackStatus']}: " + "; ".join(
        str(event.get("ResourceStatusReason")) for event in events
    )
    raise RuntimeError(message)


def bootstrap_through_api(endpoint: str, locations: Iterable[Location]) -> None:
    """Create the stack of `cdk bootstrap` in regions of accounts that deploy to themselves.

    `make local`, and the test of two accounts, start the CDK CLI.
    """
    clouds = [Cloud(endpoint, *location) for location in locations]
    for cloud in clouds:
        cloud.client("cloudformation").create_stack(
            StackName=bootstrap.TOOLKIT,
            TemplateBody=_BOOTSTRAP.read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in _BOOTSTRAP_PARAMETERS.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    for cloud in clouds:
        Stack(cloud, bootstrap.TOOLKIT).wait()


def deploy_through_api(endpoint: str, assembly: Path) -> None:
    """Deploy all stacks of a cloud assembly.

    The programs that the CLI would upload are missing in the bucket.
    """
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = {
        name: artifact
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    needed = {name: stacks.keys() & {*stack["dependencies"]} for name, stack in stacks.items()}
    for name in TopologicalSorter(needed).static_order():
        account, region = stacks[name]["environment"].removeprefix("aws://").split("/")
        _create_or_update(
            Cloud(endpoint, account, region),
            name,
            (assembly / stacks[name]["properties"]["templateFile"]).read_bytes(),
            stacks[name]["properties"].get("tags", {}),
        )


def _create_or_update(cloud: Cloud, stack: str, template: bytes, tags: dict[str, str]) -> None:
    """Create or update a stack from a template in the bucket of the CDK, and wait."""
    client = cloud.client("cloudformation")
    bucket = f"cdk-hnb659fds-assets-{cloud.access.account}-{cloud.access.region}"
    cloud.client("s3").put_object(Bucket=bucket, Key=stack, Body=template)
    there = [item["StackName"] for item in client.describe_stacks()["Stacks"]]
    act = client.update_stack if stack in there else client.create_stack
    try:
        act(
            StackName=stack,
            TemplateURL=f"https://s3.{cloud.access.region}.amazonaws.com/{bucket}/{stack}",
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    else:
        Stack(cloud, stack).wait()
