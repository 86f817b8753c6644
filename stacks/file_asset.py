"""A file in the CDK's bucket whose object key is the SHA-256 of its bytes."""

from dataclasses import dataclass

from aws_cdk import AssetStaging, FileAssetPackaging, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct


@dataclass(frozen=True)
class LocalFile:
    """A file to publish.

    Attributes:
        path: its path, which may be gone after the asset was created.
        sha256: the SHA-256 of its bytes, in hexadecimal digits.
    """

    path: str
    sha256: str


class FileAsset(Construct):
    """A file that machines verify by the name of its object before they use it.

    A changed file is a new object. Machines use it after the next update, not by themselves. The
    synthesizer keeps the given hash as the object's key; an `Asset` would hash it again, and a
    folder or archive that the CDK packs has no bytes yet at synth.

    Attributes:
        address: S3 URL of the file: `s3://BUCKET/SHA256.EXTENSION`.
        statement: permission for machines to read the file.
    """

    def __init__(self, scope: Construct, id_: str, *, file: LocalFile) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        # The path may be gone when the assembly is published, so the file is copied into it.
        staging = AssetStaging(self, "Stage", source_path=file.path)
        location = stack.synthesizer.add_file_asset(
            source_hash=file.sha256,
            file_name=staging.relative_staged_path(stack),
            packaging=FileAssetPackaging.FILE,
        )
        bucket = s3.Bucket.from_bucket_name(self, "AssetBucket", location.bucket_name)
        self.address = location.s3_object_url
        self.statement = iam.PolicyStatement(
            actions=["s3:GetObject"], resources=[f"{bucket.bucket_arn}/{location.object_key}"]
        )
