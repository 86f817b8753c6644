"""Rules about alarms and their topics."""

from collections.abc import Iterator

from denodo_ha.environment.derived.alarms import checked_roles
from denodo_ha.environment.derived.failover_plan import stack_region
from denodo_ha.environment.derived.node_metadata import partition
from denodo_ha.environment.facts.limits import ROUTE53_METRICS_REGION
from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import ROUTE53, route53_stack

_TOPICS = ("urgent", "notice")


def topics_are_in_their_region(environment: Environment) -> Iterator[Problem]:
    """A topic must be in the region of its entry in `topics`: alarms notify no other region."""
    for kind, topics in _topics(environment):
        for region, arn in topics.items():
            if arn.split(":")[3] != region:
                yield Problem(
                    ("alarms", "topics", kind, region),
                    "is a topic of another region",
                    f"alarms in {region} can only notify topics in {region} (AWS, Amazon "
                    "CloudWatch User Guide, Notifying users on alarm changes)",
                    f"write the ARN of a topic in {region}, or remove {region}, so that the stack "
                    "creates a topic",
                    value=arn,
                )


def topics_are_used(environment: Environment) -> Iterator[Problem]:
    """Each region in `topics` must have a stack; otherwise no alarm would use the topic."""
    regions = _regions(environment)
    for kind, topics in _topics(environment):
        for region in topics:
            if region not in regions:
                yield Problem(
                    ("alarms", "topics", kind, region),
                    "is not a region of this environment",
                    "the topic would be ignored",
                    f"write one of {', '.join(sorted(regions))}",
                    value=region,
                    at_key=True,
                )


def email_needs_a_created_topic(environment: Environment) -> Iterator[Problem]:
    """E-mail addresses can be subscribed only to topics that the stacks create."""
    alarms = environment.alarms
    if not alarms.email:
        return
    if not alarms.enabled:
        yield Problem(
            ("alarms", "email"),
            "is set, but alarms are turned off",
            "without alarms, no message would be sent to these addresses",
            "remove email, or write enabled: true",
        )
    elif not any(_creates_topics(environment)):
        yield Problem(
            ("alarms", "email"),
            "is set, but the stacks create no topic",
            "alarms.topics names an existing topic for each region, and the stacks do not change "
            "the subscriptions of existing topics",
            "remove email, and subscribe the addresses to the existing topics yourself",
        )


def alarms_reach_no_operator(environment: Environment) -> Iterator[Problem]:
    """A topic that the stacks create should have a subscriber."""
    alarms = environment.alarms
    if alarms.enabled and not alarms.email and any(_creates_topics(environment)):
        yield Problem(
            ("alarms",),
            "notifies no operator",
            "the stacks create topics without a subscriber, since alarms.email is not set",
            "write alarms: {email: [ADDRESS]}, or your own topics as alarms.topics, or alarms: "
            "none; if you subscribe to the created topics yourself, write accept: {alarms-unread: "
            "{why: …, until: YYYY-MM-DD}}",
            severity=Severity.WARNING,
            rule="alarms-unread",
        )


def nodes_publish_metrics(environment: Environment) -> Iterator[Problem]:
    """Alarms on the nodes' own metrics need nodes that publish metrics."""
    path, alarms = ("alarms", "nodes"), environment.alarms
    if not alarms.nodes:
        return
    if not alarms.enabled:
        yield Problem(
            path, "is set, but alarms are turned off", "this key needs alarms", "remove nodes"
        )
        return
    if not environment.denodo.program:
        yield Problem(
            path,
            "needs nodes that publish metrics",
            "with denodo.program: false, nodes do not have the node program, which publishes the "
            "metrics",
            "remove nodes, or remove denodo.program",
        )
        return
    existing = {
        name: sorted(node for node, entry in cluster.nodes.items() if entry.instance_id is not None)
        for name, cluster in environment.clusters.items()
    }
    clusters = environment.clusters.items()
    if all(len(existing[name]) == len(cluster.nodes) for name, cluster in clusters):
        yield Problem(
            path,
            "needs nodes that publish metrics",
            "existing instances (instance_id) do not have the node program, which publishes the "
            "metrics",
            "remove nodes",
        )
        return
    for name, nodes in existing.items():
        for node in nodes:
            yield Problem(
                ("clusters", name, "nodes", node, "instance_id"),
                "is an instance that publishes no metrics",
                "existing instances do not have the node program, which publishes the metrics, so "
                "alarms.nodes has no effect on this node",
                "monitor this node by other means; the alarms on metrics that AWS publishes apply "
                "to this node too",
                severity=Severity.NOTE,
                rule="no-node-metrics",
            )


def route53_has_checks(environment: Environment) -> Iterator[Problem]:
    """Alarms on Route 53's health checks need a failover with health checks that have metrics."""
    path = ("alarms", "route53")
    if not environment.alarms.route53:
        return
    if not environment.alarms.enabled:
        yield Problem(
            path, "is set, but alarms are turned off", "this key needs alarms", "remove route53"
        )
    elif environment.failover is None:
        yield Problem(
            path,
            "is set, but failover is not",
            "only a failover has Route 53 health checks",
            "remove route53",
        )
    elif not checked_roles(environment):
        yield Problem(
            path,
            "has no health check to monitor",
            "Route 53 publishes a metric about a cluster only if its health check has the method "
            "alarm or endpoint",
            "remove route53, or write failover.health: alarm or endpoint",
        )
    elif any(partition(region) != "aws" for region in _regions(environment)):
        yield Problem(
            path,
            "is not supported in this partition",
            f"the metrics of health checks are in {ROUTE53_METRICS_REGION}, which other partitions "
            "do not have (AWS, Monitoring health checks using CloudWatch)",
            "remove route53",
        )
    if ROUTE53 in environment.clusters:
        yield Problem(
            ("clusters", ROUTE53),
            "has the name of another stack",
            f"alarms.route53 creates the stack {route53_stack(environment.name)}, which would "
            "also be the name of the cluster's stack",
            "rename the cluster, or remove route53",
            value=ROUTE53,
            at_key=True,
        )


def _topics(environment: Environment) -> Iterator[tuple[str, dict[str, str]]]:
    for kind in _TOPICS:
        yield kind, dict(getattr(environment.alarms.topics, kind))


def _regions(environment: Environment) -> set[str]:
    """Return the regions of all stacks."""
    regions = {cluster.region for cluster in environment.clusters.values()}
    failover = environment.failover
    if failover is not None and failover.secondary in environment.clusters:
        regions.add(stack_region(environment, failover))
    if environment.alarms.route53:
        regions.add(ROUTE53_METRICS_REGION)
    return regions


def _creates_topics(environment: Environment) -> Iterator[str]:
    """Yield the regions in which a topic is created."""
    for _, topics in _topics(environment):
        yield from _regions(environment) - topics.keys()


RULES = (
    topics_are_in_their_region,
    topics_are_used,
    nodes_publish_metrics,
    route53_has_checks,
    email_needs_a_created_topic,
    alarms_reach_no_operator,
)
