"""Rules about service, auxiliary and management ports."""

from collections.abc import Iterator

from denodo_ha.environment.derived.topology import version_ports
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment


def services_share_a_port(environment: Environment) -> Iterator[Problem]:
    """A port of the balancer is one listener."""
    seen: dict[int, str] = {}
    for name, service in environment.services.items():
        if service.port in seen:
            yield Problem(
                ("services", name, "port"),
                f"is the port of {seen[service.port]} too",
                "a balancer has one listener a port",
                "give one of them another port; node_port keeps the one on the nodes",
                value=str(service.port),
            )
        seen.setdefault(service.port, name)


def private_ports(environment: Environment) -> Iterator[Problem]:
    """Some ports are for the node itself or for its managers (see `facts.denodo_ports`)."""
    ports = version_ports(environment)
    for name, service in environment.services.items():
        if service.target_port in ports.private:
            yield Problem(
                ("services", name, "node_port" if service.node_port else "port"),
                f"is the nodes' port for {ports.occupied[service.target_port]}",
                "who reaches it can stop or manage a server, and Denodo advises to serve it on no "
                "balancer (Denodo, Default ports used by the Denodo Platform)",
                "remove the service unless you are sure",
                value=str(service.target_port),
                severity=Severity.WARNING,
                rule="private-port",
            )


def auxiliary_port_given(environment: Environment) -> Iterator[Problem]:
    """7.0 needs an auxiliary port per node; from 8.0 on clients use none."""
    version = environment.denodo.version
    auxiliary = version_ports(environment).auxiliary
    for path, cluster in _clusters(environment):
        for name, node in cluster.nodes.items():
            here: Path = (*path, "nodes", name, "auxiliary_port")
            if auxiliary and node.auxiliary_port is None:
                yield Problem(
                    here,
                    "is missing",
                    f"a Denodo {version} client goes on to the auxiliary port of the node that "
                    "answered, so each node needs its own on the balancer",
                    "add auxiliary_port with a port that no other node of the cluster has",
                )
            elif not auxiliary and node.auxiliary_port is not None:
                yield Problem(
                    here,
                    "is not for this version",
                    f"a Denodo {version} client uses one connection for everything, and the port "
                    "would be served for nothing",
                    "remove it",
                    value=str(node.auxiliary_port),
                    at_key=True,
                )


def auxiliary_port_free(environment: Environment) -> Iterator[Problem]:
    """An auxiliary port is unique in its cluster, and free on balancer and node."""
    if not version_ports(environment).auxiliary:
        return
    occupied = version_ports(environment).occupied
    served = {service.port: name for name, service in environment.services.items()}
    on_nodes = {service.target_port: name for name, service in environment.services.items()}
    for path, cluster in _clusters(environment):
        seen: dict[int, str] = {}
        for name, node in cluster.nodes.items():
            port = node.auxiliary_port
            if port is None:
                continue
            if port in seen:
                taken, why = f"node {seen[port]}", "the port says which node a client goes on to"
            elif port in served or port in on_nodes:
                service = served.get(port) or on_nodes[port]
                taken, why = f"service {service}", "one port can't be balanced and single-node"
            elif port in occupied:
                taken, why = occupied[port], "Denodo's own server takes it on the node"
            else:
                taken, why = "", ""
            seen.setdefault(port, name)
            if taken:
                yield Problem(
                    (*path, "nodes", name, "auxiliary_port"),
                    f"is the port of {taken} too",
                    why,
                    "choose a free one, like 19997 and 29997",
                    value=str(port),
                )


def _clusters(environment: Environment) -> Iterator[tuple[Path, Cluster]]:
    for name, cluster in environment.clusters.items():
        yield ("clusters", name), cluster


RULES = (services_share_a_port, private_ports, auxiliary_port_given, auxiliary_port_free)
