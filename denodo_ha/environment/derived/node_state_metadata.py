"""What the desired state of a node says of its metadata.

Only where the configuration has a catalog or exports, as the state's form only grows.
"""

from typing import Any

from denodo_ha.environment.derived import shared_metadata
from denodo_ha.environment.model.catalog import Catalog, Component, Exports
from denodo_ha.environment.model.denodo import secret
from denodo_ha.environment.model.environment import Environment


def source(environment: Environment, cluster: str, node: str) -> dict[str, str]:
    """Where Virtual DataPort's metadata comes from.

    A shared catalog is right by itself. Else what `denodo.metadata` says counts, and where it says
    nothing the node's own newest export.
    """
    of, given = environment.clusters[cluster], environment.denodo.metadata
    if shared_metadata.source(of) == "catalog":
        return {"source": "catalog"}
    if (
        shared_metadata.source(of) == "export"
        and "metadata" not in environment.denodo.model_fields_set
    ):
        assert of.exports is not None  # where else would it come from
        manifest, _ = shared_metadata.export_keys(node)
        bucket = shared_metadata.bucket_name(environment, cluster)
        return {
            "source": "export",
            "uri": f"s3://{bucket}/{manifest}",
            "login": of.exports.login,
        }
    login = secret(given.login, cluster)
    return {
        "source": given.source,
        **({"uri": given.uri} if given.uri else {}),
        **({"login": login} if login else {}),
    }


def more(environment: Environment, cluster: str, node: str) -> dict[str, Any]:
    """The keys `catalog` and `exports`, for the servers that run."""
    of, found = environment.clusters[cluster], dict[str, Any]()
    if of.catalog is not None:
        found["catalog"] = {
            component: _component(environment, cluster, of.catalog, component)
            for component in of.catalog.components
            if component in environment.denodo.servers
        }
    if of.exports is not None and "vdp" in environment.denodo.servers:
        found["exports"] = _exports(environment, cluster, node, of.exports)
    return found


def _component(
    environment: Environment, cluster: str, catalog: Catalog, component: Component
) -> dict[str, Any]:
    settings = catalog.settings.get(component)
    one: dict[str, Any] = {"secret": shared_metadata.secret_arn(environment, cluster, component)}
    if component == "scheduler":
        one["check_interval"] = catalog.check_interval
    if settings is not None and settings.file is not None:
        one["file"] = settings.file
    if settings is not None and settings.entries:
        one["entries"] = dict(settings.entries)
    return one


def _exports(environment: Environment, cluster: str, node: str, exports: Exports) -> dict[str, Any]:
    return {
        "bucket": shared_metadata.bucket_name(environment, cluster),
        "prefix": f"{node}/",
        "login": exports.login,
        "every": exports.every,
    }
