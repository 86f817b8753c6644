"""DNS names of nodes, in a new private hosted zone or in an existing hosted zone."""

from collections.abc import Mapping

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment.derived.node_names import RECORD_TTL_S
from denodo_ha.environment.model import cluster
from stacks.library_values import seconds


class NodeNames(Construct):
    """DNS records of nodes, so that a node keeps its name when its instance is replaced.

    The hosted zone is an L1 construct: the L2 accepts only VPCs of its own region.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        zone_name: str,
        network: cluster.Network,
        vpc: ec2.IVpc,
        region: str,
        addresses: Mapping[str, str],
    ) -> None:
        """Create the records, and the hosted zone unless `network` names an existing hosted zone.

        Args:
            scope: parent.
            id_: id.
            zone_name: name of the hosted zone.
            network: settings with the existing hosted zone, if any, and other VPCs that resolve the
                names.
            vpc: VPC of the cluster.
            region: region of the VPC.
            addresses: private addresses of the nodes by name.
        """
        super().__init__(scope, id_)
        zone_id = (
            network.node_zone.id
            if network.node_zone
            else self._create_zone(zone_name, network, vpc, region).attr_id
        )
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Imported", hosted_zone_id=zone_id, zone_name=zone_name
        )
        for name, address in sorted(addresses.items()):
            route53.ARecord(
                self,
                f"node-{name}",
                zone=zone,
                record_name=f"{name.lower()}.{zone_name}.",
                target=route53.RecordTarget.from_ip_addresses(address),
                ttl=seconds(RECORD_TTL_S),
                comment=f"Denodo node {name}",
            )

    def _create_zone(
        self, name: str, network: cluster.Network, vpc: ec2.IVpc, region: str
    ) -> route53.CfnHostedZone:
        own = route53.CfnHostedZone.VPCProperty(vpc_id=vpc.vpc_id, vpc_region=region)
        others = [
            route53.CfnHostedZone.VPCProperty(vpc_id=other.vpc, vpc_region=other.region or region)
            for other in network.node_zone_vpcs
        ]
        return route53.CfnHostedZone(
            self,
            "Zone",
            name=f"{name}.",
            vpcs=[own, *others],
            hosted_zone_config=route53.CfnHostedZone.HostedZoneConfigProperty(
                comment="Names of Denodo nodes"
            ),
        )
