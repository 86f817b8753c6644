"""Rules about node metadata: components that must or can share metadata, and exports."""

from collections.abc import Iterator

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import EXPORT_COPY_STACK_SUFFIX

_CONSEQUENCES = {
    "scheduler": (
        "each node would have and run its own jobs: a job that is created on one node is lost "
        "with that node, and a job that is created on all nodes runs once on each node (Denodo, "
        "Scheduler Administration Guide, Cluster Settings)"
    ),
    "data-catalog": (
        "each node would have its own settings and saved queries, and a user would see the "
        "settings and queries of the node that the balancer selects (Denodo, Data Catalog Guide, "
        "Installing the Data Catalog on a Cluster)"
    ),
}


def vdp_catalog_version(environment: Environment) -> Iterator[Problem]:
    """Virtual DataPort must not use a shared metadata database with Denodo 7.0."""
    for name, catalog in _catalogs(environment):
        if environment.denodo.family == "7.0" and "vdp" in catalog.components:
            path: Path = ("clusters", name, "catalog", "components")
            yield Problem(
                (*path, catalog.components.index("vdp")),
                "cannot use a shared database with Denodo 7.0",
                "Virtual DataPort can store its metadata in an external database from 8.0 on "
                "(Denodo, Virtual DataPort Administration Guide, Storing the Metadata on an "
                "External Database)",
                "remove vdp, and add exports to the cluster to keep a copy of each node's metadata",
                value="vdp",
            )


def metadata_must_be_shared(environment: Environment) -> Iterator[Problem]:
    """In a cluster with several nodes, Scheduler and Data Catalog must share their metadata."""
    for server, component in node_metadata.servers_sharing_metadata(environment):
        for name, cluster in environment.clusters.items():
            catalog = cluster.catalog
            if len(cluster.nodes) < 2 or (catalog and component in catalog.components):
                continue
            path: Path = ("clusters", name, "catalog")
            yield Problem(
                (*path, "components") if catalog else path,
                f"lacks {component}" if catalog else "is missing",
                f"{server} runs on {len(cluster.nodes)} nodes without a shared database; "
                f"{_CONSEQUENCES[component]}",
                f"add {component} to components"
                if catalog
                else "add catalog: {} for a database on RDS",
            )


def unused_components(environment: Environment) -> Iterator[Problem]:
    """A component with a metadata database should run on the nodes."""
    servers = node_metadata.configured_servers(environment)
    for name, catalog in _catalogs(environment):
        for index, component in enumerate(catalog.components):
            if servers and component not in servers:
                yield Problem(
                    ("clusters", name, "catalog", "components", index),
                    "runs on no node",
                    "denodo.servers does not list this component, so the component's database "
                    "would remain empty",
                    f"remove {component}, or add {component} to denodo.servers",
                    value=component,
                    severity=Severity.WARNING,
                    rule="catalog-unused",
                )


def components_unique(environment: Environment) -> Iterator[Problem]:
    """A component must be listed only once."""
    for name, catalog in _catalogs(environment):
        for index, component in enumerate(catalog.components):
            if component in catalog.components[:index]:
                yield Problem(
                    ("clusters", name, "catalog", "components", index),
                    "is listed twice",
                    "a component has only one database",
                    "remove one of the two entries",
                    value=component,
                )


def component_settings(environment: Environment) -> Iterator[Problem]:
    """Settings are allowed only for components that use the metadata database."""
    for name, catalog in _catalogs(environment):
        for component in catalog.settings:
            if component not in catalog.components:
                yield Problem(
                    ("clusters", name, "catalog", "settings", component),
                    "is not one of the catalog's components",
                    "settings are used only for the listed components",
                    f"add {component} to components, or remove its settings",
                    value=component,
                    at_key=True,
                )


def data_catalog_sessions(environment: Environment) -> Iterator[Problem]:
    """Sessions of the Data Catalog should stay on the node on which they began."""
    web = environment.services.get("web")
    servers = node_metadata.configured_servers(environment)
    if web is None or web.sticky or "data-catalog" not in servers:
        return
    if any(len(cluster.nodes) > 1 for cluster in environment.clusters.values()):
        yield Problem(
            ("services", "web", "sticky"),
            "is false although the Data Catalog runs on several nodes",
            "a session exists only on one node, and a user whose requests go to another node "
            "must log in again (Denodo, Data Catalog Guide, Installing the Data Catalog on a "
            "Cluster)",
            "write sticky: true",
            severity=Severity.WARNING,
            rule="data-catalog-sticky",
        )


def shared_catalog_promotions(environment: Environment) -> Iterator[Problem]:
    """A Solution Manager cannot promote server by server if Virtual DataPort shares its metadata.

    Denodo: Virtual DataPort Administration Guide, "Storing the Metadata on an External Database".
    """
    for name, catalog in _catalogs(environment):
        if "vdp" in catalog.components and environment.solution_manager_of(name):
            path: Path = ("clusters", name, "catalog", "components")
            yield Problem(
                (*path, catalog.components.index("vdp")),
                "rules out promotions without interruption",
                "a promotion to one node changes the metadata of all nodes at once, so the "
                "Solution Manager cannot promote server by server (Denodo, Virtual DataPort "
                "Administration Guide, Storing the Metadata on an External Database)",
                "remove vdp from components, and let the Solution Manager promote to each node; or "
                "keep vdp, and use deployments with interruption",
                value="vdp",
                severity=Severity.WARNING,
                rule="shared-catalog-promotions",
            )


def restore_of_shared_catalog(environment: Environment) -> Iterator[Problem]:
    """Exports must not be restored if nodes share the metadata of Virtual DataPort."""
    for name, cluster in environment.clusters.items():
        exports, catalog = cluster.exports, cluster.catalog
        if exports and exports.restore and catalog and "vdp" in catalog.components:
            yield Problem(
                ("clusters", name, "exports", "restore"),
                "is true although the nodes share the metadata of Virtual DataPort",
                "a new node that imported an old export would undo the other nodes' changes",
                "write restore: false",
                value="true",
            )


def exports_possible(environment: Environment) -> Iterator[Problem]:
    """Exports require the node program, and have an effect only on nodes with Virtual DataPort."""
    denodo = environment.denodo
    for name, cluster in environment.clusters.items():
        path: Path = ("clusters", name, "exports")
        if cluster.exports is not None and not denodo.program:
            yield Problem(
                path,
                "would never run",
                "with denodo.program: false, the nodes do not have the node program, which makes "
                "the exports",
                "remove exports, or remove denodo.program: false",
                at_key=True,
            )
        elif cluster.exports is not None and "vdp" not in denodo.servers:
            yield Problem(
                path,
                "have no metadata to export",
                "an export contains the metadata of Virtual DataPort, and denodo.servers does "
                "not list vdp",
                "remove exports, or add vdp to denodo.servers",
                at_key=True,
                severity=Severity.WARNING,
                rule="exports-unused",
            )


def export_copies_possible(environment: Environment) -> Iterator[Problem]:
    """Exports can be copied only to another region of the failover."""
    for name, cluster in environment.clusters.items():
        if cluster.exports is None:
            continue
        reason = node_metadata.no_export_copy(environment, name)
        if cluster.exports.copy and reason:
            yield Problem(
                ("clusters", name, "exports", "copy"),
                "is true, but the exports cannot be copied to another region",
                reason,
                "remove copy: true",
                value="true",
            )
        stack = f"{name}{EXPORT_COPY_STACK_SUFFIX}"
        if stack in environment.clusters and node_metadata.export_copy_target(environment, name):
            yield Problem(
                ("clusters", stack),
                "has the name of another stack",
                f"the stack with the copies of {name}'s exports has this name",
                f"choose another name, or write copy: false below exports of {name}",
                value=stack,
                at_key=True,
            )


def metadata_source(environment: Environment) -> Iterator[Problem]:
    """Nodes that share the metadata of Virtual DataPort must not have another metadata source."""
    denodo = environment.denodo
    if "metadata" not in denodo.model_fields_set or denodo.metadata.source == "catalog":
        return
    for name, catalog in _catalogs(environment):
        if "vdp" in catalog.components:
            yield Problem(
                ("denodo", "metadata", "source"),
                f"must be catalog: the nodes of {name} share the metadata of Virtual DataPort",
                "the shared metadata is complete and needs no import",
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
    shared_catalog_promotions,
    restore_of_shared_catalog,
    exports_possible,
    export_copies_possible,
    metadata_source,
)
