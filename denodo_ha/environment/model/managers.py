"""The Denodo Solution Manager and License Manager, of an environment or of one cluster."""

from denodo_ha.environment.facts.denodo_ports import LICENSE_MANAGER_PORT, SOLUTION_MANAGER_PORT
from denodo_ha.environment.model.field_types import Cidr, Flag, HostName, Port
from denodo_ha.environment.model.section import Section


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
