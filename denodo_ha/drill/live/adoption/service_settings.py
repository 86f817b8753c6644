"""Service settings: ports, checks and options of each service, from the load balancers' ports."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from denodo_ha.drill.live.adoption.found_cluster import FoundCluster, FoundPort, FoundSite
from denodo_ha.drill.reading.values import as_integer, as_list
from denodo_ha.environment.facts.limits import (
    HEALTH_INTERVAL_DEFAULT_S,
    HEALTH_THRESHOLD_DEFAULT,
    HEALTH_TIMEOUT_DEFAULT_S,
    NLB_IDLE_TIMEOUT_DEFAULT_S,
)

TIMES: Final[Mapping[str, tuple[str, int]]] = {
    "interval": ("HealthCheckIntervalSeconds", HEALTH_INTERVAL_DEFAULT_S),
    "timeout": ("HealthCheckTimeoutSeconds", HEALTH_TIMEOUT_DEFAULT_S),
    "healthy": ("HealthyThresholdCount", HEALTH_THRESHOLD_DEFAULT),
    "unhealthy": ("UnhealthyThresholdCount", HEALTH_THRESHOLD_DEFAULT),
}
"""For each time of a health check: the property of a target group, and this project's default."""


def services_of(site: FoundSite) -> dict[str, dict[str, FoundPort]]:
    """Return, for each service, its port in each cluster that has the service."""
    services: dict[str, dict[str, FoundPort]] = {}
    for cluster in site.clusters:
        for service, port in cluster.services.items():
            services.setdefault(service, {})[cluster.name] = port
    return dict(sorted(services.items()))


def service_settings(ports: Mapping[str, FoundPort], site: FoundSite) -> dict[str, Any]:
    """Return the settings of a service from its port in each cluster."""
    first = next(iter(ports.values()))
    values: dict[str, Any] = {"port": first.port}
    if first.target_port != first.port:
        values["node_port"] = first.target_port
    if _all(ports, "stickiness.enabled", "true"):
        values["sticky"] = True
    if _all(ports, "preserve_client_ip.enabled", "false"):
        values["client_ip"] = False
    certificates = {
        cluster: certificate
        for cluster, port in ports.items()
        if (certificate := _certificate(port)) is not None
    }
    if certificates:
        values["tls"] = certificates
    health = _service_health(ports, site)
    if health:
        values["health"] = health
    idle = {as_integer(_listener_idle(port), 0) for port in ports.values()}
    if (
        len(idle) == 1
        and not certificates
        and (seconds := idle.pop()) != NLB_IDLE_TIMEOUT_DEFAULT_S
    ):
        values |= {"idle_timeout": seconds} if seconds else {}
    if _all(ports, "target_health_state.unhealthy.connection_termination.enabled", "false"):
        values["unhealthy_termination"] = False
    return values


def _listener_idle(port: FoundPort) -> str:
    return (port.attributes or {}).get("tcp.idle_timeout.seconds", str(NLB_IDLE_TIMEOUT_DEFAULT_S))


def _all(ports: Mapping[str, FoundPort], attribute: str, value: str) -> bool:
    """Return whether an attribute has the given value in the target groups of all given ports."""
    return all(
        port.group is not None and (port.group.attributes or {}).get(attribute) == value
        for port in ports.values()
    )


def _certificate(port: FoundPort) -> str | None:
    certificates = as_list(port.listener.properties.get("Certificates"))
    return str(certificates[0]["CertificateArn"]) if certificates else None


def _service_health(ports: Mapping[str, FoundPort], site: FoundSite) -> dict[str, Any]:
    """Return the settings of a service's check that differ from those of its load balancers.

    The result is empty if the settings are not the same in all clusters.
    """
    checks = []
    for cluster in site.clusters:
        port = ports.get(cluster.name)
        if port is None or port.group is None:
            continue
        general, own = balancer_times(cluster), _times(port)
        differing = {key: own[key] for key in TIMES if own[key] != general[key]}
        checks.append({**_check_target(port), **differing})
    return checks[0] if checks and all(check == checks[0] for check in checks) else {}


def _check_target(port: FoundPort) -> dict[str, Any]:
    """Return protocol, port and path of a port's health check, without default values."""
    properties = port.group.properties if port.group else {}
    protocol = str(properties.get("HealthCheckProtocol", "TCP")).lower()
    target: dict[str, Any] = {}
    if protocol != "tcp":
        target["protocol"] = protocol
        target["path"] = str(properties.get("HealthCheckPath", "/"))
    checked = str(properties.get("HealthCheckPort", "traffic-port"))
    if checked not in ("traffic-port", str(port.target_port)):
        target = {"protocol": protocol, **target, "port": as_integer(checked, port.target_port)}
    return target


def _times(port: FoundPort) -> dict[str, int]:
    properties = port.group.properties if port.group else {}
    return {
        key: as_integer(properties.get(name), default) for key, (name, default) in TIMES.items()
    }


def balancer_times(cluster: FoundCluster) -> dict[str, int]:
    """Return the most frequent times of a cluster's checks, which become `balancer.health`."""
    counts = Counter(tuple(_times(port).items()) for port in cluster.ports)
    return dict(counts.most_common(1)[0][0]) if counts else {}


def service_differences(service: str, ports: Mapping[str, FoundPort]) -> Iterator[str]:
    """Yield a comment on each setting of a service that differs between the clusters."""
    checks: dict[str, Callable[[FoundPort], object]] = {
        "ports": lambda port: port.port,
        "ports on the nodes": lambda port: port.target_port,
        "targets of checks": _check_target,
    }
    for what, of_port in checks.items():
        values = {cluster: of_port(port) for cluster, port in ports.items()}
        if len({str(value) for value in values.values()}) > 1:
            listed = ", ".join(f"{cluster}: {value}" for cluster, value in values.items())
            yield f"  # {service}: the clusters have different {what} ({listed})"
