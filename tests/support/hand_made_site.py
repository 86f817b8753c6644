"""A site made call by call, as the reader of Denodo's article makes it in the console.

The recipe is that of "Denodo Platform High Availability in AWS" (Denodo): in each region a VPC with
a subnet in each of two zones, a Denodo 7.0 server in each, an internal Network Load Balancer with a
target group and a listener for each port that all nodes serve, and for the auxiliary (RMI) port of
each node a target group with that node alone. Two alias records, primary and secondary, evaluate
the health of the load balancers. Whatever the article does not name keeps AWS's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.local_aws.cloud import Cloud

SHARED_PORTS: Final = {"jdbc": 9999, "odbc": 9996, "web": 9090}
AUXILIARY_PORTS: Final = {"node1": 19997, "node2": 29997}
REGIONS: Final = ("eu-west-1", "eu-central-1")
ZONE_NAME: Final = "example.com"
RECORD: Final = "denodo.example.com"
IMAGE: Final = "ami-0aaaaaaaaaaaaaaaa"


@dataclass(frozen=True)
class HandMadeCluster:
    """Resources that the calls made in one region.

    Attributes:
        cloud: the account and region.
        balancer: ARN of the load balancer.
        balancer_name: its name.
        dns_name: its DNS name.
        canonical_zone: hosted zone of its DNS name.
        groups: ARN of each target group by the service or node that it is for.
        listeners: ARN of each listener by the service or node that it is for.
        nodes: instance id of each node.
        security_group: security group of the load balancer; empty without one.
        node_security_group: security group of the nodes.
    """

    cloud: Cloud
    balancer: str
    balancer_name: str
    dns_name: str
    canonical_zone: str
    groups: Mapping[str, str]
    listeners: Mapping[str, str]
    nodes: Mapping[str, str]
    security_group: str
    node_security_group: str


@dataclass(frozen=True)
class HandMadeSite:
    """Two clusters and the failover records.

    Attributes:
        clusters: cluster in each region; the first one is the primary.
        hosted_zone: id of the hosted zone.
        record: name of the failover records.
    """

    clusters: Mapping[str, HandMadeCluster]
    hosted_zone: str
    record: str = RECORD


@dataclass
class Recipe:
    """Recipe of a site; the defaults are the article's.

    Attributes:
        with_security_group: give the load balancers a security group, as the console has done since
            2023; the article is older, and a load balancer without one never gets one.
        scheme: scheme of the load balancers.
        with_health_checks: let each record have a health check of its own, which connects to the
            load balancer's jdbc port.
        shared_ports: port of each service that all nodes serve.
        auxiliary_ports: auxiliary port of each node.
        regions: regions of the clusters.
        group_settings: settings of the target groups that differ from AWS's defaults.
    """

    with_security_group: bool = False
    scheme: str = "internal"
    with_health_checks: bool = False
    shared_ports: Mapping[str, int] = field(default_factory=lambda: dict(SHARED_PORTS))
    auxiliary_ports: Mapping[str, int] = field(default_factory=lambda: dict(AUXILIARY_PORTS))
    regions: tuple[str, ...] = REGIONS
    group_settings: Mapping[str, Any] = field(default_factory=dict)


def make_site(cloud: Cloud, recipe: Recipe | None = None) -> HandMadeSite:
    """Make the site of a recipe in an account of the local AWS."""
    recipe = recipe or Recipe()
    clusters = {
        region: _make_cluster(cloud.of(region=region), recipe, number)
        for number, region in enumerate(recipe.regions)
    }
    dns = cloud.client("route53")
    zone = dns.create_hosted_zone(Name=ZONE_NAME, CallerReference=ZONE_NAME)["HostedZone"]["Id"]
    roles = ("PRIMARY", "SECONDARY")
    dns.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [
                {"Action": "CREATE", "ResourceRecordSet": _alias(cluster, role, recipe)}
                for role, cluster in zip(roles, clusters.values(), strict=False)
            ]
        },
    )
    return HandMadeSite(clusters, zone.removeprefix("/hostedzone/"))


def _alias(cluster: HandMadeCluster, role: str, recipe: Recipe) -> dict[str, Any]:
    """Return a failover record; make its health check first if the recipe has health checks."""
    check = {}
    if recipe.with_health_checks:
        config = {
            "Type": "TCP",
            "FullyQualifiedDomainName": cluster.dns_name,
            "Port": recipe.shared_ports["jdbc"],
            "RequestInterval": 30,
            "FailureThreshold": 3,
        }
        made = cluster.cloud.client("route53").create_health_check(
            CallerReference=role, HealthCheckConfig=config
        )
        check = {"HealthCheckId": made["HealthCheck"]["Id"]}
    return {
        **check,
        "Name": RECORD,
        "Type": "A",
        "SetIdentifier": f"denodo-{role.capitalize()}",
        "Failover": role,
        "AliasTarget": {
            "HostedZoneId": cluster.canonical_zone,
            "DNSName": cluster.dns_name,
            "EvaluateTargetHealth": True,
        },
    }


def _make_cluster(cloud: Cloud, recipe: Recipe, number: int) -> HandMadeCluster:
    """Make the network, the nodes and the load balancer of one region."""
    ec2 = cloud.client("ec2")
    network = f"10.{number}"
    vpc = ec2.create_vpc(CidrBlock=f"{network}.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        zone: ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"{network}.{index}.0/24",
            AvailabilityZone=f"{cloud.access.region}{zone}",
        )["Subnet"]["SubnetId"]
        for index, zone in enumerate("ab")
    }
    if recipe.scheme == "internet-facing":
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        cloud.give({"kind": "prefix-list", "id": f"pl-{number}aaaaaaaaaaaaaaaa"})
    ports = [*recipe.shared_ports.values(), *recipe.auxiliary_ports.values()]
    node_group = _security_group(cloud, vpc, "denodo-nodes", ports)
    balancer_group = (
        _security_group(cloud, vpc, "denodo-nlb", ports) if recipe.with_security_group else ""
    )
    cloud.give({"kind": "image", "id": IMAGE})
    nodes = {
        node: ec2.run_instances(
            ImageId=IMAGE,
            InstanceType="m5.xlarge",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[node_group],
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": f"denodo-{node}"}]}
            ],
        )["Instances"][0]["InstanceId"]
        for node, subnet in zip(recipe.auxiliary_ports, subnets.values(), strict=False)
    }
    elb = cloud.client("elbv2")
    groups = {
        name: _target_group(cloud, recipe, vpc, (name, port), list(nodes.values()))
        for name, port in recipe.shared_ports.items()
    }
    groups |= {
        node: _target_group(cloud, recipe, vpc, (f"rmi-{node}", port), [nodes[node]])
        for node, port in recipe.auxiliary_ports.items()
    }
    (balancer,) = elb.create_load_balancer(
        Name="denodo-nlb",
        Type="network",
        Scheme=recipe.scheme,
        Subnets=list(subnets.values()),
        **({"SecurityGroups": [balancer_group]} if balancer_group else {}),
    )["LoadBalancers"]
    port_of = {**recipe.shared_ports, **recipe.auxiliary_ports}
    listeners = {
        name: elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="TCP",
            Port=port_of[name],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Listeners"][0]["ListenerArn"]
        for name, group in groups.items()
    }
    return HandMadeCluster(
        cloud=cloud,
        balancer=balancer["LoadBalancerArn"],
        balancer_name=balancer["LoadBalancerName"],
        dns_name=balancer["DNSName"],
        canonical_zone=balancer["CanonicalHostedZoneId"],
        groups=groups,
        listeners=listeners,
        nodes=nodes,
        security_group=balancer_group,
        node_security_group=node_group,
    )


def _security_group(cloud: Cloud, vpc: str, name: str, ports: list[int]) -> str:
    """Make a security group that admits the private networks to these ports."""
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
            }
            for port in ports
        ],
    )
    return str(group)


def _target_group(
    cloud: Cloud, recipe: Recipe, vpc: str, name_and_port: tuple[str, int], nodes: list[str]
) -> str:
    name, port = name_and_port
    elb = cloud.client("elbv2")
    group = elb.create_target_group(
        Name=f"denodo-{name}",
        Protocol="TCP",
        Port=port,
        VpcId=vpc,
        TargetType="instance",
        HealthCheckProtocol="TCP",
        **recipe.group_settings,
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": node} for node in nodes])
    return str(group)
