"""The configuration of one environment: one YAML file.

`Environment` is the root. The models validate single values; `denodo_ha.environment.rules`
validates values against each other and against the limits of AWS.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from denodo_ha.environment.facts.denodo_ports import PORTS, family_of
from denodo_ha.environment.model.alarms import Alarms, AlarmsEntry
from denodo_ha.environment.model.aws_field_types import PolicyArn
from denodo_ha.environment.model.cluster import Cluster, HostedZone
from denodo_ha.environment.model.denodo import Denodo
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.field_types import (
    ClusterName,
    DateText,
    EnvironmentName,
    FindingName,
    Flag,
    ServiceName,
    TagKey,
    TagText,
)
from denodo_ha.environment.model.logs import LogsEntry
from denodo_ha.environment.model.managers import LicenseManager, SolutionManager
from denodo_ha.environment.model.section import INVALID, Section
from denodo_ha.environment.model.service import Service, ServiceEntry

__all__ = ["Cluster", "Denodo", "Environment", "Failover", "HostedZone", "Service"]


class Acceptance(Section):
    """Acceptance of a finding until a date."""

    why: Annotated[str, Field(min_length=1)]
    """Reason for the acceptance."""
    until: DateText
    """Last day of the acceptance; afterwards the finding is reported again."""


class Environment(Section):
    """One environment of Denodo clusters on AWS."""

    name: EnvironmentName
    """Name of the environment; the names of all stacks begin with this name."""
    denodo: Denodo
    """Version, servers and options of the Denodo Platform."""
    solution_manager: SolutionManager | None = None
    """The Solution Manager, which manages the nodes and receives their reports; \
`solution_manager` of a cluster has precedence."""
    license_manager: LicenseManager | None = None
    """The License Manager of the nodes; `license_manager` of a cluster has precedence."""
    services: Annotated[dict[ServiceName, ServiceEntry], Field(min_length=1)] = Field(
        default={}, json_schema_extra={"default": None}
    )
    """Services by name, each a port or a map; default: jdbc, odbc and web on Denodo's default \
ports."""
    clusters: Annotated[dict[ClusterName, Cluster], Field(min_length=1)]
    """Clusters by name."""
    failover: Failover | None = None
    """Failover between two clusters by DNS."""
    alarms: AlarmsEntry = Field(default=Alarms(), json_schema_extra={"default": None})
    """Alarms and the topics that receive their notifications; none: no alarms, except the alarms \
that the failover and the metadata database need; default: alarms with new topics."""
    dashboard: Flag = False
    """Create a CloudWatch dashboard of the environment, in a stack of its own \
(docs/reference/alarms.md)."""
    logs: LogsEntry = None
    """Send the logs of the machines to CloudWatch Logs, which keeps the logs after a machine is \
terminated: true, or a map of settings (docs/how-to/logs.md); default: off, since AWS charges for \
the amount of data."""
    tags: Mapping[TagKey, TagText] = {}
    """Tags for every resource, in addition to this project's own tags."""
    accept: Mapping[FindingName, Acceptance] = {}
    """Warnings and named errors to turn off until a date, by the name that `cdk synth` prints \
after each finding."""
    permissions_boundary: PolicyArn | None = None
    """Permissions boundary of every role that is created."""

    def solution_manager_of(self, cluster: str) -> SolutionManager | None:
        """Return the Solution Manager of a cluster: its own, else the environment's."""
        own = self.clusters[cluster].solution_manager
        return self.solution_manager if own is None else own

    def license_manager_of(self, cluster: str) -> LicenseManager | None:
        """Return the License Manager of a cluster: its own, else the environment's."""
        own = self.clusters[cluster].license_manager
        return self.license_manager if own is None else own

    @model_validator(mode="before")
    @classmethod
    def _services(cls, data: Any) -> Any:
        """Add the Denodo version's default services, if the configuration has no `services`."""
        if not isinstance(data, dict) or data.get("services") is not None:
            return data
        denodo = data.get("denodo")
        version = denodo.get("version") if isinstance(denodo, dict) else None
        family = family_of(version) if isinstance(version, str) else None
        if family is None:
            return {**data, "services": INVALID}
        ports = PORTS[family].services
        return {**data, "services": {name: {"port": port} for name, port in ports.items()}}
