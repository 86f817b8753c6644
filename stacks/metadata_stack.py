"""Stack with the metadata of one cluster: the shared database and the export bucket."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.derived.node_metadata import database_subnets, services_using_database
from denodo_ha.environment.facts.denodo_ports import POSTGRESQL_PORT
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.environment import Environment
from stacks import accepted_findings
from stacks.access.catalog_operators import CatalogOperatorPolicy
from stacks.alarms.topics import topics_of_stack
from stacks.cluster_stack import ClusterStack
from stacks.database.database import ComponentLogins, Database
from stacks.database.database_alarms import DatabaseAlarms
from stacks.environment_stack import EnvironmentStack
from stacks.export_bucket import ExportBucket, replicate
from stacks.library_values import ipv4_peer


class MetadataStack(EnvironmentStack):
    """Resources that must remain when nodes are replaced, separate from the cluster's stack.

    References to the cluster's stack (to a created VPC and its subnets, and to the nodes' security
    group) are weak: a change in the cluster does not change this stack. The cluster's stack has no
    references to this stack: the names of the secrets and of the bucket are derived from the
    configuration, and the secrets contain the address of the database.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        cluster: ClusterStack,
        export_copies: Stack | None,
    ) -> None:
        """Create the stack.

        Args:
            scope: parent.
            id_: id.
            environment: the validated configuration.
            cluster: the cluster's stack.
            export_copies: the stack with the copies of the exports; None without copies.
        """
        settings = cluster.cluster
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=settings.account,
            region=settings.region,
            description=f"Denodo {environment.denodo.version}, metadata of cluster {cluster.name}",
            accepted_findings=accepted_findings.of_metadata_stack(environment, cluster.name),
            cluster=cluster.name,
        )
        self._environment, self._cluster = environment, cluster
        admin_secret = None
        if settings.catalog is not None:
            admin_secret = self._create_shared_metadata(settings.catalog)
        if settings.exports is not None:
            bucket = ExportBucket(
                self,
                "Exports",
                name=node_metadata.export_bucket_name(environment, cluster.name),
                retention_days=settings.exports.retention_days,
            )
            if export_copies is not None:
                self.add_stack_dependency(export_copies, "S3 replicates only to an existing bucket")
                replicate(bucket, environment, cluster.name)
            CfnOutput(self, names.EXPORT_BUCKET, value=bucket.name)
        self._create_operator_policy(admin_secret)

    def _create_operator_policy(self, admin_secret: str | None) -> None:
        """Create the policy for operators who run `denodo-ha catalog`."""
        settings, name = self._cluster.cluster, self._cluster.name
        catalog = settings.catalog
        policy = CatalogOperatorPolicy(
            self,
            "CatalogOperators",
            environment=self._environment.name,
            cluster=name,
            cluster_stack=self._cluster.stack_name,
            admin_secret=admin_secret,
            kms_key=catalog.kms_key if catalog is not None else None,
            secret_names=[
                node_metadata.secret_name(self._environment.name, name, component)
                for component in sorted(catalog.components if catalog is not None else ())
            ],
            restored_database=(
                node_metadata.restored_database_name(self._environment.name, name)
                if node_metadata.copied_databases(self._environment, name)
                else None
            ),
            buckets=node_metadata.readable_export_buckets(self._environment, name),
            stacks=[
                names.export_copy_stack(self._environment.name, source)
                for source in node_metadata.copied_clusters(self._environment, name)
            ],
            history_buckets=node_metadata.history_buckets_of(self._environment, name),
        )
        CfnOutput(self, names.CATALOG_OPERATOR_POLICY_ARN, value=policy.arn)

    def _create_shared_metadata(self, catalog: Catalog) -> str:
        """Create the database, unless an existing server is configured, and each component's login.

        Return the ARN of the administrator's secret.
        """
        key = kms.Key.from_key_arn(self, "Key", catalog.kms_key) if catalog.kms_key else None
        if catalog.existing is None:
            self.add_stack_dependency(self._cluster, "the database is in the cluster's network")
            host, port, admin_secret = self._create_database(catalog, key)
        else:
            server = catalog.existing
            host, port, admin_secret = server.host, str(server.port), server.secret
        logins = ComponentLogins(
            self,
            "Logins",
            environment=self._environment.name,
            cluster=self._cluster.name,
            databases={
                component: node_metadata.database_name(self._cluster.cluster, component)
                for component in catalog.components
            },
            key=key,
        )
        CfnOutput(self, names.CATALOG_HOST, value=host)
        CfnOutput(self, names.CATALOG_PORT, value=port)
        CfnOutput(self, names.CATALOG_ADMIN_SECRET, value=admin_secret)
        for component, secret in logins.secrets.items():
            CfnOutput(self, names.catalog_secret_output(component), value=secret.secret_arn)
        return admin_secret

    def _create_database(self, catalog: Catalog, key: kms.IKey | None) -> tuple[str, str, str]:
        """Create the RDS database. Return host, port and the ARN of the administrator's secret."""
        database = Database(
            self,
            "Database",
            catalog=catalog,
            vpc=self._vpc(),
            subnets=self._subnets(),
            clients=self._clients(),
            key=key,
            copy_region=(
                self._environment.clusters[catalog.copy.to].region if catalog.copy else None
            ),
            dependents={
                "Stack": self._cluster.stack_name,
                "Components": list(catalog.components),
                "Services": services_using_database(self._environment, self._cluster.cluster),
            },
        )
        notifications = self._environment.alarms
        alarms = DatabaseAlarms(
            self,
            "Alarms",
            cluster=self._cluster.stack_name,
            instance=database.instance,
            catalog=catalog,
            account=self.account,
            topics=(
                topics_of_stack(
                    notifications, stack=self._cluster.stack_name, region=self._cluster.region
                )
                if self._cluster.has_alarms
                else None
            ),
        )
        CfnOutput(self, names.CATALOG_TOPIC, value=alarms.topic.topic_arn)
        return database.host, str(POSTGRESQL_PORT), database.admin_secret

    def _vpc(self) -> ec2.IVpc:
        network = self._cluster.cluster.network
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=network.vpc or self._cluster_output(names.VPC_ID),
            availability_zones=sorted(network.zones),
        )

    def _subnets(self) -> Mapping[str, ec2.ISubnet]:
        return {
            zone: ec2.Subnet.from_subnet_attributes(
                self,
                f"subnet-{zone}",
                subnet_id=subnet_id or self._cluster_output(names.subnet_output(zone)),
                availability_zone=zone,
            )
            for zone, subnet_id in sorted(database_subnets(self._cluster.cluster).items())
        }

    def _clients(self) -> Mapping[str, ec2.IPeer]:
        """Return the peers that may connect to the database, by the description of their rule.

        Created nodes are represented by their security group. The security groups of existing
        instances are unknown, so these nodes are represented by the CIDR of their network.
        """
        peers: dict[str, ec2.IPeer] = {}
        nodes = self._cluster.cluster.nodes.values()
        if any(node.instance_id is None for node in nodes):
            group_id = self._cluster_output(names.NODES_SECURITY_GROUP_ID)
            peers["Denodo nodes"] = ec2.Peer.security_group_id(group_id)
        cidr = self._cluster.cluster.network.cidr
        if cidr and any(node.instance_id is not None for node in nodes):
            peers["Network of the Denodo nodes that existed already"] = ipv4_peer(cidr)
        return peers

    def _cluster_output(self, output: str) -> str:
        """Return a weak reference to an output of the cluster's stack."""
        return Fn.get_stack_output(self._cluster.stack_name, output, self._cluster.region)
