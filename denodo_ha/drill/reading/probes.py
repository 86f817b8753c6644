"""The health checks of target groups."""

from denodo_ha.drill.model import Probe
from denodo_ha.drill.reading.resource_reader import Resource
from denodo_ha.environment.facts.limits import (
    AWS_HEALTH_INTERVAL_S,
    AWS_HEALTHY_THRESHOLD,
    AWS_UNHEALTHY_THRESHOLD,
)


def probe(one: Resource) -> Probe:
    """The health check; what is left out is AWS's default for a Network Load Balancer."""
    port = str(one.properties.get("HealthCheckPort", "traffic-port"))
    protocol = str(one.properties.get("HealthCheckProtocol", "TCP"))
    path = str(one.properties.get("HealthCheckPath", "/" if protocol != "TCP" else ""))
    return Probe(
        protocol,
        int(port) if port.isdigit() else None,
        path,
        one.number("HealthCheckIntervalSeconds", AWS_HEALTH_INTERVAL_S),
        one.number("HealthyThresholdCount", AWS_HEALTHY_THRESHOLD),
        one.number("UnhealthyThresholdCount", AWS_UNHEALTHY_THRESHOLD),
    )
