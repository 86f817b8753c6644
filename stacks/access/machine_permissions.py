"""The role of a machine that we make: a node's, or a HAProxy's."""

from collections.abc import Iterable

from aws_cdk import aws_iam as iam
from constructs import Construct

_SESSION_MANAGER = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What Session Manager needs, and no more: the managed policy lets a node read every parameter
of the account (AWS, Create a custom IAM role for Session Manager)."""


def make_machine_role(scope: Construct, policies: Iterable[str]) -> iam.Role:
    """A role for Session Manager and what the configuration adds.

    Args:
        scope: the machine, in which it is `Role`.
        policies: ARNs of the configuration's policies.
    """
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        managed_policies=[
            iam.ManagedPolicy.from_managed_policy_arn(scope, arn, arn) for arn in policies
        ],
    )
    # These actions take no resource (AWS, Actions defined by Amazon Message Gateway Service).
    role.add_to_policy(iam.PolicyStatement(actions=[*_SESSION_MANAGER], resources=["*"]))
    return role
