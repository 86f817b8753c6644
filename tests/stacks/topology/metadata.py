"""The rules of the stack that keeps a cluster's metadata, checked in its template."""

import json
from typing import Any

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from tests.support.assembly import Assembly

DATABASE = "AWS::RDS::DBInstance"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type
BUCKET = "AWS::S3::Bucket"
INGRESS = "AWS::EC2::SecurityGroupIngress"


def stacks(environment: Environment) -> set[str]:
    """Return the names of the expected metadata stacks."""
    names = {
        f"{environment.name}-{name}-catalog"
        for name, cluster in environment.clusters.items()
        if cluster.catalog or cluster.exports
    }
    return names | {
        f"{environment.name}-{name}-exports-copy"
        for name in environment.clusters
        if node_metadata.export_copy_target(environment, name)
    }


def actions_of_a_node(cluster: Cluster) -> set[str]:
    """Return the IAM actions that a node needs for its metadata."""
    actions = set()
    if cluster.catalog or cluster.exports:
        actions.add("secretsmanager:GetSecretValue")
    if cluster.exports:
        actions |= {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:ListBucket"}
    if cluster.catalog and cluster.catalog.kms_key:
        actions.add("kms:Decrypt")
    return actions


def holds(environment: Environment, assembly: Assembly) -> None:
    """Assert every rule: logins, exports and databases as configured, no secret in a template."""
    for name, cluster in environment.clusters.items():
        stack = f"{environment.name}-{name}-catalog"
        if stack in assembly.templates:
            _logins(environment, name, cluster, assembly.resources(stack, SECRET))
            _exports(cluster, assembly.resources(stack, BUCKET))
            _database(cluster, stack, assembly)
    for stack, template in assembly.templates.items():
        _no_secret(stack, template)


def _logins(
    environment: Environment, name: str, cluster: Cluster, secrets: dict[str, dict[str, Any]]
) -> None:
    """Each user of the metadata database has a secret with a generated password.

    The users are Scheduler and Data Catalog; nodes derive the secret's name.
    """
    components = cluster.catalog.components if cluster.catalog else ()
    prefix = f"denodo/{environment.name}/{name}/catalog/"
    assert sorted(secret["Name"] for secret in secrets.values()) == sorted(
        prefix + c for c in components
    )
    for one in secrets.values():
        assert "SecretString" not in one
        generated = one["GenerateSecretString"]
        assert generated["PasswordLength"] >= 32
        assert generated["GenerateStringKey"] == "password"
        assert generated["ExcludePunctuation"] is True
        assert "password" not in json.loads(generated["SecretStringTemplate"])


def _exports(cluster: Cluster, buckets: dict[str, dict[str, Any]]) -> None:
    """The bucket of the exports is encrypted, versioned and private."""
    assert len(buckets) == (1 if cluster.exports else 0)
    for one in buckets.values():
        assert one["VersioningConfiguration"] == {"Status": "Enabled"}
        assert one["BucketEncryption"]
        assert set(one["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = one["LifecycleConfiguration"]["Rules"]
        assert "ExpirationInDays" not in rule, "the newest export must never expire"
        assert cluster.exports
        days = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        assert days == cluster.exports.retention_days


def _database(cluster: Cluster, stack: str, assembly: Assembly) -> None:
    """The database is private and encrypted, forces TLS, admits only nodes, and is retained."""
    databases = assembly.resources(stack, DATABASE)
    catalog = cluster.catalog
    assert len(databases) == (1 if catalog and catalog.existing is None else 0)
    for id_, one in databases.items():
        assert catalog
        assert one["PubliclyAccessible"] is False
        assert one["StorageEncrypted"] is True
        assert one["ManageMasterUserPassword"] is True
        assert "MasterUserPassword" not in one
        assert one["MultiAZ"] == catalog.multi_az
        assert one["CopyTagsToSnapshot"] is True
        assert one["DeletionProtection"] == catalog.deletion_protection
        assert one["BackupRetentionPeriod"] == catalog.retention_days >= 1
        kept = "Snapshot" if catalog.final_snapshot else "Delete"
        logs = ["postgresql", "upgrade"] if catalog.log_exports else None
        assert one.get("EnableCloudwatchLogsExports") == logs
        resource = assembly.templates[stack]["Resources"][id_]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (kept, kept)
        parameters = assembly.resources(stack, "AWS::RDS::DBParameterGroup")
        forced = parameters[one["DBParameterGroupName"]["Ref"]]["Parameters"]["rds.force_ssl"]
        assert forced == "1"
        (group,) = one["VPCSecurityGroups"]
        rules = assembly.resources(stack, INGRESS).values()
        assert {rule["GroupId"]["Fn::GetAtt"][0] for rule in rules} == {group["Fn::GetAtt"][0]}
        for rule in rules:
            assert (rule["FromPort"], rule["ToPort"]) == (5432, 5432)
            source = rule.get("SourceSecurityGroupId")
            given = {cluster.network.cidr} if any(_adopted(cluster)) else set()
            assert rule.get("CidrIp") in given or (source and source["Fn::GetStackOutput"])
        alarms = assembly.resources(stack, "AWS::CloudWatch::Alarm").values()
        assert {alarm["MetricName"] for alarm in alarms} == {
            "FreeStorageSpace",
            "DatabaseConnections",
        }
        assert all(alarm["AlarmActions"] for alarm in alarms)
        assert {alarm["TreatMissingData"] for alarm in alarms} == {"breaching"}
        assert stack.removesuffix("-catalog") in assembly.dependencies[stack]
        (events,) = assembly.resources(stack, "AWS::RDS::EventSubscription").values()
        assert "failover" in events["EventCategories"]


def _adopted(cluster: Cluster) -> list[bool]:
    return [node.instance_id is not None for node in cluster.nodes.values()]


def _no_secret(stack: str, template: dict[str, Any]) -> None:
    """No template contains a password, or a reference that CloudFormation resolves to one."""
    text = json.dumps(template)
    assert "{{resolve:secretsmanager" not in text, stack
    for resource in template.get("Resources", {}).values():
        keys = set(resource.get("Properties", {}))
        assert not keys & {"MasterUserPassword", "SecretString", "Password"}, stack
