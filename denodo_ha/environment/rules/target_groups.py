"""Rules about the connections of unhealthy targets."""

from collections.abc import Iterator

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.haproxy.routes import reads_http
from denodo_ha.environment.loading.problem import Problem
from denodo_ha.environment.model.environment import Environment


def unhealthy_termination_has_effect(environment: Environment) -> Iterator[Problem]:
    """`unhealthy_termination` must be a setting that the service's balancer supports."""
    for name, service in environment.services.items():
        value = service.unhealthy_termination
        if value is None:
            continue
        for cluster_name, cluster in environment.clusters.items():
            kind = cluster.balancer.kind
            reason = ""
            if kind == "none":
                reason = "clients of this cluster connect to the node itself"
            elif kind == "nlb" and cookie_balancer.uses_alb(cluster, service):
                reason = (
                    "the nodes are behind an Application Load Balancer, which sends each request "
                    "to a healthy node (AWS, Use an Application Load Balancer as a target of a "
                    "Network Load Balancer)"
                )
            elif kind == "haproxy" and reads_http(environment, cluster, name):
                reason = (
                    "HAProxy reads the requests of this service, and sends each request to a "
                    "usable node"
                )
            elif kind == "nlb" and cluster.balancer.zonal_shift and value:
                reason = (
                    "balancer.zonal_shift needs false for every target group (AWS, Enable zonal "
                    "shift for your Network Load Balancer)"
                )
            if reason:
                yield Problem(
                    ("services", name, "unhealthy_termination"),
                    f"has no effect in {cluster_name}",
                    reason,
                    "remove unhealthy_termination",
                    value=str(value).lower(),
                )


RULES = (unhealthy_termination_has_effect,)
