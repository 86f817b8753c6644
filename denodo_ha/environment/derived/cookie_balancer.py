"""Cookies behind a Network Load Balancer, which reads no request and so sets none.

An Application Load Balancer behind it does: one in a cluster, with a listener and a group for each
service that has `sticky: cookie` (docs/decisions/0031-cookies-behind-an-nlb.md).
"""

from collections.abc import Mapping
from typing import Final, Literal

from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import Service

Protocol = Literal["http", "https"]

ANSWERED: Final = "200-499"
"""What the Network Load Balancer takes for an answer of a node: an Application Load Balancer says
502 to 504 where no node gave one. A sign-in page or an unknown path is an answer."""

READY: Final = "200-399"
"""What a node answers when it is well: the same as a Network Load Balancer takes for it."""


def by_alb(cluster: Cluster, service: Service) -> bool:
    """Whether an Application Load Balancer keeps a service's clients."""
    return service.sticky == "cookie" and cluster.balancer.kind == "nlb"


def services(environment: Environment, cluster: Cluster) -> Mapping[str, Service]:
    """The services behind a cluster's Application Load Balancer, by name."""
    found = sorted(environment.services.items())
    return {name: service for name, service in found if by_alb(cluster, service)}


def from_clients(service: Service) -> Protocol:
    """What clients speak, and with them the Network Load Balancer's check: TLS ends here."""
    return "https" if service.tls else "http"


def to_nodes(port: int) -> Protocol:
    """What a port of the nodes speaks."""
    return "https" if port in NODE_TLS_PORTS else "http"


def idle_timeout(environment: Environment, cluster: Cluster) -> int:
    """Seconds until the Application Load Balancer gives up a silent connection.

    It has one for all its listeners: the longest, at least what the listeners in front have without
    being told. Each of those keeps its own, and so the shorter one counts.
    """
    return max(
        service.idle_timeout or limits.NLB_IDLE_TIMEOUT_DEFAULT_S
        for service in services(environment, cluster).values()
    )
