"""Which services don't answer while a cluster's shared database doesn't."""

from collections.abc import Mapping
from typing import Final

from denodo_ha.environment.derived import readiness
from denodo_ha.environment.derived.readiness import Kind
from denodo_ha.environment.model.catalog import Component
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

_KINDS: Final[Mapping[Component, frozenset[Kind]]] = {
    "scheduler": frozenset({"scheduler"}),
    "data-catalog": frozenset({"web"}),
    "vdp": frozenset({"vdp", "odbc"}),
}
"""What each component is asked by; the Data Catalog is in the web container."""


def dependents(environment: Environment, cluster: Cluster) -> Mapping[str, int]:
    """The services that keep their metadata there: the clients' port by the service's name.

    What a service is follows from its name or its node port, as for readiness.
    """
    components = cluster.catalog.components if cluster.catalog else ()
    kinds = {kind for one in components for kind in _KINDS[one]}
    return {
        name: service.port
        for name, service in sorted(environment.services.items())
        if readiness.probe(environment, name, service).kind in kinds
    }
