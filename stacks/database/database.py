"""A PostgreSQL database on Amazon RDS for the metadata that a cluster's nodes share."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.facts.denodo_ports import POSTGRESQL_PORT
from denodo_ha.environment.model.catalog import Catalog

_ADMIN = "denodo_admin"


class Database(Construct):
    """Encrypted, in private subnets, reached by the nodes over TLS and by nobody else.

    The administrator's password is made, kept and rotated by RDS, and no node knows it.

    Attributes:
        instance: the instance.
        host: its name.
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
        keeps: Mapping[str, object],
    ) -> None:
        super().__init__(scope, id_)
        kept = RemovalPolicy.SNAPSHOT if catalog.final_snapshot else RemovalPolicy.DESTROY
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
            group.add_ingress_rule(peer, ec2.Port.tcp(POSTGRESQL_PORT), description)
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=engine,
            instance_type=ec2.InstanceType(catalog.type.removeprefix("db.")),
            credentials=rds.Credentials.from_username(_ADMIN),
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
                    # The default from PostgreSQL 15 on, and said here since everything hangs on it.
                    "rds.force_ssl": "1",
                    "max_connections": str(catalog.max_connections),
                },
            ),
            # An exact version stays; of a major one RDS takes the minor ones in the window.
            auto_minor_version_upgrade="." not in catalog.version,
            # A new major version in the configuration is meant, and would be refused without.
            allow_major_version_upgrade=True,
            backup_retention=Duration.days(catalog.retention_days),
            preferred_backup_window=catalog.backup_window,
            preferred_maintenance_window=_capital(catalog.maintenance_window),
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=catalog.deletion_protection,
            removal_policy=kept,
        )
        self.host = self.instance.db_instance_endpoint_address
        resource = self.instance.node.default_child
        assert isinstance(resource, rds.CfnDBInstance)  # so the library makes it
        # Nothing else in the templates tells the drill whose metadata is here (docs/drill.md).
        resource.add_metadata(names.METADATA, {names.DATABASE_METADATA: keeps})
        self.admin_secret = resource.attr_master_user_secret_secret_arn


def _capital(window: str | None) -> str | None:
    """A maintenance window as RDS shows it, or each deploy would find a difference."""
    return window and "-".join(part.capitalize() for part in window.split("-"))
