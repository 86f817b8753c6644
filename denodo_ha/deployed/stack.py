"""A deployed stack: its outputs, its template, and the physical ids of its resources."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.template_document import Template, parse_template
from denodo_ha.deployed.environment_locator import StackLocation, stack_outputs, stack_tags

_DELETED = "DELETE_COMPLETE"


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: its name.
        arn: its ARN, which CloudFormation calls the stack's id.
        region: its region.
        account: its account.
        status: its status, such as UPDATE_COMPLETE.
        outputs: outputs by name.
        parameters: parameters by name.
        tags: its tags.
        template: the deployed template, processed.
        physical_ids: physical ids by logical id, of the resources that exist.
    """

    name: str
    arn: str
    region: str
    account: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    template: Template
    physical_ids: Mapping[str, str]

    @property
    def changing(self) -> bool:
        """Return True while a deploy of the stack is running."""
        return self.status.endswith("_IN_PROGRESS")

    def resources(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and properties of the resources of a type, in the template's order."""
        for id_, resource in self.template.get("Resources", {}).items():
            if resource["Type"] == kind:
                yield id_, resource.get("Properties", {})

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """Return the properties of a resource; empty if the template does not have it."""
        resource = self.template.get("Resources", {}).get(logical_id, {})
        properties: Mapping[str, Any] = resource.get("Properties", {})
        return properties

    def value(self, expression: Any) -> str | None:
        """Return the value of a literal or a Ref; None if the stack does not define it."""
        if not isinstance(expression, Mapping):
            return None if expression is None else str(expression)
        pseudo = {
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::StackName": self.name,
            "AWS::StackId": self.arn,
        }
        name = str(expression.get("Ref", ""))
        for values in (self.physical_ids, self.parameters, pseudo):
            if name in values:
                return values[name]
        return None


def read_stack(aws: Aws, location: StackLocation) -> Stack:
    """Read a stack with three calls, and one more for each hundred resources.

    Raises:
        NotFound: The stack is not deployed.
        AwsError: AWS did not answer, or denied a call.
    """
    client = aws.client("cloudformation", location.region)
    with translated_errors():
        (stack,) = client.describe_stacks(StackName=location.stack)["Stacks"]
        # By its ARN from here: the stack may be deleted and created again between two calls.
        arn = str(stack["StackId"])
        body = client.get_template(StackName=arn, TemplateStage="Processed")["TemplateBody"]
        pages = client.get_paginator("list_stack_resources").paginate(StackName=arn)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Stack(
        name=location.stack,
        arn=arn,
        region=location.region,
        account=location.account,
        status=str(stack["StackStatus"]),
        outputs=stack_outputs(stack),
        parameters={
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in stack.get("Parameters", [])
        },
        tags=stack_tags(stack),
        template=parse_template(body),
        physical_ids={
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in resources
            if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != _DELETED
        },
    )


def read_outputs(aws: Aws, location: StackLocation) -> dict[str, str]:
    """Read the outputs of a stack with one call.

    Raises:
        NotFound: The stack is not deployed.
        AwsError: AWS did not answer, or denied a call.
    """
    with translated_errors():
        (stack,) = aws.client("cloudformation", location.region).describe_stacks(
            StackName=location.stack
        )["Stacks"]
    return stack_outputs(stack)


def resource_tag(properties: Mapping[str, Any], key: str) -> str | None:
    """Return the value of a tag in a resource's properties, None if the resource lacks the tag."""
    tags = properties.get("Tags", [])
    if isinstance(tags, Mapping):
        return str(tags[key]) if key in tags else None
    return next((str(tag["Value"]) for tag in tags if tag.get("Key") == key), None)
