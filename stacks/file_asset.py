"""File in the CDK's bucket, with the SHA-256 of the file as its object key."""

from dataclasses import dataclass

from aws_cdk import AssetStaging, FileAssetPackaging, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct


@dataclass(frozen=True)
class LocalFile:
    """Local file to publish.

    Attributes:
        path: path of the file, which may be deleted after the asset is created.
        sha256: SHA-256 of the file, in hexadecimal digits.
    """

    path: str
    sha256: str


class FileAsset(Construct):
    """Published file, which machines verify by the object key before they use the file.

    A changed file is a new object, which machines use only after the next `roll` or `haproxy
    apply`. The synthesizer uses the given hash as the object key. An `Asset` would calculate
    another hash, and the hash of an archive that the CDK packs is not known at synth.

    Attributes:
        address: S3 URL of the file: `s3://BUCKET/SHA256.EXTENSION`.
        statement: permission for machines to read the file.
    """

    def __init__(self, scope: Construct, id_: str, *, file: LocalFile) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        # The file may be deleted before the cloud assembly is published, so it is copied into the
        # assembly.
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
