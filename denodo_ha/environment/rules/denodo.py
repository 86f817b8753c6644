"""Rules about what runs on the nodes, and how they are set up."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from denodo_ha.environment.derived import readiness
from denodo_ha.environment.derived.node_state import NO_WEB, max_parameter_bytes, node_ports
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import READY_PORT, VERSIONS
from denodo_ha.environment.facts.instance_memory import MIB_A_GIB, memory_gib
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.denodo import Denodo, cluster_secret
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine
from denodo_ha.environment.model.service import EVERY
from denodo_ha.environment.rules.nodes import described

_OLDEST = VERSIONS[0]


def of_later_versions(environment: Environment) -> Iterator[Problem]:
    """What 7.0 does not have."""
    denodo = environment.denodo
    if denodo.version != _OLDEST:
        return
    asked: dict[Path, bool] = {
        ("denodo", "tls"): denodo.tls is not None,
        ("denodo", "security_token"): denodo.security_token is not None,
        ("denodo", "metadata", "source"): denodo.metadata.source == "catalog",
    }
    if "design-studio" in denodo.servers:
        asked["denodo", "servers", denodo.servers.index("design-studio")] = True
    for path in (path for path, given in asked.items() if given):
        is_source = path[-1] == "source"
        yield Problem(
            path,
            f"is not for {_OLDEST}",
            f"Virtual DataPort {_OLDEST} keeps its catalog to itself (Denodo, Administration Guide)"
            if is_source
            else f"Denodo {_OLDEST} has no such thing (Denodo, Installation Guide)",
            "write manual or export" if is_source else "remove it",
            value=_shown(environment, path),
            at_key=path[-1] in ("tls", "security_token"),
        )


def _shown(environment: Environment, path: Path) -> str:
    """The value of one of these keys, where it is one word."""
    match path:
        case (_, "servers", int(place)):
            return environment.denodo.servers[place]
        case (_, "metadata", _):
            return environment.denodo.metadata.source
        case _:
            return ""


def set_up_by_nobody(environment: Environment) -> Iterator[Problem]:
    """Without the program on the nodes nothing of `denodo` but the version is used."""
    denodo = environment.denodo
    if denodo.program:
        return
    for key in sorted(denodo.model_fields_set - {"version", "program"}):
        if getattr(denodo, key) is None:
            continue
        yield Problem(
            ("denodo", key),
            "would be read by nobody",
            "program: false leaves the nodes as their image has them",
            "remove it, or program: false",
            at_key=True,
        )


def import_known(environment: Environment) -> Iterator[Problem]:
    """An import has a file and a user, and nothing else has."""
    metadata = environment.denodo.metadata
    exported = metadata.source == "export"
    for key in ("uri", "login"):
        given = getattr(metadata, key) is not None
        if given == exported:
            continue
        yield Problem(
            ("denodo", "metadata", key),
            "is missing" if exported else f"is not for source: {metadata.source}",
            "an export is imported from a file, by a user"
            if exported
            else "only an export is imported",
            f"add {key}" if exported else "remove it, or write source: export",
            at_key=given,
        )


def secrets_in_place(environment: Environment) -> Iterator[Problem]:
    """A node reads secrets of its own account and region."""
    denodo = environment.denodo
    given: dict[Path, Mapping[str, str] | None] = {
        ("denodo", "tls", "secret"): denodo.tls.secret if denodo.tls else None,
        ("denodo", "security_token"): denodo.security_token,
        ("denodo", "metadata", "login"): denodo.metadata.login,
    }
    for path, arns in given.items():
        if not arns:
            continue
        for key in sorted(set(arns) - {EVERY, *environment.clusters}):
            yield Problem(
                (*path, key),
                "is no cluster",
                "each cluster has its secret",
                f"write one of {', '.join(sorted(environment.clusters))}",
                value=key,
                at_key=True,
            )
        for name, cluster in environment.clusters.items():
            if not _created(cluster):
                continue  # nobody there reads it
            arn, place = cluster_secret(arns, name), [cluster.region, cluster.account]
            own = name in arns
            if arn is None:
                yield Problem(
                    path,
                    f"names no secret for {name}",
                    "the nodes of every cluster need it",
                    f"add {name}: arn:aws:secretsmanager:{place[0]}:{place[1]}:secret:…",
                )
            elif arn.split(":")[3:5] != place:
                yield Problem(
                    (*path, name) if own else path,
                    f"is not of {place[1]} in {place[0]}, where {name} is",
                    "a node asks the Secrets Manager of its own account and region",
                    f"write the ARN of {name}'s own secret, which may be a replica"
                    if own
                    else "write a map: cluster to the ARN of its secret, which may be a replica",
                    value=arn,
                )


def node_ports_differ(environment: Environment) -> Iterator[Problem]:
    """The servers of one node listen on ports of their own."""
    nodes = (
        cluster.nodes[name]
        for cluster in environment.clusters.values()
        for name in _created(cluster)
    )
    node = next(nodes, None)
    if node is None or not environment.denodo.program:
        return
    # All nodes are alike but for their auxiliary ports, which have rules of their own.
    listening = {**node_ports(environment, node), "auxiliary": None, "ready": READY_PORT}
    taken = Counter(port for port in listening.values() if port)
    for port in sorted(port for port, times in taken.items() if times > 1):
        moved = [name for name in ("web", "odbc", "jdbc") if _puts(environment, name, port)]
        if _share_a_listener(environment, moved):
            continue  # which denodo_ha.environment.rules.ports has found
        service = environment.services[moved[0]]
        yield Problem(
            ("services", moved[0], "node_port" if service.node_port else "port"),
            "is taken by another server of the node",
            "each server listens on a port of its own, "
            f"and {' and '.join(one for one, its in listening.items() if its == port)} would have "
            "this one",
            "choose a free node_port, or leave it out",
            value=str(port),
        )


def _puts(environment: Environment, name: str, port: int) -> bool:
    """Whether a service moves its server to a port."""
    service = environment.services.get(name)
    return service is not None and service.target_port == port


def _share_a_listener(environment: Environment, names: Sequence[str]) -> bool:
    """Whether services clash on the nodes for the one reason that they clash on the balancer."""
    services = [environment.services[name] for name in names]
    return len(services) > 1 and not any(service.node_port for service in services)


def served_by_somebody(environment: Environment) -> Iterator[Problem]:
    """A service that no server on the nodes serves would never be ready."""
    denodo = environment.denodo
    for name, service in environment.services.items():
        asked = [
            cluster_name
            for cluster_name, cluster in environment.clusters.items()
            if cluster.balancer.kind != "none"
            and readiness.nodes_report_readiness(environment, cluster)
            and not readiness.overrides_check_target(service.health, cluster.balancer.health)
        ]
        kind = readiness.service_probe(environment, name, service).kind
        if asked and not _served(denodo, kind):
            yield Problem(
                ("services", name),
                "is served by no server",
                f"the nodes start {', '.join(denodo.servers)}, so the service would never be ready "
                f"in {asked[0]}",
                "add the server to denodo.servers, leave the service out of services, or check it "
                "another way, as with health: {protocol: tcp}",
            )


def _served(denodo: Denodo, kind: readiness.ProbeKind) -> bool:
    match kind:
        case "vdp" | "odbc":
            return "vdp" in denodo.servers
        case "web":
            return not NO_WEB.issuperset(denodo.servers)
        case "scheduler":
            return "scheduler" in denodo.servers
        case _:
            return True


def heap_fits(environment: Environment) -> Iterator[Problem]:
    """A heap leaves memory for the rest of the node, where the memory is known."""
    denodo = environment.denodo
    if not denodo.program:
        return
    for name, cluster in environment.clusters.items():
        for path, machine in described(name, cluster):
            if machine.type is None:
                continue
            memory = memory_gib(machine.type)
            if memory is None and denodo.heap_gib is None and denodo.jvm.vdp is None:
                yield Problem(
                    (*path, "type"),
                    "does not tell its memory",
                    "the heap of Virtual DataPort stays as the image has it",
                    "add denodo.heap_gib with half of its memory",
                    value=machine.type,
                    severity=Severity.NOTE,
                    rule="heap-of-image",
                )
            elif memory is not None and denodo.heap_gib is not None and denodo.heap_gib >= memory:
                yield Problem(
                    ("denodo", "heap_gib"),
                    f"is all of the {memory} GiB of {machine.type}, or more",
                    "16 GB of memory are for 8 GB of heap (Denodo, Virtual DataPort 7.0 "
                    "Installation Guide, sizing)",
                    f"write {memory // 2}, or choose a larger type",
                    value=str(denodo.heap_gib),
                )


def heap_given_once(environment: Environment) -> Iterator[Problem]:
    """Options of Virtual DataPort are the whole line, its heap included."""
    denodo = environment.denodo
    if denodo.heap_gib is not None and denodo.jvm.vdp is not None:
        yield Problem(
            ("denodo", "heap_gib"),
            "is not read beside jvm.vdp",
            "those options are used as they are, with the heap that they name",
            f"remove it, and write -Xmx{denodo.heap_gib * MIB_A_GIB}m into jvm.vdp",
            value=str(denodo.heap_gib),
            at_key=True,
        )


def parameter_quota(environment: Environment) -> Iterator[Problem]:
    """A node's desired state is one parameter."""
    limit = limits.PARAMETER_BYTES
    if not environment.denodo.program:
        return
    for name, cluster in environment.clusters.items():
        for node_name in sorted(_created(cluster)):
            machine = configured_machine(cluster.instance, cluster.nodes[node_name])
            if machine is None:
                continue
            size = max_parameter_bytes(environment, name, node_name, machine.type)
            if size > limit.value:
                yield Problem(
                    ("clusters", name, "nodes", node_name),
                    f"needs {size} {limit.of}, and AWS allows {limit.value}",
                    f"its desired state names every service ({limit.source})",
                    "remove services, or shorten denodo.jvm",
                    value=str(size),
                )
                break  # the others are as large


def _created(cluster: Cluster) -> list[str]:
    return [name for name, node in cluster.nodes.items() if not node.instance_id]


RULES = (
    of_later_versions,
    set_up_by_nobody,
    import_known,
    secrets_in_place,
    node_ports_differ,
    served_by_somebody,
    heap_fits,
    heap_given_once,
    parameter_quota,
)
