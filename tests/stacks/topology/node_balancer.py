"""The rules of a Network Load Balancer: listeners, target groups, checks."""

from typing import Any

from denodo_ha.environment.model.service import Service
from tests.stacks.topology.cluster_view import LB, ClusterView, attributes_of, forwarded, tags_of
from tests.stacks.topology.cookie_balancer import cookies_are_set_behind_it, leads_to_the_alb
from tests.stacks.topology.target_groups import check_is_right, idle_is_right, targets_are_right


def holds(view: ClusterView) -> None:
    """Assert every rule of this module."""
    _balancer_is_as_configured(view)
    if view.cluster.balancer.kind == "nlb":
        _every_port_has_its_group(view)
        cookies_are_set_behind_it(view)


def _balancer_is_as_configured(view: ClusterView) -> None:
    """Scheme, fixed addresses, subnets and cross-zone balancing are as configured."""
    assert len(view.of(LB)) == 1 + bool(view.cookies)
    balancer = view.of(LB)[view.nlb]
    settings = view.cluster.balancer
    assert balancer["Type"] == "network"
    assert balancer["Scheme"] == settings.scheme
    assert len(balancer["SecurityGroups"]) == 1
    given = [
        subnet.get("AllocationId", subnet.get("PrivateIPv4Address"))
        for subnet in balancer.get("SubnetMappings", [])
    ]
    assert given == [settings.addresses[zone] for zone in sorted(settings.addresses)]
    subnets: list[Any] = balancer.get("Subnets", []) + balancer.get("SubnetMappings", [])
    assert len(subnets) == len(view.cluster.network.zones)
    assert ("Subnets" in balancer) != ("SubnetMappings" in balancer)
    attributes = attributes_of(balancer["LoadBalancerAttributes"])
    assert attributes["load_balancing.cross_zone.enabled"] == str(settings.cross_zone).lower()
    protected = str(settings.deletion_protection).lower()
    assert attributes["deletion_protection.enabled"] == protected


def _every_port_has_its_group(view: ClusterView) -> None:
    """Each port has a listener and a target group with its nodes."""
    expected: dict[int, tuple[int, set[str], Service | None]] = {
        service.port: (service.node_port or service.port, set(view.cluster.nodes), service)
        for service in view.environment.services.values()
    }
    if view.environment.denodo.version == "7.0":
        for name, node in view.cluster.nodes.items():
            assert node.auxiliary_port is not None
            expected[node.auxiliary_port] = (node.auxiliary_port, {name}, None)
    of_scheduler = view.scheduler_ports
    expected |= {port: (port, {name}, None) for name, port in of_scheduler.items()}
    listeners = view.listeners_of(view.nlb)
    assert sorted(listener["Port"] for listener in listeners) == sorted(expected)
    used = []
    for listener in listeners:
        group_id = forwarded(listener)
        used.append(group_id)
        port, nodes, service = expected[listener["Port"]]
        if service in view.cookies.values():
            used.append(leads_to_the_alb(view, group_id, listener["Port"]))
            idle_is_right(listener, service)
            assert listener["Protocol"] == "TCP"
            assert "Certificates" not in listener
            continue
        _group_is_right(view, view.groups[group_id], port, nodes, service)
        directed_by = "scheduler" if listener["Port"] in of_scheduler.values() else "jdbc"
        sessions_of = service or view.environment.services.get(directed_by)
        _unhealthy_connections_are_right(view, view.groups[group_id], sessions_of)
        certificates = [
            certificate["CertificateArn"] for certificate in listener.get("Certificates", [])
        ]
        certificate = service.certificate(view.name) if service else None
        assert certificates == ([certificate] if certificate else [])
        assert listener["Protocol"] == ("TLS" if certificate else "TCP")
        assert ("TLS13-1-2" in listener.get("SslPolicy", "")) == bool(certificate)
        idle_is_right(listener, sessions_of)
        speaks_grpc = certificate and service and service.target_port == 9994
        assert listener.get("AlpnPolicy") == (["HTTP2Only"] if speaks_grpc else None)
    assert sorted(used) == sorted(view.groups)


def _unhealthy_connections_are_right(
    view: ClusterView, group: dict[str, Any], service: Service | None
) -> None:
    """Assert that connections of unhealthy targets are terminated, unless an option prevents this.

    The options are `unhealthy_termination: false` of the service, and zonal shift.
    """
    key = "target_health_state.unhealthy.connection_termination.enabled"
    keeps = service is not None and service.unhealthy_termination is False
    expected = "false" if keeps or view.cluster.balancer.zonal_shift else None
    assert attributes_of(group["TargetGroupAttributes"]).get(key) == expected


def _group_is_right(
    view: ClusterView, group: dict[str, Any], port: int, nodes: set[str], service: Service | None
) -> None:
    """Assert that targets and attributes of a target group are correct.

    The target group of an auxiliary port has one node. The failure of this node must not take the
    zone out of DNS, and the client's address must not be preserved.
    """
    targets_are_right(view, group, port, nodes)
    attributes = attributes_of(group["TargetGroupAttributes"])
    delay = str(view.cluster.balancer.deregistration_delay)
    assert attributes["deregistration_delay.timeout_seconds"] == delay
    off = attributes.get("target_group_health.dns_failover.minimum_healthy_targets.count")
    keeps = attributes["preserve_client_ip.enabled"]
    if service is None:
        assert (off, keeps) == ("off", "false")
        assert tags_of(group)["denodo:node"] in nodes
        by_scheduler = port in view.scheduler_ports.values()
        assert tags_of(group).get("denodo:auxiliary") == ("scheduler" if by_scheduler else None)
        assert group["HealthCheckProtocol"] == "TCP"
    else:
        assert (off, keeps) == (None, str(service.client_ip).lower())
        assert tags_of(group)["denodo:service"] in view.environment.services
        sticky = attributes.get("stickiness.enabled") == "true"
        assert sticky == (service.sticky is True)
        assert attributes.get("stickiness.type") == ("source_ip" if sticky else None)
    check_is_right(view, group, port, service)
