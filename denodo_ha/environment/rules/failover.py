"""Rules about failover: which records and checks can work between two clusters."""

from collections.abc import Iterator

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.topology import single_node_listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover

_PATH = ("failover",)
_ROLES = ("primary", "secondary")
_UNREACHABLE = (
    "Route 53's health checkers are on the internet and reach no private address (AWS, How Amazon "
    "Route 53 checks the health of your resources)"
)


def names_two_clusters(environment: Environment) -> Iterator[Problem]:
    """Primary and secondary are two clusters of the file."""
    failover = environment.failover
    if failover is None:
        return
    known = ", ".join(sorted(environment.clusters))
    for key in _ROLES:
        name = getattr(failover, key)
        if name not in environment.clusters:
            yield Problem(
                (*_PATH, key),
                "is no cluster of this file",
                "DNS answers with a cluster's balancer",
                f"write one of {known}",
                value=name,
            )
    if failover.primary == failover.secondary:
        yield Problem(
            (*_PATH, "secondary"),
            "is the primary too",
            "a cluster can't stand in for itself",
            f"write another one of {known}",
            value=failover.secondary,
        )


def record_name(environment: Environment) -> Iterator[Problem]:
    """The record is named without its zone, and a CNAME not at the apex."""
    failover = environment.failover
    if failover is None:
        return
    zone = failover.zone.name
    # DNS has no upper case, and a zone's name has a dot, so that the record has one before it.
    if f".{failover.record}".lower().endswith(f".{zone}".lower()):
        short = failover.record[: -len(zone)].rstrip(".") or failover_plan.APEX
        yield Problem(
            (*_PATH, "record"),
            "ends in the zone's name",
            f"the zone's name is added, which would make {failover.record}.{zone}",
            f'write "{short}"',
            value=failover.record,
        )
        at_apex = short == failover_plan.APEX
    else:
        at_apex = failover.record == failover_plan.APEX
    cnames = sorted(
        name
        for name, how in failover_plan.check_methods(environment).items()
        if how in ("endpoint", "alarm") and environment.clusters[name].balancer.kind != "none"
    )
    if at_apex and cnames:
        how = failover_plan.check_methods(environment)[cnames[0]]
        yield Problem(
            (*_PATH, "record"),
            f"is the zone's apex, and health is {how}",
            "that takes CNAME records, which DNS forbids where the zone's own SOA and NS records "
            "are (AWS, Choosing between alias and non-alias records)",
            "write a name below the zone, like denodo, or health: target-health",
            value=failover.record,
        )


def check_reaches(environment: Environment) -> Iterator[Problem]:
    """A check must be able to see what it checks."""
    failover = environment.failover
    if failover is None:
        return
    for name, how in failover_plan.health_checks(environment).items():
        cluster = environment.clusters[name]
        if how == "endpoint" and cluster.balancer.scheme == "internal":
            yield Problem(
                (*_PATH, "health"),
                f"can't be endpoint for {name}, whose balancer is internal",
                _UNREACHABLE,
                "write health: alarm, or auto",
                value=failover.health,
            )
        if (
            how == "endpoint"
            and cluster.balancer.scheme == "internet-facing"
            and cluster.network.health_checkers is None
            and failover_plan.ANYWHERE not in cluster.balancer.clients
        ):
            path = ("clusters", name, "network", "health_checkers")
            yield Problem(
                path,
                "is missing",
                "Route 53 checks the endpoint from the internet, and the security group would let "
                "only the clients in",
                "add health_checkers with the id that this prints: aws ec2 "
                f"describe-managed-prefix-lists --region {cluster.region} --filters Name="
                f"prefix-list-name,Values=com.amazonaws.{cluster.region}.route53-healthchecks "
                "--query PrefixLists[0].PrefixListId --output text",
            )
        if how in ("endpoint", "alarm") and "jdbc" not in environment.services:
            yield Problem(
                ("services",),
                "has no jdbc",
                f"health: {how} watches the jdbc service",
                "add jdbc: 9999, or write health: target-health",
            )
        if how == "alarm" and cluster.balancer.kind == "none":
            yield Problem(
                (*_PATH, "health"),
                f"can't be alarm for {name}, which has no balancer",
                "the alarm watches a target group",
                "write health: auto",
                value=failover.health,
            )


def nobody_sees_it(environment: Environment) -> Iterator[Problem]:
    """A single internal node is checked by nothing, so only people can move the site."""
    failover = environment.failover
    if failover is None:
        return
    for name, how in failover_plan.check_methods(environment).items():
        if how != "none":
            continue
        if failover.control != "operator":
            yield Problem(
                (*_PATH, "control"),
                f"can't be automatic: {name} is a single internal node",
                f"{_UNREACHABLE}, and there is no target group for an alarm",
                "write control: operator, or give the cluster a balancer",
                value=failover.control,
            )
        elif failover.health != "auto":
            yield Problem(
                (*_PATH, "health"),
                f"can't be {failover.health} for {name}, a single internal node",
                f"{_UNREACHABLE}, and there is no target group for an alarm",
                "write health: auto",
                value=failover.health,
            )


def one_kind_of_record(environment: Environment) -> Iterator[Problem]:
    """Both records have one type, or Route 53 refuses the second."""
    failover = environment.failover
    members = failover_plan.cluster_pair(environment)
    if failover is None or len(members) < 2:
        return
    bare = [name for name, cluster in members if cluster.balancer.kind == "none"]
    if len(bare) == 1:
        yield Problem(
            _PATH,
            f"joins {bare[0]}, which has no balancer, with one that has",
            "one record would hold an IP address and the other a name, and failover records have "
            "one type (AWS, Values specific for failover records)",
            "give both a balancer, or none",
        )
    if bare and failover.health == "target-health":
        yield Problem(
            (*_PATH, "health"),
            f"can't be target-health: {bare[0]} has no balancer",
            "only an alias to a load balancer evaluates target health",
            "write health: auto",
            value=failover.health,
        )


def alarm_in_another_account(environment: Environment) -> Iterator[Problem]:
    """A CloudWatch-metric check watches alarms of its own account only.

    The switch's alarm, its check and the records are all in the failover's account, so it works
    whatever accounts the clusters are in. But where people alone move the site, they must see
    both sides, and that takes one account (decision 15).
    """
    failover = environment.failover
    if failover is None or failover.primary not in environment.clusters:
        return
    account = failover_plan.stack_account(environment, failover)
    for name, how in failover_plan.health_checks(environment).items():
        cluster = environment.clusters[name]
        if how == "alarm" and cluster.account != account:
            yield Problem(
                (*_PATH, "health"),
                f"can't be alarm for {name}, which is in account {cluster.account} while the "
                f"failover is in {account}",
                "a Route 53 health check watches an alarm of its own account only (AWS, Monitoring "
                "a CloudWatch alarm)",
                "write health: target-health or endpoint, or put both into one account",
                value=failover.health,
            )
    for name, cluster in failover_plan.cluster_pair(environment):
        if failover.control == "operator" and cluster.account != account:
            yield Problem(
                (*_PATH, "control"),
                f"can't be operator with {name} in account {cluster.account} and the failover in "
                f"{account}",
                "nothing but people moves the site then, and whoever does must see the health of "
                "both sides with the permissions of one account",
                "write control: automatic, or put both into one account",
                value=failover.control,
            )


def settings_without_use(environment: Environment) -> Iterator[Problem]:
    """A setting that nothing would read is a misunderstanding."""
    failover = environment.failover
    methods = failover_plan.check_methods(environment)
    # Without both clusters it is not known what has a use.
    if failover is None or len(methods) < len(_ROLES):
        return
    alias = set(methods.values()) == {"target-health"}
    checks = set(failover_plan.health_checks(environment).values())
    if alias and failover.control == "operator":
        yield _unused(
            failover,
            "control",
            "an alias evaluates target health whatever the switch says, so health would move the "
            "site, too (AWS, Route 53 API, AliasTarget)",
            "write control: automatic, or health: alarm",
        )
    if alias and not failover.secondary_health:
        yield _unused(
            failover,
            "secondary_health",
            "failover aliases must evaluate target health (AWS, Route 53 API, AliasTarget)",
            "remove it, or write health: alarm",
        )
    for key, unused, why in (
        ("ttl", alias, f"an alias has the balancer's TTL, {limits.BALANCER_ALIAS_TTL_S} s"),
        (
            "threshold",
            checks <= {"target-health"},
            "it is for endpoint checks and alarms; targets are judged as balancer.health says",
        ),
        (
            "interval",
            "endpoint" not in checks,
            f"it is for endpoint checks; alarms are read every {limits.ALARM_PERIOD_S} s",
        ),
    ):
        if unused and getattr(failover, key) is not None:
            yield _unused(failover, key, why, "remove it, or choose another health")


def _unused(failover: Failover, key: str, why: str, instead: str) -> Problem:
    value = getattr(failover, key)
    return Problem(
        (*_PATH, key),
        "has no effect with these clusters",
        why,
        instead,
        value=str(value).lower(),
    )


def one_node_moves_the_site(environment: Environment) -> Iterator[Problem]:
    """Target health with single-node groups: allowed, and said loudly."""
    failover = environment.failover
    if failover is None or failover.health != "target-health":
        return
    for name, cluster in failover_plan.cluster_pair(environment):
        single = single_node_listeners(environment, cluster)
        if single and len(cluster.nodes) > 1:
            yield Problem(
                (*_PATH, "health"),
                f"makes one node of {name} move the whole site",
                f"{len(single)} target groups hold a single node, and an alias counts a balancer "
                "as unhealthy as soon as one of its groups has no healthy target (AWS, Route 53 "
                "API, AliasTarget), although the other nodes serve",
                "write health: auto",
                value=failover.health,
                severity=Severity.WARNING,
                rule="one-node-moves-the-site",
            )


RULES = (
    names_two_clusters,
    record_name,
    check_reaches,
    nobody_sees_it,
    one_kind_of_record,
    alarm_in_another_account,
    settings_without_use,
    one_node_moves_the_site,
)
