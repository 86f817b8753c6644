"""The bucket of the exports of a cluster's nodes."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct


class ExportBucket(Construct):
    """Encrypted, versioned, private, and kept when its stack is deleted.

    An export replaces the one before, which stays as an old version for some days; the newest is
    never deleted, however old it is.

    Attributes:
        name: the bucket's name, which the nodes know from the configuration.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, retention_days: int) -> None:
        super().__init__(scope, id_)
        s3.Bucket(
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
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.name = name
