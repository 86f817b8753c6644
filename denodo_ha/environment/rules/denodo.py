"""Rules about Denodo on the nodes: versions, servers, ports, heap and secrets."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from denodo_ha.environment.derived import readiness
from denodo_ha.environment.derived.node_state import NO_WEB, max_parameter_bytes, node_ports
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import (
    FAMILIES,
    FIRST_FLIGHT_UPDATE,
    FLIGHT_PORT,
    READY_PORT,
)
from denodo_ha.environment.facts.instance_memory import MIB_A_GIB, memory_gib
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.denodo import Denodo, cluster_secret
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine
from denodo_ha.environment.model.service import EVERY
from denodo_ha.environment.rules.nodes import instance_settings

_OLDEST = FAMILIES[0]


def features_of_version(environment: Environment) -> Iterator[Problem]:
    """Denodo 7.0 must not be configured with features of later versions."""
    denodo = environment.denodo
    if denodo.family != _OLDEST:
        return
    if denodo.readiness == "strict":
        yield _missing_feature(("denodo", "readiness"), value="strict")
    for key in ("tls", "security_token"):
        if getattr(denodo, key) is not None:
            yield _missing_feature(("denodo", key), at_key=True)
    if "design-studio" in denodo.servers:
        index = denodo.servers.index("design-studio")
        yield _missing_feature(("denodo", "servers", index), value="design-studio")
    if denodo.metadata.source == "catalog":
        yield Problem(
            ("denodo", "metadata", "source"),
            f"is not for Denodo {_OLDEST}",
            f"Virtual DataPort {_OLDEST} stores its metadata only on the node (Denodo, "
            "Administration Guide)",
            "write manual or export",
            value="catalog",
        )


def rmi_host_reachable(environment: Environment) -> Iterator[Problem]:
    """Clients and the Solution Manager must be able to reach each node by the node's RMI host."""
    chosen, path = environment.denodo.rmi_host, ("denodo", "rmi_host")
    kinds = {name: cluster.balancer.kind for name, cluster in environment.clusters.items()}
    alone = [name for name, kind in kinds.items() if kind == "none"]
    if environment.denodo.family == _OLDEST:
        if chosen == "node" and len(alone) < len(kinds):
            yield Problem(
                path,
                f"is not allowed for Denodo {_OLDEST} behind a balancer",
                f"a Denodo {_OLDEST} client opens its second connection to the RMI host, so this "
                "connection would bypass the balancer",
                "remove rmi_host, or write balancer",
                value=chosen,
            )
    elif chosen == "balancer" and alone:
        yield Problem(
            path,
            f"is not possible for the cluster {alone[0]}",
            "this cluster has no balancer whose name could be the RMI host",
            "write node",
            value=chosen,
        )
    elif chosen == "balancer":
        yield Problem(
            path,
            "directs JMX to the balancer",
            "JMX stubs of the servers would contain the balancer's name, and the balancer does "
            "not serve JMX: the Solution Manager and monitoring can no longer reach the nodes "
            "over JMX",
            "write node, unless clients need the balancer's name",
            value=chosen,
            severity=Severity.WARNING,
            rule="rmi-host-balancer",
        )


def flight_exists(environment: Environment) -> Iterator[Problem]:
    """A service on the port of Arrow Flight SQL needs a version with Arrow Flight SQL."""
    family, _, update = environment.denodo.version.partition(".")
    if family == "9" and int(update) >= FIRST_FLIGHT_UPDATE:
        return
    for name, service in environment.services.items():
        if service.target_port == FLIGHT_PORT:
            yield Problem(
                ("services", name),
                f"needs Denodo 9.{FIRST_FLIGHT_UPDATE}",
                f"port {FLIGHT_PORT} is the port of Arrow Flight SQL, which Denodo "
                f"9.{FIRST_FLIGHT_UPDATE} introduced, and denodo.version is "
                f"{environment.denodo.version}",
                f'write version: "9.{FIRST_FLIGHT_UPDATE}" or the installed version',
                severity=Severity.WARNING,
                rule="flight-update",
            )


def _missing_feature(path: Path, *, value: str = "", at_key: bool = False) -> Problem:
    return Problem(
        path,
        f"is not for Denodo {_OLDEST}",
        f"Denodo {_OLDEST} does not have this feature (Denodo, Installation Guide)",
        "remove this setting",
        value=value,
        at_key=at_key,
    )


def options_needing_program(environment: Environment) -> Iterator[Problem]:
    """Without the node program, `denodo` must not set keys that only this program uses."""
    denodo = environment.denodo
    if denodo.program:
        return
    for key in sorted(denodo.model_fields_set - {"version", "program"}):
        if getattr(denodo, key) is None:
            continue
        yield Problem(
            ("denodo", key),
            "would be ignored",
            "with program: false, Denodo keeps the settings that the node's image contains",
            "remove this key, or remove program: false",
            at_key=True,
        )


def metadata_import(environment: Environment) -> Iterator[Problem]:
    """Source `export` requires `uri` and `login`; other sources allow neither key."""
    metadata = environment.denodo.metadata
    is_export = metadata.source == "export"
    for key in ("uri", "login"):
        is_given = getattr(metadata, key) is not None
        if is_given == is_export:
            continue
        yield Problem(
            ("denodo", "metadata", key),
            "is missing" if is_export else f"is not for source: {metadata.source}",
            "nodes import the export at uri, as the user of Virtual DataPort whose secret is login"
            if is_export
            else "metadata is imported only with source: export",
            f"add {key}" if is_export else f"remove {key}, or write source: export",
            at_key=is_given,
        )


def node_secret_locations(environment: Environment) -> Iterator[Problem]:
    """Secrets must be in the account and region of the nodes that read them."""
    denodo = environment.denodo
    secrets: dict[Path, Mapping[str, str] | None] = {
        ("denodo", "tls", "secret"): denodo.tls.secret if denodo.tls else None,
        ("denodo", "security_token"): denodo.security_token,
        ("denodo", "metadata", "login"): denodo.metadata.login,
    }
    for path, arns in secrets.items():
        if not arns:
            continue
        for key in sorted(set(arns) - {EVERY, *environment.clusters}):
            yield Problem(
                (*path, key),
                "is not the name of a cluster",
                "each key must be the name of a cluster",
                f"write one of {', '.join(sorted(environment.clusters))}",
                value=key,
                at_key=True,
            )
        for name, cluster in environment.clusters.items():
            if not _created_nodes(cluster):
                continue  # Existing instances do not read secrets.
            arn = cluster_secret(arns, name)
            if arn is None:
                yield Problem(
                    path,
                    f"names no secret for {name}",
                    "the nodes of every cluster read this secret",
                    f"add {name}: arn:aws:secretsmanager:{cluster.region}:{cluster.account}:"
                    "secret:…",
                )
            elif arn.split(":")[3:5] != [cluster.region, cluster.account]:
                is_own = name in arns
                yield Problem(
                    (*path, name) if is_own else path,
                    f"is not a secret of account {cluster.account} in {cluster.region}, where the "
                    f"cluster {name} is",
                    "a node can read only secrets of its own account and region",
                    f"write the ARN of {name}'s own secret, which may be a replica"
                    if is_own
                    else "write a map from each cluster to the ARN of its secret, which may be a "
                    "replica",
                    value=arn,
                )


def node_ports_unique(environment: Environment) -> Iterator[Problem]:
    """Each server of a node must have a different port."""
    nodes = (
        cluster.nodes[name]
        for cluster in environment.clusters.values()
        for name in _created_nodes(cluster)
    )
    node = next(nodes, None)
    if node is None or not environment.denodo.program:
        return
    # All nodes have the same ports, except for auxiliary ports, which another rule checks.
    ports = {**node_ports(environment, node), "auxiliary": None, "ready": READY_PORT}
    counts = Counter(port for port in ports.values() if port)
    for port in sorted(port for port, count in counts.items() if count > 1):
        moved = [name for name in ("web", "odbc", "jdbc") if _moves_server(environment, name, port)]
        if _share_a_listener(environment, moved):
            continue  # denodo_ha.environment.rules.ports reports two services with one port.
        service = environment.services[moved[0]]
        servers = " and ".join(server for server, its_port in ports.items() if its_port == port)
        yield Problem(
            ("services", moved[0], "node_port" if service.node_port else "port"),
            "is also the port of another server of the node",
            f"each server needs its own port, and {servers} would have this port",
            "write a free port as node_port, or remove node_port",
            value=str(port),
        )


def _moves_server(environment: Environment, name: str, port: int) -> bool:
    """Return whether the service `name` is configured, and its port on the nodes is `port`."""
    service = environment.services.get(name)
    return service is not None and service.target_port == port


def _share_a_listener(environment: Environment, names: Sequence[str]) -> bool:
    """Return whether several services have the same `port` and none of them sets `node_port`."""
    services = [environment.services[name] for name in names]
    return len(services) > 1 and not any(service.node_port for service in services)


def service_has_server(environment: Environment) -> Iterator[Problem]:
    """A service must have a server on the nodes; otherwise the service would never be ready."""
    denodo = environment.denodo
    for name, service in environment.services.items():
        checked = [
            cluster_name
            for cluster_name, cluster in environment.clusters.items()
            if cluster.balancer.kind != "none"
            and readiness.nodes_report_readiness(environment, cluster)
            and not readiness.overrides_check_target(service.health, cluster.balancer.health)
        ]
        kind = readiness.service_probe(environment, name, service).kind
        if checked and not _is_served(denodo, kind):
            yield Problem(
                ("services", name),
                "has no server on the nodes",
                f"the nodes start {', '.join(denodo.servers)}, so the service would never be ready "
                f"in {checked[0]}",
                "add the server to denodo.servers, remove the service, or give the service "
                "another health check, such as health: {protocol: tcp}",
            )


def _is_served(denodo: Denodo, kind: readiness.ProbeKind) -> bool:
    match kind:
        case "vdp" | "odbc":
            return "vdp" in denodo.servers
        case "web":
            return not NO_WEB.issuperset(denodo.servers)
        case "scheduler":
            return "scheduler" in denodo.servers
        case _:
            return True


def heap_fits_memory(environment: Environment) -> Iterator[Problem]:
    """The heap must be smaller than the memory of the instance type, if the memory is known."""
    denodo = environment.denodo
    if not denodo.program:
        return
    for name, cluster in environment.clusters.items():
        for path, instance in instance_settings(name, cluster):
            if instance.type is None:
                continue
            memory = memory_gib(instance.type)
            if memory is None and denodo.heap_gib is None and denodo.jvm.vdp is None:
                yield Problem(
                    (*path, "type"),
                    "is a type whose memory size this project does not know",
                    "the heap of Virtual DataPort keeps the size that is set in the image",
                    "add denodo.heap_gib with half of the memory of this type",
                    value=instance.type,
                    severity=Severity.NOTE,
                    rule="heap-of-image",
                )
            elif memory is not None and denodo.heap_gib is not None and denodo.heap_gib >= memory:
                yield Problem(
                    ("denodo", "heap_gib"),
                    f"is not less than the {memory} GiB of memory of {instance.type}",
                    "a heap of 8 GB needs 16 GB of memory (Denodo, Virtual DataPort 7.0 "
                    "Installation Guide, sizing)",
                    f"write {memory // 2}, or choose a larger type",
                    value=str(denodo.heap_gib),
                )


def heap_or_jvm_options(environment: Environment) -> Iterator[Problem]:
    """`heap_gib` must not be set with `jvm.vdp`, which sets all JVM options including the heap."""
    denodo = environment.denodo
    if denodo.heap_gib is not None and denodo.jvm.vdp is not None:
        yield Problem(
            ("denodo", "heap_gib"),
            "has no effect with jvm.vdp",
            "the options in jvm.vdp are used unchanged, including the heap that they set",
            f"remove heap_gib, and write -Xmx{denodo.heap_gib * MIB_A_GIB}m into jvm.vdp",
            value=str(denodo.heap_gib),
            at_key=True,
        )


def desired_state_size(environment: Environment) -> Iterator[Problem]:
    """A node's desired state must fit into one SSM parameter."""
    limit = limits.PARAMETER_BYTES
    if not environment.denodo.program:
        return
    for name, cluster in environment.clusters.items():
        for node_name in sorted(_created_nodes(cluster)):
            instance = configured_machine(cluster.instance, cluster.nodes[node_name])
            if instance is None:
                continue
            size = max_parameter_bytes(environment, name, node_name, instance)
            if size > limit.value:
                yield Problem(
                    ("clusters", name, "nodes", node_name),
                    f"needs {size} {limit.unit}, and AWS allows {limit.value}",
                    f"the desired state of the node contains every service ({limit.source})",
                    "remove services, or shorten denodo.jvm",
                    value=str(size),
                )
                break  # The states of all nodes have about this size, so one report is enough.


def _created_nodes(cluster: Cluster) -> list[str]:
    return [name for name, node in cluster.nodes.items() if not node.instance_id]


def no_dynamic_references(environment: Environment) -> Iterator[Problem]:
    """Texts of a desired state must not contain `{{`, which AWS would resolve or reject."""
    for path, text in _desired_texts(environment):
        if "{{" in text or "}}" in text:
            yield Problem(
                path,
                "contains {{ or }}",
                "the value becomes part of an SSM parameter; CloudFormation resolves {{resolve:…}} "
                "and Parameter Store refuses other {{…}} (AWS, Using dynamic references to specify "
                "template values; Systems Manager, PutParameter)",
                "remove the double braces; for a secret, write the ARN of the secret",
                value=text,
            )


def _desired_texts(environment: Environment) -> Iterator[tuple[Path, str]]:
    """Yield the configured texts that become part of desired states, with their paths."""
    options = environment.denodo.jvm
    for server in ("vdp", "web", "scheduler"):
        text = getattr(options, server)
        if text:
            yield ("denodo", "jvm", server), text
    for name, cluster in environment.clusters.items():
        if not cluster.catalog:
            continue
        for component, settings in cluster.catalog.settings.items():
            for key, value in settings.entries.items():
                yield (
                    ("clusters", name, "catalog", "settings", component, "entries", key),
                    f"{key} {value or ''}".strip(),
                )


RULES = (
    features_of_version,
    rmi_host_reachable,
    flight_exists,
    options_needing_program,
    metadata_import,
    node_secret_locations,
    node_ports_unique,
    service_has_server,
    heap_fits_memory,
    heap_or_jvm_options,
    desired_state_size,
    no_dynamic_references,
)
