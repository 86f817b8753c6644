"""Targets of records."""

import jsii
from aws_cdk import aws_route53 as route53


@jsii.implements(route53.IAliasRecordTarget)
class LoadBalancerAlias:
    """An alias to a balancer of another stack, healthy as long as the balancer's targets are.

    The library's own target takes a construct of the same stack only.
    """

    def __init__(self, dns_name: str, hosted_zone_id: str) -> None:
        self._dns_name, self._hosted_zone_id = dns_name, hosted_zone_id

    def bind(
        self, _record: route53.IRecordSet, _zone: route53.IHostedZone | None = None
    ) -> route53.AliasRecordTargetConfig:
        """Say what the alias is for; failover aliases must evaluate target health."""
        return route53.AliasRecordTargetConfig(
            dns_name=self._dns_name,
            hosted_zone_id=self._hosted_zone_id,
            evaluate_target_health=True,
        )
