"""Metadata database of a cluster: PostgreSQL on Amazon RDS, and the components' logins."""

import json
from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts.denodo_ports import POSTGRESQL_PORT
from denodo_ha.environment.model.catalog import Catalog, Component
from stacks.library_values import instance_type, tcp_ports

_ADMIN_USER = "denodo_admin"

_PASSWORD_LENGTH = 32
"""Number of characters of a password, with about 190 bits of entropy. Passwords have only letters
and digits, so that programs need not quote passwords."""


class Database(Construct):
    """Encrypted database in private subnets. Only the nodes can connect, and only over TLS.

    RDS generates, stores and rotates the administrator's password. Nodes cannot read this password.

    Attributes:
        instance: the database instance.
        host: DNS name of the database.
        admin_secret: ARN of the administrator's secret.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        catalog: Catalog,
        vpc: ec2.IVpc,
        subnets: Mapping[str, ec2.ISubnet],
        clients: Mapping[str, ec2.IPeer],
        key: kms.IKey | None,
        copy_region: str | None,
        dependents: Mapping[str, object],
    ) -> None:
        """Create the database, its security group, subnet group and parameter group.

        Args:
            scope: parent.
            id_: id.
            catalog: settings of the database.
            vpc: VPC of the database.
            subnets: private subnet in each zone.
            clients: peers that may connect, by the description of their security group rule.
            key: encryption key; None for AWS's own key for RDS.
            copy_region: region to which RDS replicates the backups; None without a copy.
            dependents: metadata for the drill: the stack, components and services that need the
                database.
        """
        super().__init__(scope, id_)
        removal = RemovalPolicy.SNAPSHOT if catalog.final_snapshot else RemovalPolicy.DESTROY
        major = catalog.version.split(".", 1)[0]
        version = rds.PostgresEngineVersion.of(catalog.version, major)
        engine = rds.DatabaseInstanceEngine.postgres(version=version)
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description="Denodo metadata database",
            allow_all_outbound=False,
            disable_inline_rules=True,
        )
        for description, peer in clients.items():
            group.add_ingress_rule(peer, tcp_ports(POSTGRESQL_PORT, POSTGRESQL_PORT), description)
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=engine,
            instance_type=instance_type(catalog.type.removeprefix("db.")),
            credentials=rds.Credentials.from_username(_ADMIN_USER),
            manage_master_user_password=True,
            vpc=vpc,
            subnet_group=rds.SubnetGroup(
                self,
                "Subnets",
                description="Denodo metadata database",
                vpc=vpc,
                vpc_subnets=ec2.SubnetSelection(subnets=[*subnets.values()]),
            ),
            security_groups=[group],
            port=POSTGRESQL_PORT,
            publicly_accessible=False,
            multi_az=catalog.multi_az,
            allocated_storage=catalog.storage_gib,
            max_allocated_storage=catalog.max_storage_gib,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            storage_encryption_key=key,
            parameter_group=rds.ParameterGroup(
                self,
                f"Parameters{major}",
                engine=engine,
                description="Denodo metadata database",
                parameters={
                    # Require TLS. RDS does so by default since PostgreSQL 15, but the encryption of
                    # connections must not depend on a default.
                    "rds.force_ssl": "1",
                    "max_connections": str(catalog.max_connections),
                },
            ),
            # RDS keeps an exact version. If only a major version is configured, RDS installs minor
            # versions in the maintenance window.
            auto_minor_version_upgrade="." not in catalog.version,
            # Without this setting, RDS rejects a new major version.
            allow_major_version_upgrade=True,
            backup_retention=Duration.days(catalog.retention_days),
            preferred_backup_window=catalog.backup_window,
            preferred_maintenance_window=_capitalize_days(catalog.maintenance_window),
            copy_tags_to_snapshot=True,
            cloudwatch_logs_exports=["postgresql", "upgrade"] if catalog.log_exports else None,
            delete_automated_backups=False,
            deletion_protection=catalog.deletion_protection,
            removal_policy=removal,
        )
        self.host = self.instance.db_instance_endpoint_address
        resource = self.instance.node.default_child
        assert isinstance(resource, rds.CfnDBInstance)  # created by the L2 construct
        # From this metadata, the drill reads which cluster depends on the database
        # (docs/explanation/drill.md).
        resource.add_metadata(names.METADATA, {names.DATABASE_METADATA: dependents})
        if catalog.copy is not None and copy_region is not None:
            # The L2 construct has no properties for the replication of backups (aws/aws-cdk, issue
            # 21206).
            resource.automatic_backup_replication_region = copy_region
            resource.automatic_backup_replication_kms_key_id = catalog.copy.kms_key
        self.admin_secret = resource.attr_master_user_secret_secret_arn


class ComponentLogins(Construct):
    """Secret with a generated password for each Denodo component that uses the database.

    Secrets Manager generates a new password when a property of the secret's template changes, so
    the template contains only values that never change. `denodo-ha catalog init` adds the address
    of the server, and `denodo-ha catalog rotate` replaces the user and the password. The names of
    the secrets are fixed, so that nodes created before the database can find the secrets later.

    Attributes:
        secrets: the secrets by component.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        databases: Mapping[Component, str],
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id_)
        self.secrets: dict[Component, secretsmanager.Secret] = {
            component: secretsmanager.Secret(
                self,
                component,
                secret_name=node_metadata.secret_name(environment, cluster, component),
                description=f"Login of {component} at the metadata database of {cluster}",
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    secret_string_template=json.dumps(
                        {"dbname": database, "username": node_metadata.database_users(database)[0]}
                    ),
                    generate_string_key="password",
                    exclude_punctuation=True,
                    password_length=_PASSWORD_LENGTH,
                ),
                encryption_key=key,
                removal_policy=RemovalPolicy.DESTROY,
            )
            for component, database in sorted(databases.items())
        }


def _capitalize_days(window: str | None) -> str | None:
    """Return a maintenance window with the days in RDS's spelling, such as `Sun:03:00-Sun:04:00`.

    With another spelling, deployments would find a difference from the window of the database.
    """
    return window and "-".join(part.capitalize() for part in window.split("-"))
