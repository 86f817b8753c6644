"""Rules about service, auxiliary and management ports."""

from collections.abc import Iterator

from denodo_ha.environment.derived.topology import version_ports
from denodo_ha.environment.facts.denodo_ports import SCHEDULER_AUXILIARY_PORT
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster, Node
from denodo_ha.environment.model.environment import Environment

_SCHEDULER_PORT = "scheduler_auxiliary_port"


def service_ports_unique(environment: Environment) -> Iterator[Problem]:
    """Each port of the balancer must belong to only one service."""
    seen: dict[int, str] = {}
    for name, service in environment.services.items():
        if service.port in seen:
            yield Problem(
                ("services", name, "port"),
                f"is the port of {seen[service.port]} too",
                "a balancer can have only one listener for each port",
                "give one of the two services another port; with node_port, the service keeps its "
                "port on the nodes",
                value=str(service.port),
            )
        seen.setdefault(service.port, name)


def private_ports(environment: Environment) -> Iterator[Problem]:
    """A service should not use a port that is only for the node itself or its management.

    See `denodo_ha.environment.facts.denodo_ports`.
    """
    ports = version_ports(environment)
    for name, service in environment.services.items():
        if service.target_port in ports.private:
            yield Problem(
                ("services", name, "node_port" if service.node_port else "port"),
                f"is the port of the nodes for {ports.occupied[service.target_port]}",
                "any client that connects to this port can stop or manage a server; Denodo "
                "advises against serving this port on a balancer (Denodo, Default ports used by "
                "the Denodo Platform)",
                "remove the service, unless clients must be able to connect to this port",
                value=str(service.target_port),
                severity=Severity.WARNING,
                rule="private-port",
            )


def auxiliary_port_given(environment: Environment) -> Iterator[Problem]:
    """With Denodo 7.0, each node must have an auxiliary port; later versions have none."""
    version = environment.denodo.version
    auxiliary = version_ports(environment).auxiliary
    for cluster_name, cluster in environment.clusters.items():
        for name, node in cluster.nodes.items():
            path: Path = ("clusters", cluster_name, "nodes", name, "auxiliary_port")
            if auxiliary and node.auxiliary_port is None:
                yield Problem(
                    path,
                    "is missing",
                    f"a Denodo {version} client opens its second connection to the auxiliary "
                    "port of the node that answered, so each node needs its own port on the "
                    "balancer",
                    "add auxiliary_port with a port that no other node of the cluster has",
                )
            elif not auxiliary and node.auxiliary_port is not None:
                yield Problem(
                    path,
                    "is not allowed for this version of Denodo",
                    f"a Denodo {version} client uses only one connection, so the auxiliary port "
                    "would not be used",
                    "remove auxiliary_port",
                    value=str(node.auxiliary_port),
                    at_key=True,
                )


def auxiliary_port_free(environment: Environment) -> Iterator[Problem]:
    """An auxiliary port must be unique in its cluster, and free on the balancer and on the node."""
    occupied = version_ports(environment).occupied
    on_balancer = {service.port: name for name, service in environment.services.items()}
    on_nodes = {service.target_port: name for name, service in environment.services.items()}
    for cluster_name, cluster in environment.clusters.items():
        seen: dict[int, str] = {}
        for key, name, node in _nodes_by_key(environment, cluster):
            port = getattr(node, key)
            if port is None:
                continue
            if port in seen:
                owner = f"node {seen[port]}"
                why = "the port determines the node that a client connects to"
            elif port in on_balancer or port in on_nodes:
                owner = f"service {on_balancer.get(port) or on_nodes[port]}"
                why = "one port cannot lead both to all nodes and to a single node"
            elif port in occupied and (key, port) != (_SCHEDULER_PORT, SCHEDULER_AUXILIARY_PORT):
                owner, why = occupied[port], "a server of Denodo uses this port on the node"
            else:
                owner, why = "", ""
            seen.setdefault(port, name)
            if owner:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name, key),
                    f"is the port of {owner} too",
                    why,
                    f"choose a free port, like {_EXAMPLES[key]}",
                    value=str(port),
                )


_EXAMPLES = {"auxiliary_port": "19997 or 29997", _SCHEDULER_PORT: "17998 or 27998"}


def _nodes_by_key(environment: Environment, cluster: Cluster) -> Iterator[tuple[str, str, Node]]:
    """Yield each node of a cluster for each kind of auxiliary port, with the port's key."""
    for key in _EXAMPLES:
        if key == "auxiliary_port" and not version_ports(environment).auxiliary:
            continue  # `auxiliary_port_given` reports ports that this version does not have.
        for name, node in cluster.nodes.items():
            yield key, name, node


RULES = (service_ports_unique, private_ports, auxiliary_port_given, auxiliary_port_free)
