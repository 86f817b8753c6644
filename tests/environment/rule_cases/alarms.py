"""Cases of the rules about alarms and their topics."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.alarms import (
    alarms_reach_no_operator,
    email_needs_a_created_topic,
    nodes_publish_metrics,
    route53_has_checks,
    topics_are_in_their_region,
    topics_are_used,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import ACCOUNT, GONE, IMAGE, twins

ROUTE53 = {"email": ["operators@example.com"], "route53": True}
V7_TWINS = partial(twins, "7.0")
EMAIL = ["operators@example.com"]
NODES = {"email": EMAIL, "nodes": True}


def topic(region: str) -> str:
    return f"arn:aws:sns:{region}:{ACCOUNT}:pager"


BOTH = {"urgent": {"eu-west-1": topic("eu-west-1")}, "notice": {"eu-west-1": topic("eu-west-1")}}

WRONG = (
    Wrong(
        topics_are_in_their_region,
        {"alarms": {"email": EMAIL, "topics": {"urgent": {"eu-west-1": topic("eu-west-2")}}}},
        "alarms.topics.urgent.eu-west-1",
        ("another region", "alarms in eu-west-1 can only notify topics in eu-west-1"),
    ),
    Wrong(
        topics_are_used,
        {"alarms": {"email": EMAIL, "topics": {"notice": {"eu-west-3": topic("eu-west-3")}}}},
        "alarms.topics.notice.eu-west-3",
        ("is not a region of this environment", "write one of eu-west-1"),
    ),
    Wrong(
        email_needs_a_created_topic,
        {"alarms": {"email": EMAIL, "topics": BOTH}},
        "alarms.email",
        (
            "is set, but the stacks create no topic",
            "subscribe the addresses to the existing topics yourself",
        ),
    ),
    Wrong(
        email_needs_a_created_topic,
        {"alarms": {"email": EMAIL, "enabled": False}},
        "alarms.email",
        ("is set, but alarms are turned off", "write enabled: true"),
    ),
    Wrong(
        route53_has_checks,
        {"alarms": ROUTE53},
        "alarms.route53",
        ("is set, but failover is not", "remove route53"),
    ),
    Wrong(
        route53_has_checks,
        {"alarms": ROUTE53},
        "alarms.route53",
        ("has no health check to monitor", "failover.health: alarm or endpoint"),
        base=twins,
    ),
    Wrong(
        route53_has_checks,
        {"alarms": {"enabled": False, "route53": True}},
        "alarms.route53",
        ("is set, but alarms are turned off",),
    ),
    Wrong(
        nodes_publish_metrics,
        {"alarms": {"enabled": False, "nodes": True}},
        "alarms.nodes",
        ("is set, but alarms are turned off", "remove nodes"),
    ),
    Wrong(
        nodes_publish_metrics,
        {"alarms": NODES, "denodo/program": False},
        "alarms.nodes",
        ("needs nodes that publish metrics", "denodo.program: false"),
    ),
    Wrong(
        nodes_publish_metrics,
        {"alarms": NODES},
        "alarms.nodes",
        ("needs nodes that publish metrics", "existing instances (instance_id)"),
        base=exists,
    ),
    Wrong(
        nodes_publish_metrics,
        {
            "alarms": NODES,
            "clusters/main/nodes/node1/instance_id": GONE,
            "clusters/main/instance": {"type": "m5.xlarge", "image": IMAGE},
        },
        "clusters.main.nodes.node2.instance_id",
        ("is an instance that publishes no metrics", "alarms.nodes has no effect on this node"),
        base=exists,
        severity=Severity.NOTE,
    ),
    Wrong(
        alarms_reach_no_operator,
        {},
        "alarms",
        ("notifies no operator", "write alarms: {email: [ADDRESS]}", "alarms: none"),
        severity=Severity.WARNING,
    ),
    Wrong(
        alarms_reach_no_operator,
        {"alarms": {"topics": {"urgent": {"eu-west-1": topic("eu-west-1")}, "notice": "new"}}},
        "alarms",
        ("notifies no operator",),
        severity=Severity.WARNING,
    ),
)

RIGHT = (
    Right(route53_has_checks, {"alarms": ROUTE53}, base=V7_TWINS),
    Right(nodes_publish_metrics, {"alarms": NODES}),
    Right(nodes_publish_metrics, {"alarms": {"email": EMAIL}}, base=exists),
    Right(topics_are_in_their_region, {"alarms": {"topics": BOTH}}),
    Right(topics_are_used, {"alarms": {"topics": BOTH}}),
    Right(email_needs_a_created_topic, {"alarms": {"email": EMAIL}}),
    Right(alarms_reach_no_operator, {"alarms": {"email": EMAIL}}),
    Right(alarms_reach_no_operator, {"alarms": {"topics": BOTH}}),
    Right(alarms_reach_no_operator, {"alarms": "none"}),
)
