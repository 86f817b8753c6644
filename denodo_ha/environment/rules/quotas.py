"""Rules about AWS quotas. Each message has the number, the limit, its source and a remedy."""

from collections.abc import Iterator

from denodo_ha.environment.derived import alarms, cookie_balancer, node_alarms
from denodo_ha.environment.derived.firewall import Direction, RuleSet, SecurityGroup, firewall
from denodo_ha.environment.derived.outbound_access import (
    has_public_node,
    interface_endpoints,
    nat_addresses,
)
from denodo_ha.environment.derived.topology import listeners, max_haproxy_instances
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.limits import Limit
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.rules.nodes import instance_settings

_OWNERS: dict[SecurityGroup, str] = {
    "alb": "the Application Load Balancer's",
    "balancer": "the balancer's",
    "haproxy": "HAProxy's",
    "nodes": "the nodes'",
}
_DIRECTIONS: dict[Direction, str] = {"ingress": "inbound", "egress": "outbound"}


def listener_quota(environment: Environment) -> Iterator[Problem]:
    """The listeners of services and auxiliary ports must fit the quota of a load balancer."""
    for name, cluster in _balanced_clusters(environment):
        count = len(listeners(environment, cluster))
        yield from _exceeded(
            limits.LISTENERS_PER_NLB,
            count,
            ("clusters", name),
            f"{len(environment.services)} services and "
            f"{count - len(environment.services)} auxiliary ports",
            "remove services, or split the cluster in two",
        )


def target_quota(environment: Environment) -> Iterator[Problem]:
    """A load balancer's targets must fit the quota; a node counts once in each target group."""
    for name, cluster in _balanced_clusters(environment):
        served = listeners(environment, cluster)
        proxied = cluster.balancer.kind == "haproxy"
        yield from _exceeded(
            limits.TARGETS_PER_NLB,
            max_haproxy_instances(cluster) * len(served)
            if proxied
            else sum(
                limits.TARGETS_PER_ALB_BEHIND_NLB.value
                if listener.alb_health
                else len(listener.nodes)
                for listener in served
            ),
            ("clusters", name),
            f"each {'HAProxy instance' if proxied else 'node'} counts once in every target group"
            + _cookie_targets(environment, cluster),
            f"remove services or {'HAProxy instances' if proxied else 'nodes'}, or split the "
            "cluster in two",
        )


def _cookie_targets(environment: Environment, cluster: Cluster) -> str:
    count = len(cookie_balancer.alb_services(environment, cluster))
    limit = limits.TARGETS_PER_ALB_BEHIND_NLB
    if not count:
        return ""
    return (
        f", and each of {count} services with cookies counts as {limit.value} targets "
        f"({limit.source})"
    )


def rule_quota(environment: Environment) -> Iterator[Problem]:
    """Security group rules must fit the quota, if necessary with one port range for each peer."""
    for name in environment.clusters:
        for rule_set in firewall(environment, name):
            label = f"{_OWNERS[rule_set.group]} security group, {_DIRECTIONS[rule_set.direction]}"
            is_egress = _is_egress_of_nodes(rule_set)
            yield from _exceeded(
                limits.RULES_PER_SECURITY_GROUP,
                rule_set.weight,
                _cidrs_path(environment, name, rule_set),
                label if is_egress else f"{label}, even with one port range for each CIDR",
                "combine networks, for example two neighbouring /24 into a /23"
                + (", and ports into ranges" if is_egress else ""),
            )
            fits = rule_set.weight <= limits.RULES_PER_SECURITY_GROUP.value
            if rule_set.uses_ranges and fits:
                yield _ranges(name, label, rule_set)


def _ranges(name: str, label: str, rule_set: RuleSet) -> Problem:
    """Return the finding that port ranges replace single ports.

    The finding is a note, or a warning if the ranges open ports that are not used.
    """
    more = sorted({(rule.first, rule.last) for rule in rule_set.opens_unused_ports})
    effect = "".join(f", and all ports from {first} to {last} are open" for first, last in more)
    return Problem(
        ("clusters", name),
        f"{label}: has one port range instead of single ports for each source or destination",
        f"{len(rule_set.port_rules)} rules for single ports, with room for later changes, exceed "
        f"{limits.RULES_PER_SECURITY_GROUP}{effect}",
        "combine client networks to use single ports again",
        severity=Severity.WARNING if more else Severity.NOTE,
        rule="port-ranges",
    )


def _cidrs_path(environment: Environment, name: str, rule_set: RuleSet) -> Path:
    """Return the path, in the configuration, of the CIDRs from which a rule set was made.

    Clients of a cluster without a balancer connect to the node, so the node's rules contain the
    CIDRs of the clients.
    """
    if _is_egress_of_nodes(rule_set):
        return ("clusters", name, "network", "egress")
    if rule_set.group == "nodes" and environment.clusters[name].balancer.kind != "none":
        own = environment.clusters[name].solution_manager
        return (*(("clusters", name) if own else ()), "solution_manager", "cidrs")
    if rule_set.group == "haproxy":
        return ("clusters", name, "balancer", "haproxy", "metrics_clients")
    return ("clusters", name, "balancer", "clients")


def _is_egress_of_nodes(rule_set: RuleSet) -> bool:
    return (rule_set.group, rule_set.direction) == ("nodes", "egress")


def resource_quota(environment: Environment) -> Iterator[Problem]:
    """The resources of a cluster must fit the quota of one stack."""
    for name in environment.clusters:
        yield from _exceeded(
            limits.RESOURCES_PER_TEMPLATE,
            max_resources(environment, name),
            ("clusters", name),
            "nodes, listeners, target groups and rules",
            "split the cluster in two",
        )


def max_resources(environment: Environment, name: str) -> int:
    """Return an upper bound of the number of resources in a cluster's stack.

    A test compares this bound with the templates.
    """
    cluster = environment.clusters[name]
    behind_alb = len(cookie_balancer.alb_services(environment, cluster))
    # Each service with cookies has a second listener and target group. The Application Load
    # Balancer and its security group count as one more pair.
    served = len(listeners(environment, cluster)) + behind_alb + bool(behind_alb)
    rules = sum(len(rule_set.rules) for rule_set in firewall(environment, name))
    zones = len(cluster.network.zones)
    endpoints = interface_endpoints(cluster.network)
    # Resources of a created VPC: the VPC, its internet gateway with attachment, and the S3
    # endpoint; the interface endpoints with a security group and a rule; the flow log with log
    # group, role and policy. Resources of each zone: two subnets, each with a route table, an
    # association and a route, and a NAT gateway with its address.
    network = 0
    if cluster.network.vpc is None:
        network = 4 + 10 * zones + len(endpoints) + 2 * bool(endpoints)
        network += 4 * cluster.network.flow_logs
    # Resources of HAProxy: security group, fleet, template, profile, role, policy, parameter,
    # document.
    haproxy = 8 if cluster.balancer.kind == "haproxy" else 0
    # At most one Capacity Reservation for each node: nodes of one zone and type share it.
    reservations = len(cluster.nodes) if cluster.capacity is not None else 0
    # Resources of each node: instance, profile, role, policy, parameter, DNS record. Other
    # resources: security groups, balancer, alarm, health check, hosted zone, document, operators'
    # policy, log group.
    others = 13 + (environment.logs is not None) + reservations
    return network + 2 * served + rules + 6 * len(cluster.nodes) + others + haproxy


def has_alarms(environment: Environment, name: str) -> bool:
    """Return whether a cluster's stack has alarms: they are enabled and fit into the template."""
    count = max_resources(environment, name) + max_alarm_resources(environment, name)
    return environment.alarms.enabled and count <= limits.RESOURCES_PER_TEMPLATE.value


def max_alarm_resources(environment: Environment, name: str) -> int:
    """Return an upper bound of the number of alarms and topics in a cluster's stack.

    The alarms are: two on the target group of each service; one on the target group of each
    auxiliary port; one on each node; one on the last node; one on each certificate; and at most ten
    others. The topics have five resources. A node that publishes metrics has one alarm on each
    metric, and one alarm on missing metrics.
    """
    cluster = environment.clusters[name]
    ports = listeners(environment, cluster)
    services = sum(port.service is not None for port in ports)
    balanced = cluster.balancer.kind != "none"
    certificates = {
        arn for service in environment.services.values() if (arn := service.certificate(name))
    }
    publishing = len(node_alarms.publishing_nodes(environment, name))
    kinds = len([*node_alarms.node_alarms(environment, name)]) if publishing else 0
    count = len(cluster.nodes) + 7 + publishing * (kinds + 1) + kinds
    count += len(cluster.nodes) in alarms.LAST_NODE_OF
    count += 2 * bool(node_alarms.haproxy_metrics(environment, name))
    if balanced:
        count += len(ports) + services + 7 + len(certificates) + bool(certificates)
    return count


def alarms_left_out(environment: Environment) -> Iterator[Problem]:
    """The alarms of a cluster should fit into its template."""
    for name in environment.clusters:
        if environment.alarms.enabled and not has_alarms(environment, name):
            resources = max_resources(environment, name)
            if resources > limits.RESOURCES_PER_TEMPLATE.value:
                continue  # `resource_quota` reports a cluster that is too large even without alarms
            yield Problem(
                ("clusters", name),
                "gets no alarms",
                "with alarms, the cluster's template would have up to "
                f"{resources + max_alarm_resources(environment, name)} resources, and the quota "
                f"is {limits.RESOURCES_PER_TEMPLATE}",
                "split the cluster in two, or write alarms: none",
                severity=Severity.WARNING,
                rule="alarms-left-out",
            )


def elastic_ip_quota(environment: Environment) -> Iterator[Problem]:
    """The Elastic IPs that the stacks allocate should fit the quota of an account and region."""
    clusters_of_ips: dict[tuple[str, str], list[str]] = {}
    for name, cluster in environment.clusters.items():
        location = (cluster.account, cluster.region)
        clusters_of_ips.setdefault(location, []).extend([name] * _elastic_ips(cluster))
    limit = limits.ELASTIC_IPS_PER_REGION
    for (account, region), names in clusters_of_ips.items():
        if len(names) > limit.value:
            yield Problem(
                ("clusters", names[-1]),
                f"increases the number of Elastic IPs of account {account} in {region} to "
                f"{len(names)}",
                f"the quota is {limit}, and existing Elastic IPs of the account count too",
                "request a quota increase from AWS before the deploy, or use existing VPCs or "
                "nat: none",
                severity=Severity.WARNING,
                rule="elastic-ips",
            )


def _elastic_ips(cluster: Cluster) -> int:
    """Return the number of Elastic IPs that a cluster's stack allocates."""
    return nat_addresses(cluster) + has_public_node(cluster)


def policy_quota(environment: Environment) -> Iterator[Problem]:
    """The managed policies of a role must fit the quota."""
    for name, cluster in environment.clusters.items():
        for path, instance in instance_settings(name, cluster):
            yield from _exceeded(
                limits.POLICIES_PER_ROLE,
                len(instance.role_policies or ()),
                (*path, "role_policies"),
                "the role of each node gets all these policies",
                "combine policies",
            )


def _balanced_clusters(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind != "none":
            yield name, cluster


def _exceeded(limit: Limit, count: int, path: Path, why: str, instead: str) -> Iterator[Problem]:
    if count > limit.value:
        yield Problem(
            path,
            f"needs {count} {limit.unit}, and AWS allows {limit.value}",
            f"{why} ({limit.source})",
            instead,
            value=str(count),
        )


RULES = (
    listener_quota,
    target_quota,
    rule_quota,
    resource_quota,
    alarms_left_out,
    elastic_ip_quota,
    policy_quota,
)
