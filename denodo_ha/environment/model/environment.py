"""The configuration of one environment: one YAML file.

`Environment` is the root. The models validate single values; `denodo_ha.environment.rules`
validates values against each other and against the limits of AWS.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from denodo_ha.environment.facts.denodo_ports import (
    LICENSE_MANAGER_PORT,
    PORTS,
    SOLUTION_MANAGER_PORT,
    family_of,
)
from denodo_ha.environment.model.alarms import Alarms, AlarmsEntry
from denodo_ha.environment.model.aws_field_types import PolicyArn
from denodo_ha.environment.model.cluster import Cluster, HostedZone
from denodo_ha.environment.model.denodo import Denodo
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.field_types import (
    Cidr,
    ClusterName,
    DateText,
    EnvironmentName,
    FindingName,
    Flag,
    HostName,
    Port,
    ServiceName,
    TagKey,
    TagText,
)
from denodo_ha.environment.model.logs import LogsEntry
from denodo_ha.environment.model.section import INVALID, Section
from denodo_ha.environment.model.service import Service, ServiceEntry

__all__ = ["Cluster", "Denodo", "Environment", "Failover", "HostedZone", "Service"]


class SolutionManager(Section):
    """The Denodo Solution Manager, which manages the nodes."""

    cidrs: tuple[Cidr, ...] = ()
    """Networks of the Solution Manager, which may connect to the nodes' management ports."""
    host: HostName | None = None
    """Host name of the Solution Manager, which the nodes report to."""
    port: Port = SOLUTION_MANAGER_PORT
    """Port of the Solution Manager."""


class LicenseManager(Section):
    """The Denodo License Manager, from which nodes get their licence."""

    host: HostName
    """Host name of the License Manager."""
    port: Port = LICENSE_MANAGER_PORT
    """Port of the License Manager."""
    tls: Flag = False
    """Use TLS for connections to the License Manager."""


class Acceptance(Section):
    """Acceptance of a finding until a date."""

    why: Annotated[str, Field(min_length=1)]
    """Reason for the acceptance."""
    until: DateText
    """Last day of the acceptance; afterwards the finding is reported again."""


class Environment(Section):
    """One environment of Denodo clusters on AWS."""

    name: EnvironmentName
    """Name of the environment; the names of all stacks begin with it."""
    denodo: Denodo
    """Version, servers and options of the Denodo Platform."""
    solution_manager: SolutionManager | None = None
    """The Solution Manager, which manages the nodes and receives their reports."""
    license_manager: LicenseManager | None = None
    """The License Manager of the nodes."""
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
    """Alarms and the topics that receive their notifications; none: no alarms, except those that \
the failover and the metadata database need; default: alarms with new topics."""
    dashboard: Flag = False
    """Create a CloudWatch dashboard of the environment, in a stack of its own (docs/alarms.md)."""
    logs: LogsEntry = None
    """Send the logs of the machines to CloudWatch Logs, which keeps them when a machine is gone: \
true, or a map of settings (docs/logs.md); default: off, since it costs by the amount of data."""
    tags: Mapping[TagKey, TagText] = {}
    """Tags for every resource, in addition to this project's own tags."""
    accept: Mapping[FindingName, Acceptance] = {}
    """Warnings and named errors to turn off until a date, by the name that `cdk synth` prints \
after each finding."""
    permissions_boundary: PolicyArn | None = None
    """Permissions boundary of every role that is created."""

    @model_validator(mode="before")
    @classmethod
    def _services(cls, data: Any) -> Any:
        """Add the default services of the Denodo version, if the file has no services."""
        if not isinstance(data, dict) or data.get("services") is not None:
            return data
        denodo = data.get("denodo")
        version = denodo.get("version") if isinstance(denodo, dict) else None
        family = family_of(version) if isinstance(version, str) else None
        if family is None:
            return {**data, "services": INVALID}
        ports = PORTS[family].services
        return {**data, "services": {name: {"port": port} for name, port in ports.items()}}
