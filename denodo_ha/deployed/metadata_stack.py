"""Metadata stack of a cluster: metadata database, its logins, and bucket of metadata exports."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import NotFound, Refused
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.stack import Stack, read_stack
from denodo_ha.environment import names
from denodo_ha.environment.full_command import cdk_command
from denodo_ha.environment.model.catalog import Component

COMPONENTS: tuple[Component, ...] = get_args(Component)


@dataclass(frozen=True)
class MetadataStack:
    """The metadata stack of a cluster.

    Attributes:
        location: location of the stack; the location's name is the cluster's name.
        environment: name of the environment.
        stack: the stack.
    """

    location: StackLocation
    environment: str
    stack: Stack

    @property
    def owner(self) -> str:
        """Return the comment that marks database roles of this cluster."""
        return f"denodo-ha {self.environment}/{self.location.name}"

    @property
    def secrets(self) -> Mapping[Component, str]:
        """Return, by component, the ARN of the secret with the component's login."""
        outputs = self.stack.outputs
        keys = {component: names.catalog_secret_output(component) for component in COMPONENTS}
        return {component: outputs[key] for component, key in keys.items() if key in outputs}

    @property
    def bucket(self) -> str | None:
        """Return the bucket of the metadata exports; None if the cluster has no exports."""
        return self.stack.outputs.get(names.EXPORT_BUCKET)

    def output(self, name: str) -> str:
        """Return a stack output that describes the metadata database, such as its address.

        Raises:
            Refused: The stack has no metadata database.
        """
        if name not in self.stack.outputs:
            message = (
                f"{self.stack.name} has no database: the cluster's configuration has `exports` "
                "but no `catalog`; nothing was changed"
            )
            raise Refused(message)
        return self.stack.outputs[name]


def read_metadata_stack(
    aws: Aws, located: EnvironmentLocation, cluster: str | None
) -> MetadataStack:
    """Read the metadata stack of a cluster.

    Raises:
        Refused: The stack is in another account, or is not deployed.
        UsageError: The cluster does not exist.
    """
    cluster_location = located.cluster(cluster)
    cluster_location.require_reachable()
    stack_name = names.catalog_stack(located.environment, cluster_location.name)
    location = replace(cluster_location, stack=stack_name)
    try:
        return MetadataStack(location, located.environment, read_stack(aws, location))
    except NotFound:
        message = (
            f"{stack_name} is not deployed in {location.region}; add `catalog` or `exports` to the "
            f"cluster's configuration, and run `{cdk_command('deploy', stack_name)}`"
        )
        raise Refused(message) from None
