"""Rules about AWS's quotas, each with the number, the limit, its source and the way out."""

from collections.abc import Iterator

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.derived.firewall import Direction, RuleSet, SecurityGroup, firewall
from denodo_ha.environment.derived.topology import listeners, max_haproxy_instances
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.limits import Limit
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.rules.nodes import described

_GROUPS: dict[SecurityGroup, str] = {
    "alb": "the Application Load Balancer's",
    "balancer": "the balancer's",
    "haproxy": "HAProxy's",
    "nodes": "the nodes'",
}
_WAYS: dict[Direction, str] = {"ingress": "inbound", "egress": "outbound"}


def listener_quota(environment: Environment) -> Iterator[Problem]:
    """Every service and every auxiliary port is a listener."""
    for name, cluster in _balanced(environment):
        count = len(listeners(environment, cluster))
        yield from _over(
            limits.LISTENERS_PER_NLB,
            count,
            ("clusters", name),
            f"{len(environment.services)} services and "
            f"{count - len(environment.services)} auxiliary ports",
            "remove services, or split the cluster in two",
        )


def target_quota(environment: Environment) -> Iterator[Problem]:
    """A node, or a HAProxy, counts once in every group that it is in."""
    for name, cluster in _balanced(environment):
        served = listeners(environment, cluster)
        proxied = cluster.balancer.kind == "haproxy"
        yield from _over(
            limits.TARGETS_PER_NLB,
            max_haproxy_instances(cluster) * len(served)
            if proxied
            else sum(
                limits.TARGETS_PER_ALB_BEHIND_NLB.value if one.alb_health else len(one.nodes)
                for one in served
            ),
            ("clusters", name),
            f"each {'HAProxy' if proxied else 'node'} counts once in every target group"
            + _with_cookies(environment, cluster),
            f"remove services or {'HAProxies' if proxied else 'nodes'}, or split the cluster in "
            "two",
        )


def _with_cookies(environment: Environment, cluster: Cluster) -> str:
    count = len(cookie_balancer.alb_services(environment, cluster))
    limit = limits.TARGETS_PER_ALB_BEHIND_NLB
    return f", and each of {count} services with cookies {limit.value} ({limit.source})" * bool(
        count
    )


def rule_quota(environment: Environment) -> Iterator[Problem]:
    """Each CIDR is a rule at least, and each port as well while that fits."""
    for name in environment.clusters:
        for side in firewall(environment, name):
            label = f"{_GROUPS[side.group]} security group, {_WAYS[side.direction]}"
            yield from _over(
                limits.RULES_PER_SECURITY_GROUP,
                side.weight,
                _culprit(environment, name, side),
                f"{label}, with one range of ports a CIDR",
                "join networks, for example neighbouring /24 into a /23",
            )
            if side.uses_ranges and side.weight <= limits.RULES_PER_SECURITY_GROUP.value:
                yield Problem(
                    ("clusters", name),
                    f"{label}: one range of ports for each source instead of single ports",
                    f"{len(side.port_rules)} single rules, with room to change them, do not fit "
                    f"{limits.RULES_PER_SECURITY_GROUP}",
                    "join client networks to go back to single ports",
                    severity=Severity.NOTE,
                    rule="port-ranges",
                )


def _culprit(environment: Environment, name: str, side: RuleSet) -> Path:
    """Where the many CIDRs of a side stand. A node without a balancer meets the clients itself."""
    if side.group == "nodes" and environment.clusters[name].balancer.kind != "none":
        return ("solution_manager", "cidrs")
    if side.group == "haproxy":
        return ("clusters", name, "balancer", "haproxy", "metrics_clients")
    return ("clusters", name, "balancer", "clients")


def resource_quota(environment: Environment) -> Iterator[Problem]:
    """A cluster is one stack."""
    for name in environment.clusters:
        yield from _over(
            limits.RESOURCES_PER_TEMPLATE,
            resources(environment, name),
            ("clusters", name),
            "nodes, listeners, target groups and rules",
            "split the cluster in two",
        )


def resources(environment: Environment, name: str) -> int:
    """An upper bound of the resources in a cluster's stack (a test holds it to the templates)."""
    cluster = environment.clusters[name]
    behind = len(cookie_balancer.alb_services(environment, cluster))
    # With cookies, a second listener and group; besides, the other balancer and its group.
    served = len(listeners(environment, cluster)) + behind + bool(behind)
    rules = sum(len(side.rules) for side in firewall(environment, name))
    zones = len(cluster.network.zones)
    # A created VPC: itself, gateway, attachment, S3 endpoint; a zone: two subnets with route
    # table, association and route each, and NAT gateway with address.
    network = 0 if cluster.network.vpc else 4 + 10 * zones
    # A node: instance, profile, role, policy, parameter, name. Besides: groups, balancer, alarm,
    # health check, zone of the names, document, the operators' policy.
    # Of HAProxy: group, fleet, template, profile, role, policy, parameter, document.
    proxies = 8 if cluster.balancer.kind == "haproxy" else 0
    return network + 2 * served + rules + 6 * len(cluster.nodes) + 13 + proxies


def elastic_ip_quota(environment: Environment) -> Iterator[Problem]:
    """Created VPCs take an Elastic IP per zone for their NAT gateways."""
    needed: dict[tuple[str, str], list[str]] = {}
    for name, cluster in environment.clusters.items():
        where = (cluster.account, cluster.region)
        needed.setdefault(where, []).extend([name] * elastic_ips(cluster))
    for (account, region), names in needed.items():
        limit = limits.ELASTIC_IPS_PER_REGION
        if len(names) > limit.value:
            yield Problem(
                ("clusters", names[-1]),
                f"brings the Elastic IPs of {account} in {region} to {len(names)}",
                f"the quota is {limit}, and what the account has already counts too",
                "have AWS raise the quota before the deploy, or use existing VPCs",
                severity=Severity.WARNING,
                rule="elastic-ips",
            )


def elastic_ips(cluster: Cluster) -> int:
    """How many Elastic IPs the cluster's stack allocates."""
    nat = 0 if cluster.network.vpc else len(cluster.network.zones)
    node = cluster.balancer.kind == "none" and cluster.balancer.scheme == "internet-facing"
    return nat + int(node)


def policy_quota(environment: Environment) -> Iterator[Problem]:
    """A role takes few managed policies."""
    for name, cluster in environment.clusters.items():
        for path, machine in described(name, cluster):
            yield from _over(
                limits.POLICIES_PER_ROLE,
                len(machine.role_policies or ()),
                (*path, "role_policies"),
                "each node's role gets them all",
                "join policies",
            )


def _balanced(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind != "none":
            yield name, cluster


def _over(limit: Limit, count: int, path: Path, why: str, instead: str) -> Iterator[Problem]:
    if count > limit.value:
        yield Problem(
            path,
            f"needs {count} {limit.of}, and AWS allows {limit.value}",
            f"{why} ({limit.source})",
            instead,
            value=str(count),
        )


RULES = (
    listener_quota,
    target_quota,
    rule_quota,
    resource_quota,
    elastic_ip_quota,
    policy_quota,
)
