"""What is in front of a cluster's HAProxies: a Network Load Balancer with a listener for each port.

Its groups hold all HAProxies, which listen on the port that clients use. Health is HAProxy's
own word: a service's group is healthy while a usable node serves it, an auxiliary port's while
anything is served, as the loss of its node is no reason to leave this balancer.
"""

from denodo_ha.environment.derived.topology import HealthCheck, Listener, listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

HEALTH_PATH = "/health"
"""What `haproxy.config_file` answers on the health port; with a service's name, for that one."""


def front(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """The listeners in front of HAProxy; their nodes are HAProxy's business."""
    return tuple(
        Listener(
            key=one.key,
            port=one.port,
            target_port=one.port,
            nodes=(),
            health=_check(cluster, f"{HEALTH_PATH}/{one.key}" if one.service else HEALTH_PATH),
            service=one.service,
        )
        for one in listeners(environment, cluster)
    )


def most_proxies(cluster: Cluster) -> int:
    """How many HAProxies a cluster has at most: one more while they are replaced."""
    instance = cluster.balancer.proxy.instance
    return instance.count + 1 if instance else 0


def _check(cluster: Cluster, path: str) -> HealthCheck:
    return HealthCheck(
        protocol="http",
        port=cluster.balancer.proxy.health_port,
        path=path,
        interval=limits.HEALTH_INTERVAL_DEFAULT_S,
        timeout=limits.HEALTH_TIMEOUT_DEFAULT_S,
        healthy=limits.HEALTH_THRESHOLD_DEFAULT,
        unhealthy=limits.HEALTH_THRESHOLD_DEFAULT,
    )
