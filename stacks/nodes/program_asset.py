"""The archive of a host program, as an object in the CDK's bucket."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct


class ProgramAsset(Construct):
    """A program's archive (`hosts.archive`), published under a name derived from its content.

    A changed program is a new object. Machines run it after the next update, not by themselves.

    Attributes:
        address: S3 URL of the archive.
        statement: permission for machines to read the archive.
    """

    def __init__(self, scope: Construct, id_: str, *, archive: str) -> None:
        super().__init__(scope, id_)
        asset = assets.Asset(self, "Asset", path=archive)
        self.address = asset.s3_object_url
        self.statement = iam.PolicyStatement(
            actions=["s3:GetObject"],
            resources=[f"{asset.bucket.bucket_arn}/{asset.s3_object_key}"],
        )
