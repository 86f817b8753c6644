"""A deployed stack: its outputs, its template, and the physical ids of its resources."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.template_document import Template, parse_template
from denodo_ha.cli.errors import CommandError, ExpiredCredentials, Failed, NoCredentials
from denodo_ha.deployed.environment_locator import StackLocation, stack_outputs, stack_tags

_INTEGER = re.compile(r"-?[0-9]{1,9}")
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
        template: the deployed template as CloudFormation processed it, with transforms applied.
        physical_ids: physical ids by logical id, of the resources that exist.
        changed: times of the last change of the resources that exist, by logical id.
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
    changed: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def changing(self) -> bool:
        """Return True while a deploy of the stack is running."""
        return self.status.endswith("_IN_PROGRESS")

    def resources(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and properties of the resources of a type, in the template's order."""
        for id_, (type_, properties) in resources_of(self.template).items():
            if type_ == kind:
                yield id_, properties

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """Return the properties of a resource; empty if the template does not have it."""
        return resources_of(self.template).get(logical_id, ("", {}))[1]

    def value(self, expression: Any) -> str | None:
        """Return the value of a literal or a `Ref`; None if the stack does not define the value."""
        if isinstance(expression, str | int | float):
            return str(expression)
        if not isinstance(expression, Mapping):
            return None
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

    def number(self, expression: Any, subject: str) -> int:
        """Return the numeric value of a literal or a `Ref`.

        Args:
            expression: the template's expression.
            subject: the meaning of the number, for the error message.

        Raises:
            Failed: The stack does not define the number.
        """
        value = self.value(expression)
        if value is None or not _INTEGER.fullmatch(value):
            raise self.unknown(subject)
        return int(value)

    def entries(self, expression: Any, subject: str) -> Sequence[Mapping[str, Any]]:
        """Return the entries of a list of objects; empty if the template lacks the list.

        Args:
            expression: the template's expression.
            subject: the meaning of the list, for the error message.

        Raises:
            Failed: The list or an entry is another expression, such as an `Fn::If`.
        """
        entries = [] if expression is None else expression
        if not isinstance(entries, list):
            raise self.unknown(subject)
        if not all(isinstance(entry, Mapping) and not _is_intrinsic(entry) for entry in entries):
            raise self.unknown(subject)
        return entries

    def unknown(self, subject: str) -> Failed:
        """Return the error for an expression that only CloudFormation can evaluate."""
        message = (
            f"{self.name}: {subject} is not known, because this version cannot evaluate the "
            "expression for it in the deployed template; to see the template, run `aws "
            f"cloudformation get-template --region {self.region} --stack-name {self.name}`"
        )
        return Failed(message)


def read_stack(aws: Aws, location: StackLocation) -> Stack:
    """Read a stack with three calls, and one more for each hundred resources.

    Raises:
        NotFound: The stack is not deployed.
        AwsError: AWS did not answer, or denied a call.
    """
    client = aws.client("cloudformation", location.region)
    with translated_errors():
        (stack,) = client.describe_stacks(StackName=location.stack)["Stacks"]
        # Use the ARN in the following calls: a stack of this name may be deleted and created again
        # between two calls.
        arn = str(stack["StackId"])
        reads: tuple[Callable[[], Any], ...] = (
            lambda: _template_body(client, location, arn),
            lambda: _resources(client, arn),
        )
        body, resources = map_concurrently(lambda read: read(), reads)
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
            physical_ids={id_: physical_id for id_, (physical_id, _) in resources.items()},
            changed={id_: changed for id_, (_, changed) in resources.items() if changed},
        )


def read_stacks(aws: Aws, locations: Sequence[StackLocation]) -> list[Stack | CommandError]:
    """Read several stacks; the result has the error in place of a stack that cannot be read.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """

    def attempt(location: StackLocation) -> Stack | CommandError:
        try:
            return read_stack(aws, location)
        except (NoCredentials, ExpiredCredentials):
            raise
        except CommandError as error:
            return error

    return map_concurrently(attempt, locations)


def _resources(client: Any, arn: str) -> dict[str, tuple[str, datetime | None]]:
    """Return physical id and last change of the resources that exist, by logical id."""
    pages = client.get_paginator("list_stack_resources").paginate(StackName=arn)
    return {
        resource["LogicalResourceId"]: (
            resource["PhysicalResourceId"],
            resource.get("LastUpdatedTimestamp"),
        )
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != _DELETED
    }


def _template_body(client: Any, location: StackLocation, arn: str) -> Any:
    try:
        return client.get_template(StackName=arn, TemplateStage="Processed")["TemplateBody"]
    except (RecursionError, ValueError) as error:
        # The SDK parses a JSON template itself, and raises this error if the template is not valid
        # JSON.
        message = f"{location.stack}: its deployed template cannot be read: {error}"
        raise Failed(message) from None


def resources_of(template: Template | None) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return type and properties of the resources of a template, by logical id.

    The result does not contain keys that are not resources, such as `Fn::Transform` and
    `Fn::ForEach::NAME`.
    """
    return {
        id_: (resource["Type"], mapping_in(resource, "Properties"))
        for id_, resource in mapping_in(template, "Resources").items()
        if isinstance(resource, Mapping) and isinstance(resource.get("Type"), str)
    }


def mapping_in(parent: Any, key: str) -> Mapping[str, Any]:
    """Return the mapping at a key of a mapping; empty if there is none."""
    value = parent.get(key) if isinstance(parent, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and str(next(iter(value))).startswith(("Fn::", "Ref"))


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
    """Return the value of a tag in a resource's properties, None if there is no such tag."""
    tags = properties.get("Tags")
    if isinstance(tags, list):
        # An entry may be an `Fn::If`, which has neither the key `Key` nor the key `Value`.
        entries = [tag for tag in tags if isinstance(tag, Mapping)]
        value = next((tag.get("Value") for tag in entries if tag.get("Key") == key), None)
    else:
        value = tags.get(key) if isinstance(tags, Mapping) else None
    return str(value) if isinstance(value, str | int | float) else None
