"""The stack of the failover records: one name, answered by the primary or the secondary."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import CfnOutput, Duration, Fn, Tags
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.denodo_ports import JDBC_URLS
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover
from stacks.access.failover_operators import FailoverOperatorPolicy
from stacks.balancer.failover_switch import FailoverSwitch
from stacks.balancer.fingerprint import fingerprint
from stacks.balancer.record_targets import LoadBalancerAlias
from stacks.cluster_stack import ClusterStack
from stacks.environment_stack import EnvironmentStack

_ROLES = (route53.Failover.PRIMARY, route53.Failover.SECONDARY)


class FailoverStack(EnvironmentStack):
    """Failover records in a hosted zone that exists.

    What it takes from the clusters' stacks are weak references: nothing is exported, so that
    each stack deploys by itself, and the records carry a hash of what would replace a balancer,
    so that a deploy has something to change when the references resolve to something else.

    The primary's record hangs on the operators' switch, whatever else it hangs on, so that the
    site can be moved by one datapoint (AWS, Well-Architected REL11-BP04).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        failover: Failover,
        clusters: Mapping[str, ClusterStack],
    ) -> None:
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=failover_plan.stack_account(environment, failover),
            region=failover_plan.stack_region(environment, failover),
            description=f"Denodo failover, {failover.primary} to {failover.secondary}",
        )
        self._environment, self._failover = environment, failover
        self._zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=failover.zone.id, zone_name=failover.zone.name
        )
        self._switch = FailoverSwitch(
            self, "Switch", environment=environment.name, region=self.region
        )
        self._checks: list[route53.IHealthCheck] = [self._switch.check]
        for role, (name, _) in zip(_ROLES, failover_plan.cluster_pair(environment), strict=True):
            self.add_stack_dependency(clusters[name], "the records need its outputs")
            self._record(role, clusters[name])
        self._say_where()
        self._permit()

    def _say_where(self) -> None:
        """What clients need, and what the day-2 commands start from."""
        services, endpoint = self._environment.services, failover_plan.dns_name(self._failover)
        CfnOutput(self, names.ENDPOINT, value=endpoint)
        if "jdbc" in services:
            url = JDBC_URLS[self._environment.denodo.version]
            value = url.format(host=endpoint, port=services["jdbc"].port)
            CfnOutput(self, names.JDBC_URL, value=value)
        for role, (name, cluster) in zip(
            _ROLES, failover_plan.cluster_pair(self._environment), strict=True
        ):
            label = role.name.capitalize()
            CfnOutput(self, names.CLUSTER_OF_ROLE[label], value=name)
            CfnOutput(self, names.REGION_OF_ROLE[label], value=cluster.region)
        CfnOutput(self, names.HOSTED_ZONE_ID, value=self._failover.zone.id)

    def _permit(self) -> None:
        """The policy of who moves the site."""
        members = failover_plan.cluster_pair(self._environment)
        policy = FailoverOperatorPolicy(
            self,
            "Operators",
            zone_id=self._failover.zone.id,
            check_ids=[one.health_check_id for one in self._checks],
            region=self.region,
            stacks={
                self.stack_name: self.region,
                **{
                    names.cluster_stack(self._environment.name, name): cluster.region
                    for name, cluster in members
                    if cluster.account == self.account
                },
            },
        )
        CfnOutput(self, names.OPERATOR_POLICY_ARN, value=policy.arn)

    def _record(self, role: route53.Failover, cluster: ClusterStack) -> None:
        """One of the two records. Its identity is its role, so that clusters can swap roles."""
        method = failover_plan.check_method(self._environment, self._failover, cluster.cluster)
        label = role.name.capitalize()
        settings: dict[str, Any] = {
            "zone": self._zone,
            "record_name": f"{failover_plan.dns_name(self._failover)}.",
            "failover": role,
            "set_identifier": label.lower(),
            "comment": f"{cluster.name} {fingerprint(method, cluster.replaced_with)}",
        }
        if method == "target-health":
            host = self._taken(cluster, names.BALANCER_DNS_NAME)
            alias = LoadBalancerAlias(host, self._taken(cluster, names.BALANCER_HOSTED_ZONE_ID))
            target = route53.RecordTarget.from_alias(alias)
            # What the alias sees and the switch must both be healthy (AWS, How Amazon Route 53
            # chooses records when health checking is configured).
            if role is route53.Failover.PRIMARY:
                settings["health_check"] = self._switch.check
            route53.ARecord(self, label, target=target, **settings)
            return
        ttl = failover_plan.TTL_DEFAULT_S if self._failover.ttl is None else self._failover.ttl
        settings["ttl"] = Duration.seconds(ttl)
        checks = self._seen_by(label, method, cluster)
        if role is route53.Failover.PRIMARY:
            settings["health_check"] = self._all(f"{label}AndSwitch", [*checks, self._switch.check])
        elif checks:
            settings["health_check"] = self._all(f"{label}Whole", checks)
        if cluster.cluster.balancer.kind == "none":
            address = self._taken(cluster, names.NODE_ADDRESS)
            target = route53.RecordTarget.from_ip_addresses(address)
            route53.ARecord(self, label, target=target, **settings)
        else:
            host = self._taken(cluster, names.BALANCER_DNS_NAME)
            route53.CnameRecord(self, label, domain_name=host, **settings)

    def _all(self, id_: str, checks: list[route53.IHealthCheck]) -> route53.IHealthCheck:
        """The check that is healthy while all of these are; of one, that itself."""
        if len(checks) == 1:
            return checks[0]
        whole = route53.HealthCheck(
            self,
            id_,
            type=route53.HealthCheckType.CALCULATED,
            child_health_checks=checks,
            health_threshold=len(checks),
        )
        role = "primary" if id_.startswith("Primary") else "secondary"
        Tags.of(whole).add("Name", f"{self._environment.name}-{role}")
        self._checks.append(whole)
        return whole

    def _seen_by(
        self, label: str, method: failover_plan.CheckMethod, cluster: ClusterStack
    ) -> list[route53.IHealthCheck]:
        """The checks that see a cluster, its stack's or one of its endpoint; none where none do."""
        if method == "none" or not failover_plan.has_health_check(self._failover, cluster.name):
            return []
        checks: list[route53.IHealthCheck] = (
            [
                route53.HealthCheck.from_health_check_id(self, id_, self._taken(cluster, output))
                for id_, output in (
                    (f"{label}Health", names.HEALTH_CHECK_ID),
                    (f"{label}Alive", names.ALIVE_CHECK_ID),
                )
            ]
            if method == "alarm"
            else [self._endpoint(label, cluster)]
        )
        self._checks.extend(checks)
        return checks

    def _endpoint(self, label: str, cluster: ClusterStack) -> route53.IHealthCheck:
        """The check that connects to a cluster from the internet."""
        bare = cluster.cluster.balancer.kind == "none"
        check = route53.HealthCheck(
            self,
            f"{label}Health",
            type=route53.HealthCheckType.TCP,
            fqdn=None if bare else self._taken(cluster, names.BALANCER_DNS_NAME),
            ip_address=self._taken(cluster, names.NODE_ADDRESS) if bare else None,
            port=self._environment.services["jdbc"].port,
            request_interval=Duration.seconds(
                self._failover.interval or failover_plan.ENDPOINT_INTERVAL_DEFAULT_S
            ),
            failure_threshold=self._failover.threshold or failover_plan.ENDPOINT_THRESHOLD_DEFAULT,
        )
        Tags.of(check).add("Name", cluster.stack_name)
        return check

    def _taken(self, cluster: ClusterStack, output: str) -> str:
        """An output of a cluster's stack.

        Within an account by its name. Across accounts the CDK's own weak reference is used,
        since it makes the role that lets this stack read the other.
        """
        if cluster.account == self.account:
            return Fn.get_stack_output(cluster.stack_name, output, cluster.region)
        return str(cluster.outputs[output].value)
