"""The program of the nodes, as an object in the bucket that the CDK publishes to."""

from aws_cdk import IgnoreMode
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct


class Program(Construct):
    """The folder `node/`, published with the stack under a name that its content gives.

    Another content is another object: what the nodes run changes when they are told to take it.

    Attributes:
        address: where the nodes fetch it.
        statement: what a node's role needs for that, and no more.
    """

    def __init__(self, scope: Construct, id_: str, *, folder: str) -> None:
        super().__init__(scope, id_)
        asset = assets.Asset(
            self,
            "Asset",
            path=folder,
            exclude=["__pycache__", "*.pyc"],
            ignore_mode=IgnoreMode.GIT,
        )
        self.address = asset.s3_object_url
        self.statement = iam.PolicyStatement(
            actions=["s3:GetObject"],
            resources=[f"{asset.bucket.bucket_arn}/{asset.s3_object_key}"],
        )
