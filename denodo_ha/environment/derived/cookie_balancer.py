"""Cookie balancer: the Application Load Balancer behind a Network Load Balancer.

A Network Load Balancer reads no requests, so it cannot set cookies. A cluster with `sticky: cookie`
services has one Application Load Balancer behind its Network Load Balancer, with a listener and a
target group for each of these services (docs/decisions/0031-cookies-behind-an-nlb.md).
"""

from collections.abc import Mapping
from typing import Final, Literal

from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import Service

Protocol = Literal["http", "https"]

ALB_HEALTHY_CODES: Final = "200-499"
"""HTTP codes by which the Network Load Balancer knows that a node answered. The Application Load
Balancer returns 502 to 504 if no node did; a sign-in page or an unknown path is an answer."""

NODE_HEALTHY_CODES: Final = "200-399"
"""HTTP codes of a healthy node, the same as a Network Load Balancer's default."""


def uses_alb(cluster: Cluster, service: Service) -> bool:
    """Return whether a service is behind the cluster's Application Load Balancer."""
    return service.sticky == "cookie" and cluster.balancer.kind == "nlb"


def alb_services(environment: Environment, cluster: Cluster) -> Mapping[str, Service]:
    """Return the services behind a cluster's Application Load Balancer, sorted by name."""
    return {
        name: service
        for name, service in sorted(environment.services.items())
        if uses_alb(cluster, service)
    }


def client_protocol(service: Service) -> Protocol:
    """Return the protocol of clients and of the Network Load Balancer's check: TLS ends here."""
    return "https" if service.tls else "http"


def node_protocol(port: int) -> Protocol:
    """Return the protocol of a port on the nodes."""
    return "https" if port in NODE_TLS_PORTS else "http"


def idle_timeout(environment: Environment, cluster: Cluster) -> int:
    """Return the seconds after which the Application Load Balancer closes a silent connection.

    The balancer has one timeout for all its listeners: the longest of its services' timeouts, and
    at least the default of the listeners in front. Each listener in front keeps its own timeout,
    so the shorter one applies.
    """
    return max(
        service.idle_timeout or limits.NLB_IDLE_TIMEOUT_DEFAULT_S
        for service in alb_services(environment, cluster).values()
    )
