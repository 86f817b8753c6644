"""Rules about risks: settings that are allowed with a warning about their consequences."""

from collections.abc import Iterator

from denodo_ha.environment.derived import cookie_balancer, failover_plan, readiness
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.haproxy.routes import speaks_https
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine


def open_to_the_world(environment: Environment) -> Iterator[Problem]:
    """`balancer.clients` should contain only known networks."""
    for name, cluster in environment.clusters.items():
        if failover_plan.ANYWHERE in cluster.balancer.clients:
            index = cluster.balancer.clients.index(failover_plan.ANYWHERE)
            yield Problem(
                ("clusters", name, "balancer", "clients", index),
                "allows connections from every address",
                "only Denodo's login then protects the data",
                "write the networks of your clients",
                value=failover_plan.ANYWHERE,
                severity=Severity.WARNING,
                rule="open-to-the-world",
            )


def deletion_protection(environment: Environment) -> Iterator[Problem]:
    """Balancers should have deletion protection after the first deployment.

    With the protection, a failed first deployment could not roll back.
    """
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind != "none" and not cluster.balancer.deletion_protection:
            yield Problem(
                ("clusters", name, "balancer"),
                "has no deletion protection",
                "a single wrong call could delete the load balancer; the protection is off by "
                "default because a failed first deploy could not roll back with the protection",
                "after the first deploy, write deletion_protection: true and deploy again",
                severity=Severity.WARNING,
                rule="no-deletion-protection",
            )


def one_node(environment: Environment) -> Iterator[Problem]:
    """A cluster should have more than one node."""
    for name, cluster in environment.clusters.items():
        if len(cluster.nodes) == 1:
            yield Problem(
                ("clusters", name, "nodes"),
                "has only one node",
                "if the node is lost, the cluster is down until another node has started",
                "add a node in another zone, or rely on the failover",
                severity=Severity.WARNING,
                rule="one-node",
            )


def clients_behind_nat(environment: Environment) -> Iterator[Problem]:
    """Connections of clients behind one NAT device should not collide.

    Connections can collide if cross-zone load balancing is on and client addresses are preserved.
    """
    for name, cluster in environment.clusters.items():
        balancer = cluster.balancer
        services = sorted(
            service_name
            for service_name, service in environment.services.items()
            # With cookies, client_ip cannot be false, which is the remedy that the warning names.
            if service.client_ip and not cookie_balancer.uses_alb(cluster, service)
        )
        # HAProxy gets the client's address through the PROXY protocol. Connections do not keep the
        # address, so they cannot collide.
        if not services or balancer.kind != "nlb" or not balancer.cross_zone:
            continue
        single_addresses = [cidr for cidr in balancer.clients if cidr.endswith("/32")]
        if balancer.scheme == "internet-facing" or single_addresses:
            suspect = single_addresses[0] if single_addresses else "clients on the internet"
            yield Problem(
                ("clusters", name, "balancer", "clients"),
                f"may include a NAT device: {suspect}",
                f"{', '.join(services)} keep the client's address, and a NAT device that uses "
                "one source port for connections to two of the balancer's addresses gets "
                "connection errors (AWS, Troubleshoot your Network Load Balancer)",
                "if these connection errors occur, write client_ip: false for the service; nodes "
                "then see the addresses of the balancer",
                severity=Severity.WARNING,
                rule="clients-behind-nat",
            )


def idle_on_nitro_v6(environment: Environment) -> Iterator[Problem]:
    """The connection tracking of a node should not drop a connection before the balancer does."""
    for name, service in environment.services.items():
        idle = service.idle_timeout
        if idle is None or idle <= limits.NITRO_V6_TRACKING_S:
            continue
        for cluster_name, cluster in environment.clusters.items():
            if cluster.balancer.kind == "haproxy":
                continue  # HAProxy sends keep-alive packets, so no connection to a node is idle.
            instances = (
                configured_machine(cluster.instance, node)
                for node in cluster.nodes.values()
                if node.instance_id is None
            )
            types = sorted(
                {
                    instance.type
                    for instance in instances
                    if instance and _is_nitro_v6(instance.type)
                }
            )
            if types:
                yield Problem(
                    ("services", name, "idle_timeout"),
                    f"is longer than the time for which the nodes of {cluster_name} track an idle "
                    "connection",
                    f"{', '.join(types)} track an idle connection for "
                    f"{limits.NITRO_V6_TRACKING_S} s by default (AWS, Amazon EC2 security group "
                    "connection tracking)",
                    "write 350 or less, let clients send keep-alives, or choose an older "
                    "instance type",
                    value=str(idle),
                    severity=Severity.WARNING,
                    rule="idle-on-nitro-v6",
                )


def web_not_sticky(environment: Environment) -> Iterator[Problem]:
    """Web services should be sticky, because nodes do not share web sessions."""
    for cluster_name, cluster in environment.clusters.items():
        if cluster.balancer.kind == "none" or len(cluster.nodes) == 1:
            continue
        for name, service in environment.services.items():
            probe = readiness.service_probe(environment, name, service)
            if probe.kind == "web" and not service.sticky:
                yield Problem(
                    ("services", name),
                    "is a web service without stickiness",
                    f"{cluster_name} has {len(cluster.nodes)} nodes, and Denodo's web "
                    "applications keep a user's session in one node, so users would be asked to "
                    "log in again",
                    "write sticky: cookie, or sticky: true if each client has its own address",
                    severity=Severity.WARNING,
                    rule="web-not-sticky",
                )


def public_without_tls(environment: Environment) -> Iterator[Problem]:
    """Connections over the internet should be encrypted, by the balancer or by Denodo."""
    by_denodo = environment.denodo.tls is not None
    for cluster_name, cluster in environment.clusters.items():
        if cluster.balancer.scheme != "internet-facing":
            continue
        for name, service in environment.services.items():
            if service.certificate(cluster_name) or service.target_port in NODE_TLS_PORTS:
                continue
            # Even with `denodo.tls`, the web container uses no TLS outside `NODE_TLS_PORTS`.
            is_web = readiness.service_probe(environment, name, service).kind == "web"
            if by_denodo and not is_web:
                continue
            if cluster.balancer.kind == "haproxy" and speaks_https(cluster, name, service):
                continue
            yield Problem(
                ("services", name),
                "crosses the internet in clear text",
                f"{cluster_name} is internet-facing, and neither the balancer nor Denodo "
                "terminates TLS, so logins and data can be read on the way",
                f"write tls for this service, or node_port: {min(NODE_TLS_PORTS)}"
                if is_web
                else "write denodo.tls, so that Denodo's servers use TLS",
                severity=Severity.WARNING,
                rule="public-without-tls",
            )


def idle_below_query_timeout(environment: Environment) -> Iterator[Problem]:
    """The idle timeout should exceed the query timeout: a connection is idle during a query."""
    limit = limits.QUERY_TIMEOUT_DEFAULT_S
    for cluster_name, cluster in environment.clusters.items():
        by_haproxy = cluster.balancer.kind == "haproxy"
        if cluster.balancer.kind == "none":
            continue
        for name, service in environment.services.items():
            path: Path = ("services", name)
            default = limits.NLB_IDLE_TIMEOUT_DEFAULT_S
            if by_haproxy:
                default = cluster.balancer.proxy.timeouts.tcp
            idle = service.idle_timeout or default
            key = "idle_timeout"
            if service.idle_timeout is not None:
                path = (*path, key)
            elif by_haproxy:
                key = "tcp"
                path = ("clusters", cluster_name, "balancer", "haproxy", "timeouts", key)
            probe = readiness.service_probe(environment, name, service)
            if probe.kind in {"vdp", "odbc"} and idle < limit:
                yield Problem(
                    path,
                    f"removes connections that are idle for {idle} s",
                    f"a query may run for {limit} s in Denodo, and its connection is idle "
                    "meanwhile: after the connection is removed, the client waits for an answer "
                    "that never comes",
                    f"write {key}: {limit} or more"
                    + (
                        "; a TLS listener has a fixed idle timeout, so also remove tls"
                        if service.tls
                        else ""
                    ),
                    value=str(idle) if path[-1] == key else "",
                    severity=Severity.WARNING,
                    rule="idle-below-query-timeout",
                )


def shared_switch(environment: Environment) -> Iterator[Problem]:
    """The switch's metric should be in a namespace that only this environment uses."""
    failover = environment.failover
    if failover is None or (
        failover_plan.switch_namespace(failover) != failover_plan.SWITCH_NAMESPACE
    ):
        return
    suggestion = f"{failover_plan.SWITCH_NAMESPACE}/{environment.name}"
    yield Problem(
        ("failover", "switch_namespace") if failover.switch_namespace else ("failover",),
        "has its switch in the namespace that all environments share",
        "IAM can limit access to a metric only by namespace, so operators of any environment in "
        "this account and region can fail over this environment (AWS, Service Authorization "
        "Reference, Amazon CloudWatch)",
        f"write switch_namespace: {suggestion}, and deploy while the switch is set to the "
        f"primary; `{full_command('plan')}` checks the switch",
        value=failover_plan.SWITCH_NAMESPACE,
        severity=Severity.WARNING,
        rule="shared-switch",
    )


def shared_manager(environment: Environment) -> Iterator[Problem]:
    """The two sites of a failover should not depend on one host for licences or promotions."""
    pair = [name for name, _ in failover_plan.cluster_pair(environment)]
    if len(pair) != 2:
        return
    for key, of, effect in (
        (
            "license_manager",
            environment.license_manager_of,
            (
                "while this host is lost, a stopped server of either site cannot start (Denodo, "
                "License Management, Failure of a License Manager)"
            ),
        ),
        (
            "solution_manager",
            environment.solution_manager_of,
            "while this host is lost, no promotion reaches either site",
        ),
    ):
        first, second = (of(name) for name in pair)
        if first is None or second is None or not first.host or not second.host:
            continue
        if first.host.lower() == second.host.lower():
            own = environment.clusters[pair[1]]
            path: Path = ("clusters", pair[1], key) if getattr(own, key) else (key,)
            yield Problem(
                (*path, "host"),
                f"is the same host for both sites of the failover, {' and '.join(pair)}",
                effect,
                f"write another {key} below clusters: {pair[1]}, or a DNS name that can be "
                "changed to a second installation when this host is lost",
                value=second.host,
                severity=Severity.WARNING,
                rule="shared-manager",
            )


def _is_nitro_v6(instance_type: str) -> bool:
    """Return whether a type is Nitro v6: generation 8 or later, except `NITRO_V5_FAMILIES`."""
    family = instance_type.split(".", 1)[0]
    generation = next((letter for letter in family if letter.isdigit()), "0")
    return int(generation) >= limits.NITRO_V6_GENERATION and family not in limits.NITRO_V5_FAMILIES


RULES = (
    open_to_the_world,
    deletion_protection,
    one_node,
    clients_behind_nat,
    idle_on_nitro_v6,
    web_not_sticky,
    public_without_tls,
    idle_below_query_timeout,
    shared_switch,
    shared_manager,
)
