"""What is allowed and risky: warnings, each with what it may cost."""

from collections.abc import Iterator

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.derived.failover_plan import ANYWHERE
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine


def open_to_the_world(environment: Environment) -> Iterator[Problem]:
    """Everyone may try to connect."""
    for name, cluster in environment.clusters.items():
        if ANYWHERE in cluster.balancer.clients:
            index = cluster.balancer.clients.index(ANYWHERE)
            yield Problem(
                ("clusters", name, "balancer", "clients", index),
                "lets everyone connect",
                "all that protects the data then is Denodo's log-in",
                "write the networks of your clients",
                value=ANYWHERE,
                severity=Severity.WARNING,
                rule="open-to-the-world",
            )


def unprotected(environment: Environment) -> Iterator[Problem]:
    """Deletion protection is for after the first deploy, as a failed one could not roll back."""
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind != "none" and not cluster.balancer.deletion_protection:
            yield Problem(
                ("clusters", name, "balancer"),
                "has no deletion protection",
                "one wrong call would delete what clients connect to; it is off by default because "
                "a failed first deploy could not roll back",
                "after the first deploy, write deletion_protection: true and deploy again",
                severity=Severity.WARNING,
                rule="no-deletion-protection",
            )


def one_node(environment: Environment) -> Iterator[Problem]:
    """A cluster of one node has nothing to fall back on."""
    for name, cluster in environment.clusters.items():
        if len(cluster.nodes) == 1:
            yield Problem(
                ("clusters", name, "nodes"),
                "is one node",
                "with it the cluster is lost, and for as long as it takes to start another",
                "add a node in another zone, or be sure that failover or waiting will do",
                severity=Severity.WARNING,
                rule="one-node",
            )


def clients_behind_nat(environment: Environment) -> Iterator[Problem]:
    """Kept client addresses and cross-zone can make connections of one NAT gateway collide."""
    for name, cluster in environment.clusters.items():
        balancer = cluster.balancer
        services = sorted(
            name
            for name, one in environment.services.items()
            # With cookies there is no way to turn it off, so no advice either.
            if one.client_ip and not cookie_balancer.uses_alb(cluster, one)
        )
        # HAProxy is told the client's address by the PROXY protocol, and keeps none.
        if not services or balancer.kind != "nlb" or not balancer.cross_zone:
            continue
        shared = [cidr for cidr in balancer.clients if cidr.endswith("/32")]
        if balancer.scheme == "internet-facing" or shared:
            who = shared[0] if shared else "clients on the internet"
            yield Problem(
                ("clusters", name, "balancer", "clients"),
                f"may hold a NAT device: {who}",
                f"{', '.join(services)} keep the client's address, and a device that reuses a "
                "source port towards two of the balancer's addresses gets connection errors (AWS, "
                "Troubleshoot your Network Load Balancer)",
                "if such errors occur, write client_ip: false for the service; nodes then see the "
                "balancer's addresses",
                severity=Severity.WARNING,
                rule="clients-behind-nat",
            )


def idle_on_nitro_v6(environment: Environment) -> Iterator[Problem]:
    """A node's own connection tracking may forget a connection before the balancer does."""
    for name, service in environment.services.items():
        idle = service.idle_timeout
        if idle is None or idle <= limits.NITRO_V6_TRACKING_S:
            continue
        for cluster_name, cluster in environment.clusters.items():
            if cluster.balancer.kind == "haproxy":
                continue  # which sends keep-alives
            machines = (
                configured_machine(cluster.instance, node)
                for node in cluster.nodes.values()
                if node.instance_id is None
            )
            types = sorted({one.type for one in machines if one and _nitro_v6(one.type)})
            if types:
                yield Problem(
                    ("services", name, "idle_timeout"),
                    f"is longer than {cluster_name}'s nodes remember",
                    f"{', '.join(types)} track an idle connection for "
                    f"{limits.NITRO_V6_TRACKING_S} s by default (AWS, Amazon EC2 security group "
                    "connection tracking)",
                    "write 350 or less, let clients send keep-alives, or choose an older type",
                    value=str(idle),
                    severity=Severity.WARNING,
                    rule="idle-on-nitro-v6",
                )


def _nitro_v6(instance_type: str) -> bool:
    """Whether a type is of Nitro v6: generation 8 on, but for Graviton4's first families."""
    family = instance_type.split(".", 1)[0]
    generation = next((letter for letter in family if letter.isdigit()), "0")
    return int(generation) >= limits.NITRO_V6_GENERATION and family not in limits.NITRO_V5_FAMILIES


RULES = (open_to_the_world, unprotected, one_node, clients_behind_nat, idle_on_nitro_v6)
