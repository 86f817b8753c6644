"""Desired state of a node: the content of the node's SSM parameter.

The schema is `hosts/denodo/state.schema.json`, version 1. Values that are known only during
deployment are CDK tokens, which CloudFormation resolves. The state contains the ARNs of secrets,
and no secret values.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata, node_names, readiness
from denodo_ha.environment.derived.node_alarms import publishing_nodes
from denodo_ha.environment.derived.topology import version_ports
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
from denodo_ha.environment.facts.limits import BUSY_LIMIT_DEFAULT_S, SETUP_SHARE_S
from denodo_ha.environment.model.catalog import Catalog, Component, Exports
from denodo_ha.environment.model.cluster import Instance, Node
from denodo_ha.environment.model.denodo import Denodo, Server, cluster_secret
from denodo_ha.environment.model.environment import Environment

SCHEMA: Final = 1
DATA_DEVICE: Final = "/dev/sdf"
"""Device name of the second disk. EC2 recommends /dev/sd[f-p] for EBS volumes (AWS, Amazon EC2 User
Guide, "Device names for volumes on Amazon EC2 instances")."""
NO_WEB: Final[frozenset[Server]] = frozenset(("vdp", "scheduler"))
"""Servers that do not run in the web container; all other servers run in the web container."""


@dataclass(frozen=True)
class Deployed:
    """Values that are known only during deployment, not from the configuration.

    Attributes:
        rmi_host: the balancer's DNS name; empty if the RMI host is the node's own name.
        scheduler_rmi_host: the balancer's DNS name if the Scheduler gives this name to clients,
            else empty.
        stack: name of the cluster's stack.
        resource: logical id of the node's instance.
        program: S3 URI of the node program.
        log_group: name of the cluster's log group; empty if the nodes send no logs.
    """

    rmi_host: str
    stack: str
    resource: str
    program: str
    scheduler_rmi_host: str = ""
    log_group: str = ""


def desired_state(
    environment: Environment, cluster: str, node: str, *, machine: Instance, deployed: Deployed
) -> dict[str, Any]:
    """Return the desired state of a node; `machine` has the properties of its instance."""
    denodo = environment.denodo
    host = node_names.host_name(environment, cluster, node)
    manager = environment.solution_manager_of(cluster)
    licences = environment.license_manager_of(cluster)
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        "cluster": cluster,
        "node": node,
        "denodo": {
            "version": denodo.family,
            "home": denodo.platform_home(),
            "user": denodo.user,
            **({"java_home": denodo.java_home} if denodo.java_home else {}),
        },
        "host": host,
        "rmi_host": deployed.rmi_host or host,
        # Keys with default values are omitted, so that older node programs can read the state.
        **(
            {"scheduler_rmi_host": deployed.scheduler_rmi_host}
            if deployed.scheduler_rmi_host
            else {}
        ),
        "ports": node_ports(environment, environment.clusters[cluster].nodes[node]),
        "solution_manager": (
            {"host": manager.host, "port": manager.port} if manager and manager.host else None
        ),
        "license_manager": licences.model_dump() if licences else None,
        "jvm": denodo.jvm.model_dump(exclude_none=True),
        "heap_mib": _heap_mib(environment, machine.type),
        "servers": list(denodo.servers),
        "tls": _tls(environment, cluster),
        "security_token": cluster_secret(denodo.security_token, cluster),
        "metadata": _metadata_source(environment, cluster, node),
        **_shared_metadata(environment, cluster, node),
        # The key is present only if the watchdog is off, so that older node programs can read all
        # other states.
        **({} if denodo.watchdog else {"watchdog": False}),
        **({"web_jmx": True} if denodo.web_jmx else {}),
        **_metrics(environment, cluster),
        **_data_disk(machine),
        **_logs(environment, deployed.log_group),
        "ready": {"port": READY_PORT, "services": _services(environment), **_readiness(denodo)},
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


def _metrics(environment: Environment, cluster: str) -> dict[str, Any]:
    """Return the desired state's key `metrics`; empty if nodes publish no metrics."""
    if not publishing_nodes(environment, cluster):
        return {}
    return {"metrics": {"namespace": names.node_metrics_namespace(environment.name)}}


def node_ports(environment: Environment, node: Node) -> dict[str, int | None]:
    """Return the ports of the servers on a node; None for a port that is not set."""
    services = environment.services
    ports = {
        name: services[name].target_port if name in services else default
        for name, default in PORTS[environment.denodo.family].services.items()
    }
    auxiliary, second = version_ports(environment).auxiliary, node.scheduler_auxiliary_port
    encrypted = {service.target_port for service in services.values()} & NODE_TLS_PORTS
    return {
        "vdp": ports["jdbc"],
        "odbc": ports["odbc"],
        "shutdown": SHUTDOWN_PORT,
        "auxiliary": node.auxiliary_port,
        "jmx_registry": None if auxiliary else JMX_REGISTRY_PORT,
        "jmx_factory": None if auxiliary else JMX_FACTORY_PORT,
        "web": WEB_PORT if ports["web"] in NODE_TLS_PORTS else ports["web"],
        "web_tls": next(iter(encrypted), None),
        "scheduler": SCHEDULER_PORT,
        **({"scheduler_auxiliary": second} if second else {}),
    }


def node_secrets(environment: Environment, cluster: str) -> tuple[str, ...]:
    """Return the ARNs of the secrets that the nodes of a cluster read."""
    denodo = environment.denodo
    arns = (
        cluster_secret(denodo.tls.secret if denodo.tls else None, cluster),
        cluster_secret(denodo.security_token, cluster),
        cluster_secret(denodo.metadata.login, cluster),
    )
    return tuple(sorted({arn for arn in arns if arn}))


def max_parameter_bytes(
    environment: Environment, cluster: str, node: str, machine: Instance
) -> int:
    """Return the size of a node's parameter if each value of `Deployed` has its maximum length."""
    settings = environment.clusters[cluster].nodes[node]
    name = "x" * node_names.MAX_NAME_LENGTH
    longest = Deployed(
        rmi_host=name,
        scheduler_rmi_host=name if settings.scheduler_auxiliary_port else "",
        stack="x" * 41,
        resource="x" * 255,
        program="x" * 128,
        log_group="x" * 128 if environment.logs else "",
    )
    state = desired_state(environment, cluster, node, machine=machine, deployed=longest)
    return len(json.dumps(state))


def _heap_mib(environment: Environment, instance_type: str) -> int | None:
    """Return Virtual DataPort's heap in MiB; None if not known, or with `denodo.jvm.vdp`."""
    denodo = environment.denodo
    heap = denodo.heap_gib or heap_gib(instance_type)
    return heap * MIB_A_GIB if heap and denodo.jvm.vdp is None else None


def _data_disk(machine: Instance) -> dict[str, Any]:
    """Return the desired state's key `data_disk`; empty if the instance has no disk to mount."""
    if not machine.data_disk_gib or not machine.data_disk_path:
        return {}
    return {"data_disk": {"path": machine.data_disk_path, "device": DATA_DEVICE}}


def _logs(environment: Environment, group: str) -> dict[str, Any]:
    """Return the desired state's key `logs`; empty if the node sends no logs."""
    if environment.logs is None or not group:
        return {}
    return {
        "logs": {"group": group, **({"statements": True} if environment.logs.statements else {})}
    }


def _tls(environment: Environment, cluster: str) -> dict[str, str] | None:
    tls = environment.denodo.tls
    certificate = cluster_secret(tls.secret if tls else None, cluster)
    if tls is None or certificate is None:
        return None
    return {"certificate": certificate, **({"version": tls.version} if tls.version else {})}


def _readiness(denodo: Denodo) -> dict[str, Any]:
    """Return the readiness options that differ from their defaults.

    Older node programs know none of these options, so options with default values are omitted.
    """
    options: dict[str, Any] = {}
    if denodo.readiness != "auto":
        options["virtual_dataport"] = denodo.readiness
    if denodo.busy_limit != BUSY_LIMIT_DEFAULT_S:
        options["busy_seconds"] = denodo.busy_limit
    return options


def _services(environment: Environment) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = {}
    for name, service in sorted(environment.services.items()):
        probe = readiness.service_probe(environment, name, service)
        services[name] = {"kind": probe.kind, "port": probe.port}
        if probe.kind == "web":
            services[name] |= {"path": "/", "tls": probe.tls}
    return services


def _metadata_source(environment: Environment, cluster_name: str, node: str) -> dict[str, str]:
    """Return the source of Virtual DataPort's metadata.

    A shared metadata database needs no import. Otherwise the source is `denodo.metadata` if this
    key is set. If the key is not set and `exports.restore` is true, the source is the node's own
    newest export.
    """
    cluster, given = environment.clusters[cluster_name], environment.denodo.metadata
    source = node_metadata.metadata_source(cluster)
    if source == "catalog":
        return {"source": "catalog"}
    if source == "export" and "metadata" not in environment.denodo.model_fields_set:
        assert cluster.exports is not None  # the source is `export` only for a cluster with exports
        manifest, _ = node_metadata.export_keys(node)
        bucket = node_metadata.export_bucket_name(environment, cluster_name)
        return {
            "source": "export",
            "uri": f"s3://{bucket}/{manifest}",
            "login": cluster.exports.login,
        }
    login = cluster_secret(given.login, cluster_name)
    return {
        "source": given.source,
        **({"uri": given.uri} if given.uri else {}),
        **({"login": login} if login else {}),
    }


def _shared_metadata(environment: Environment, cluster_name: str, node: str) -> dict[str, Any]:
    """Return the desired state's keys `catalog` and `exports`, for the node's servers.

    A key is present only if the configuration has a metadata database or exports, so that older
    node programs can read the states of all other environments.
    """
    cluster, servers = environment.clusters[cluster_name], environment.denodo.servers
    keys: dict[str, Any] = {}
    if cluster.catalog is not None:
        keys["catalog"] = {
            component: _component(environment, cluster_name, cluster.catalog, component)
            for component in cluster.catalog.components
            if component in servers
        }
    if cluster.exports is not None and "vdp" in servers:
        keys["exports"] = _exports(environment, cluster_name, node, cluster.exports)
    return keys


def _component(
    environment: Environment, cluster: str, catalog: Catalog, component: Component
) -> dict[str, Any]:
    settings = catalog.settings.get(component)
    state: dict[str, Any] = {"secret": node_metadata.secret_arn(environment, cluster, component)}
    if component == "scheduler":
        state["check_interval"] = catalog.check_interval
    if settings is not None and settings.file is not None:
        state["file"] = settings.file
    if settings is not None and settings.entries:
        state["entries"] = dict(settings.entries)
    return state


def _exports(environment: Environment, cluster: str, node: str, exports: Exports) -> dict[str, Any]:
    state: dict[str, Any] = {
        "bucket": node_metadata.export_bucket_name(environment, cluster),
        "prefix": f"{node}/",
        "login": exports.login,
        "every": exports.every,
    }
    if exports.not_compared:
        # The key is omitted if no element is excluded from the comparison, because node programs of
        # earlier versions do not know the key.
        state["not_compared"] = list(exports.not_compared)
    return state
