"""The stack that keeps a cluster's metadata: the shared database, and exports of the rest."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.derived.node_metadata import database_subnets, services_using_database
from denodo_ha.environment.facts.denodo_ports import POSTGRESQL_PORT
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.environment import Environment
from stacks.cluster_stack import ClusterStack
from stacks.database.database import Database
from stacks.database.database_alarms import DatabaseAlarms
from stacks.database.export_bucket import ExportBucket
from stacks.database.logins import Logins
from stacks.environment_stack import EnvironmentStack


class MetadataStack(EnvironmentStack):
    """What must outlive the nodes of a cluster, apart from its stack.

    What it takes of the cluster's stack (VPC and subnets where they are made there, the nodes'
    group) are weak references: whatever happens to the cluster, nothing here follows by itself.
    The cluster takes nothing from here: names of secrets and of the bucket follow from the
    configuration, and the address of the database is in the secrets.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: Environment, cluster: ClusterStack
    ) -> None:
        of = cluster.cluster
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=of.account,
            region=of.region,
            description=f"Denodo {environment.denodo.version}, metadata of cluster {cluster.name}",
            cluster=cluster.name,
        )
        self._environment, self._cluster = environment, cluster
        if of.catalog is not None:
            self._share(of.catalog)
        if of.exports is not None:
            bucket = ExportBucket(
                self,
                "Exports",
                name=node_metadata.export_bucket_name(environment, cluster.name),
                retention_days=of.exports.retention_days,
            )
            CfnOutput(self, names.EXPORT_BUCKET, value=bucket.name)

    def _share(self, catalog: Catalog) -> None:
        """The database, or what is known of one that exists, and a login for each component."""
        key = kms.Key.from_key_arn(self, "Key", catalog.kms_key) if catalog.kms_key else None
        if catalog.existing is None:
            self.add_stack_dependency(self._cluster, "the database is in its network")
            host, port, admin = self._make_database(catalog, key)
        else:
            server = catalog.existing
            host, port, admin = server.host, str(server.port), server.secret
        logins = Logins(
            self,
            "Logins",
            environment=self._environment.name,
            cluster=self._cluster.name,
            databases={
                one: node_metadata.database_name(self._cluster.cluster, one)
                for one in catalog.components
            },
            key=key,
        )
        CfnOutput(self, names.CATALOG_HOST, value=host)
        CfnOutput(self, names.CATALOG_PORT, value=port)
        CfnOutput(self, names.CATALOG_ADMIN_SECRET, value=admin)
        for component, secret in logins.secrets.items():
            CfnOutput(self, names.catalog_secret_output(component), value=secret.secret_arn)

    def _make_database(self, catalog: Catalog, key: kms.IKey | None) -> tuple[str, str, str]:
        """The database on RDS; gives its host, port and administrator's secret."""
        database = Database(
            self,
            "Database",
            catalog=catalog,
            vpc=self._vpc(),
            subnets=self._subnets(),
            clients=self._clients(),
            key=key,
            keeps={
                "Stack": self._cluster.stack_name,
                "Components": list(catalog.components),
                "Services": services_using_database(self._environment, self._cluster.cluster),
            },
        )
        alarms = DatabaseAlarms(
            self, "Alarms", instance=database.instance, catalog=catalog, account=self.account
        )
        CfnOutput(self, names.CATALOG_TOPIC, value=alarms.topic.topic_arn)
        return database.host, str(POSTGRESQL_PORT), database.admin_secret

    def _vpc(self) -> ec2.IVpc:
        network = self._cluster.cluster.network
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=network.vpc or self._taken(names.VPC_ID),
            availability_zones=sorted(network.zones),
        )

    def _subnets(self) -> Mapping[str, ec2.ISubnet]:
        return {
            zone: ec2.Subnet.from_subnet_attributes(
                self,
                f"subnet-{zone}",
                subnet_id=given or self._taken(names.subnet_output(zone)),
                availability_zone=zone,
            )
            for zone, given in sorted(database_subnets(self._cluster.cluster).items())
        }

    def _clients(self) -> Mapping[str, ec2.IPeer]:
        """Who may connect: the nodes' group, or for nodes of somebody else's their network."""
        peers: dict[str, ec2.IPeer] = {}
        nodes = self._cluster.cluster.nodes.values()
        if any(node.instance_id is None for node in nodes):
            group = self._taken(names.NODES_SECURITY_GROUP_ID)
            peers["Denodo nodes"] = ec2.Peer.security_group_id(group)
        cidr = self._cluster.cluster.network.cidr
        if cidr and any(node.instance_id is not None for node in nodes):
            peers["Network of the Denodo nodes that existed already"] = ec2.Peer.ipv4(cidr)
        return peers

    def _taken(self, output: str) -> str:
        """An output of the cluster's stack."""
        return Fn.get_stack_output(self._cluster.stack_name, output, self._cluster.region)
