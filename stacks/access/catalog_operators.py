"""IAM policy for operators of a cluster's metadata: the database's logins, and the exports."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.access.cluster_grants import STACK_READS, ClusterGrants, read_history, write_history

_FORWARDING = "AWS-StartPortForwardingSessionToRemoteHost"
_SECRET_SUFFIX = "-??????"  # noqa: S105 - the end of an ARN
"""Wildcard for the suffix that Secrets Manager adds to a secret's name in its ARN."""


class CatalogOperatorPolicy(Construct):
    """Managed policy for operators who run `denodo-ha catalog`, not attached to any principal.

    The policy allows reading the administrator's secret, reading and replacing the components'
    logins, forwarding a port through a node of the cluster (`--through`), and reading the manifests
    of exports. `catalog learn` queries a node, which only the cluster's policy for node operators
    allows.

    Attributes:
        arn: ARN of the policy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        cluster_stack: str,
        admin_secret: str | None,
        kms_key: str | None,
        secret_names: Sequence[str],
        restored_database: str | None,
        buckets: Sequence[str],
        stacks: Sequence[str],
        history_buckets: Sequence[str] = (),
    ) -> None:
        """Create the policy.

        Args:
            scope: parent.
            id_: id.
            environment: name of the environment.
            cluster: name of the cluster.
            cluster_stack: name of the cluster's stack.
            admin_secret: ARN of the administrator's secret; None without a database.
            kms_key: KMS key of the secrets; None for the account's own key.
            secret_names: names of the secrets with the components' logins.
            restored_database: identifier of a database that may be restored from the copy of
                another cluster's database; None without such a copy.
            buckets: buckets of exports, and of copies of other clusters' exports.
            stacks: stacks with copies of other clusters' exports, in the same region.
            history_buckets: names of the buckets in which commands leave their history.
        """
        super().__init__(scope, id_)
        stack = Stack.of(self)
        grants = ClusterGrants(stack, environment, cluster)
        statements = [
            iam.PolicyStatement(
                sid="SeeTheStacks",
                actions=[*STACK_READS],
                resources=[
                    grants.arn("cloudformation", "stack", f"{name}/*")
                    for name in (cluster_stack, stack.stack_name, *stacks)
                ],
            ),
            # The ARN of the database is not known here, so the action is limited only to the region
            # (AWS, Service Authorization Reference, Amazon RDS).
            iam.PolicyStatement(
                sid="SeeTheDatabase",
                actions=["rds:DescribeDBInstances"],
                resources=["*"],
                conditions={"StringEquals": {"aws:RequestedRegion": stack.region}},
            ),
        ]
        if admin_secret is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="ReadTheAdministratorsLogin",
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[admin_secret],
                )
            )
        if secret_names:
            statements.append(
                iam.PolicyStatement(
                    sid="ReplaceTheLogins",
                    actions=[
                        "secretsmanager:DescribeSecret",
                        "secretsmanager:GetSecretValue",
                        "secretsmanager:PutSecretValue",
                    ],
                    resources=[
                        stack.format_arn(
                            service="secretsmanager",
                            resource="secret",
                            resource_name=f"{name}{_SECRET_SUFFIX}",
                            arn_format=ArnFormat.COLON_RESOURCE_NAME,
                        )
                        for name in secret_names
                    ],
                )
            )
            statements += _forward_ports(grants)
        if kms_key is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="UseTheKey",
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[kms_key],
                    conditions={
                        "StringEquals": {
                            "kms:ViaService": f"secretsmanager.{stack.region}.amazonaws.com"
                        }
                    },
                )
            )
        if restored_database is not None:
            statements += _restore_database(grants, restored_database)
        if buckets:
            arns = [f"arn:{stack.partition}:s3:::{bucket}" for bucket in buckets]
            # `catalog status` reads every version of the manifests, for which S3 has separate
            # actions (AWS, Service Authorization Reference, Amazon S3). `import-export` reads the
            # current versions.
            statements += [
                iam.PolicyStatement(
                    sid="SeeTheExports",
                    actions=["s3:ListBucket", "s3:ListBucketVersions"],
                    resources=arns,
                ),
                iam.PolicyStatement(
                    sid="ReadTheManifests",
                    actions=["s3:GetObject", "s3:GetObjectVersion"],
                    resources=[f"{arn}/*/export.json" for arn in arns],
                ),
            ]
        statements += write_history(stack.partition, history_buckets)
        statements += read_history(stack.partition, history_buckets)
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Changing the description replaces the policy and detaches it from all principals.
            description="Create, rotate and look at the metadata of a Denodo cluster",
            statements=statements,
        )
        self.arn = policy.managed_policy_arn


def _restore_database(grants: ClusterGrants, name: str) -> list[iam.PolicyStatement]:
    """Allow restoring a copy as the database `name`, whose password RDS then manages.

    RDS uses the caller's permissions for the secret with the password, and for the keys (Amazon RDS
    User Guide, "Password management with Amazon RDS and AWS Secrets Manager").
    """
    stack = grants.stack

    def arn(service: str, kind: str, resource: str) -> str:
        return stack.format_arn(
            service=service,
            resource=kind,
            resource_name=resource,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    database = arn("rds", "db", name)
    return [
        iam.PolicyStatement(
            sid="SeeTheCopies",
            actions=["rds:DescribeDBInstanceAutomatedBackups"],
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": stack.region}},
        ),
        iam.PolicyStatement(
            sid="RestoreACopy",
            actions=["rds:RestoreDBInstanceToPointInTime", "rds:AddTagsToResource"],
            resources=[
                database,
                *(arn("rds", kind, "*") for kind in ("auto-backup", "subgrp", "pg", "og")),
            ],
        ),
        iam.PolicyStatement(
            sid="ManageItsPassword", actions=["rds:ModifyDBInstance"], resources=[database]
        ),
        iam.PolicyStatement(
            sid="CreateItsSecret",
            actions=["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            resources=[arn("secretsmanager", "secret", "rds!db-*")],
        ),
        iam.PolicyStatement(
            sid="UseItsKeys",
            actions=["kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"],
            resources=[grants.arn("kms", "key", "*")],
            conditions={"StringEquals": {"kms:ViaService": f"rds.{stack.region}.amazonaws.com"}},
        ),
    ]


def _forward_ports(grants: ClusterGrants) -> list[iam.PolicyStatement]:
    """Allow forwarding a port through an instance of the cluster, and ending own sessions."""
    stack = grants.stack
    return [
        iam.PolicyStatement(
            sid="ForwardAPort",
            actions=["ssm:StartSession"],
            resources=[f"arn:{stack.partition}:ssm:{stack.region}::document/{_FORWARDING}"],
        ),
        iam.PolicyStatement(
            sid="ThroughANode",
            actions=["ssm:StartSession"],
            resources=[grants.arn("ec2", "instance", "*")],
            conditions={"StringEquals": grants.tag_conditions("ssm:resourceTag")},
        ),
        iam.PolicyStatement(
            sid="EndOwnSessions",
            actions=["ssm:TerminateSession", "ssm:ResumeSession"],
            resources=[
                grants.arn("ssm", "session", f"${{aws:{name}}}-*")
                for name in ("userid", "username")
            ],
        ),
    ]
