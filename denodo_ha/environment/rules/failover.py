"""Rules about failover: the records and health checks that AWS allows for two clusters."""

from collections.abc import Iterator

from denodo_ha.environment.derived import failover_plan, node_metadata
from denodo_ha.environment.derived.topology import single_node_listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover

_PATH = ("failover",)
_ROLES = ("primary", "secondary")
_UNREACHABLE = (
    "Route 53's health checkers are on the internet and cannot reach private addresses (AWS, How "
    "Amazon Route 53 checks the health of your resources)"
)


def failover_clusters(environment: Environment) -> Iterator[Problem]:
    """Primary and secondary must be two different clusters of the configuration."""
    failover = environment.failover
    if failover is None:
        return
    known = ", ".join(sorted(environment.clusters))
    is_alone = len(environment.clusters) == 1
    for key in _ROLES:
        name = getattr(failover, key)
        if name not in environment.clusters:
            yield Problem(
                (*_PATH, key),
                "is not a cluster of this file",
                "the failover name resolves to one of the clusters",
                f"add a cluster {name}, or remove failover"
                if is_alone
                else f"write one of {known}",
                value=name,
            )
    if failover.primary == failover.secondary:
        yield Problem(
            (*_PATH, "secondary"),
            "is the same cluster as primary",
            "a cluster cannot fail over to itself",
            "add a second cluster, or remove failover"
            if is_alone
            else f"write another cluster, one of {known}",
            value=failover.secondary,
        )


def failover_check(environment: Environment) -> Iterator[Problem]:
    """`failover.check_every` requires alarms: the alarm on the check notifies a topic of alarms."""
    failover = environment.failover
    if failover is not None and failover.check_every is not None and not environment.alarms.enabled:
        yield Problem(
            (*_PATH, "check_every"),
            "would be ignored",
            "alarms is none, so there is no topic that an alarm on the check could notify",
            "remove check_every, or remove alarms: none",
            value=str(failover.check_every),
        )


def failover_record(environment: Environment) -> Iterator[Problem]:
    """The record's name must not end with its zone, and a CNAME record must not be at the apex."""
    failover = environment.failover
    if failover is None:
        return
    zone = failover.zone.name
    # DNS ignores upper and lower case. The leading dots let the comparison also find a record that
    # is the zone's name itself.
    if f".{failover.record}".lower().endswith(f".{zone}".lower()):
        short = failover.record[: -len(zone)].rstrip(".") or failover_plan.APEX
        yield Problem(
            (*_PATH, "record"),
            "ends in the zone's name",
            "the zone's name is added to the record, so the full name would be "
            f"{failover.record}.{zone}",
            f'write "{short}"',
            value=failover.record,
        )
        at_apex = short == failover_plan.APEX
    else:
        at_apex = failover.record == failover_plan.APEX
    cname_methods = [
        method
        for name, method in sorted(failover_plan.check_methods(environment).items())
        if method in ("endpoint", "alarm") and environment.clusters[name].balancer.kind != "none"
    ]
    if at_apex and cname_methods:
        yield Problem(
            (*_PATH, "record"),
            f"is the zone's apex, and health is {cname_methods[0]}",
            f"the health check method {cname_methods[0]} needs CNAME records, which DNS does not "
            "allow at the apex (AWS, Choosing between alias and non-alias records)",
            "write a name below the zone, like denodo, or health: target-health",
            value=failover.record,
        )


def failover_record_is_a_host(environment: Environment) -> Iterator[Problem]:
    """The failover record's name must not be a wildcard, because clients connect to this name."""
    failover = environment.failover
    if failover is not None and failover.record.startswith("*"):
        yield Problem(
            (*_PATH, "record"),
            "is a wildcard",
            "clients connect to the record by its name, and * is not a host name; a wildcard "
            "answers for every name that the zone does not have",
            "write a name like denodo",
            value=failover.record,
        )


def failover_partition(environment: Environment) -> Iterator[Problem]:
    """Both clusters and the failover stack must be in the same AWS partition."""
    failover, pair = environment.failover, failover_plan.cluster_pair(environment)
    if failover is None or len(pair) < len(_ROLES):
        return
    regions = [cluster.region for _, cluster in pair]
    regions.append(failover_plan.stack_region(environment, failover))
    partitions = {node_metadata.partition(region): region for region in regions}
    if len(partitions) > 1:
        listed = ", ".join(f"{region} in {name}" for name, region in sorted(partitions.items()))
        yield Problem(
            _PATH,
            f"spans partitions of AWS: {listed}",
            "accounts, hosted zones and references between stacks end at the partition (AWS, IAM, "
            "Amazon Resource Names; CloudFormation, Fn::GetStackOutput)",
            "choose two regions of one partition, or remove failover and fail over between the "
            "partitions with another DNS provider",
        )


def endpoint_check_can_fail(environment: Environment) -> Iterator[Problem]:
    """An endpoint check must connect to a node, so that it fails if no node serves clients."""
    failover = environment.failover
    if failover is None:
        return
    jdbc = environment.services.get("jdbc")
    for name, method in failover_plan.health_checks(environment).items():
        cluster = environment.clusters[name]
        if method != "endpoint":
            continue
        haproxy = cluster.balancer.kind == "haproxy"
        if haproxy or (cluster.balancer.kind == "nlb" and jdbc is not None and jdbc.tls):
            what = "HAProxy accepts" if haproxy else "a TLS listener accepts"
            yield Problem(
                (*_PATH, "health"),
                f"cannot detect with method endpoint that {name} fails",
                f"{what} connections even if no node of the cluster serves clients, so Route 53 "
                "would not fail over",
                "write health: target-health"
                + (
                    ""
                    if haproxy
                    else (", or remove tls from jdbc, since Denodo can terminate TLS itself")
                ),
                value=failover.health,
                rule="endpoint-never-fails",
                refuses=(name,),
            )


def health_check_reaches_cluster(environment: Environment) -> Iterator[Problem]:
    """A health check must be able to reach the resource that it checks."""
    failover = environment.failover
    if failover is None:
        return
    for name, method in failover_plan.health_checks(environment).items():
        cluster = environment.clusters[name]
        if method == "endpoint" and cluster.balancer.scheme == "internal":
            yield Problem(
                (*_PATH, "health"),
                f"cannot be endpoint for {name}, whose balancer is internal",
                _UNREACHABLE,
                "write health: alarm, or auto",
                value=failover.health,
            )
        if (
            method == "endpoint"
            and cluster.balancer.scheme == "internet-facing"
            and cluster.network.health_checkers is None
            and failover_plan.ANYWHERE not in cluster.balancer.clients
        ):
            yield Problem(
                ("clusters", name, "network", "health_checkers"),
                "is missing",
                "Route 53 checks the endpoint from the internet, and the security group would "
                "allow only the clients",
                "add health_checkers: with the id that this command prints: aws ec2 "
                f"describe-managed-prefix-lists --region {cluster.region} --filters "
                f"Name=prefix-list-name,Values=com.amazonaws.{cluster.region}.route53-healthchecks "
                "--query PrefixLists[0].PrefixListId --output text",
            )
        if method in ("endpoint", "alarm") and "jdbc" not in environment.services:
            yield Problem(
                ("services",),
                "has no service jdbc",
                f"health: {method} monitors the service jdbc",
                "add jdbc: 9999, or write health: target-health",
            )
        if method == "alarm" and cluster.balancer.kind == "none":
            yield Problem(
                (*_PATH, "health"),
                f"cannot be alarm for {name}, which has no balancer",
                "the alarm monitors a target group of a balancer",
                "write health: auto",
                value=failover.health,
            )


def internal_single_node(environment: Environment) -> Iterator[Problem]:
    """For a single internal node, only operators can fail over: no health check can reach it."""
    failover = environment.failover
    if failover is None:
        return
    for name, method in failover_plan.check_methods(environment).items():
        if method != "none":
            continue
        if failover.control != "operator":
            yield Problem(
                (*_PATH, "control"),
                f"cannot be automatic: {name} is a single internal node",
                f"{_UNREACHABLE}, and a cluster without a balancer has no target group that an "
                "alarm could monitor",
                "write control: operator, or give the cluster a balancer",
                value=failover.control,
            )
        elif failover.health != "auto":
            yield Problem(
                (*_PATH, "health"),
                f"cannot be {failover.health} for {name}, a single internal node",
                f"{_UNREACHABLE}, and a cluster without a balancer has no target group that an "
                "alarm could monitor",
                "write health: auto",
                value=failover.health,
            )


def failover_record_types(environment: Environment) -> Iterator[Problem]:
    """Both failover records must have the same type; otherwise Route 53 rejects a record."""
    failover = environment.failover
    pair = failover_plan.cluster_pair(environment)
    if failover is None or len(pair) < 2:
        return
    bare = [name for name, cluster in pair if cluster.balancer.kind == "none"]
    if len(bare) == 1:
        yield Problem(
            _PATH,
            f"combines {bare[0]}, which has no balancer, with a cluster that has a balancer",
            "one record would contain an IP address and the other a name, but both failover "
            "records must have the same type (AWS, Values specific for failover records)",
            "configure a balancer for both clusters, or for neither of the two",
        )
    if bare and failover.health == "target-health":
        yield Problem(
            (*_PATH, "health"),
            f"cannot be target-health: {bare[0]} has no balancer",
            "only an alias to a load balancer evaluates target health",
            "write health: auto",
            value=failover.health,
        )


def failover_accounts(environment: Environment) -> Iterator[Problem]:
    """Alarms that health checks monitor must be in the account of the failover stack.

    The alarm and health check of the switch and the records are in that account, so the switch
    works with clusters in any accounts. But with `control: operator`, operators must see the health
    of both clusters, which requires that both are in the account of the failover stack (decision
    15).
    """
    failover = environment.failover
    if failover is None or failover.primary not in environment.clusters:
        return
    account = failover_plan.stack_account(environment, failover)
    for name, method in failover_plan.health_checks(environment).items():
        cluster = environment.clusters[name]
        if method == "alarm" and cluster.account != account:
            yield Problem(
                (*_PATH, "health"),
                f"cannot be alarm for {name}, which is in account {cluster.account} while the "
                f"failover stack is in account {account}",
                "a Route 53 health check can monitor only an alarm of its own account (AWS, "
                "Monitoring a CloudWatch alarm)",
                "write health: target-health or endpoint, or use one account for both clusters",
                value=failover.health,
            )
    for name, cluster in failover_plan.cluster_pair(environment):
        if failover.control == "operator" and cluster.account != account:
            yield Problem(
                (*_PATH, "control"),
                f"cannot be operator with {name} in account {cluster.account} and the failover "
                f"stack in account {account}",
                "with control: operator, operators must see the health of both clusters with the "
                "permissions of one account",
                "write control: automatic, or use one account for both clusters",
                value=failover.control,
            )


def unused_failover_settings(environment: Environment) -> Iterator[Problem]:
    """Each setting of the failover must have an effect with the clusters' check methods."""
    failover = environment.failover
    methods = failover_plan.check_methods(environment)
    # The methods are known only if both clusters exist.
    if failover is None or len(methods) < len(_ROLES):
        return
    alias = set(methods.values()) == {"target-health"}
    checks = set(failover_plan.health_checks(environment).values())
    if alias and failover.control == "operator":
        yield _unused(
            failover,
            "control",
            "an alias always evaluates target health, so unhealthy targets would trigger a "
            "failover even with control: operator (AWS, Route 53 API, AliasTarget)",
            "write control: automatic, or health: alarm",
        )
    if alias and not failover.secondary_health:
        yield _unused(
            failover,
            "secondary_health",
            "failover aliases must evaluate target health (AWS, Route 53 API, AliasTarget)",
            "remove secondary_health, or write health: alarm",
        )
    for key, is_unused, why in (
        ("minutes_without_data", "alarm" not in checks, "only alarms detect missing data"),
        (
            "ttl",
            alias,
            f"an alias record has the TTL of the balancer, {limits.BALANCER_ALIAS_TTL_S} s",
        ),
        (
            "threshold",
            checks <= {"target-health"},
            "threshold is only for endpoint checks and alarms; target health uses balancer.health",
        ),
        (
            "interval",
            "endpoint" not in checks,
            (
                "interval is only for endpoint checks; the period of alarms is always "
                f"{limits.ALARM_PERIOD_S} s"
            ),
        ),
    ):
        if is_unused and getattr(failover, key) is not None:
            yield _unused(
                failover, key, why, f"remove {key}, or choose another method in failover.health"
            )


def _unused(failover: Failover, key: str, why: str, instead: str) -> Problem:
    return Problem(
        (*_PATH, key),
        "has no effect for these two clusters",
        why,
        instead,
        value=str(getattr(failover, key)).lower(),
    )


def target_health_of_single_nodes(environment: Environment) -> Iterator[Problem]:
    """`health: target-health` should not be used if a target group contains a single node."""
    failover = environment.failover
    if failover is None or failover.health != "target-health":
        return
    for name, cluster in failover_plan.cluster_pair(environment):
        single = single_node_listeners(environment, cluster)
        if single and len(cluster.nodes) > 1:
            yield Problem(
                (*_PATH, "health"),
                f"makes the loss of one node of {name} trigger a site failover",
                f"{len(single)} target groups contain a single node, and an alias treats a "
                "balancer as unhealthy as soon as one of its target groups has no healthy target "
                "(AWS, Route 53 API, AliasTarget), even if the other nodes serve",
                "write health: auto",
                value=failover.health,
                severity=Severity.WARNING,
                rule="one-node-moves-the-site",
            )


RULES = (
    failover_clusters,
    failover_check,
    failover_record,
    failover_record_is_a_host,
    failover_partition,
    endpoint_check_can_fail,
    health_check_reaches_cluster,
    internal_single_node,
    failover_record_types,
    failover_accounts,
    unused_failover_settings,
    target_health_of_single_nodes,
)
