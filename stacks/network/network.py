"""The network of a cluster: a VPC that exists, or one that is created over the declared zones."""

from collections.abc import Mapping
from ipaddress import IPv4Network

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from denodo_ha.environment.derived.subnets import zone_blocks
from denodo_ha.environment.model import cluster


class Network(Construct):
    """A VPC with, for every zone, where its nodes go and where the balancer has its address.

    Attributes:
        vpc: the VPC.
        node_subnets: subnet of each zone's nodes, private unless the node itself is public.
        balancer_subnets: subnet of the balancer's address in each zone.
    """

    vpc: ec2.IVpc
    node_subnets: Mapping[str, ec2.ISubnet]
    balancer_subnets: Mapping[str, ec2.ISubnet]

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        network: cluster.Network,
        public_nodes: bool,
        public_balancer: bool,
    ) -> None:
        super().__init__(scope, id_)
        if network.vpc is not None:
            self._take(network, network.vpc)
        else:
            self._create(network, public_nodes=public_nodes, public_balancer=public_balancer)

    def _take(self, network: cluster.Network, vpc_id: str) -> None:
        """Use what exists."""
        self.vpc = self._imported(vpc_id, network)
        subnets: dict[str, dict[str, ec2.ISubnet]] = {"nodes": {}, "balancer": {}}
        known: dict[str, ec2.ISubnet] = {}
        for zone, of in sorted(network.zones.items()):
            for use, subnet_id in (("nodes", of.nodes), ("balancer", of.balancer)):
                if subnet_id is not None:
                    if subnet_id not in known:
                        known[subnet_id] = ec2.Subnet.from_subnet_attributes(
                            self, subnet_id, subnet_id=subnet_id, availability_zone=zone
                        )
                    subnets[use][zone] = known[subnet_id]
        self.node_subnets, self.balancer_subnets = subnets["nodes"], subnets["balancer"]

    def _create(
        self, network: cluster.Network, *, public_nodes: bool, public_balancer: bool
    ) -> None:
        """Create a VPC whose zones are independent of each other.

        L1 for the VPC and its gateway: the L2 `Vpc` numbers its subnets, so that a zone more
        replaces those behind it, and asks the account for its zones. The subnets are L2.
        """
        block = IPv4Network(str(network.cidr))
        vpc = ec2.CfnVPC(
            self,
            "Vpc",
            cidr_block=str(block),
            enable_dns_support=True,
            enable_dns_hostnames=True,
        )
        gateway = ec2.CfnInternetGateway(self, "InternetGateway")
        attachment = ec2.CfnVPCGatewayAttachment(
            self, "GatewayAttachment", vpc_id=vpc.ref, internet_gateway_id=gateway.ref
        )
        private: dict[str, ec2.ISubnet] = {}
        public: dict[str, ec2.ISubnet] = {}
        for zone in sorted(network.zones):
            private_block, public_block = zone_blocks(block, zone)
            outside = ec2.PublicSubnet(
                self,
                f"public-{zone}",
                availability_zone=zone,
                cidr_block=str(public_block),
                vpc_id=vpc.ref,
                # What is reached from outside here has an Elastic IP. But a node gets its own when
                # it is ready, and needs a way out before.
                map_public_ip_on_launch=public_nodes,
            )
            outside.add_default_internet_route(gateway.ref, attachment)
            public[zone] = outside
            if public_nodes:
                continue
            # One NAT gateway a zone: with one for all, its zone would take the others along.
            nat = outside.add_nat_gateway()
            inside = ec2.PrivateSubnet(
                self,
                f"private-{zone}",
                availability_zone=zone,
                cidr_block=str(private_block),
                vpc_id=vpc.ref,
            )
            inside.add_default_nat_route(nat.ref)
            private[zone] = inside
        self.vpc = self._imported(vpc.ref, network)
        self.node_subnets = public if public_nodes else private
        self.balancer_subnets = public if public_balancer else private
        ec2.GatewayVpcEndpoint(
            self,
            "S3",
            vpc=self.vpc,
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnets=[*private.values(), *public.values()])],
        )

    def _imported(self, vpc_id: str, network: cluster.Network) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Imported",
            vpc_id=vpc_id,
            availability_zones=sorted(network.zones),
            vpc_cidr_block=network.cidr,
        )
