"""Kinds of failures in the drill: identifiers, labels for tables, and sentences."""

from typing import Final

FAILURE_KINDS: Final = {
    "nothing": "nothing",
    "node-lost": "node lost",
    "no-capacity": "node not started again",
    "node-not-ready": "node not ready",
    "node-drained": "node drained",
    "node-replaced": "node replaced",
    "proxy-lost": "proxy lost",
    "service-down": "service down",
    "auxiliary-down": "auxiliary port down",
    "zone-lost": "zone lost",
    "zone-shifted": "zone shifted away",
    "balancer-lost": "balancer lost",
    "database-failed": "database failed",
    "license-manager-lost": "License Manager lost",
    "region-lost": "region lost",
    "check-unhealthy": "check unhealthy by mistake",
    "missing-data": "alarm without data",
    "switch-thrown": "switch thrown",
    "nodes-lost": "two nodes lost",
    "node-and-zone-lost": "node and another zone lost",
    "region-and-node-lost": "region and a node of the other side lost",
    "nodes-not-ready": "all nodes not ready",
}
"""Kinds of failures: the stable identifier in JSON and policies, and the label in tables."""

FAILURE_SENTENCES: Final = {
    "nothing": "Nothing has failed.",
    "node-lost": "A node does not run.",
    "no-capacity": "A node was stopped and does not start again, because AWS has no capacity.",
    "node-not-ready": "A node runs and reports that it is not ready.",
    "node-drained": "A node was taken out of the balancer on purpose.",
    "node-replaced": "A drained node is replaced by a new instance.",
    "proxy-lost": "An instance that forwards connections to nodes, such as HAProxy, does not run.",
    "service-down": "Nothing listens on the port of a service.",
    "auxiliary-down": "Nothing listens on the auxiliary port of a node.",
    "zone-lost": "An Availability Zone is lost with all its resources.",
    "zone-shifted": "A zonal shift takes the traffic away from an Availability Zone.",
    "balancer-lost": "A load balancer does not answer.",
    "database-failed": "The instance of a shared database has failed.",
    "license-manager-lost": "The License Manager does not answer: nodes that run continue to serve "
    "for some days, and a node that stops does not start again.",
    "region-lost": "A region is lost with all its resources.",
    "check-unhealthy": "A health check reports a healthy target as unhealthy.",
    "missing-data": "The metric of an alarm reports nothing although nothing has failed.",
    "switch-thrown": "Operators have thrown the switch that triggers a site failover.",
    "nodes-lost": "Two nodes do not run.",
    "node-and-zone-lost": "A node does not run, and another Availability Zone is lost.",
    "region-and-node-lost": "A region is lost, and a node of the other cluster does not run.",
    "nodes-not-ready": "All nodes of all clusters report that they are not ready.",
}
"""One sentence for each kind of failure. Alarms and reports add the names of resources."""
