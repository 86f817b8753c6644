"""Node readiness: each node reports for each service whether it can serve clients.

A TCP health check also passes during a promotion, in single-user mode, and on a new node without
metadata. In these three cases a node cannot serve clients. Therefore every node answers `GET
/ready/SERVICE` on a separate port, and this request is the default health check of the balancer's
target groups.
"""

from dataclasses import dataclass
from typing import Final, Literal

from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS, PORTS, SCHEDULER_PORT, WEB_PORT
from denodo_ha.environment.facts.limits import (
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    READINESS_KEPT_S,
)
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings, Service

ProbeKind = Literal["vdp", "odbc", "web", "scheduler", "tcp"]

_KIND_BY_SERVICE: Final[dict[str, ProbeKind]] = {"jdbc": "vdp", "odbc": "odbc", "web": "web"}


@dataclass(frozen=True)
class Probe:
    """Probe with which a node checks one of its services.

    Attributes:
        kind: the protocol of the probe.
        port: the service's port on the node.
        tls: whether the probe uses HTTPS (web).
    """

    kind: ProbeKind
    port: int
    tls: bool = False


def ready_path(service: str) -> str:
    """Return the path at which a node reports a service's readiness."""
    return f"/ready/{service}"


def nodes_report_readiness(environment: Environment, cluster: Cluster) -> bool:
    """Return whether every node of a cluster has the node program, which reports readiness."""
    return environment.denodo.program and not any(
        node.instance_id for node in cluster.nodes.values()
    )


def reporting_delays(environment: Environment) -> dict[str, int]:
    """Return the maximum, in seconds, of each delay until a node reports that it is not ready."""
    denodo = environment.denodo
    delays = {
        "ping interval": PING_INTERVAL_S,
        "kept answer": READINESS_KEPT_S,
        "ping": PING_TIMEOUT_S,
    }
    if denodo.family != "7.0" and denodo.readiness != "ping":
        delays["busy limit"] = denodo.busy_limit
    return delays


def overrides_check_target(own: HealthSettings, general: HealthSettings) -> bool:
    """Return whether a service's or the general settings set a check's protocol, port or path."""
    return any(settings.protocol or settings.port or settings.path for settings in (own, general))


def service_probe(environment: Environment, name: str, service: Service) -> Probe:
    """Return the probe of a service.

    The kind of the probe depends on the service's name or, for an unknown name, on the node port.
    """
    port = service.target_port
    kind = _KIND_BY_SERVICE.get(name) or _kind_by_port(environment, port)
    return Probe(kind, port, tls=kind == "web" and port in NODE_TLS_PORTS)


def _kind_by_port(environment: Environment, port: int) -> ProbeKind:
    for name, default_port in PORTS[environment.denodo.family].services.items():
        service = environment.services.get(name)
        if port == (service.target_port if service else default_port):
            return _KIND_BY_SERVICE[name]
    if port in {WEB_PORT, *NODE_TLS_PORTS}:
        return "web"
    return "scheduler" if port == SCHEDULER_PORT else "tcp"
