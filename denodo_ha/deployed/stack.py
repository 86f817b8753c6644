"""A stack as it is deployed: outputs, template, and what each resource is really called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.template_document import Template, parse_template
from denodo_ha.deployed.environment_locator import StackLocation

_GONE = "DELETE_COMPLETE"


@dataclass(frozen=True)
class Stack:
    """A stack as it is deployed.

    Attributes:
        name: its name.
        arn: its ARN, which CloudFormation calls its id.
        region: its region.
        account: its account.
        status: its status, such as UPDATE_COMPLETE.
        outputs: outputs by name.
        parameters: parameters by name.
        tags: its tags.
        template: the deployed template, processed.
        physical_ids: what each resource is really called, by logical id, as far as it exists.
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
        """Whether a deploy goes on."""
        return self.status.endswith("_IN_PROGRESS")

    def resources(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of the resources of a type, in the template's order."""
        for id_, resource in self.template.get("Resources", {}).items():
            if resource["Type"] == kind:
                yield id_, resource.get("Properties", {})

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """Properties of a resource; empty if it is not in the template."""
        resource = self.template.get("Resources", {}).get(logical_id, {})
        properties: Mapping[str, Any] = resource.get("Properties", {})
        return properties

    def value(self, expression: Any) -> str | None:
        """What a literal or a Ref stands for; None if that is not known from here."""
        if not isinstance(expression, Mapping):
            return None if expression is None else str(expression)
        pseudo = {
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::StackName": self.name,
            "AWS::StackId": self.arn,
        }
        name = str(expression.get("Ref", ""))
        for known in (self.physical_ids, self.parameters, pseudo):
            if name in known:
                return known[name]
        return None


def read_stack(aws: Aws, place: StackLocation) -> Stack:
    """The stack of a place: three calls, and one more for each hundred resources.

    Raises:
        NotFound: it is not deployed.
        AwsError: AWS does not answer, or does not permit.
    """
    client = aws.client("cloudformation", place.region)
    with translated_errors():
        (shown,) = client.describe_stacks(StackName=place.stack)["Stacks"]
        # By its id, as a stack may be deleted and made anew meanwhile.
        arn = str(shown["StackId"])
        body = client.get_template(StackName=arn, TemplateStage="Processed")["TemplateBody"]
        pages = client.get_paginator("list_stack_resources").paginate(StackName=arn)
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
    return Stack(
        name=place.stack,
        arn=arn,
        region=place.region,
        account=place.account,
        status=str(shown["StackStatus"]),
        outputs={one["OutputKey"]: one["OutputValue"] for one in shown.get("Outputs", [])},
        parameters={
            one["ParameterKey"]: one["ParameterValue"] for one in shown.get("Parameters", [])
        },
        tags={one["Key"]: one["Value"] for one in shown.get("Tags", [])},
        template=parse_template(body),
        physical_ids={
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in resources
            if one.get("PhysicalResourceId") and one["ResourceStatus"] != _GONE
        },
    )
