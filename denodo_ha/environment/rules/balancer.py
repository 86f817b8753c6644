"""Rules about balancers, their listeners and target groups."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from denodo_ha.environment.derived import cookie_balancer, readiness
from denodo_ha.environment.derived.readiness import ProbeKind
from denodo_ha.environment.derived.subnets import (
    RESERVED_FIRST,
    ZONE_LETTERS,
    fits_created_vpc,
    zone_blocks,
)
from denodo_ha.environment.derived.topology import (
    listeners,
    serves_scheduler_clients,
    single_node_listeners,
    version_ports,
)
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import FLIGHT_PORT, RMI_PORTS
from denodo_ha.environment.loading.problem import Path, Problem
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import EVERY, HealthSettings


def tls_listener_options(environment: Environment) -> Iterator[Problem]:
    """A TLS listener of a Network Load Balancer can have neither stickiness nor an idle timeout."""
    has_nlb = any(cluster.balancer.kind == "nlb" for cluster in environment.clusters.values())
    for name, service in environment.services.items():
        if not has_nlb or service.tls is None:
            continue
        if service.sticky is True:
            yield Problem(
                ("services", name, "sticky"),
                "cannot be combined with tls",
                "a Network Load Balancer has no source-address stickiness on TLS listeners (AWS, "
                "Edit target group attributes for your Network Load Balancer)",
                "remove sticky or tls, or write sticky: cookie",
                value="true",
            )
        if service.idle_timeout is not None and service.sticky != "cookie":
            yield Problem(
                ("services", name, "idle_timeout"),
                "cannot be combined with tls",
                f"a TLS listener's idle timeout is fixed at {limits.FIXED_TLS_IDLE_TIMEOUT_S} s "
                f"({limits.IDLE_TIMEOUT_S.source})",
                "remove idle_timeout, and let clients send keep-alives",
                value=str(service.idle_timeout),
            )


def odbc_behind_tls(environment: Environment) -> Iterator[Problem]:
    """A service with PostgreSQL's protocol must not have `tls`: its clients begin in clear text."""
    for name, kind, _ in _services_behind_tls(environment):
        if kind == "odbc":
            yield _behind_tls(
                environment,
                name,
                "is not possible for a service with PostgreSQL's protocol",
                "clients first request TLS in clear text, even with sslmode=require (PostgreSQL, "
                "Frontend/Backend Protocol, SSLRequest), but a TLS listener expects TLS from the "
                "first byte",
                "remove tls from this service, and let Denodo terminate TLS on the node "
                "(denodo.tls)",
                rule="odbc-behind-tls",
            )


def rmi_behind_tls(environment: Environment) -> Iterator[Problem]:
    """A service of Java RMI, whose calls pass over a second connection, must not have `tls`."""
    has_auxiliary = version_ports(environment).auxiliary
    clusters = environment.clusters.values()
    for name, kind, port in _services_behind_tls(environment):
        of_seven = kind == "vdp" and has_auxiliary
        on_balancer = of_seven or (
            kind == "scheduler" and any(map(serves_scheduler_clients, clusters))
        )
        if of_seven or kind == "scheduler" or (kind == "tcp" and port in RMI_PORTS):
            where = (
                "which passes through the listeners of the auxiliary ports in clear text"
                if on_balancer
                else "which bypasses the balancer"
            )
            yield _behind_tls(
                environment,
                name,
                "does not encrypt a service of Java RMI",
                "the first connection only gives the client the address of a second connection, "
                f"and all calls use the second connection, {where} (Denodo, Default ports used by "
                "the Denodo Platform)",
                "remove tls from this service, and set up TLS in Denodo on the nodes"
                + ("" if has_auxiliary else " (denodo.tls)"),
                rule="rmi-behind-tls",
            )


def node_tls_behind_tls(environment: Environment) -> Iterator[Problem]:
    """A service whose nodes expect TLS must not have `tls`: the balancer sends clear text."""
    if environment.denodo.tls is None:
        return
    for name, kind, port in _services_behind_tls(environment):
        of_vdp = kind == "vdp" and not version_ports(environment).auxiliary
        if of_vdp or name == "flight" or port == FLIGHT_PORT:
            yield _behind_tls(
                environment,
                name,
                "cannot be combined with denodo.tls",
                f"with denodo.tls, Denodo expects TLS on port {port}, and a TLS listener sends "
                "decrypted data to the node",
                "remove tls from this service, so that clients see Denodo's own certificate, or "
                "remove denodo.tls",
                rule="node-tls-behind-tls",
            )


def _services_behind_tls(environment: Environment) -> Iterator[tuple[str, ProbeKind, int]]:
    """Yield name, kind and node port of the services with a TLS listener."""
    if _balanced_by_nlb(environment):
        for name, service in environment.services.items():
            if service.tls is not None:
                probe = readiness.service_probe(environment, name, service)
                yield name, probe.kind, probe.port


def _balanced_by_nlb(environment: Environment) -> tuple[str, ...]:
    return tuple(
        name for name, cluster in environment.clusters.items() if cluster.balancer.kind == "nlb"
    )


def _behind_tls(
    environment: Environment, service: str, what: str, why: str, instead: str, *, rule: str
) -> Problem:
    return Problem(
        ("services", service, "tls"),
        what,
        why,
        instead,
        rule=rule,
        refuses=_balanced_by_nlb(environment),
    )


def zonal_shift_possible(environment: Environment) -> Iterator[Problem]:
    """Zonal shift requires a Network Load Balancer whose target groups contain only nodes."""
    for name, cluster in environment.clusters.items():
        if not cluster.balancer.zonal_shift:
            continue
        path: Path = ("clusters", name, "balancer", "zonal_shift")
        with_cookies = next(iter(cookie_balancer.alb_services(environment, cluster)), None)
        if cluster.balancer.kind != "nlb":
            yield Problem(
                path,
                f"is not possible for a balancer of kind {cluster.balancer.kind}",
                "with kind haproxy, HAProxy sends traffic to nodes in all zones, and with kind "
                "none, there is no load balancer whose traffic could be shifted",
                "remove zonal_shift",
                value="true",
            )
        elif with_cookies is not None:
            yield Problem(
                path,
                f"cannot be combined with the service {with_cookies}, which has sticky: cookie",
                "AWS refuses a zonal shift of a load balancer with an Application Load Balancer as "
                "a target (AWS, Enable zonal shift for your Network Load Balancer)",
                f"remove zonal_shift, or write sticky: true for {with_cookies}",
                value="true",
            )


def listener_certificates(environment: Environment) -> Iterator[Problem]:
    """A certificate must be in the account and region of the balancer."""
    for name, service in environment.services.items():
        for key in service.tls or {}:
            if key != EVERY and key not in environment.clusters:
                yield Problem(
                    ("services", name, "tls", key),
                    "is not the name of a cluster",
                    "each key must be the name of a cluster",
                    f"write one of {', '.join(sorted(environment.clusters))}",
                    value=key,
                    at_key=True,
                )
        if service.tls is None:
            continue
        for cluster_name, cluster in environment.clusters.items():
            if cluster.balancer.kind != "nlb":
                continue
            arn = service.certificate(cluster_name)
            if arn is None:
                yield Problem(
                    ("services", name, "tls"),
                    f"names no certificate for {cluster_name}",
                    "the service has a listener in every cluster",
                    f"add {cluster_name}: arn:aws:acm:{cluster.region}:{cluster.account}:…",
                )
            elif arn.split(":")[3:5] != [cluster.region, cluster.account]:
                yield Problem(
                    ("services", name, "tls"),
                    f"is not a certificate of account {cluster.account} in {cluster.region}, "
                    f"where the cluster {cluster_name} is",
                    "a listener accepts only certificates of its own account and region (AWS, "
                    "Listener certificates for your Network Load Balancer)",
                    "write a map from each cluster to the ARN of its certificate",
                    value=arn,
                )


def cross_zone_needed(environment: Environment) -> Iterator[Problem]:
    """Cross-zone load balancing must be on if a target group contains a single node."""
    for name, cluster in environment.clusters.items():
        single = single_node_listeners(environment, cluster)
        if not cluster.balancer.cross_zone and single:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                "cannot be off for this cluster",
                f"{len(single)} target groups contain a single node, and the balancer's DNS name "
                "does not include a zone without a healthy target in every target group (AWS, "
                "Cross-zone load balancing for target groups)",
                "remove cross_zone: false",
                value="false",
            )


def health_check_settings(environment: Environment) -> Iterator[Problem]:
    """A health check must end before the next check begins, and only HTTP checks have a path."""
    for name, cluster in environment.clusters.items():
        for listener in listeners(environment, cluster):
            check = listener.health
            own = listener.service.health if listener.service else HealthSettings()
            path: Path = (
                ("services", listener.key, "health")
                if own.interval or own.timeout
                else ("clusters", name, "balancer", "health")
            )
            if check.timeout >= check.interval:
                yield Problem(
                    (*path, "timeout"),
                    f"is not less than the interval of {check.interval} s",
                    "AWS rejects a check that may last longer than its interval (Elastic Load "
                    "Balancing API, ModifyTargetGroup)",
                    f"write {check.interval - 1} or less, or a longer interval",
                    value=str(check.timeout),
                )
            if own.path and check.protocol == "tcp":
                yield Problem(
                    ("services", listener.key, "health", "path"),
                    "is not allowed for a tcp check",
                    "a tcp check only opens a connection and requests no path",
                    "add protocol: http, or remove path",
                    value=own.path,
                )


def single_node_without_balancer(environment: Environment) -> Iterator[Problem]:
    """A cluster without a balancer must have one node, to which clients connect directly."""
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind == "none" and len(cluster.nodes) != 1:
            yield Problem(
                ("clusters", name, "balancer", "kind"),
                f"is only for one node, and {name} has {len(cluster.nodes)} nodes",
                "clients would not be distributed among the nodes",
                "write kind: nlb, or keep one node",
                value="none",
            )


def options_needing_balancer(environment: Environment) -> Iterator[Problem]:
    """A cluster without a balancer can have neither port translation nor ACM certificates."""
    bare = sorted(
        name for name, cluster in environment.clusters.items() if cluster.balancer.kind == "none"
    )
    if not bare:
        return
    for name, service in environment.services.items():
        if service.target_port != service.port:
            yield Problem(
                ("services", name, "node_port"),
                "cannot differ from port without a balancer",
                f"clients of {bare[0]} connect directly to the node, and there is no balancer "
                "that translates the port",
                f"write node_port: {service.port}, or give {bare[0]} a balancer",
                value=str(service.target_port),
            )
        if service.tls is not None:
            yield Problem(
                ("services", name, "tls"),
                "is not possible without a balancer",
                f"clients of {bare[0]} connect directly to the node, and only balancers can use "
                "an ACM certificate",
                f"remove tls, or give {bare[0]} a balancer; Denodo itself terminates TLS on its "
                "own TLS port",
            )


def balancer_addresses(environment: Environment) -> Iterator[Problem]:
    """Fixed addresses must be set for every zone or for none, and fit the balancer's scheme."""
    for name, cluster in environment.clusters.items():
        given, zones = cluster.balancer.addresses, cluster.network.zones
        path: Path = ("clusters", name, "balancer", "addresses")
        for zone in given:
            if zone not in zones:
                yield Problem(
                    (*path, zone),
                    "is not one of the cluster's zones",
                    "the balancer has an address in each of its zones",
                    f"write one of {', '.join(sorted(zones))}",
                    value=zone,
                    at_key=True,
                )
        missing = sorted(set(zones) - set(given))
        if given and missing:
            yield Problem(
                path,
                f"has no address for {', '.join(missing)}",
                "a balancer has fixed addresses either in every zone or in none",
                "add an address for these zones, or remove addresses",
            )
        public = cluster.balancer.scheme == "internet-facing"
        for zone, address in given.items():
            if address.startswith("eipalloc-") != public:
                yield Problem(
                    (*path, zone),
                    f"does not fit an {cluster.balancer.scheme} balancer",
                    "internet-facing balancers use Elastic IPs, internal balancers private "
                    "addresses (AWS, SubnetMapping)",
                    "write eipalloc-…" if public else "write a free address of the zone's subnet",
                    value=address,
                )


def balancer_addresses_unique(environment: Environment) -> Iterator[Problem]:
    """No address may be written for two balancers, or for two zones of the same balancer."""
    seen: dict[tuple[str, str], str] = {}
    for name, cluster in environment.clusters.items():
        for zone, address in cluster.balancer.addresses.items():
            # A private address may exist in several VPCs, but an Elastic IP exists only once in its
            # region.
            scope = cluster.region if address.startswith("eipalloc-") else name
            owner = seen.setdefault((scope, address), f"{zone} of {name}")
            if owner != f"{zone} of {name}":
                yield Problem(
                    ("clusters", name, "balancer", "addresses", zone),
                    f"is already the address of the balancer in {owner}",
                    "an address can belong to only one balancer in one zone",
                    "write another address",
                    value=address,
                )


def balancer_addresses_in_subnets(environment: Environment) -> Iterator[Problem]:
    """In a created VPC, an address must be a free address of the balancer's subnet in the zone."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.vpc or not network.cidr or not fits_created_vpc(network.cidr):
            continue
        for zone, address in cluster.balancer.addresses.items():
            if zone[-1] not in ZONE_LETTERS or address.startswith("eipalloc-"):
                continue
            block, _ = zone_blocks(IPv4Network(network.cidr), zone)
            first, last = block[RESERVED_FIRST], block[-2]
            if not first <= IPv4Address(address) <= last:
                yield Problem(
                    ("clusters", name, "balancer", "addresses", zone),
                    f"is not a free address of {zone}'s subnet {block}",
                    "AWS reserves the first four addresses and the last address of a subnet "
                    "(AWS, Subnet sizing)",
                    f"write an address from {first} to {last}",
                    value=address,
                )


RULES = (
    tls_listener_options,
    odbc_behind_tls,
    rmi_behind_tls,
    node_tls_behind_tls,
    zonal_shift_possible,
    listener_certificates,
    cross_zone_needed,
    health_check_settings,
    single_node_without_balancer,
    options_needing_balancer,
    balancer_addresses,
    balancer_addresses_unique,
    balancer_addresses_in_subnets,
)
