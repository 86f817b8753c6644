"""A target group's health check, as the library takes it."""

from aws_cdk import Duration
from aws_cdk import aws_elasticloadbalancingv2 as elbv2

from denodo_ha.environment.derived.topology import HealthCheck


def health_check(check: HealthCheck, *, answers: str | None = None) -> elbv2.HealthCheck:
    """The check; `answers` are the HTTP codes that pass, where AWS's default is not meant."""
    return elbv2.HealthCheck(
        protocol=elbv2.Protocol[check.protocol.upper()],
        port=str(check.port),
        path=check.path,
        interval=Duration.seconds(check.interval),
        timeout=Duration.seconds(check.timeout),
        healthy_threshold_count=check.healthy,
        unhealthy_threshold_count=check.unhealthy,
        healthy_http_codes=answers,
    )
