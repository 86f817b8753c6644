"""What every stack of an environment has in common: where it is, its tags, its bounds."""

from aws_cdk import Environment as Where
from aws_cdk import Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import CLUSTER_TAG, ENVIRONMENT_TAG


class EnvironmentStack(Stack):
    """A stack with the environment's tags, on itself and on its resources."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        account: str,
        region: str,
        description: str,
        cluster: str | None = None,
    ) -> None:
        tags = {**environment.tags, ENVIRONMENT_TAG: environment.name}
        if cluster is not None:
            tags[CLUSTER_TAG] = cluster
        super().__init__(
            scope,
            id_,
            env=Where(account=account, region=region),
            description=description,
            tags=tags,
        )
        for key, value in tags.items():
            Tags.of(self).add(key, value)
        if environment.permissions_boundary:
            iam.PermissionsBoundary.of(self).apply(
                iam.ManagedPolicy.from_managed_policy_arn(
                    self, "Boundary", environment.permissions_boundary
                )
            )
