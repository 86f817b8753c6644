"""Cases of the rules about HAProxy as our stacks deploy it."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.haproxy_on_aws import (
    haproxy_certificates,
    haproxy_cross_zone,
    haproxy_finds_nodes,
    haproxy_machines,
    haproxy_zones,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.haproxy import BALANCER, HAPROXY, PLACE, SECRET, TLS, WEB, haproxy
from tests.support.configurations import GONE, IMAGE, Data, changed, given_network

NODE = "clusters/main/nodes/node1"


def deployed(version: str = "8.0") -> Data:
    """One cluster behind HAProxies of its own."""
    instance = {"type": "c6i.large", "image": IMAGE}
    return changed(haproxy(version), {f"{HAPROXY}/instance": instance})


def adopted() -> Data:
    """The same, with a node that exists already."""
    network = {**given_network(), "cidr": "10.0.0.0/16"}
    node = {"zone": "eu-west-1a", "instance_id": "i-0123456789abcdef0"}
    return changed(deployed(), {"clusters/main/network": network, NODE: node})


ELSEWHERE = SECRET.replace("eu-west-1", "us-east-1")
NINE = {"port": 9443, "node_port": 9090}
Bad = partial(Wrong, base=deployed)
Good = partial(Right, base=deployed)

WRONG = (
    Bad(
        haproxy_machines,
        {f"{HAPROXY}/instance": GONE},
        f"{PLACE}.instance",
        ("is missing", "add instance: {type: c6i.large, image: ami-…}"),
    ),
    Bad(
        haproxy_machines,
        {f"{HAPROXY}/instance/type": "m1.large"},
        f"{PLACE}.instance.type",
        ("can't be the target of a Network Load Balancer (m1.large)",),
    ),
    Bad(
        haproxy_certificates,
        {TLS: {"mode": "reencrypt", "certificate": SECRET}, WEB: 9443},
        f"{PLACE}.tls.authority",
        ("is missing", "add the ARN of a secret"),
    ),
    Bad(
        haproxy_certificates,
        {TLS: {"mode": "terminate", "certificate": ELSEWHERE}, WEB: NINE},
        f"{PLACE}.tls.certificate",
        ("is not of 111122223333 in eu-west-1", "may be a replica"),
    ),
    Bad(
        haproxy_finds_nodes,
        {},
        "clusters.main.nodes.node1.address",
        ("is missing", "add its private address, or a name in balancer.haproxy.hosts"),
        base=adopted,
    ),
    Bad(
        haproxy_cross_zone,
        {f"{BALANCER}/cross_zone": False},
        "clusters.main.balancer.cross_zone",
        ("can't be off with HAProxy (false)", "remove cross_zone: false"),
    ),
    Bad(
        haproxy_zones,
        {
            "clusters/main/network/zones": ["eu-west-1a"],
            "clusters/main/nodes/node2/zone": "eu-west-1a",
            "clusters/main/allow_single_zone": True,
        },
        "clusters.main.network.zones",
        ("is one zone, and every HAProxy is in it",),
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    Good(haproxy_machines, {}),
    Good(haproxy_machines, {f"{HAPROXY}/instance/count": 10}),
    Good(haproxy_certificates, {TLS: {"mode": "terminate", "certificate": SECRET}, WEB: NINE}),
    Good(haproxy_certificates, {TLS: {"mode": "passthrough"}, WEB: 9443}),
    Good(haproxy_finds_nodes, {f"{NODE}/address": "10.0.0.9"}, base=adopted),
    Good(haproxy_finds_nodes, {f"{HAPROXY}/hosts": {"node1": "old.example.com"}}, base=adopted),
    Good(haproxy_cross_zone, {}),
    Good(haproxy_zones, {}),
)
