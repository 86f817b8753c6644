"""The rules of outbound access: NAT gateways, VPC endpoints, flow logs, rules of nodes."""

from typing import Any

from tests.stacks.topology.cluster_view import (
    EGRESS,
    INSTANCE,
    ClusterView,
    mentioned,
    peer_of,
    security_groups,
)

ENDPOINT = "AWS::EC2::VPCEndpoint"
FLEET = "AWS::AutoScaling::AutoScalingGroup"
NAT = "AWS::EC2::NatGateway"
ROUTE = "AWS::EC2::Route"
SUBNET = "AWS::EC2::Subnet"

NEEDED = {
    *("ssm", "ssmmessages", "ec2messages", "secretsmanager", "cloudformation"),
    *("monitoring", "logs"),
}


def holds(view: ClusterView) -> None:
    """Assert every rule of this module."""
    network, balancer = view.cluster.network, view.cluster.balancer
    public_node = balancer.kind == "none" and balancer.scheme == "internet-facing"
    creates = network.vpc is None
    nat = network.nat if creates and not public_node else "none"
    _subnets_reach_the_internet_as_configured(view, nat)
    services = NEEDED if creates and network.nat == "none" else set()
    _endpoints_are_there_before_machines(view, services | set(network.endpoints))
    assert len(view.of("AWS::EC2::FlowLog")) == (1 if network.flow_logs else 0)
    _nodes_connect_to_what_is_configured(view)


def _subnets_reach_the_internet_as_configured(view: ClusterView, nat: str) -> None:
    """Assert that each private subnet has the configured kind of NAT, and no other way out."""
    gateways = view.of(NAT)
    zones = set(view.cluster.network.zones)
    subnets = view.of(SUBNET)
    routes = {
        route["RouteTableId"]["Ref"]: route[
            "NatGatewayId" if "NatGatewayId" in route else "GatewayId"
        ]["Ref"]
        for route in view.of(ROUTE).values()
    }
    tables = {
        one["SubnetId"]["Ref"]: one["RouteTableId"]["Ref"]
        for one in view.of("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    ways: dict[str, dict[str, Any]] = {
        id_: gateways.get(routes.get(table, ""), {}) for id_, table in tables.items()
    }
    assert len(gateways) == {"zone": len(zones), "regional": 1, "none": 0}[nat]
    for id_, subnet in subnets.items():
        if id_.startswith("Networkpublic"):
            assert routes[tables[id_]] in view.of("AWS::EC2::InternetGateway")
        elif nat == "zone":
            home = subnets[ways[id_]["SubnetId"]["Ref"]]
            assert home["AvailabilityZone"] == subnet["AvailabilityZone"]
        elif nat == "regional":
            served = ways[id_]["AvailabilityZoneAddresses"]
            assert {one["AvailabilityZone"] for one in served} == zones
            assert len({one["AllocationIds"][0]["Fn::GetAtt"][0] for one in served}) == len(zones)
        else:
            assert tables[id_] not in routes


def _endpoints_are_there_before_machines(view: ClusterView, services: set[str]) -> None:
    """Assert that machines depend on the endpoints, which have private DNS and all zones."""
    endpoints = {
        id_: one for id_, one in view.of(ENDPOINT).items() if one["VpcEndpointType"] == "Interface"
    }
    names = {str(one["ServiceName"]).rpartition(".")[2] for one in endpoints.values()}
    assert names == services
    for endpoint in endpoints.values():
        assert endpoint["PrivateDnsEnabled"] is True
        assert len(endpoint["SubnetIds"]) == len(view.cluster.network.zones)
        (group,) = security_groups([endpoint], "SecurityGroupIds")
        assert view.ports("in", group, str(view.cluster.network.cidr)) == {443}
    gateways = view.of(ENDPOINT).keys() - endpoints
    needed = {*endpoints, *(gateways if endpoints else ())}
    for kind in (INSTANCE, FLEET):
        for id_ in view.of(kind):
            assert needed <= mentioned(view.template["Resources"][id_])


def _nodes_connect_to_what_is_configured(view: ClusterView) -> None:
    """Assert that nodes connect to all destinations, or to those of `egress` and no others."""
    group = next(iter(security_groups(view.of(INSTANCE).values(), "SecurityGroupIds")), None)
    if group is None:
        return
    network = view.cluster.network
    rules = [rule for rule in view.of(EGRESS).values() if rule["GroupId"]["Fn::GetAtt"][0] == group]
    if network.egress is None:
        (rule,) = rules
        assert (rule["CidrIp"], rule["IpProtocol"]) == ("0.0.0.0/0", "-1")
        return
    made = {(peer_of(one), one["FromPort"], one["ToPort"], one["IpProtocol"]) for one in rules}
    configured = {
        (entry.to, *entry.port_ranges[index], entry.protocol)
        for entry in network.egress
        for index, _ in enumerate(entry.ports)
    }
    assert configured <= made
    manager = view.environment.solution_manager
    known = {*(manager.cidrs if manager else ()), *([network.cidr] if network.cidr else ())}
    nodes = view.cluster.nodes.values()
    auxiliary = {
        port for one in nodes for port in (one.auxiliary_port, one.scheduler_auxiliary_port)
    }
    for peer, first, last, protocol in made - configured:
        assert (first, protocol) == (last, "tcp")
        assert peer in known or first in auxiliary
