"""Simulated CloudFormation, as far as commands use it: deployed stacks, returned page by page.

moto's CloudFormation accepts none of this project's templates. So this module keeps the stacks,
each with the real template and the physical ids of moto's resources.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.commands.account.calls import Answer, answer, error
from tests.support.assembly import Template

_PAGE = 7
"""Page size, so small that code that reads only the first page fails."""


@dataclass
class Deployed:
    """A deployed stack, which tests may change.

    Attributes:
        name: name of the stack.
        account: its account.
        region: its region.
        template: its template.
        tags: its tags.
        physical_ids: physical ids by logical id.
        outputs: outputs by name.
        status: its status.
        body: text of the template if the text is not JSON.
        events: its events, the newest first.
    """

    name: str
    account: str
    region: str
    template: Template
    tags: dict[str, str] = field(default_factory=dict)
    physical_ids: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    status: str = "CREATE_COMPLETE"
    body: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """Return the stack's id."""
        place = f"{self.region}:{self.account}"
        return f"arn:aws:cloudformation:{place}:stack/{self.name}/01234567-89ab-cdef"


class Stacks:
    """The stacks of an account."""

    def __init__(self) -> None:
        self.all: list[Deployed] = []

    def answer(self, operation: str, parameters: Mapping[str, Any], region: str) -> Answer | None:
        """Return the response to a call, None for an operation that is not implemented here."""
        there = [stack for stack in self.all if stack.region == region]
        if operation == "DescribeStackEvents":
            there = [stack for stack in there if parameters["StackName"] in {stack.name, stack.arn}]
            return answer({"StackEvents": there[0].events})
        known = {
            "DescribeStacks": _describe,
            "GetTemplate": _template,
            "ListStackResources": _resources,
        }
        if operation not in known:
            return None
        if (name := parameters.get("StackName")) is not None:
            there = [stack for stack in there if name in {stack.name, stack.arn}]
            if not there:
                return error("ValidationError", f"Stack with id {name} does not exist")
        return known[operation](there, parameters)


def _describe(there: list[Deployed], parameters: Mapping[str, Any]) -> Answer:
    descriptions = [
        {
            "StackName": stack.name,
            "StackId": stack.arn,
            "StackStatus": stack.status,
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
            "Outputs": [
                {"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()
            ],
            "Parameters": [],
        }
        for stack in there
    ]
    return _page("Stacks", descriptions, parameters)


def _template(there: list[Deployed], _: Mapping[str, Any]) -> Answer:
    (stack,) = there
    return answer({"TemplateBody": stack.body or json.dumps(stack.template)})


def _resources(there: list[Deployed], parameters: Mapping[str, Any]) -> Answer:
    (stack,) = there
    summaries = [
        {
            "LogicalResourceId": id_,
            "PhysicalResourceId": stack.physical_ids[id_],
            "ResourceType": resource["Type"],
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for id_, resource in stack.template["Resources"].items()
        if id_ in stack.physical_ids
    ]
    return _page("StackResourceSummaries", summaries, parameters)


def _page(key: str, items: list[dict[str, Any]], parameters: Mapping[str, Any]) -> Answer:
    begin = int(parameters.get("NextToken", 0))
    end = begin + _PAGE
    more = {"NextToken": str(end)} if end < len(items) else {}
    return answer({key: items[begin:end], **more})
