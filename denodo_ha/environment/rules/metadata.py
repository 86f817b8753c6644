"""Rules about node metadata: the components that nodes must share, can share or export."""

from collections.abc import Iterator

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.environment import Environment

_CONSEQUENCES = {
    "scheduler": "each would have and fire its own jobs: a job that is created on one node is lost "
    "with that node, and a job on all nodes runs as often as there are nodes (Denodo, Scheduler "
    "Administration Guide, Cluster Settings)",
    "data-catalog": "each would have its own settings and saved queries, and a user would see "
    "those of the node that the balancer chose (Denodo, Data Catalog Guide, Installing the Data "
    "Catalog on a Cluster)",
}


def vdp_catalog_version(environment: Environment) -> Iterator[Problem]:
    """Denodo 7.0 keeps the catalog of Virtual DataPort in the node."""
    for name, catalog in _catalogs(environment):
        if environment.denodo.family == "7.0" and "vdp" in catalog.components:
            path: Path = ("clusters", name, "catalog", "components")
            yield Problem(
                (*path, catalog.components.index("vdp")),
                "cannot be shared by Denodo 7.0",
                "Virtual DataPort keeps its catalog in an external database from 8.0 on (Denodo, "
                "Virtual DataPort Administration Guide, Storing the Metadata on an External "
                "Database)",
                "take vdp out, and add exports to the cluster to keep a copy of each node's",
                value="vdp",
            )


def metadata_must_be_shared(environment: Environment) -> Iterator[Problem]:
    """Scheduler and Data Catalog share their metadata if a cluster has several nodes."""
    for server, component in node_metadata.servers_sharing_metadata(environment):
        for name, cluster in environment.clusters.items():
            catalog = cluster.catalog
            if len(cluster.nodes) < 2 or (catalog and component in catalog.components):
                continue
            path: Path = ("clusters", name, "catalog")
            yield Problem(
                (*path, "components") if catalog else path,
                f"lacks {component}" if catalog else "is missing",
                f"{server} runs on {len(cluster.nodes)} nodes without a common database; "
                f"{_CONSEQUENCES[component]}",
                f"add {component} to components" if catalog else "add catalog: {} for one on RDS",
            )


def unused_components(environment: Environment) -> Iterator[Problem]:
    """A component with a database should run on the nodes."""
    servers = node_metadata.configured_servers(environment)
    for name, catalog in _catalogs(environment):
        for index, component in enumerate(catalog.components):
            if servers and component not in servers:
                yield Problem(
                    ("clusters", name, "catalog", "components", index),
                    "runs on no node",
                    "denodo.servers does not name it, so its database would stay empty",
                    "take it out, or add it to denodo.servers",
                    value=component,
                    severity=Severity.WARNING,
                    rule="catalog-unused",
                )


def components_unique(environment: Environment) -> Iterator[Problem]:
    """A component is listed once."""
    for name, catalog in _catalogs(environment):
        for index, component in enumerate(catalog.components):
            if component in catalog.components[:index]:
                yield Problem(
                    ("clusters", name, "catalog", "components", index),
                    "is listed twice",
                    "a component has one database",
                    "remove one of the two",
                    value=component,
                )


def component_settings(environment: Environment) -> Iterator[Problem]:
    """Settings belong to a component that uses the database."""
    for name, catalog in _catalogs(environment):
        for component in catalog.settings:
            if component not in catalog.components:
                yield Problem(
                    ("clusters", name, "catalog", "settings", component),
                    "is not one of the catalog's components",
                    "its settings would be ignored",
                    f"add {component} to components, or remove its settings",
                    value=component,
                    at_key=True,
                )


def data_catalog_sessions(environment: Environment) -> Iterator[Problem]:
    """Sessions of the Data Catalog should stay on the node that they began on."""
    web = environment.services.get("web")
    servers = node_metadata.configured_servers(environment)
    if web is None or web.sticky or "data-catalog" not in servers:
        return
    if any(len(cluster.nodes) > 1 for cluster in environment.clusters.values()):
        yield Problem(
            ("services", "web", "sticky"),
            "is false, and the Data Catalog runs on several nodes",
            "a session exists on one node only, and users of another node would have to log "
            "in again (Denodo, Data Catalog Guide, Installing the Data Catalog on a Cluster)",
            "write sticky: true",
            severity=Severity.WARNING,
            rule="data-catalog-sticky",
        )


def restore_of_shared_catalog(environment: Environment) -> Iterator[Problem]:
    """A shared catalog of Virtual DataPort is never restored from an export."""
    for name, cluster in environment.clusters.items():
        exports, catalog = cluster.exports, cluster.catalog
        if exports and exports.restore and catalog and "vdp" in catalog.components:
            yield Problem(
                ("clusters", name, "exports", "restore"),
                "is true, and the nodes share the catalog of Virtual DataPort",
                "a new node that imported an old export would undo the other nodes' changes",
                "write restore: false",
                value="true",
            )


def exports_possible(environment: Environment) -> Iterator[Problem]:
    """Exports need the node program, and Virtual DataPort on the nodes."""
    denodo = environment.denodo
    for name, cluster in environment.clusters.items():
        path: Path = ("clusters", name, "exports")
        if cluster.exports is not None and not denodo.program:
            yield Problem(
                path,
                "would never be made",
                "program: false leaves the nodes as their image has them",
                "remove exports, or program: false",
                at_key=True,
            )
        elif cluster.exports is not None and "vdp" not in denodo.servers:
            yield Problem(
                path,
                "have nothing to export",
                "an export holds the metadata of Virtual DataPort, and denodo.servers does not "
                "name vdp",
                "remove exports, or add vdp to denodo.servers",
                at_key=True,
                severity=Severity.WARNING,
                rule="exports-unused",
            )


def metadata_source(environment: Environment) -> Iterator[Problem]:
    """Nodes that share a catalog take their metadata from no other source."""
    denodo = environment.denodo
    if "metadata" not in denodo.model_fields_set or denodo.metadata.source == "catalog":
        return
    for name, catalog in _catalogs(environment):
        if "vdp" in catalog.components:
            yield Problem(
                ("denodo", "metadata", "source"),
                f"must be catalog: the nodes of {name} share the catalog of Virtual DataPort",
                "a shared catalog is complete and needs no import",
                "write catalog, or remove denodo.metadata",
                value=denodo.metadata.source,
            )


def _catalogs(environment: Environment) -> Iterator[tuple[str, Catalog]]:
    for name, cluster in environment.clusters.items():
        if cluster.catalog is not None:
            yield name, cluster.catalog


RULES = (
    vdp_catalog_version,
    metadata_must_be_shared,
    unused_components,
    components_unique,
    component_settings,
    data_catalog_sessions,
    restore_of_shared_catalog,
    exports_possible,
    metadata_source,
)
