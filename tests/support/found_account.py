"""A hand-made site in moto, with the target health and the clock of the tests of commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tests.commands.account.cloud import Cloud
from tests.support.hand_made_site import HandMadeCluster, HandMadeSite, Recipe, make_site

DELAY_S = 30


@dataclass
class MotoAccount:
    """The part of the local AWS's `Cloud` that `make_site` uses, for an account in moto."""

    cloud: Cloud
    region: str

    @property
    def access(self) -> Any:
        """An object with the region of the calls, like the attribute `access` of `Cloud`."""
        return SimpleNamespace(region=self.region)

    def of(self, *, region: str) -> "MotoAccount":
        """Return the account in another region."""
        return MotoAccount(self.cloud, region)

    def client(self, service: str) -> Any:
        """Return a boto3 client for the account, used by the tests themselves."""
        return self.cloud.client(service, self.region)

    def give(self, _: Mapping[str, str]) -> None:
        """Do nothing: moto accepts any image."""


@dataclass
class FoundAccount:
    """A hand-made site in moto.

    Attributes:
        cloud: the account.
        site: the site.
    """

    cloud: Cloud
    site: HandMadeSite

    @property
    def cluster(self) -> HandMadeCluster:
        """The primary cluster."""
        return next(iter(self.site.clusters.values()))

    def follow(self, arn: str, port: int, targets: Mapping[str, int]) -> None:
        """Let the health of a target group's targets depend on the cloud's clock."""
        self.cloud.targets.add_group(arn, port=port, delay=DELAY_S, warm_up=10)
        registered = [{"Id": id_, "Port": number} for id_, number in targets.items()]
        self.cloud.targets.register(arn, registered, old=True)

    def registrations(self) -> dict[str, set[tuple[str, int]]]:
        """Return the targets that are not draining, for each target group of all clusters."""
        return {
            arn: {
                (one["Target"]["Id"], one["Target"]["Port"])
                for one in self.cloud.targets.describe(arn)
                if one["TargetHealth"]["State"] != "draining"
            }
            for cluster in self.site.clusters.values()
            for arn in cluster.groups.values()
        }

    def tags(self, node: str = "node1") -> dict[str, str]:
        """Return the tags of a node's instance in the primary cluster."""
        client = self.cloud.client("ec2", next(iter(self.site.clusters)))
        filters = [{"Name": "resource-id", "Values": [self.cluster.nodes[node]]}]
        return {tag["Key"]: tag["Value"] for tag in client.describe_tags(Filters=filters)["Tags"]}


def make_found_site(cloud: Cloud, recipe: Recipe) -> FoundAccount:
    """Make a site call by call, and let its targets be healthy."""
    account = MotoAccount(cloud, recipe.regions[0])
    site: Any = make_site(account, recipe)  # type: ignore[arg-type] # the used part is the same
    found = FoundAccount(cloud, site)
    ports = {**recipe.shared_ports, **recipe.auxiliary_ports}
    for cluster in site.clusters.values():
        for name, arn in cluster.groups.items():
            nodes = [cluster.nodes[name]] if name in cluster.nodes else cluster.nodes.values()
            found.follow(arn, ports[name], dict.fromkeys(nodes, ports[name]))
    return found
