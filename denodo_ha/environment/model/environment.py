"""The configuration of one environment: one YAML file.

`Environment` is the whole. It is checked in two steps: here every value by itself,
in `denodo_ha.environment.rules.registry` the values against each other and against AWS's limits.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from denodo_ha.environment.facts.denodo_ports import (
    LICENSE_MANAGER_PORT,
    PORTS,
    SOLUTION_MANAGER_PORT,
    VERSIONS,
)
from denodo_ha.environment.model.aws_field_types import PolicyArn
from denodo_ha.environment.model.cluster import Cluster, HostedZone
from denodo_ha.environment.model.denodo import Denodo
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.field_types import (
    Cidr,
    ClusterName,
    EnvironmentName,
    Flag,
    HostName,
    Port,
    ServiceName,
    TagKey,
    TagText,
)
from denodo_ha.environment.model.section import INVALID, Section
from denodo_ha.environment.model.service import Service, ServiceEntry

__all__ = ["Cluster", "Denodo", "Environment", "Failover", "HostedZone", "Service"]


class SolutionManager(Section):
    """The Denodo Solution Manager, which manages the nodes."""

    cidrs: tuple[Cidr, ...] = ()
    """Networks it connects from: they may reach the nodes' management ports."""
    host: HostName | None = None
    """Its host name, where the nodes report."""
    port: Port = SOLUTION_MANAGER_PORT
    """Its port."""


class LicenseManager(Section):
    """The Denodo License Manager, which nodes ask for their licence."""

    host: HostName
    """Its host name."""
    port: Port = LICENSE_MANAGER_PORT
    """Its port."""
    tls: Flag = False
    """Whether it speaks TLS."""


class Environment(Section):
    """One environment of Denodo clusters on AWS."""

    name: EnvironmentName
    """Name of the environment; every stack's name begins with it."""
    denodo: Denodo
    """What runs on the nodes."""
    solution_manager: SolutionManager | None = None
    """The Solution Manager: who may manage nodes, and where nodes report."""
    license_manager: LicenseManager | None = None
    """The License Manager that the nodes ask."""
    services: Annotated[dict[ServiceName, ServiceEntry], Field(min_length=1)] = Field(
        default={}, json_schema_extra={"default": None}
    )
    """Services by name, each a port or a map; default: jdbc, odbc and web on usual ports."""
    clusters: Annotated[dict[ClusterName, Cluster], Field(min_length=1)]
    """Clusters by name."""
    failover: Failover | None = None
    """Which cluster answers, and which one when it cannot."""
    tags: Mapping[TagKey, TagText] = {}
    """Tags for every resource, beside the project's own."""
    permissions_boundary: PolicyArn | None = None
    """Policy that bounds every role that is created."""

    @model_validator(mode="before")
    @classmethod
    def _services(cls, data: Any) -> Any:
        """Add the default services of the version where the file has none."""
        if not isinstance(data, dict) or data.get("services") is not None:
            return data
        denodo = data.get("denodo")
        version = denodo.get("version") if isinstance(denodo, dict) else None
        if version not in VERSIONS:
            return {**data, "services": INVALID}
        ports = PORTS[version].services
        return {**data, "services": {name: {"port": port} for name, port in ports.items()}}
