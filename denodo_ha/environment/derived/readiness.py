"""How a node tells of each service whether it is ready (design, "Ready is more than open").

A TCP check is green while Denodo is in promotion or single-user mode, and on a new node whose
catalog is still empty. So every node answers `GET /ready/SERVICE` on a port of its own, and the
balancer's default check asks there.
"""

from dataclasses import dataclass
from typing import Final, Literal

from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS, PORTS, SCHEDULER_PORT, WEB_PORT
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings, Service

Kind = Literal["vdp", "odbc", "web", "scheduler", "tcp"]

_BY_NAME: Final[dict[str, Kind]] = {"jdbc": "vdp", "odbc": "odbc", "web": "web"}


@dataclass(frozen=True)
class Probe:
    """How a node finds out about one of its services.

    Attributes:
        kind: the protocol that it asks in.
        port: the service's port on the node.
        tls: whether it asks by HTTPS (web).
    """

    kind: Kind
    port: int
    tls: bool = False


def path(service: str) -> str:
    """What the balancer asks a node for."""
    return f"/ready/{service}"


def is_asked(environment: Environment, cluster: Cluster) -> bool:
    """Whether every node of a cluster has the program that answers."""
    return environment.denodo.program and not any(
        node.instance_id for node in cluster.nodes.values()
    )


def is_overruled(own: HealthSettings, general: HealthSettings) -> bool:
    """Whether the configuration says itself what is asked, and where."""
    return any(of.protocol or of.port or of.path for of in (own, general))


def probe(environment: Environment, name: str, service: Service) -> Probe:
    """How a node asks one of its services: by the service's name, else by what its port is for."""
    port = service.target_port
    kind = _BY_NAME.get(name) or _by_port(environment, port)
    return Probe(kind, port, tls=kind == "web" and port in NODE_TLS_PORTS)


def _by_port(environment: Environment, port: int) -> Kind:
    for name, usual in PORTS[environment.denodo.version].services.items():
        known = environment.services.get(name)
        if port == (known.target_port if known else usual):
            return _BY_NAME[name]
    if port in {WEB_PORT, *NODE_TLS_PORTS}:
        return "web"
    return "scheduler" if port == SCHEDULER_PORT else "tcp"
