"""What is behind a cluster's HAProxies, said in the template: it can't be read off any target."""

from denodo_ha.environment.haproxy.routes import plan
from denodo_ha.environment.model.environment import Environment


def serves(environment: Environment, name: str) -> dict[str, object]:
    """Metadata for the drill: by HAProxy's ports, the nodes, their port and what is asked.

    Health is where HAProxy itself is asked, and by which path for which port.
    """
    behind: dict[str, object] = {}
    for route in plan(environment, name):
        one: dict[str, object] = {
            "Nodes": [server.name for server in route.servers],
            "Port": route.servers[0].port,
        }
        if route.check and route.check.ready:
            one["Path"] = route.check.ready
        behind[str(route.port)] = one
    health = environment.clusters[name].balancer.proxy.health_port
    return {"Serves": behind, "HealthPort": health}
