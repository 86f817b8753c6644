"""An account of the local AWS: deploys stacks through the API, and reads other services."""

import json
import time
from typing import Any

from tools.local_aws import control
from tools.local_aws.credentials import Access

_TIMEOUT_S = 300.0
_PAUSE_S = 0.02

Resources = dict[str, Any]


class DeployError(Exception):
    """A stack operation failed; the message contains the failure reason of each resource."""


class Cloud:
    """An account of the local AWS, in one region.

    Attributes:
        access: endpoint, account and region.
    """

    def __init__(self, endpoint: str, account: str, region: str = "eu-west-1") -> None:
        self.access = Access(endpoint, account, region)

    def of(self, *, account: str = "", region: str = "") -> "Cloud":
        """Return a `Cloud` for another account or region of this local AWS."""
        mine = self.access
        return Cloud(mine.endpoint, account or mine.account, region or mine.region)

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return self.access.client(service)

    def call(self, path: str, body: Any = None, method: str = "GET") -> dict[str, Any]:
        """Call the control API that only the local AWS has."""
        return control.call(self.access.endpoint, path, body, method=method)

    def give(self, *prerequisites: dict[str, Any]) -> None:
        """Create resources that stacks need, such as images, with the ids in `prerequisites`."""
        details = {
            "account": self.access.account,
            "region": self.access.region,
            "resources": list(prerequisites),
        }
        self.call("prerequisites", details, "POST")

    def deploy(
        self, resources: Resources, outputs: Resources | None = None, stack: str = "one"
    ) -> "Stack":
        """Create or update a stack and wait; raise DeployError with the reasons of a failure."""
        begun = self.begin(resources, outputs, stack)
        begun.wait()
        return begun

    def begin(
        self, resources: Resources, outputs: Resources | None = None, stack: str = "one"
    ) -> "Stack":
        """Start to create or update a stack, without waiting."""
        client = self.client("cloudformation")
        body = json.dumps({"Resources": resources, **({"Outputs": outputs} if outputs else {})})
        there = [item["StackName"] for item in client.describe_stacks()["Stacks"]]
        act = client.update_stack if stack in there else client.create_stack
        act(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        return Stack(self, stack)


class Stack:
    """A stack with its resources and outputs."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud, self.name = cloud, name
        self._client = cloud.client("cloudformation")

    @property
    def status(self) -> str:
        """Status of the stack."""
        (description,) = self._client.describe_stacks(StackName=self.name)["Stacks"]
        return str(description["StackStatus"])

    def wait(self) -> None:
        """Wait until the stack operation is complete; raise DeployError if it fails."""
        deadline = time.monotonic() + _TIMEOUT_S
        while (status := self.status).endswith("_IN_PROGRESS"):
            if time.monotonic() > deadline:
                message = f"stack {self.name} is still {status}"
                raise DeployError(message)
            time.sleep(_PAUSE_S)
        if "ROLLBACK" in status or "FAILED" in status:
            raise DeployError("\n".join([status, *self.reasons()]))

    def reasons(self) -> list[str]:
        """Return the failure reason of each failed resource."""
        pages = self._client.get_paginator("describe_stack_events")
        return [
            f"{item['LogicalResourceId']}: {item.get('ResourceStatusReason', '')}"
            for page in pages.paginate(StackName=self.name)
            for item in page["StackEvents"]
            if item["ResourceStatus"].endswith("_FAILED")
        ]

    @property
    def ids(self) -> dict[str, str]:
        """Physical ids by logical id."""
        description = self._client.list_stack_resources(StackName=self.name)[
            "StackResourceSummaries"
        ]
        return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in description}

    @property
    def outputs(self) -> dict[str, str]:
        """Outputs by name."""
        (description,) = self._client.describe_stacks(StackName=self.name)["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", [])}

    def delete(self) -> None:
        """Delete the stack, and wait; raise DeployError with the reasons if that fails."""
        self._client.delete_stack(StackName=self.name)
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            there = self._client.list_stacks()["StackSummaries"]
            (status,) = [item["StackStatus"] for item in there if item["StackName"] == self.name][
                :1
            ]
            if status == "DELETE_COMPLETE":
                return
            if status == "DELETE_FAILED":
                raise DeployError("\n".join(self.reasons()))
            time.sleep(_PAUSE_S)
        message = f"stack {self.name} was not deleted in time"
        raise DeployError(message)
