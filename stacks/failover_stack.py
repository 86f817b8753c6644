"""Stack of the failover records: one name that resolves to the primary or the secondary."""

from collections.abc import Mapping
from typing import Any

import jsii
from aws_cdk import CfnOutput, Fn, Tags
from aws_cdk import aws_route53 as route53
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms, failover_plan, node_metadata
from denodo_ha.environment.facts.denodo_ports import JDBC_URLS
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover
from stacks import accepted_findings
from stacks.access.failover_operators import FailoverOperatorPolicy
from stacks.alarms.failover_alarms import FailoverAlarms
from stacks.alarms.topics import Topics, create_topics, topics_of_stack
from stacks.balancer.alarm_health_checks import FailoverSwitch, fingerprint
from stacks.cluster_stack import ClusterStack
from stacks.environment_stack import EnvironmentStack
from stacks.library_values import seconds

_ROLES = (route53.Failover.PRIMARY, route53.Failover.SECONDARY)


class FailoverStack(EnvironmentStack):
    """Failover records in an existing hosted zone.

    References to the clusters' stacks are weak: no stack exports values, so each stack can be
    deployed separately. When the value of a weak reference changes, the template does not change.
    Therefore the comment of each record contains a hash of the settings whose change replaces a
    load balancer: a new hash makes CloudFormation update the record.

    The primary's record always depends on the operators' switch, so that one datapoint triggers a
    failover (AWS, Well-Architected REL11-BP04).
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
            accepted_findings=accepted_findings.of_failover_stack(environment),
        )
        self._environment, self._failover = environment, failover
        self._zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=failover.zone.id, zone_name=failover.zone.name
        )
        self._switch = FailoverSwitch(
            self,
            "Switch",
            environment=environment.name,
            namespace=failover_plan.switch_namespace(failover),
            region=self.region,
        )
        self._checks: list[route53.IHealthCheck] = [self._switch.check]
        for role, (name, _) in zip(_ROLES, failover_plan.cluster_pair(environment), strict=True):
            self.add_stack_dependency(clusters[name], "the records need outputs of the cluster")
            self._create_record(role, clusters[name])
        self._create_outputs()
        self._create_operator_policy()
        if environment.alarms.enabled:
            FailoverAlarms(
                self,
                "Alarms",
                environment=environment,
                failover=failover,
                topics=self._topics(clusters),
            )

    def _topics(self, clusters: Mapping[str, ClusterStack]) -> Topics:
        """Return the topics of a cluster in this stack's account and region, else create topics."""
        notifications = self._environment.alarms
        for name, cluster in failover_plan.cluster_pair(self._environment):
            is_here = (cluster.account, cluster.region) == (self.account, self.region)
            if is_here and clusters[name].has_alarms:
                stack = clusters[name].stack_name
                return topics_of_stack(notifications, stack=stack, region=self.region)
        topics = create_topics(
            Construct(self, "Notifications"),
            alarms=notifications,
            account=self.account,
            region=self.region,
        )
        CfnOutput(self, names.URGENT_TOPIC, value=topics.urgent)
        CfnOutput(self, names.NOTICE_TOPIC, value=topics.notice)
        return topics

    def _create_record(self, role: route53.Failover, cluster: ClusterStack) -> None:
        """Create the failover record of a role, primary or secondary.

        The logical id of the record is the role, so that clusters can swap roles.
        """
        method = failover_plan.check_method(self._environment, self._failover, cluster.cluster)
        label = role.name.capitalize()
        roles = alarms.checked_roles(self._environment)
        is_watched = self._environment.alarms.route53 or self._environment.dashboard
        settings: dict[str, Any] = {
            "zone": self._zone,
            "record_name": f"{failover_plan.dns_name(self._failover)}.",
            "failover": role,
            "set_identifier": label.lower(),
            "comment": f"{cluster.name} {fingerprint(method, cluster.replacement_settings)}",
        }
        if method == "target-health":
            host = self._cluster_output(cluster, names.BALANCER_DNS_NAME)
            zone_id = self._cluster_output(cluster, names.BALANCER_HOSTED_ZONE_ID)
            target = route53.RecordTarget.from_alias(LoadBalancerAlias(host, zone_id))
            # The record is healthy only if both the targets of the alias and the switch are healthy
            # (AWS, How Amazon Route 53 chooses records when health checking is configured).
            if role is route53.Failover.PRIMARY:
                settings["health_check"] = self._switch.check
            route53.ARecord(self, label, target=target, **settings)
            return
        ttl = failover_plan.TTL_DEFAULT_S if self._failover.ttl is None else self._failover.ttl
        settings["ttl"] = seconds(ttl)
        checks = self._cluster_checks(label, method, cluster)
        if role is route53.Failover.PRIMARY:
            checks = [*checks, self._switch.check]
            settings["health_check"] = self._all_healthy(f"{label}AndSwitch", checks)
        elif checks:
            settings["health_check"] = self._all_healthy(f"{label}Whole", checks)
        if is_watched and label in roles:
            check_id = settings["health_check"].health_check_id
            CfnOutput(self, names.CHECK_ID_OF_ROLE[label], value=check_id)
        if cluster.cluster.balancer.kind == "none":
            address = self._cluster_output(cluster, names.NODE_ADDRESS)
            target = route53.RecordTarget.from_ip_addresses(address)
            route53.ARecord(self, label, target=target, **settings)
        else:
            host = self._cluster_output(cluster, names.BALANCER_DNS_NAME)
            route53.CnameRecord(self, label, domain_name=host, **settings)

    def _cluster_checks(
        self, label: str, method: failover_plan.CheckMethod, cluster: ClusterStack
    ) -> list[route53.IHealthCheck]:
        """Return the health checks of a cluster; an empty list without health checks."""
        if method == "none" or not failover_plan.has_health_check(self._failover, cluster.name):
            return []
        checks: list[route53.IHealthCheck] = (
            [
                route53.HealthCheck.from_health_check_id(
                    self, id_, self._cluster_output(cluster, output)
                )
                for id_, output in (
                    (f"{label}Health", names.HEALTH_CHECK_ID),
                    (f"{label}Alive", names.ALIVE_CHECK_ID),
                )
            ]
            if method == "alarm"
            else [self._create_endpoint_check(label, cluster)]
        )
        self._checks.extend(checks)
        return checks

    def _create_endpoint_check(self, label: str, cluster: ClusterStack) -> route53.IHealthCheck:
        """Create the health check that connects to a cluster's jdbc port from the internet."""
        single = cluster.cluster.balancer.kind == "none"
        check = route53.HealthCheck(
            self,
            f"{label}Health",
            type=route53.HealthCheckType.TCP,
            fqdn=None if single else self._cluster_output(cluster, names.BALANCER_DNS_NAME),
            ip_address=self._cluster_output(cluster, names.NODE_ADDRESS) if single else None,
            port=self._environment.services["jdbc"].port,
            request_interval=seconds(
                self._failover.interval or failover_plan.ENDPOINT_INTERVAL_DEFAULT_S
            ),
            failure_threshold=self._failover.threshold or failover_plan.ENDPOINT_THRESHOLD_DEFAULT,
        )
        Tags.of(check).add("Name", cluster.stack_name)
        return check

    def _all_healthy(self, id_: str, checks: list[route53.IHealthCheck]) -> route53.IHealthCheck:
        """Return a check that is healthy while all given checks are healthy."""
        if len(checks) == 1:
            return checks[0]
        calculated = route53.HealthCheck(
            self,
            id_,
            type=route53.HealthCheckType.CALCULATED,
            child_health_checks=checks,
            health_threshold=len(checks),
        )
        role = "primary" if id_.startswith("Primary") else "secondary"
        Tags.of(calculated).add("Name", f"{self._environment.name}-{role}")
        self._checks.append(calculated)
        return calculated

    def _create_outputs(self) -> None:
        """Create the outputs: the endpoint for clients, and the locations for commands."""
        services, endpoint = self._environment.services, failover_plan.dns_name(self._failover)
        CfnOutput(self, names.ENDPOINT, value=endpoint)
        if "jdbc" in services:
            url = JDBC_URLS[self._environment.denodo.family]
            value = url.format(host=endpoint, port=services["jdbc"].port)
            CfnOutput(self, names.JDBC_URL, value=value)
        pair = failover_plan.cluster_pair(self._environment)
        for role, (name, cluster) in zip(_ROLES, pair, strict=True):
            label = role.name.capitalize()
            CfnOutput(self, names.CLUSTER_OF_ROLE[label], value=name)
            CfnOutput(self, names.REGION_OF_ROLE[label], value=cluster.region)
        CfnOutput(self, names.HOSTED_ZONE_ID, value=self._failover.zone.id)
        namespace = failover_plan.switch_namespace(self._failover)
        if namespace != failover_plan.SWITCH_NAMESPACE:
            CfnOutput(self, names.SWITCH_NAMESPACE, value=namespace)
        if self._environment.alarms.route53:
            CfnOutput(self, names.SWITCH_CHECK_ID, value=self._switch.check.health_check_id)

    def _create_operator_policy(self) -> None:
        """Create the policy for operators who trigger a failover."""
        policy = FailoverOperatorPolicy(
            self,
            "Operators",
            zone_id=self._failover.zone.id,
            check_ids=[check.health_check_id for check in self._checks],
            region=self.region,
            switch_namespace=failover_plan.switch_namespace(self._failover),
            stacks={
                self.stack_name: self.region,
                **{
                    names.cluster_stack(self._environment.name, name): cluster.region
                    for name, cluster in failover_plan.cluster_pair(self._environment)
                    if cluster.account == self.account
                },
            },
            locks={
                names.lock_parameter(self._environment.name, name): cluster.region
                for name, cluster in failover_plan.cluster_pair(self._environment)
                if cluster.account == self.account
            },
            history_buckets=node_metadata.history_buckets(
                self._environment,
                [name for name, _ in failover_plan.cluster_pair(self._environment)],
                failover_plan.stack_account(self._environment, self._failover),
            ),
        )
        CfnOutput(self, names.OPERATOR_POLICY_ARN, value=policy.arn)

    def _cluster_output(self, cluster: ClusterStack, output: str) -> str:
        """Return a weak reference to an output of a cluster's stack.

        In the same account, the reference contains the other stack's name. Across accounts, the
        reference is the CDK's own weak reference, which also creates a role with which this stack
        can read the other stack.
        """
        if cluster.account == self.account:
            return Fn.get_stack_output(cluster.stack_name, output, cluster.region)
        return str(cluster.outputs[output].value)


@jsii.implements(route53.IAliasRecordTarget)
class LoadBalancerAlias:
    """Alias target: a load balancer of another stack, healthy while the targets are healthy.

    The CDK's own alias target accepts only a construct of the same stack.
    """

    def __init__(self, dns_name: str, hosted_zone_id: str) -> None:
        self._dns_name, self._hosted_zone_id = dns_name, hosted_zone_id

    def bind(
        self, _record: route53.IRecordSet, _zone: route53.IHostedZone | None = None
    ) -> route53.AliasRecordTargetConfig:
        """Return the settings of the alias; failover aliases must evaluate target health."""
        return route53.AliasRecordTargetConfig(
            dns_name=self._dns_name,
            hosted_zone_id=self._hosted_zone_id,
            evaluate_target_health=True,
        )
