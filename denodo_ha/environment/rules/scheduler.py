"""Rules about clients of the Scheduler, which the Scheduler directs to a second port.

By default the second port is on the node itself. With `scheduler_auxiliary_port`, the second port
is a port of the balancer that leads to one node.
"""

from collections.abc import Iterator

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.firewall import firewall, scheduler_clients_reach_nodes
from denodo_ha.environment.derived.topology import (
    listeners,
    scheduler_auxiliary_listeners,
    scheduler_service,
    serves_scheduler_clients,
)
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import SCHEDULER_AUXILIARY_PORT
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.environment import Environment

_KEY = "scheduler_auxiliary_port"


def scheduler_ports_complete(environment: Environment) -> Iterator[Problem]:
    """Either all nodes of a cluster must have an auxiliary port of the Scheduler, or no node."""
    for cluster_name, cluster in environment.clusters.items():
        if not serves_scheduler_clients(cluster):
            continue
        for name, node in cluster.nodes.items():
            if node.scheduler_auxiliary_port is None:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name, _KEY),
                    "is missing",
                    "other nodes of the cluster have this key, and the balancer sends clients to "
                    "the Scheduler of every node",
                    f"add {_KEY} with a port that no other node of the cluster has, or remove "
                    f"{_KEY} from the other nodes",
                )


def scheduler_ports_used(environment: Environment) -> Iterator[Problem]:
    """Auxiliary ports of the Scheduler need a balancer, and a service that is the Scheduler."""
    service = scheduler_service(environment)
    for cluster_name, cluster in environment.clusters.items():
        if not serves_scheduler_clients(cluster):
            continue
        names = [name for name, node in cluster.nodes.items() if node.scheduler_auxiliary_port]
        path: Path = ("clusters", cluster_name, "nodes", names[0], _KEY)
        if cluster.balancer.kind == "none":
            yield Problem(
                path,
                "is not possible without a balancer",
                f"clients of {cluster_name} connect directly to the node, on its port "
                f"{SCHEDULER_AUXILIARY_PORT}",
                f"remove {_KEY}, or give the cluster a balancer",
                at_key=True,
            )
        elif service is None:
            yield Problem(
                path,
                "is a port to which no service directs clients",
                "a client connects to the Scheduler's service first, and no service uses port 8000 "
                "of the nodes",
                f"add scheduler: 8000 to services, or remove {_KEY} from all nodes",
                at_key=True,
            )


def scheduler_clients_reach_it(environment: Environment) -> Iterator[Problem]:
    """Clients of a Scheduler without auxiliary ports must be able to reach the node itself."""
    service = scheduler_service(environment)
    if service is None:
        return
    for cluster_name, cluster in environment.clusters.items():
        if serves_scheduler_clients(cluster) or cluster.balancer.kind == "none":
            continue
        port = SCHEDULER_AUXILIARY_PORT
        admitted = (
            f"the nodes' security group admits balancer.clients to port {port}"
            if scheduler_clients_reach_nodes(environment, cluster)
            else f"no security group of the stack admits clients to port {port} of the nodes"
        )
        yield Problem(
            ("services", service),
            f"directs the clients of {cluster_name} to the node itself",
            "after the first connection, the Scheduler's registry directs a client to a second "
            "port of the node (Denodo, Scheduler Administration Guide, Server Configuration "
            f"Sections), so the balancer passes only the first connection; {admitted}",
            f"let clients resolve and reach the nodes on port {port}, or add {_KEY} to "
            "every node (docs/how-to/scheduler.md)",
            severity=Severity.WARNING,
            rule="scheduler-second-connection",
        )


def method_chosen_for_scheduler(environment: Environment) -> Iterator[Problem]:
    """`failover.health` must not be `auto` if the Scheduler has auxiliary ports."""
    failover = environment.failover
    if failover is None or failover.health != "auto":
        return
    for name, cluster in failover_plan.cluster_pair(environment):
        added = scheduler_auxiliary_listeners(environment, cluster)
        if not added or cluster.balancer.kind != "nlb":
            continue
        count = len(listeners(environment, cluster))
        ports = {listener.port for listener in added}
        rules = [
            rule
            for rule_set in firewall(environment, name)
            for rule in rule_set.port_rules
            if rule.first in ports
        ]
        method = failover_plan.check_method(environment, failover, cluster)
        yield Problem(
            ("failover", "health"),
            f"must be explicit for {name}, whose nodes have scheduler_auxiliary_port",
            f"these ports add {len(added)} target groups with a single node each, as many "
            f"listeners ({count} in all; AWS allows {limits.LISTENERS_PER_NLB.value}) and "
            f"{len(rules)} security group rules; without these ports, auto would mean {method}; "
            "with alias records (target-health) the loss of one of these nodes triggers a failover",
            "write health: alarm for internal balancers or health: endpoint for internet-facing "
            "balancers, both with CNAME records, or health: target-health to keep alias records "
            "(docs/explanation/failover.md)",
            value=failover.health,
        )


RULES = (
    scheduler_ports_complete,
    scheduler_ports_used,
    scheduler_clients_reach_it,
    method_chosen_for_scheduler,
)
