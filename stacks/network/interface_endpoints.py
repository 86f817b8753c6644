"""Interface endpoints of a created VPC, by which machines reach AWS services without internet."""

from collections.abc import Iterable

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from denodo_ha.environment.facts.denodo_ports import HTTPS_PORT
from stacks.library_values import ipv4_peer, tcp_ports


class InterfaceEndpoints(Construct):
    """An endpoint with private DNS for each service, in each zone, and their security group.

    With private DNS, all machines of the VPC use the endpoints, so the security group allows the
    whole VPC.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        vpc: ec2.IVpc,
        subnets: Iterable[ec2.ISubnet],
        clients: str,
        services: Iterable[str],
    ) -> None:
        """Create the endpoints.

        Args:
            scope: parent.
            id_: id.
            vpc: VPC of the endpoints.
            subnets: subnet of the endpoints in each zone.
            clients: CIDR of the VPC.
            services: names of the services, such as `ssm`.
        """
        super().__init__(scope, id_)
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description="VPC endpoints of AWS services",
            allow_all_outbound=False,
            disable_inline_rules=True,
        )
        group.add_ingress_rule(ipv4_peer(clients), tcp_ports(HTTPS_PORT, HTTPS_PORT))
        selection = ec2.SubnetSelection(subnets=[*subnets])
        for service in services:
            ec2.InterfaceVpcEndpoint(
                self,
                service,
                vpc=vpc,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=selection,
                security_groups=[group],
                open=False,
                private_dns_enabled=True,
            )
