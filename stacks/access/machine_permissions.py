"""Permissions of the machines that the stacks create: nodes and HAProxy instances."""

from collections.abc import Iterable, Iterator
from functools import cache

from aws_cdk import aws_iam as iam
from constructs import Construct

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment
from stacks.library_values import service_principal

_SESSION_MANAGER = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    # Run Command needs these actions with SSM agents before 3.3.40 (AWS, SSM Agent release notes).
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
)
"""Minimum permissions for Session Manager. AWS's managed policy would allow a node to read all
parameters of the account (AWS, Create a custom IAM role for Session Manager)."""

_SECRET_SUFFIX = "-??????"  # noqa: S105 - the end of an ARN
"""Wildcard for the suffix that Secrets Manager adds to a secret's name in its ARN."""


def create_machine_role(scope: Construct, policies: Iterable[str]) -> iam.Role:
    """Create the role of a machine, with Session Manager and the configured policies.

    Args:
        scope: construct of the machine.
        policies: ARNs of the managed policies in the configuration.
    """
    role = iam.Role(
        scope,
        "Role",
        assumed_by=service_principal("ec2.amazonaws.com"),
        managed_policies=[
            iam.ManagedPolicy.from_managed_policy_arn(scope, arn, arn) for arn in policies
        ],
    )
    role.add_to_policy(_session_manager_statement())
    return role


@cache
def _session_manager_statement() -> iam.PolicyStatement:
    """Return the statement for Session Manager, which is the same for all roles.

    The actions cannot be limited to a resource (AWS, Actions defined by Amazon Message Gateway
    Service).
    """
    return iam.PolicyStatement(actions=[*_SESSION_MANAGER], resources=["*"])


def allow(action: str, *resources: str) -> iam.PolicyStatement:
    """Return a statement that allows one action on the given resources."""
    return iam.PolicyStatement(actions=[action], resources=[*resources])


def allow_metrics(namespace: str) -> iam.PolicyStatement:
    """Return a statement that allows publishing metrics in one namespace.

    IAM cannot limit this action to a resource; the condition key limits the action to a namespace
    (AWS, Using condition keys to limit access to CloudWatch namespaces).
    """
    return iam.PolicyStatement(
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
    )


def metadata_statements(
    environment: Environment, cluster: str, node: str
) -> Iterator[iam.PolicyStatement]:
    """Yield statements that let a node read its logins, and read and write its export."""
    settings = environment.clusters[cluster]
    secrets: list[str] = []
    if settings.catalog is not None:
        secrets += [
            node_metadata.secret_arn(environment, cluster, component) + _SECRET_SUFFIX
            for component in sorted(settings.catalog.components)
        ]
        if settings.catalog.kms_key:
            secrets_manager = f"secretsmanager.{settings.region}.amazonaws.com"
            yield iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[settings.catalog.kms_key],
                conditions={"StringEquals": {"kms:ViaService": secrets_manager}},
            )
    if settings.exports is not None:
        secrets.append(settings.exports.login)
        bucket = f"arn:{node_metadata.partition(settings.region)}:s3:::"
        bucket += node_metadata.export_bucket_name(environment, cluster)
        yield iam.PolicyStatement(
            actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            resources=[f"{bucket}/{key}" for key in node_metadata.export_keys(node)],
        )
        # Without this permission, S3 returns "access denied" for missing objects (AWS, Amazon S3
        # API, GetObject).
        yield allow("s3:ListBucket", bucket)
        for source in node_metadata.copied_clusters(environment, cluster):
            # `import-export` reads the export of any node of the other cluster.
            copies = f"arn:{node_metadata.partition(settings.region)}:s3:::"
            copies += node_metadata.export_copy_bucket_name(environment, source)
            yield iam.PolicyStatement(
                actions=["s3:GetObject", "s3:GetObjectVersion"],
                resources=[
                    f"{copies}/*/{name}"
                    for name in (node_metadata.EXPORT_MANIFEST, node_metadata.EXPORT_METADATA)
                ],
            )
            yield allow("s3:ListBucket", copies)
    if secrets:
        yield allow("secretsmanager:GetSecretValue", *secrets)
