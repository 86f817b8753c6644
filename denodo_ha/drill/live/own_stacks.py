"""Own stacks: the deployed stacks of one environment of this project.

The reader makes three calls for each stack.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.aws.template_document import Template, parse_template
from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.environment_locator import stack_account, stack_tags
from denodo_ha.deployed.stack import mapping_in
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.environment import names

_NOT_DEPLOYED: Final = frozenset({"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"})


@dataclass(frozen=True)
class OwnStack:
    """A deployed stack of this project.

    Attributes:
        name: its name.
        region: its region.
        account: its account.
        status: its status, such as UPDATE_COMPLETE.
        template: its template; without resources if it could not be read.
        ids: type and physical id of each resource by logical id.
    """

    name: str
    region: str
    account: str
    status: str
    template: Template = field(repr=False)
    ids: Mapping[str, tuple[str, str]] = field(repr=False)

    def of_type(self, type_: str) -> Iterator[tuple[str, str]]:
        """Yield logical and physical id of the resources of a type."""
        for logical_id, (of_resource, physical_id) in self.ids.items():
            if of_resource == type_:
                yield logical_id, physical_id

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """Return the properties of a resource in the template."""
        return mapping_in(mapping_in(self.template["Resources"], logical_id), "Properties")

    @property
    def existing_zones(self) -> Mapping[str, str]:
        """The zones of adopted instances and of existing subnets, by id, as the template says."""
        own = mapping_in(mapping_in(self.template, "Metadata"), names.METADATA)
        return {str(id_): str(zone) for id_, zone in mapping_in(own, names.ZONES_METADATA).items()}


def list_own_stacks(
    calls: SiteCalls, regions: Iterable[str]
) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """Return the stacks of this project by environment, each with its region."""
    answers = calls.each(aws_calls.STACKS, {region: (region, {}) for region in regions})
    stacks: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for region, found in answers.items():
        for item in found or ():
            environment = stack_tags(item).get(names.ENVIRONMENT_TAG)
            if environment and item["StackStatus"] not in _NOT_DEPLOYED:
                stacks.setdefault(environment, []).append((region, item))
    return stacks


def read_own_stacks(
    calls: SiteCalls, stacks: Iterable[tuple[str, Mapping[str, Any]]]
) -> tuple[list[OwnStack], list[UnreadPart]]:
    """Return stacks with their templates and the ids of their resources."""
    # Sort the stacks as in a cloud assembly: the clusters' stacks first, then the stacks that
    # depend on them.
    in_order = sorted(
        stacks,
        key=lambda stack: (names.CLUSTER_TAG not in stack_tags(stack[1]), stack[1]["StackName"]),
    )
    by_arn = {item["StackId"]: (region, item) for region, item in in_order}
    resources = calls.each(
        aws_calls.STACK_RESOURCES,
        {arn: (region, {"StackName": arn}) for arn, (region, _) in by_arn.items()},
    )
    own, unread = [], []
    for arn, (region, item) in by_arn.items():
        template, problem = _template(calls, region, arn, item["StackName"])
        unread += problem
        ids = {
            resource["LogicalResourceId"]: (
                resource["ResourceType"],
                resource["PhysicalResourceId"],
            )
            for resource in resources[arn] or ()
            if resource.get("PhysicalResourceId")
            and resource["ResourceStatus"] != "DELETE_COMPLETE"
        }
        name, status = item["StackName"], item["StackStatus"]
        own.append(OwnStack(name, region, stack_account(item), status, template, ids))
    return own, unread


def _template(
    calls: SiteCalls, region: str, arn: str, name: str
) -> tuple[Template, list[UnreadPart]]:
    body = calls.answer(aws_calls.TEMPLATE, region, StackName=arn, TemplateStage="Processed")
    empty: Template = {"Resources": {}}
    if body is None:
        return empty, []
    try:
        return parse_template(body), []
    except Failed as error:
        call = aws_calls.TEMPLATE
        text = f"{name}: {error}; {call.subject} is unknown"
        return empty, [UnreadPart(call.action, region, text, call.hides)]
