"""Outputs of a cluster's stack for its clients and its nodes, and the metadata of its template."""

from collections.abc import Iterator, Mapping

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_names
from denodo_ha.environment.derived.readiness import reporting_delays
from denodo_ha.environment.facts.denodo_ports import JDBC_URLS
from denodo_ha.environment.haproxy import routes
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment


def of_endpoints(
    environment: Environment, cluster: Cluster, host: str
) -> Iterator[tuple[str, str]]:
    """Yield the outputs, by name, with the URLs of the services on a host."""
    services = environment.services
    if "jdbc" in services:
        url = JDBC_URLS[environment.denodo.family]
        yield names.JDBC_URL, url.format(host=host, port=services["jdbc"].port)
    if "odbc" in services:
        yield names.ODBC_ENDPOINT, f"{host}:{services['odbc'].port}"
    if "web" in services:
        scheme = "https" if _uses_https(environment, cluster, "web") else "http"
        yield names.WEB_URL, f"{scheme}://{host}:{services['web'].port}/"


def _uses_https(environment: Environment, cluster: Cluster, name: str) -> bool:
    """Return whether clients connect to a service over HTTPS."""
    service = environment.services[name]
    if cluster.balancer.kind == "haproxy":
        return routes.speaks_https(cluster, name, service)
    return service.tls is not None


def of_nodes(
    environment: Environment, cluster: str, instance_ids: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the outputs, by name, with ids and DNS names of nodes.

    Args:
        environment: the environment.
        cluster: name of the cluster.
        instance_ids: instance ids by the name of the node.
    """
    for node, instance_id in instance_ids.items():
        yield names.node_id_output(node), instance_id
    for node in node_names.nodes_with_record(environment, cluster):
        yield names.node_name_output(node), node_names.host_name(environment, cluster, node)


def metadata(environment: Environment, cluster: str) -> dict[str, object]:
    """Return the metadata of the template, which commands and the drill read."""
    settings = environment.clusters[cluster]
    # Names of outputs contain only letters and digits, unlike names of nodes.
    node_outputs = {names.node_id_output(node): node for node in sorted(settings.nodes)}
    values: dict[str, object] = {names.NODES_METADATA: node_outputs}
    zones = _zones_of_existing_resources(settings)
    if zones:
        values[names.ZONES_METADATA] = zones
    if environment.denodo.program:
        values[names.DELAYS_METADATA] = reporting_delays(environment)
    return values


def _zones_of_existing_resources(cluster: Cluster) -> dict[str, str]:
    """Return the zones of a cluster's existing subnets and instances by id.

    The ids do not contain the zone. `denodo-ha drill` reads the zones from the template's metadata,
    to determine which resources are lost with a zone.
    """
    zones = {
        subnet: zone
        for zone, subnets in sorted(cluster.network.zones.items())
        for subnet in (subnets.nodes, subnets.balancer)
        if subnet is not None
    }
    for _, node in sorted(cluster.nodes.items()):
        if node.instance_id is not None:
            zones[node.instance_id] = node.zone
    return zones
