"""What is to be verified, from the configuration: services and auxiliary ports."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from denodo_ha.environment.derived import readiness
from denodo_ha.environment.derived.topology import version_ports
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import Service
from denodo_ha.verify.web_probe import Sticky

Kind = Literal["rmi", "odbc", "web", "scheduler", "flight", "tcp", "auxiliary"]

_FLIGHT_PORT = 9994
"""Denodo's own port on a node (`denodo_ha.environment.facts.denodo_ports`)."""
_BY_NAME: Mapping[str, Kind] = {"scheduler": "scheduler", "flight": "flight"}
"""Names that say what a service is, where its port does not."""


@dataclass(frozen=True)
class Subject:
    """One port to verify.

    Attributes:
        name: the service's name; `auxiliary NODE` for an auxiliary port.
        kind: what is spoken there.
        port: where.
        tls: whether TLS comes first.
        sticky: how clients are kept on a node.
        sticks: whether connections of one address are kept on a node.
    """

    name: str
    kind: Kind
    port: int
    tls: bool = False
    sticky: Sticky = "no"
    sticks: bool = False


def kind(environment: Environment, name: str, service: Service) -> Kind:
    """What a service speaks: what its node asks it (`derived.readiness`), and Flight."""
    asked = readiness.service_probe(environment, name, service).kind
    if asked == "vdp":
        # From 8.0 on one connection carries everything, in a protocol that is not published.
        return "rmi" if version_ports(environment).auxiliary else "tcp"
    if asked == "tcp":
        return "flight" if service.target_port == _FLIGHT_PORT else _BY_NAME.get(name, "tcp")
    return asked


def subjects(
    environment: Environment, clusters: Iterable[str], *, node: str = "", tls: Collection[str] = ()
) -> tuple[Subject, ...]:
    """Everything to verify.

    Args:
        environment: the configuration.
        clusters: the clusters that may answer; of auxiliary ports, those that all of them have.
        node: a node that is asked directly; empty for a balancer.
        tls: services that speak TLS although the configuration does not say so.
    """
    asked = [environment.clusters[name] for name in clusters]
    proxied = any(cluster.balancer.kind == "haproxy" for cluster in asked)
    found = [
        _service(environment, name, service, direct=bool(node), proxied=proxied, tls=name in tls)
        for name, service in sorted(environment.services.items())
    ]
    return (*found, *_auxiliaries(environment, clusters, node))


def auxiliary_nodes(
    environment: Environment, clusters: Iterable[str]
) -> dict[int, tuple[str, ...]]:
    """Who is behind each auxiliary port, as `cluster/node`."""
    found: dict[int, tuple[str, ...]] = {}
    for cluster in clusters:
        for name, node in sorted(environment.clusters[cluster].nodes.items()):
            if node.auxiliary_port is not None:
                known = found.get(node.auxiliary_port, ())
                found[node.auxiliary_port] = (*known, f"{cluster}/{name}")
    return found


def _service(
    environment: Environment,
    name: str,
    service: Service,
    *,
    direct: bool,
    proxied: bool,
    tls: bool,
) -> Subject:
    what = kind(environment, name, service)
    by_cookie = service.sticky == "cookie" or (proxied and what == "web" and bool(service.sticky))
    sticky: Sticky = "no"
    if not direct and what == "web" and service.sticky:
        sticky = "cookie" if by_cookie else "source"
    # A listener that ends TLS starts it again only towards ports where nodes speak it.
    listener = service.tls is not None and not direct
    return Subject(
        name,
        what,
        service.target_port if direct else service.port,
        tls=tls or listener or (what == "web" and service.target_port in NODE_TLS_PORTS),
        sticky=sticky,
        sticks=bool(service.sticky) and not by_cookie and not direct,
    )


def _auxiliaries(environment: Environment, clusters: Iterable[str], node: str) -> Iterator[Subject]:
    asked = tuple(clusters)
    if not version_ports(environment).auxiliary:
        return
    for port, nodes in sorted(auxiliary_nodes(environment, asked).items()):
        names = dict.fromkeys(one.partition("/")[2] for one in nodes)
        if len(nodes) == len(asked) and (not node or node in names):
            yield Subject(f"auxiliary {' or '.join(names)}", "auxiliary", port)
