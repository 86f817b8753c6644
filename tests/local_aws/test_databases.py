"""Databases, secrets and buckets of the local AWS: create, read, change, refuse, delete."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, DeployError
from tests.local_aws.templates import attribute, ref, resource

DATABASE = {
    "Engine": "postgres",
    "EngineVersion": "16",
    "DBInstanceClass": "db.t4g.medium",
    "AllocatedStorage": "20",
    "StorageType": "gp3",
    "MasterUsername": "admin1",
    "ManageMasterUserPassword": True,
    "DBSubnetGroupName": ref("Subnets"),
    "DBParameterGroupName": ref("Parameters"),
    "VPCSecurityGroups": [attribute("Group", "GroupId")],
    "MultiAZ": True,
}
OTHER_REGION = "eu-central-1"
KEY = f"arn:aws:kms:{OTHER_REGION}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GENERATED = {
    "SecretStringTemplate": json.dumps({"username": "a"}),
    "GenerateStringKey": "password",
    "PasswordLength": 32,
    "ExcludePunctuation": True,
}


def resources(family: str = "postgres16", **changes: Any) -> dict[str, Any]:
    """Return the resources of a template: a database and the resources that the database needs."""
    return {
        **templates.network(),
        "Group": resource("EC2::SecurityGroup", GroupDescription="it", VpcId=ref("Vpc")),
        "Subnets": resource(
            "RDS::DBSubnetGroup",
            DBSubnetGroupDescription="it",
            SubnetIds=[ref("A"), ref("B")],
        ),
        "Parameters": resource(
            "RDS::DBParameterGroup",
            Description="it",
            Family=family,
            Parameters={"rds.force_ssl": "1"},
        ),
        "It": {
            **resource("RDS::DBInstance", **{**DATABASE, **changes}),
            "DeletionPolicy": "Delete",
        },
    }


def test_a_database_lives(cloud: Cloud) -> None:
    rds, secrets = cloud.client("rds"), cloud.client("secretsmanager")
    outputs = {"Admin": {"Value": attribute("It", "MasterUserSecret.SecretArn")}}
    first = cloud.deploy(resources(), outputs)
    (description,) = rds.describe_db_instances()["DBInstances"]
    assert (description["MultiAZ"], description["EngineVersion"]) == (True, "16")
    arn = next(item for item in secrets.list_secrets()["SecretList"])["ARN"]
    login = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
    assert login["username"] == "admin1"
    assert login["password"]

    events = resource(
        "RDS::EventSubscription",
        SnsTopicArn=ref("Topic"),
        SourceType="db-instance",
        SourceIds=[ref("It")],
        EventCategories=["failover"],
    )
    changed = {
        **resources(DBInstanceClass="db.m6g.large"),
        "Topic": resource("SNS::Topic"),
        "Events": events,
    }
    assert cloud.deploy(changed).ids["It"] == first.ids["It"]
    (description,) = rds.describe_db_instances()["DBInstances"]
    assert description["DBInstanceClass"] == "db.m6g.large"
    (subscribed,) = rds.describe_event_subscriptions()["EventSubscriptionsList"]
    assert subscribed["EventCategoriesList"] == ["failover"]

    first.delete()
    assert rds.describe_db_instances()["DBInstances"] == []
    assert rds.describe_event_subscriptions()["EventSubscriptionsList"] == []
    assert secrets.list_secrets()["SecretList"] == []


def test_backups_are_copied_to_another_region_and_restored_there(cloud: Cloud) -> None:
    copying: dict[str, Any] = {
        "StorageEncrypted": True,
        "AutomaticBackupReplicationRegion": OTHER_REGION,
        "AutomaticBackupReplicationKmsKeyId": KEY,
    }
    stack = cloud.deploy(resources(**copying))
    elsewhere = cloud.of(region=OTHER_REGION).client("rds")
    assert not cloud.client("rds").describe_db_instance_automated_backups()[
        "DBInstanceAutomatedBackups"
    ]
    (copy,) = elsewhere.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
    assert (copy["Status"], copy["KmsKeyId"]) == ("replicating", KEY)
    assert copy["DBInstanceIdentifier"] == stack.ids["It"]
    assert copy["RestoreWindow"]["LatestTime"] > copy["RestoreWindow"]["EarliestTime"]
    elsewhere.restore_db_instance_to_point_in_time(
        SourceDBInstanceAutomatedBackupsArn=copy["DBInstanceAutomatedBackupsArn"],
        TargetDBInstanceIdentifier="restored",
        UseLatestRestorableTime=True,
    )
    elsewhere.modify_db_instance(DBInstanceIdentifier="restored", ManageMasterUserPassword=True)
    (restored,) = elsewhere.describe_db_instances(DBInstanceIdentifier="restored")["DBInstances"]
    assert restored["EngineVersion"] == "16"
    assert restored["MasterUserSecret"]["SecretStatus"] == "active"
    elsewhere.delete_db_instance(DBInstanceIdentifier="restored", SkipFinalSnapshot=True)
    cloud.deploy(resources(StorageEncrypted=True))
    assert not elsewhere.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]


def test_a_new_major_version_needs_parameters_of_its_family(cloud: Cloud) -> None:
    cloud.deploy(resources())
    with pytest.raises(DeployError, match="DBParameterGroupFamily postgres17"):
        cloud.deploy(resources(EngineVersion="17"))


def test_a_protected_database_stays(cloud: Cloud) -> None:
    stack = cloud.deploy(resources(DeletionProtection=True))
    with pytest.raises(DeployError, match="Cannot delete protected DB Instance"):
        stack.delete()
    assert cloud.client("rds").describe_db_instances()["DBInstances"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DBSubnetGroupName": "none"}, "DB subnet group none does not exist"),
        ({"DBParameterGroupName": "none"}, "none does not exist"),
        ({"VPCSecurityGroups": ["sg-0"]}, "Invalid security group"),
        ({"MasterUserPassword": "x" * 9}, "can't specify MasterUserPassword"),
        ({"AllocatedStorage": "10"}, "Invalid storage size"),
        (
            {"StorageEncrypted": True, "AutomaticBackupReplicationRegion": "eu-central-1"},
            "Encrypted instances require a valid KMS key ID",
        ),
        ({"AutomaticBackupReplicationKmsKeyId": "k"}, "needs AutomaticBackupReplicationRegion"),
    ],
)
def test_refuses_what_rds_refuses(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        cloud.deploy(resources(**changes))


def test_subnets_must_be_in_two_zones(cloud: Cloud) -> None:
    wrong = resource("RDS::DBSubnetGroup", DBSubnetGroupDescription="it", SubnetIds=[ref("A")])
    with pytest.raises(DeployError, match="at least 2 AZs"):
        cloud.deploy({**templates.network(), "It": wrong})


def test_a_generated_secret_lives(cloud: Cloud) -> None:
    client = cloud.client("secretsmanager")
    it = resource("SecretsManager::Secret", Name="denodo/a", GenerateSecretString=GENERATED)
    first = cloud.deploy({"It": it})
    assert first.ids["It"].startswith("arn:aws:secretsmanager:")
    value = client.get_secret_value(SecretId="denodo/a")
    login = json.loads(value["SecretString"])
    assert login["username"] == "a"
    assert login["password"].isalnum()
    assert len(login["password"]) == 32
    partial = value["ARN"].rpartition("-")[0]
    assert client.get_secret_value(SecretId=partial)["SecretString"] == value["SecretString"]

    details = {**it, "Properties": {**it["Properties"], "Description": "told"}}
    assert cloud.deploy({"It": details}).ids["It"] == first.ids["It"]
    again = client.get_secret_value(SecretId="denodo/a")
    assert again["SecretString"] == value["SecretString"]

    first.delete()
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.get_secret_value(SecretId="denodo/a")


def test_a_versioned_bucket_lives(cloud: Cloud) -> None:
    client = cloud.client("s3")
    it = resource(
        "S3::Bucket", BucketName="denodo-a", VersioningConfiguration={"Status": "Enabled"}
    )
    stack = cloud.deploy({"It": it})
    first = client.put_object(Bucket="denodo-a", Key="k", Body=b"one")["VersionId"]
    client.put_object(Bucket="denodo-a", Key="k", Body=b"two")
    old = client.get_object(Bucket="denodo-a", Key="k", VersionId=first)
    assert old["Body"].read() == b"one"
    for version in client.list_object_versions(Bucket="denodo-a")["Versions"]:
        client.delete_object(Bucket="denodo-a", Key="k", VersionId=version["VersionId"])
    stack.delete()
    assert client.list_buckets()["Buckets"] == []
