"""Stack with the copies of one cluster's metadata exports, in the region of the other cluster.

S3 replicates only to a bucket that exists and is versioned. Two clusters copy to each other's
region, so if each cluster's metadata stack had the other cluster's copies, neither could be
deployed first. So the copies have a stack of their own, which needs no other stack: the copies'
stack is deployed before the metadata stack of the cluster, and one `cdk deploy` creates everything.
"""

from aws_cdk import CfnOutput
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment
from stacks import accepted_findings
from stacks.environment_stack import EnvironmentStack
from stacks.export_bucket import ExportBucket, replication_role_arn

_REPLICATE = ("s3:ReplicateObject", "s3:ReplicateTags")
"""Actions with which S3 writes copies. The action for delete markers is missing, so that a deletion
at one site leaves the copies at the other site."""


class ExportCopyStack(EnvironmentStack):
    """Bucket with the copies of a cluster's metadata exports.

    The names of the bucket and of the replication role are derived from the configuration.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: Environment, cluster: str, target: str
    ) -> None:
        """Create the stack.

        Args:
            scope: parent.
            id_: id.
            environment: the validated configuration.
            cluster: the cluster whose exports are copied.
            target: the cluster in whose account and region the copies are.
        """
        source, other = environment.clusters[cluster], environment.clusters[target]
        exports = source.exports
        assert exports is not None
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=other.account,
            region=other.region,
            description=f"Denodo {environment.denodo.version}, copies of exports of {cluster}",
            accepted_findings=accepted_findings.of_export_copy_stack(),
            cluster=cluster,
        )
        copies = ExportBucket(
            self,
            "Copies",
            name=node_metadata.export_copy_bucket_name(environment, cluster),
            retention_days=exports.retention_days,
        )
        if source.account != other.account:
            _allow_replication(copies.bucket, environment, cluster)
        CfnOutput(self, names.EXPORT_COPY_BUCKET, value=copies.name)


def _allow_replication(bucket: s3.Bucket, environment: Environment, cluster: str) -> None:
    """Allow the replication role of the cluster's account to replicate to the bucket.

    A policy cannot name a role that does not exist yet, and this stack is deployed before the stack
    with the role. So the principal is the account, and a condition names the role. The bucket's
    account owns the copies without further permissions, because the bucket has the setting "bucket
    owner enforced" (AWS, Amazon S3 User Guide, "Changing the replica owner").
    """
    account = environment.clusters[cluster].account
    condition = {"ArnEquals": {"aws:PrincipalArn": replication_role_arn(environment, cluster)}}
    for actions, resource in (
        (_REPLICATE, bucket.arn_for_objects("*")),
        (("s3:GetBucketVersioning", "s3:ListBucket"), bucket.bucket_arn),
    ):
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.AccountPrincipal(account)],
                actions=[*actions],
                resources=[resource],
                conditions=condition,
            )
        )
