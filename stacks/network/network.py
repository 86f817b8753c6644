"""Network of a cluster: an existing VPC, or a new VPC with subnets in the configured zones."""

from collections.abc import Mapping
from ipaddress import IPv4Network

from aws_cdk import aws_ec2 as ec2
from constructs import Construct, IDependable

from denodo_ha.environment.derived.outbound_access import interface_endpoints
from denodo_ha.environment.derived.subnets import zone_blocks
from denodo_ha.environment.model import cluster
from stacks.network.flow_logs import FlowLogs
from stacks.network.interface_endpoints import InterfaceEndpoints


class _InternetGateway:
    """Internet gateway, and the attachment of the gateway to a created VPC."""

    def __init__(self, scope: Construct, vpc_id: str) -> None:
        self.id = ec2.CfnInternetGateway(scope, "InternetGateway").ref
        self.attachment = ec2.CfnVPCGatewayAttachment(
            scope, "GatewayAttachment", vpc_id=vpc_id, internet_gateway_id=self.id
        )


class Network(Construct):
    """VPC with a subnet for nodes and a subnet for the load balancer in each zone.

    Attributes:
        vpc: the VPC.
        node_subnets: subnet of the nodes by zone; private, unless the node itself is public.
        balancer_subnets: subnet of the load balancer by zone.
        aws_access: endpoints that machines need before they can call AWS.
    """

    vpc: ec2.IVpc
    node_subnets: Mapping[str, ec2.ISubnet]
    balancer_subnets: Mapping[str, ec2.ISubnet]
    aws_access: tuple[IDependable, ...] = ()

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
            self._import(network, network.vpc)
        else:
            self._create(network, public_nodes=public_nodes, public_balancer=public_balancer)

    def _import(self, network: cluster.Network, vpc_id: str) -> None:
        """Use the existing VPC and the existing subnets that the configuration names."""
        self.vpc = self._import_vpc(vpc_id, network)
        subnets: dict[str, dict[str, ec2.ISubnet]] = {"nodes": {}, "balancer": {}}
        imported: dict[str, ec2.ISubnet] = {}
        for zone, zone_subnets in sorted(network.zones.items()):
            for use, subnet_id in (
                ("nodes", zone_subnets.nodes),
                ("balancer", zone_subnets.balancer),
            ):
                if subnet_id is not None:
                    if subnet_id not in imported:
                        imported[subnet_id] = ec2.Subnet.from_subnet_attributes(
                            self, subnet_id, subnet_id=subnet_id, availability_zone=zone
                        )
                    subnets[use][zone] = imported[subnet_id]
        self.node_subnets, self.balancer_subnets = subnets["nodes"], subnets["balancer"]

    def _create(
        self, network: cluster.Network, *, public_nodes: bool, public_balancer: bool
    ) -> None:
        """Create a VPC whose zones are independent of each other.

        The VPC and the gateway are L1 constructs. The L2 `Vpc` numbers its subnets, so an
        additional zone would replace the subnets with higher numbers. `Vpc` also looks up the zones
        of the account. The subnets are L2 constructs.
        """
        block = IPv4Network(str(network.cidr))
        vpc = ec2.CfnVPC(
            self,
            "Vpc",
            cidr_block=str(block),
            enable_dns_support=True,
            enable_dns_hostnames=True,
        )
        vpc_id = vpc.ref
        nat = None if public_nodes else network.nat
        gateway = None
        if public_nodes or public_balancer or nat in ("zone", "regional"):
            gateway = _InternetGateway(self, vpc_id)
        regional_nat = None
        if nat == "regional" and gateway is not None:
            regional_nat = self._create_regional_nat(network, vpc_id, gateway)
        private: dict[str, ec2.ISubnet] = {}
        public: dict[str, ec2.ISubnet] = {}
        for zone in sorted(network.zones):
            private_block, public_block = zone_blocks(block, zone)
            nat_id = regional_nat
            if gateway is not None and (public_nodes or public_balancer or nat == "zone"):
                public_subnet = ec2.PublicSubnet(
                    self,
                    f"public-{zone}",
                    availability_zone=zone,
                    cidr_block=str(public_block),
                    vpc_id=vpc_id,
                    # Public nodes get an Elastic IP once they are ready, but need a public address
                    # before that to reach the internet.
                    map_public_ip_on_launch=public_nodes,
                )
                public_subnet.add_default_internet_route(gateway.id, gateway.attachment)
                public[zone] = public_subnet
                # One NAT gateway in each zone: the loss of a shared NAT gateway would affect all
                # zones.
                if nat == "zone":
                    nat_id = public_subnet.add_nat_gateway().ref
            if public_nodes:
                continue
            private_subnet = ec2.PrivateSubnet(
                self,
                f"private-{zone}",
                availability_zone=zone,
                cidr_block=str(private_block),
                vpc_id=vpc_id,
            )
            if nat_id is not None:
                private_subnet.add_default_nat_route(nat_id)
            private[zone] = private_subnet
        self.vpc = self._import_vpc(vpc_id, network)
        self.node_subnets = public if public_nodes else private
        self.balancer_subnets = public if public_balancer else private
        s3 = ec2.GatewayVpcEndpoint(
            self,
            "S3",
            vpc=self.vpc,
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnets=[*private.values(), *public.values()])],
        )
        services = interface_endpoints(network)
        if services:
            endpoints = InterfaceEndpoints(
                self,
                "Endpoints",
                vpc=self.vpc,
                subnets=self.node_subnets.values(),
                clients=str(block),
                services=services,
            )
            self.aws_access = (endpoints, s3)
        if network.flow_logs:
            FlowLogs(self, "FlowLogs", vpc=self.vpc)

    def _create_regional_nat(
        self, network: cluster.Network, vpc_id: str, gateway: _InternetGateway
    ) -> str:
        """Create a regional NAT gateway for all zones of the cluster. Return the gateway's id.

        The zones and their Elastic IPs are set. Without them, AWS expands the gateway to a zone
        within an hour after the zone's first network interface, and until then, another zone
        carries the traffic (AWS, Regional NAT gateways for automatic multi-AZ expansion).
        """
        zones = {zone: ec2.CfnEIP(self, f"nat-{zone}", domain="vpc") for zone in network.zones}
        nat = ec2.CfnNatGateway(
            self,
            "RegionalNat",
            availability_mode="regional",
            connectivity_type="public",
            vpc_id=vpc_id,
            availability_zone_addresses=[
                ec2.CfnNatGateway.AvailabilityZoneAddressProperty(
                    availability_zone=zone, allocation_ids=[address.attr_allocation_id]
                )
                for zone, address in sorted(zones.items())
            ],
        )
        # CloudFormation cannot infer that the NAT gateway needs the attached internet gateway.
        nat.node.add_dependency(gateway.attachment)
        return nat.ref

    def _import_vpc(self, vpc_id: str, network: cluster.Network) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Imported",
            vpc_id=vpc_id,
            availability_zones=sorted(network.zones),
            vpc_cidr_block=network.cidr,
        )
