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
"""Status codes of a healthy Application Load Balancer. The load balancer returns 502 to 504 if no
node answers. A sign-in page or an error for an unknown path shows that a node answers."""

NODE_HEALTHY_CODES: Final = "200-399"
"""Status codes of a healthy node, which are also the default of a Network Load Balancer."""


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
    """Return the protocol, HTTP or HTTPS, of a service's listener on the cookie balancer."""
    return "https" if service.tls else "http"


def node_protocol(port: int) -> Protocol:
    """Return HTTP or HTTPS: the protocol of web services on a port of the nodes."""
    return "https" if port in NODE_TLS_PORTS else "http"


def idle_timeout(environment: Environment, cluster: Cluster) -> int:
    """Return the idle timeout of a cluster's Application Load Balancer, in seconds.

    An Application Load Balancer has one idle timeout for all its listeners. The returned timeout is
    the longest timeout of the services behind the balancer. The timeout of a service without
    `idle_timeout` is the default of the Network Load Balancer. Each listener of the Network Load
    Balancer keeps the timeout of its service, so that a shorter timeout still applies.
    """
    return max(
        service.idle_timeout or limits.NLB_IDLE_TIMEOUT_DEFAULT_S
        for service in alb_services(environment, cluster).values()
    )
