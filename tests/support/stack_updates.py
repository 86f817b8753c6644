"""Stacks created and updated through CloudFormation's API, without the CDK CLI."""

import json
import time
from contextlib import suppress
from typing import Any, Final

from tools.local_aws.credentials import Access

_WAIT_S: Final = 300


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
