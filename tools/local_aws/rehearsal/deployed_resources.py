"""The deployed resources of the drill's model, by the model's keys: ids, accounts and regions."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from denodo_ha.drill.model.machines import MEMBER_MARK, Key
from denodo_ha.drill.model.model import Model
from denodo_ha.environment.model.environment import Environment
from tools.local_aws import control
from tools.local_aws.bootstrap import Location
from tools.local_aws.credentials import Access

_INSTANCE = "i-"


@dataclass(frozen=True)
class Resource:
    """A deployed resource.

    Attributes:
        id: its physical id.
        access: account and region of its stack.
    """

    id: str
    access: Access


class DeployedResources:
    """The resources of all stacks in some accounts and regions.

    Args:
        endpoint: endpoint of the local AWS.
        locations: the accounts and regions.
    """

    def __init__(self, endpoint: str, locations: Iterable[Location]) -> None:
        self.accesses = [Access(endpoint, *location) for location in locations]

    def of(self, key: Key) -> Resource:
        """Return the deployed resource that has a key in the drill's model.

        The key of an adopted instance contains the instance's own id. The key of an instance of an
        Auto Scaling group ends with the instance's number.

        Raises:
            KeyError: no stack has the resource.
        """
        stack, _, logical_id = key.partition("/")
        if logical_id.startswith(_INSTANCE):
            return Resource(logical_id, self._stacks[stack])
        group, mark, number = key.partition(MEMBER_MARK)
        if mark:
            return self._instance_of(self._resources[group], int(number))
        return self._resources[key]

    @staticmethod
    def _instance_of(group: Resource, number: int) -> Resource:
        client = group.access.client("autoscaling")
        answer = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group.id])
        instance = answer["AutoScalingGroups"][0]["Instances"][number - 1]
        return Resource(instance["InstanceId"], group.access)

    def access_in(self, region: str) -> Access:
        """Return access to a region, in the first account with resources in the region."""
        return next(access for access in self.accesses if access.region == region)

    @cached_property
    def _stacks(self) -> dict[str, Access]:
        return {
            stack["StackName"]: access
            for access in self.accesses
            for stack in _pages(access, "list_stacks", "StackSummaries")
            if stack["StackStatus"] != "DELETE_COMPLETE"
        }

    @cached_property
    def _resources(self) -> dict[Key, Resource]:
        return {
            f"{name}/{item['LogicalResourceId']}": Resource(item["PhysicalResourceId"], access)
            for name, access in self._stacks.items()
            for item in _pages(
                access, "list_stack_resources", "StackResourceSummaries", StackName=name
            )
            if item.get("PhysicalResourceId")
        }


@dataclass(frozen=True)
class DeployedSite:
    """A deployed environment, as the machines of a rehearsal need it.

    Attributes:
        endpoint: endpoint of the local AWS.
        environment: the configuration.
        model: the drill's model of the deployed templates.
        resources: the deployed resources of the model.
    """

    endpoint: str
    environment: Environment
    model: Model
    resources: DeployedResources

    def access(self, cluster: str) -> Access:
        """Return access to the account and region of a cluster."""
        settings = self.environment.clusters[cluster]
        return Access(self.endpoint, settings.account, settings.region)

    def address_of(self, key: Key) -> str:
        """Return the loopback address of a node or HAProxy instance."""
        instance = self.resources.of(key).id
        return str(control.call(self.endpoint, f"addresses/{instance}")["address"])


def _pages(access: Access, operation: str, items: str, **parameters: str) -> list[dict[str, Any]]:
    pages = access.client("cloudformation").get_paginator(operation).paginate(**parameters)
    return [item for page in pages for item in page[items]]
