"""What is behind a cluster's HAProxies, said in the template: it can't be read off any target."""

from denodo_ha.environment.haproxy.routes import haproxy_routes
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import HEALTH_PORT_METADATA, SERVES_METADATA


def serves(environment: Environment, name: str) -> dict[str, object]:
    """Metadata for the drill: by HAProxy's ports, the nodes, their port and what is asked.

    Health is where HAProxy itself is asked, and by which path for which port.
    """
    behind: dict[str, object] = {}
    for route in haproxy_routes(environment, name):
        one: dict[str, object] = {
            "Nodes": [server.name for server in route.servers],
            "Port": route.servers[0].port,
        }
        if route.check and route.check.ready:
            one["Path"] = route.check.ready
        behind[str(route.port)] = one
    health = environment.clusters[name].balancer.proxy.health_port
    return {SERVES_METADATA: behind, HEALTH_PORT_METADATA: health}
