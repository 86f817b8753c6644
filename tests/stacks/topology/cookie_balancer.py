"""The rules of the Application Load Balancer behind the Network Load Balancer."""

from tests.stacks.topology.cluster_view import (
    LB,
    LISTENER,
    ClusterView,
    attributes_of,
    forwarded,
    tags_of,
)
from tests.stacks.topology.target_groups import TLS_ON_NODES, check_is_right, targets_are_right


def leads_to_the_alb(view: ClusterView, group_id: str, port: int) -> str:
    """Check a target group whose target is the ALB; return the one to which the ALB forwards.

    CloudFormation must create the first target group after the ALB's listener. The first target
    group has no attributes, and none of the tags by which commands find nodes.
    """
    group = view.groups[group_id]
    assert (group["TargetType"], group["Protocol"], group["Port"]) == ("alb", "TCP", port)
    assert group["Targets"] == [{"Id": {"Ref": view.alb}, "Port": port}]
    assert "TargetGroupAttributes" not in group
    assert not {"denodo:service", "denodo:node"} & tags_of(group).keys()
    (name,) = (key for key, service in view.cookies.items() if service.port == port)
    assert tags_of(group)["denodo:alb"] == name
    ((listener_id, listener),) = (
        (id_, listener)
        for id_, listener in view.of(LISTENER).items()
        if listener["LoadBalancerArn"] == {"Ref": view.alb} and listener["Port"] == port
    )
    assert listener_id in view.template["Resources"][group_id]["DependsOn"]
    assert group["HealthCheckProtocol"] == listener["Protocol"]
    assert group["HealthCheckPort"] == str(port)
    assert group["Matcher"]["HttpCode"] == "200-499"
    assert group["HealthCheckPath"].startswith("/")
    assert not group["HealthCheckPath"].startswith("/ready/")
    return forwarded(listener)


def cookies_are_set_behind_it(view: ClusterView) -> None:
    """Services with cookies are behind the Application Load Balancer, which terminates TLS."""
    if not view.cookies:
        return
    front, alb = view.of(LB)[view.nlb], view.of(LB)[view.alb]
    assert alb["Scheme"] == "internal"
    # The Application Load Balancer is created after the Network Load Balancer, which must get its
    # fixed addresses first.
    assert view.nlb in view.template["Resources"][view.alb]["DependsOn"]
    subnets = front.get("Subnets") or [subnet["SubnetId"] for subnet in front["SubnetMappings"]]
    assert alb["Subnets"] == subnets
    attributes = attributes_of(alb["LoadBalancerAttributes"])
    idle = max(service.idle_timeout or 350 for service in view.cookies.values())
    assert attributes["idle_timeout.timeout_seconds"] == str(idle)
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    protected = str(view.cluster.balancer.deletion_protection).lower()
    assert attributes["deletion_protection.enabled"] == protected
    listeners = {listener["Port"]: listener for listener in view.listeners_of(view.alb)}
    assert set(listeners) == {service.port for service in view.cookies.values()}
    for name, service in view.cookies.items():
        listener, port = listeners[service.port], service.node_port or service.port
        certificate = service.certificate(view.name)
        assert listener["Protocol"] == ("HTTPS" if certificate else "HTTP")
        certificates = [
            certificate["CertificateArn"] for certificate in listener.get("Certificates", [])
        ]
        assert certificates == ([certificate] if certificate else [])
        group = view.groups[forwarded(listener)]
        assert tags_of(group)["denodo:service"] == name
        assert group["Protocol"] == ("HTTPS" if port in TLS_ON_NODES else "HTTP")
        assert group["HealthCheckProtocol"] in ("HTTP", "HTTPS")
        assert group["Matcher"]["HttpCode"] == "200-399"
        targets_are_right(view, group, port, set(view.cluster.nodes))
        attributes = attributes_of(group["TargetGroupAttributes"])
        assert attributes["stickiness.enabled"] == "true"
        assert attributes["stickiness.type"] == "lb_cookie"
        delay = str(view.cluster.balancer.deregistration_delay)
        assert attributes["deregistration_delay.timeout_seconds"] == delay
        check_is_right(view, group, port, service)
