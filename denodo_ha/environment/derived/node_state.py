"""The desired state of a node, as its SSM parameter holds it.

Its form is `node/state.schema.json`, version 1. What only the deploy knows comes in as text that
CloudFormation resolves. It holds no secret: secrets are named by ARN.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.environment.derived import node_names, node_state_metadata, readiness
from denodo_ha.environment.derived.topology import ports_of
from denodo_ha.environment.facts.denodo_ports import (
    JMX_FACTORY_PORT,
    JMX_REGISTRY_PORT,
    NODE_TLS_PORTS,
    PORTS,
    READY_PORT,
    SCHEDULER_PORT,
    SHUTDOWN_PORT,
    WEB_PORT,
)
from denodo_ha.environment.facts.instance_memory import MIB_A_GIB, heap_gib
from denodo_ha.environment.facts.limits import SETUP_SHARE_S
from denodo_ha.environment.model.cluster import Node
from denodo_ha.environment.model.denodo import Server, secret
from denodo_ha.environment.model.environment import Environment

SCHEMA: Final = 1
NO_WEB: Final[frozenset[Server]] = frozenset(("vdp", "scheduler"))
"""The servers that are not in the web container."""


@dataclass(frozen=True)
class Deployed:
    """What the deploy knows and the configuration does not.

    Attributes:
        rmi_host: the balancer's name; empty where the node's own is meant.
        stack: name of the cluster's stack.
        resource: logical id of the node's instance.
        program: address of the node's program in S3.
    """

    rmi_host: str
    stack: str
    resource: str
    program: str


def desired(
    environment: Environment, cluster: str, node: str, *, instance_type: str, deployed: Deployed
) -> dict[str, Any]:
    """The desired state of one node."""
    denodo = environment.denodo
    host = node_names.host(environment, cluster, node)
    manager, licences = environment.solution_manager, environment.license_manager
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        "cluster": cluster,
        "node": node,
        "denodo": {
            "version": denodo.version,
            "home": denodo.platform_home(),
            "user": denodo.user,
        },
        "host": host,
        "rmi_host": deployed.rmi_host or host,
        "ports": ports(environment, environment.clusters[cluster].nodes[node]),
        "solution_manager": (
            {"host": manager.host, "port": manager.port} if manager and manager.host else None
        ),
        "license_manager": licences.model_dump() if licences else None,
        "jvm": denodo.jvm.model_dump(exclude_none=True),
        "heap_mib": _heap_mib(environment, instance_type),
        "servers": list(denodo.servers),
        "tls": _tls(environment, cluster),
        "security_token": secret(denodo.security_token, cluster),
        "metadata": node_state_metadata.source(environment, cluster, node),
        **node_state_metadata.more(environment, cluster, node),
        "ready": {"port": READY_PORT, "services": _services(environment)},
        "limits": {
            "start_seconds": denodo.start_limit - SETUP_SHARE_S,
            "stop_seconds": denodo.stop_limit,
        },
        "signal": {
            "stack": deployed.stack,
            "resource": deployed.resource,
            "when": denodo.signal,
        },
        "program": deployed.program,
    }


def ports(environment: Environment, node: Node) -> dict[str, int | None]:
    """Where the servers of a node listen; None leaves what the image has."""
    services = environment.services
    usual = PORTS[environment.denodo.version].services
    moved = {
        name: services[name].target_port if name in services else port
        for name, port in usual.items()
    }
    seven = ports_of(environment).auxiliary
    encrypted = {one.target_port for one in services.values()} & NODE_TLS_PORTS
    return {
        "vdp": moved["jdbc"],
        "odbc": moved["odbc"],
        "shutdown": SHUTDOWN_PORT,
        "auxiliary": node.auxiliary_port,
        "jmx_registry": None if seven else JMX_REGISTRY_PORT,
        "jmx_factory": None if seven else JMX_FACTORY_PORT,
        "web": WEB_PORT if moved["web"] in NODE_TLS_PORTS else moved["web"],
        "web_tls": next(iter(encrypted), None),
        "scheduler": SCHEDULER_PORT,
    }


def secrets(environment: Environment, cluster: str) -> tuple[str, ...]:
    """The ARNs of the secrets that a cluster's nodes read."""
    denodo = environment.denodo
    found = (
        secret(denodo.tls.secret if denodo.tls else None, cluster),
        secret(denodo.security_token, cluster),
        secret(denodo.metadata.login, cluster),
    )
    return tuple(sorted({arn for arn in found if arn}))


def parameter_bytes(environment: Environment, cluster: str, node: str, instance_type: str) -> int:
    """How large a node's parameter is at most: what the deploy fills in is not known yet."""
    unknown = Deployed(
        rmi_host="x" * node_names.MOST, stack="x" * 41, resource="x" * 255, program="x" * 128
    )
    state = desired(environment, cluster, node, instance_type=instance_type, deployed=unknown)
    return len(json.dumps(state))


def _heap_mib(environment: Environment, instance_type: str) -> int | None:
    """The heap, where nobody gives all of the options."""
    denodo = environment.denodo
    heap = denodo.heap_gib or heap_gib(instance_type)
    return heap * MIB_A_GIB if heap and denodo.jvm.vdp is None else None


def _tls(environment: Environment, cluster: str) -> dict[str, str] | None:
    tls = environment.denodo.tls
    certificate = secret(tls.secret if tls else None, cluster)
    if tls is None or certificate is None:
        return None
    return {"certificate": certificate, **({"version": tls.version} if tls.version else {})}


def _services(environment: Environment) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, service in sorted(environment.services.items()):
        probe = readiness.probe(environment, name, service)
        one: dict[str, Any] = {"kind": probe.kind, "port": probe.port}
        if probe.kind == "web":
            one |= {"path": "/", "tls": probe.tls}
        found[name] = one
    return found
