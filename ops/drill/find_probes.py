"""The health checks of target groups."""

from config.limits import AWS_HEALTH_INTERVAL_S, AWS_HEALTHY_THRESHOLD, AWS_UNHEALTHY_THRESHOLD
from ops.drill.model import Probe
from ops.drill.reader import Resource


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
