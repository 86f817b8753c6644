"""Rules about balancers, their groups and their nodes' machines."""

from collections.abc import Iterator

from config import limits
from config.cluster import Cluster
from config.model import Environment
from config.problem import ANY, Path, Problem, Severity
from config.service import EVERY
from config.site import ANYWHERE
from config.topology import health_check, single_node_groups


def tls_listener(environment: Environment) -> Iterator[Problem]:
    """What a TLS listener of a Network Load Balancer can't do."""
    balanced = any(one.balancer.kind == "nlb" for one in environment.clusters.values())
    for name, service in environment.services.items():
        if not balanced or service.tls is None:
            continue
        if service.sticky is True:
            yield Problem(
                ("services", name, "sticky"),
                "can't be with tls",
                "a Network Load Balancer has no source-address stickiness on TLS listeners (AWS, "
                "Edit target group attributes for your Network Load Balancer)",
                "remove one of the two, or write sticky: cookie",
                value="true",
            )
        if service.idle_timeout is not None:
            yield Problem(
                ("services", name, "idle_timeout"),
                "can't be with tls",
                f"a TLS listener's idle timeout is fixed at {limits.FIXED_TLS_IDLE_TIMEOUT_S} s "
                f"({limits.IDLE_TIMEOUT_S.source})",
                "remove it, and let clients send keep-alives",
                value=str(service.idle_timeout),
            )


def certificates(environment: Environment) -> Iterator[Problem]:
    """A certificate serves the balancers of its own account and region."""
    for name, service in environment.services.items():
        for key in service.tls or {}:
            if key != EVERY and key not in environment.clusters:
                yield Problem(
                    ("services", name, "tls", key),
                    "is no cluster",
                    "each cluster has its certificate",
                    f"write one of {', '.join(sorted(environment.clusters))}",
                    value=key,
                    at_key=True,
                    lacks=("clusters", key),
                )
        if service.tls is None:
            continue
        for cluster_name, cluster in environment.clusters.items():
            arn = service.certificate(cluster_name)
            if arn is None:
                yield Problem(
                    ("services", name, "tls"),
                    f"names no certificate for {cluster_name}",
                    "the service has a listener in every cluster",
                    f"add {cluster_name}: arn:aws:acm:{cluster.region}:{cluster.account}:…",
                    lacks=("services", name, "tls", cluster_name),
                )
            elif arn.split(":")[3:5] != [cluster.region, cluster.account]:
                yield Problem(
                    ("services", name, "tls"),
                    f"is not of {cluster.account} in {cluster.region}, where {cluster_name} is",
                    "a listener takes certificates of its own account and region only (AWS, "
                    "Listener certificates for your Network Load Balancer)",
                    "write a map: cluster to the ARN of its certificate",
                    value=arn,
                )


def cross_zone_off(environment: Environment) -> Iterator[Problem]:
    """Single-node groups need cross-zone load balancing (trap: zones leave DNS)."""
    for name, cluster in environment.clusters.items():
        single = single_node_groups(environment, cluster)
        if not cluster.balancer.cross_zone and single:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                "can't be off here",
                f"{len(single)} target groups hold a single node, and a zone without a healthy "
                "target of every group leaves the balancer's DNS (AWS, Cross-zone load balancing "
                "for target groups)",
                "remove cross_zone: false",
                value="false",
            )


def health_timing(environment: Environment) -> Iterator[Problem]:
    """A check must end before the next begins; paths are for HTTP."""
    for name, cluster in environment.clusters.items():
        for service_name, service in environment.services.items():
            check = health_check(cluster, service)
            own = service.health
            path: Path = (
                ("services", service_name, "health")
                if own.interval or own.timeout
                else ("clusters", name, "balancer", "health")
            )
            if check.timeout >= check.interval:
                yield Problem(
                    (*path, "timeout"),
                    f"is not less than the interval of {check.interval} s",
                    "AWS refuses a check that may outlast its interval (Elastic Load Balancing "
                    "API, ModifyTargetGroup)",
                    f"write {check.interval - 1} or less, or a longer interval",
                    value=str(check.timeout),
                )
            if own.path and check.protocol == "tcp":
                yield Problem(
                    ("services", service_name, "health", "path"),
                    "is given for a tcp check",
                    "a tcp check connects and asks for nothing",
                    "add protocol: http, or remove the path",
                    value=own.path,
                    lacks=("services", service_name, "health", "protocol"),
                )


def no_balancer(environment: Environment) -> Iterator[Problem]:
    """Without a balancer there is one node, which clients reach by itself."""
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind == "none" and len(cluster.nodes) != 1:
            yield Problem(
                ("clusters", name, "balancer", "kind"),
                f"is for one node, and {name} has {len(cluster.nodes)}",
                "nothing would share clients among them",
                "write kind: nlb, or keep one node",
                value="none",
                lacks=("clusters", name, "nodes", ANY),
            )


def addresses(environment: Environment) -> Iterator[Problem]:
    """Fixed addresses: for every zone or none, and of the balancer's scheme."""
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
                    lacks=("clusters", name, "network", "zones", zone),
                )
        missing = sorted(set(zones) - set(given))
        if given and missing:
            yield Problem(
                path,
                f"has none for {', '.join(missing)}",
                "a balancer's addresses are fixed in every zone or in none",
                "add the zone, or remove addresses",
                lacks=(*path, missing[0]),
            )
        public = cluster.balancer.scheme == "internet-facing"
        for zone, address in given.items():
            if address.startswith("eipalloc-") != public:
                yield Problem(
                    (*path, zone),
                    f"does not fit an {cluster.balancer.scheme} balancer",
                    "internet-facing balancers take Elastic IPs, internal ones private addresses "
                    "(AWS, SubnetMapping)",
                    "write eipalloc-…" if public else "write a free address of the zone's subnet",
                    value=address,
                )


def machines(environment: Environment) -> Iterator[Problem]:
    """A node is made from `instance`, or exists already."""
    for name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for node_name, node in cluster.nodes.items():
            path: Path = ("clusters", name, "nodes", node_name)
            if node.instance_id is None:
                yield from _machine_known(name, cluster, node_name)
                continue
            if node.instance is not None:
                yield Problem(
                    (*path, "instance"),
                    "is given for an instance that exists",
                    "it is registered and otherwise left alone",
                    "remove instance, or instance_id",
                    at_key=True,
                )
            if node.instance_id in seen:
                yield Problem(
                    (*path, "instance_id"),
                    f"is the instance of {seen[node.instance_id]} too",
                    "a node is one server",
                    "write the id of another instance",
                    value=node.instance_id,
                )
            seen.setdefault(node.instance_id, node_name)


def _machine_known(name: str, cluster: Cluster, node_name: str) -> Iterator[Problem]:
    own = cluster.nodes[node_name].instance
    for key in ("type", "image"):
        if cluster.instance is None and getattr(own, key, None) is None:
            path: Path = ("clusters", name, "instance", key)
            yield Problem(
                ("clusters", name, "nodes", node_name),
                f"has no {key}",
                "the node is created, and the cluster has no instance to take it from",
                f"add instance with {key} to the cluster, or instance_id to the node",
                lacks=path,
            )


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
                lacks=("clusters", name, "balancer", "deletion_protection"),
            )


RULES = (
    tls_listener,
    certificates,
    cross_zone_off,
    health_timing,
    no_balancer,
    addresses,
    machines,
    open_to_the_world,
    unprotected,
)
