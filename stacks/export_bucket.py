"""Buckets of metadata exports and of export copies, and the replication of exports."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment

_READ_SOURCE = (
    *("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl"),
    "s3:GetObjectVersionTagging",
)
"""Actions with which S3 reads the objects to replicate (AWS, Amazon S3 User Guide, "Setting up
permissions for live replication")."""


class ExportBucket(Construct):
    """Bucket of the metadata exports: encrypted, versioned, private, retained on stack deletion.

    Each export replaces the previous export, which remains as a noncurrent version for the
    configured number of days. The current version never expires.

    Attributes:
        name: the bucket's name, which nodes derive from the configuration.
        bucket: the bucket.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, retention_days: int) -> None:
        super().__init__(scope, id_)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=name,
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(retention_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.name = name


def replication_role_arn(environment: Environment, cluster: str) -> str:
    """Return the ARN of the role with which S3 copies a cluster's exports."""
    settings = environment.clusters[cluster]
    partition = node_metadata.partition(settings.region)
    return f"arn:{partition}:iam::{settings.account}:role/{_role_name(environment, cluster)}"


def replicate(exports: ExportBucket, environment: Environment, cluster: str) -> None:
    """Replicate new exports to the bucket for copies, which must exist already.

    Copies keep their version ids, so a manifest names the right version in the copy as well.
    Exports that exist already are not copied: the next export is the first copy.
    """
    partition = node_metadata.partition(environment.clusters[cluster].region)
    source = f"arn:{partition}:s3:::{exports.name}"
    copies = f"arn:{partition}:s3:::{node_metadata.export_copy_bucket_name(environment, cluster)}"
    role = iam.Role(
        exports,
        "Replication",
        # The policy of the bucket for copies, which may be in another account, names this role.
        role_name=_role_name(environment, cluster),
        assumed_by=iam.ServicePrincipal("s3.amazonaws.com"),
        inline_policies={
            "Replicate": iam.PolicyDocument(
                statements=[
                    _allow(("s3:GetReplicationConfiguration", "s3:ListBucket"), source),
                    _allow(_READ_SOURCE, f"{source}/*"),
                    _allow(("s3:ReplicateObject", "s3:ReplicateTags"), f"{copies}/*"),
                ]
            )
        },
    )
    bucket = cast("s3.CfnBucket", exports.bucket.node.default_child)
    bucket.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
        role=role.role_arn,
        rules=[
            s3.CfnBucket.ReplicationRuleProperty(
                id="copies",
                status="Enabled",
                priority=1,
                filter=s3.CfnBucket.ReplicationRuleFilterProperty(prefix=""),
                delete_marker_replication=s3.CfnBucket.DeleteMarkerReplicationProperty(
                    status="Disabled"
                ),
                destination=s3.CfnBucket.ReplicationDestinationProperty(bucket=copies),
            )
        ],
    )


def _role_name(environment: Environment, cluster: str) -> str:
    """Return the name of the replication role, which is the name of the cluster's bucket."""
    return node_metadata.export_bucket_name(environment, cluster)


def _allow(actions: tuple[str, ...], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=[*actions], resources=[resource])
