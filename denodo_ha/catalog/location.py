"""Where a cluster's metadata is: what its stack says of the database, the logins and exports."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import NotFound, Refused
from denodo_ha.deployed import stack
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.stack import Stack
from denodo_ha.environment import names
from denodo_ha.environment.model.catalog import Component

COMPONENTS: tuple[Component, ...] = get_args(Component)


@dataclass(frozen=True)
class Metadata:
    """What a cluster's stack of metadata says.

    Attributes:
        location: where the stack is; its name is the cluster's.
        environment: the environment's name.
        stack: the stack.
    """

    location: StackLocation
    environment: str
    stack: Stack

    @property
    def owner(self) -> str:
        """What marks roles of this cluster at a server that others use, too."""
        return f"denodo-ha {self.environment}/{self.location.name}"

    @property
    def secrets(self) -> Mapping[Component, str]:
        """ARN of each component's login."""
        outputs = self.stack.outputs
        found = ((one, names.catalog_secret_output(one)) for one in COMPONENTS)
        return {one: outputs[output] for one, output in found if output in outputs}

    @property
    def bucket(self) -> str | None:
        """The bucket of the exports, if there are any."""
        return self.stack.outputs.get(names.EXPORT_BUCKET)

    def output(self, name: str) -> str:
        """An output of the stack.

        Raises:
            Refused: it has no database.
        """
        if name not in self.stack.outputs:
            message = (
                f"{self.stack.name} has no database: the cluster's configuration has exports and "
                "no catalog; nothing was changed"
            )
            raise Refused(message)
        return self.stack.outputs[name]


def find(aws: Aws, places: EnvironmentLocation, cluster: str | None) -> Metadata:
    """The stack of a cluster's metadata.

    Raises:
        Refused: these credentials do not reach it, or it is not deployed.
        UsageError: there is no such cluster.
    """
    of = places.cluster(cluster)
    of.require_reachable()
    place = replace(of, stack=names.catalog_stack(places.environment, of.name))
    try:
        return Metadata(place, places.environment, stack.read_stack(aws, place))
    except NotFound:
        message = (
            f"{place.stack} is not deployed in {place.region}; give the cluster catalog or exports "
            f"in its configuration, and `cdk deploy {place.stack}`"
        )
        raise Refused(message) from None
