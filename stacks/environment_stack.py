"""Base class of all stacks: location, tags, permissions boundary and accepted findings."""

from collections.abc import Iterable

import aws_cdk
from aws_cdk import Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import CLUSTER_TAG, ENVIRONMENT_TAG
from stacks.accepted_findings import AcceptedFinding, acknowledge


class EnvironmentStack(Stack):
    """Stack with the environment's tags on the stack itself and on its resources."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        account: str,
        region: str,
        description: str,
        accepted_findings: Iterable[AcceptedFinding],
        cluster: str | None = None,
    ) -> None:
        tags = {**environment.tags, ENVIRONMENT_TAG: environment.name}
        if cluster is not None:
            tags[CLUSTER_TAG] = cluster
        super().__init__(
            scope,
            id_,
            env=aws_cdk.Environment(account=account, region=region),
            description=description,
            tags=tags,
        )
        stack_tags = Tags.of(self)
        for key, value in tags.items():
            stack_tags.add(key, value)
        # Acknowledge the findings before the constructs are created: each acknowledgement visits
        # all constructs that the stack has.
        acknowledge(self, accepted_findings)
        if environment.permissions_boundary:
            iam.PermissionsBoundary.of(self).apply(
                iam.ManagedPolicy.from_managed_policy_arn(
                    self, "Boundary", environment.permissions_boundary
                )
            )
