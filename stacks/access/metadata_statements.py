"""What a node may read and write of its cluster's metadata, and nothing else."""

from collections.abc import Iterator

from aws_cdk import aws_iam as iam

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment

_ENDING = "-??????"
"""What Secrets Manager adds to a secret's name in its ARN."""


def metadata_statements(
    environment: Environment, cluster: str, node: str
) -> Iterator[iam.PolicyStatement]:
    """The statements for a node's role: its components' logins, and its own exports."""
    of = environment.clusters[cluster]
    secrets: list[str] = []
    if of.catalog is not None:
        secrets += [
            node_metadata.secret_arn(environment, cluster, one) + _ENDING
            for one in sorted(of.catalog.components)
        ]
        if of.catalog.kms_key:
            yield iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[of.catalog.kms_key],
                conditions={
                    "StringEquals": {"kms:ViaService": f"secretsmanager.{of.region}.amazonaws.com"}
                },
            )
    if of.exports is not None:
        secrets.append(of.exports.login)
        bucket = f"arn:{node_metadata.partition(of.region)}:s3:::"
        bucket += node_metadata.export_bucket_name(environment, cluster)
        yield iam.PolicyStatement(
            actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            resources=[f"{bucket}/{key}" for key in node_metadata.export_keys(node)],
        )
        # Without it S3 answers "denied" for what is not there (AWS, Amazon S3 API, GetObject).
        yield iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket])
    if secrets:
        yield iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=secrets)
