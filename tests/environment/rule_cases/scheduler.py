"""Cases of the rules about the Scheduler's clients, whom it directs to a second port."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.scheduler import (
    method_chosen_for_scheduler,
    scheduler_clients_reach_it,
    scheduler_ports_complete,
    scheduler_ports_used,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import GONE, changed, minimal, twins

SERVERS = {
    "services/jobs": 8000,
    "denodo/servers": ["vdp", "scheduler"],
    "clusters/main/catalog": {"components": ["scheduler"]},
}
PORTS = {
    f"clusters/main/nodes/node{number}/scheduler_auxiliary_port": port
    for number, port in ((1, 17998), (2, 27998))
}
NODE1, NODE2 = PORTS
SPARE = {key.replace("main", "spare"): value for key, value in {**SERVERS, **PORTS}.items()}
BARE = {
    "clusters/main/nodes/node2": GONE,
    "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
}
PROXIED = {"clusters/main/balancer/kind": "haproxy"}


def serving(version: str = "8.0") -> dict[str, object]:
    """Return a configuration of a cluster with the Scheduler as a service."""
    return changed(minimal(version), SERVERS)


def pair(version: str = "8.0") -> dict[str, object]:
    """Return a configuration: two clusters with failover and the Scheduler's auxiliary ports."""
    return changed(twins(version), {**SERVERS, **PORTS, **SPARE})


WRONG = (
    Wrong(
        scheduler_ports_complete,
        {NODE1: 17998},
        "clusters.main.nodes.node2.scheduler_auxiliary_port",
        ("is missing", "other nodes of the cluster have this key", "that no other node"),
        base=serving,
    ),
    Wrong(
        scheduler_ports_used,
        PORTS,
        "clusters.main.nodes.node1.scheduler_auxiliary_port",
        ("is a port to which no service directs clients", "add scheduler: 8000 to services"),
    ),
    Wrong(
        scheduler_ports_used,
        {**BARE, NODE1: 17998, "clusters/main/catalog": GONE},
        "clusters.main.nodes.node1.scheduler_auxiliary_port",
        ("is not possible without a balancer", "on its port 7998"),
        base=serving,
    ),
    Wrong(
        scheduler_clients_reach_it,
        {},
        "services.jobs",
        (
            "directs the clients of main to the node itself",
            "admits balancer.clients to port 7998",
            "add scheduler_auxiliary_port to every node",
        ),
        base=serving,
        severity=Severity.WARNING,
    ),
    Wrong(
        scheduler_clients_reach_it,
        {"clusters/main/balancer/scheme": "internet-facing"},
        "services.jobs",
        ("no security group of the stack admits clients to port 7998 of the nodes",),
        base=serving,
        severity=Severity.WARNING,
    ),
    Wrong(
        method_chosen_for_scheduler,
        {"solution_manager": {"cidrs": ["10.9.0.0/24"]}},
        "failover.health",
        (
            "must be explicit for main",
            "add 2 target groups with a single node each, as many listeners (4 in all",
            "AWS allows 50) and 10 security group rules",
            "without these ports, auto would mean target-health",
            "write health: alarm",
        ),
        base=pair,
        others=1,
    ),
    Wrong(
        method_chosen_for_scheduler,
        {},
        "failover.health",
        ("must be explicit for spare", "without these ports, auto would mean alarm"),
        base=partial(pair, "7.0"),
        others=1,
    ),
)
RIGHT = (
    Right(scheduler_ports_complete, PORTS, base=serving),
    Right(scheduler_ports_complete, {}, base=serving),
    Right(scheduler_ports_used, PORTS, base=serving),
    # In 7.0, one load balancer has the auxiliary ports of Virtual DataPort and of the Scheduler.
    Right(scheduler_ports_used, PORTS, base=partial(serving, "7.0")),
    Right(scheduler_clients_reach_it, PORTS, base=serving),
    Right(scheduler_clients_reach_it, {"services/x": 9998}),
    Right(scheduler_clients_reach_it, {**BARE, "clusters/main/catalog": GONE}, base=serving),
    Right(method_chosen_for_scheduler, {"failover/health": "alarm"}, base=pair),
    Right(method_chosen_for_scheduler, {"failover/health": "target-health"}, base=pair),
    # Without auxiliary ports of the Scheduler, `auto` means the same method as in earlier versions.
    Right(method_chosen_for_scheduler, {}, base=partial(twins, "8.0")),
    # Behind HAProxy, the target group of an auxiliary port contains all HAProxy instances, not one
    # node.
    Right(
        method_chosen_for_scheduler,
        {"clusters/main/balancer/kind": "haproxy", "clusters/spare/balancer/kind": "haproxy"},
        base=pair,
        deploying=False,
    ),
)
