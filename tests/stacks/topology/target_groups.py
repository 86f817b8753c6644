"""Rules of listeners and target groups, of Network and Application Load Balancers."""

from typing import Any

from denodo_ha.environment.model.service import HealthSettings, Service
from tests.stacks.topology.cluster_view import ClusterView, attributes_of, tags_of

TLS_ON_NODES = {9443}


def idle_is_right(listener: dict[str, Any], service: Service | None) -> None:
    """Assert that a listener has the idle timeout of its service, if the service configures one.

    For a 7.0 node's auxiliary port, which belongs to no service, `service` is jdbc.
    """
    idle = attributes_of(listener.get("ListenerAttributes", []))
    expected = service.idle_timeout if service else None
    assert idle.get("tcp.idle_timeout.seconds") == (str(expected) if expected else None)


def targets_are_right(view: ClusterView, group: dict[str, Any], port: int, nodes: set[str]) -> None:
    """Assert that a target group has the expected nodes, on one port."""
    by_id = {id_: name for name, id_ in (*view.nodes.items(), *view.adopted.items())}
    ids = [
        one["Id"] if isinstance(one["Id"], str) else one["Id"]["Ref"] for one in group["Targets"]
    ]
    assert sorted(by_id[id_] for id_ in ids) == sorted(nodes)
    assert {target["Port"] for target in group["Targets"]} == {port}
    assert group["Port"] == port


def check_is_right(
    view: ClusterView, group: dict[str, Any], port: int, service: Service | None
) -> None:
    """Assert the settings of a health check: of the service, the load balancer, or defaults.

    The service's own setting has precedence over the load balancer's, which has precedence over the
    default.
    """
    general = view.cluster.balancer.health
    own = service.health if service else HealthSettings()
    values = {
        key: getattr(own, key) or getattr(general, key) or default
        for key, default in (("interval", 5), ("timeout", 4), ("healthy", 2), ("unhealthy", 2))
    }
    assert group["HealthCheckIntervalSeconds"] == values["interval"]
    assert group["HealthCheckTimeoutSeconds"] == values["timeout"] < values["interval"]
    assert group["HealthyThresholdCount"] == values["healthy"]
    assert group["UnhealthyThresholdCount"] == values["unhealthy"]
    has_readiness = view.environment.denodo.program and not view.adopted
    explicit = any(one.protocol or one.port or one.path for one in (own, general))
    if service and has_readiness and not explicit:
        name = tags_of(group)["denodo:service"]
        assert group["HealthCheckProtocol"] == "HTTP"
        assert group["HealthCheckPort"] == "9191"
        assert group["HealthCheckPath"] == f"/ready/{name}"
        return
    if service in view.cookies.values():
        tls = int(group["HealthCheckPort"]) in TLS_ON_NODES
        protocol = own.protocol or general.protocol or ("https" if tls else "http")
        assert group["HealthCheckProtocol"] == protocol.upper()
        assert group["HealthCheckPath"] == (own.path or general.path or "/")
    if "denodo:auxiliary" in tags_of(group):
        # Port 8000 belongs to the Scheduler, too. Until the node is rolled, the Scheduler listens
        # there, and not yet on the auxiliary port.
        port = 8000
    expected = (own.port or general.port or port) if service else port
    assert group["HealthCheckPort"] == str(expected)
