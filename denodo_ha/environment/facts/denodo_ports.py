"""Ports of Denodo by version, and the ports that a load balancer may serve.

Source of every number: Denodo, Virtual DataPort and Denodo Platform installation guides of 7.0, 8.0
and 9.x, "Default ports used by the Denodo Platform".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Family = Literal["7.0", "8.0", "9.0"]
"""Family: the versions of Denodo that have the same ports, files and scripts. Every 8.x belongs to
8.0, every 9.x to 9.0."""
FAMILIES: Final[tuple[Family, ...]] = ("7.0", "8.0", "9.0")
VERSION_PATTERN: Final = r"7\.0|[89]\.[0-9]{1,2}"
FIRST_FLIGHT_UPDATE: Final = 1
"""Update of Denodo 9 that introduced Arrow Flight SQL (Denodo, New features of 9.1)."""
FLIGHT_PORT: Final = 9994
"""Port of Arrow Flight SQL, which uses gRPC (Denodo 9.0, Default Ports)."""

NODE_TLS_PORTS: Final = frozenset({9443})
"""Ports on which nodes use TLS: a load balancer that terminates TLS connects to these ports with
TLS."""

READY_PORT: Final = 9191
"""Port on which a node reports its readiness, chosen by this project."""

SOLUTION_MANAGER_PORT: Final = 10090
LICENSE_MANAGER_PORT: Final = 10091
SOLUTION_MANAGER_PING: Final = "/pingSolutionManager"
LICENSE_MANAGER_PING: Final = "/pingLicenseManager"
"""Paths to which License Manager and Solution Manager answer with status 200 without a login
(Denodo, Solution Manager Administration Guide, REST API, "Ping to License Manager Server" and "Ping
to Solution Manager Server")."""

HTTPS_PORT: Final = 443
"""Port of the AWS APIs."""
POSTGRESQL_PORT: Final = 5432
"""Default port of PostgreSQL and of RDS (PostgreSQL documentation, Connections)."""

SHUTDOWN_PORT: Final = 9998
JMX_REGISTRY_PORT: Final = 9997
JMX_FACTORY_PORT: Final = 9995
WEB_PORT: Final = 9090
WEB_JMX_PORTS: Final = (9098, 9097)
"""Ports of the JMX registry and the JMX factory of the web container."""
SCHEDULER_PORT: Final = 8000
SCHEDULER_AUXILIARY_PORT: Final = 7998
"""Port of the Scheduler's remote objects, to which the Scheduler's registry on port 8000 directs
every client (`Launcher/factoryPort` of the Scheduler's configuration file)."""
RMI_PORTS: Final = frozenset(
    {
        SCHEDULER_PORT,
        SCHEDULER_AUXILIARY_PORT,
        9000,
        8998,
        JMX_REGISTRY_PORT,
        JMX_FACTORY_PORT,
        *WEB_JMX_PORTS,
    }
)
"""Ports of Java RMI: Scheduler, Scheduler Index, and JMX. Port 9999 of Denodo 7.0 is RMI too. The
server at such a port answers with host and port of a second connection, over which the client's
calls pass (Java RMI specification, java.rmi.registry)."""


def family_of(version: str) -> Family | None:
    """Return the family of a Denodo version; None if the version is unknown."""
    if re.fullmatch(VERSION_PATTERN, version) is None:
        return None
    return next(family for family in FAMILIES if family[0] == version[0])


_SHARED: Final[Mapping[str, int]] = MappingProxyType({"jdbc": 9999, "odbc": 9996, "web": 9090})


@dataclass(frozen=True)
class Ports:
    """The ports of one Denodo version.

    Attributes:
        services: default services of a cluster by name, with their ports.
        auxiliary: whether clients open a second connection to an auxiliary port of the node that
            answered, so that every node needs its own port on the load balancer.
        management: ports to which the Solution Manager connects directly on a node, in addition to
            the auxiliary port.
        occupied: ports that Denodo uses on a node, with the server that uses each port.
        private: occupied ports that no load balancer should serve.
    """

    services: Mapping[str, int]
    auxiliary: bool
    management: tuple[int, ...]
    occupied: Mapping[int, str]
    private: frozenset[int]


_OCCUPIED: Final[Mapping[int, str]] = MappingProxyType(
    {
        9999: "Virtual DataPort",
        9998: "Virtual DataPort shutdown",
        9996: "Virtual DataPort ODBC",
        9090: "web container",
        9443: "web container, TLS",
        9099: "web container shutdown",
        9098: "web container JMX",
        9097: "web container JMX",
        8000: "Scheduler",
        SCHEDULER_AUXILIARY_PORT: "Scheduler auxiliary",
        7999: "Scheduler shutdown",
        9000: "Scheduler Index",
        8998: "Scheduler Index auxiliary",
        8999: "Scheduler Index shutdown",
        READY_PORT: "readiness endpoint",
    }
)
_JMX: Final[Mapping[int, str]] = MappingProxyType(
    {9997: "Virtual DataPort JMX registry", 9995: "Virtual DataPort JMX factory"}
)
_PRIVATE: Final = frozenset({9998, 9099, 9098, 9097, 7998, 7999, 9000, 8998, 8999, READY_PORT})

# Denodo 7.0 has no separate JMX ports: its JMX registry uses port 9999, and its JMX factory the
# auxiliary port.
_V7: Final = Ports(
    services=_SHARED,
    auxiliary=True,
    management=(9999, 9090, 9443, SCHEDULER_PORT, SCHEDULER_AUXILIARY_PORT),
    occupied=_OCCUPIED,
    private=_PRIVATE,
)
_V8: Final = Ports(
    services=_SHARED,
    auxiliary=False,
    management=(9999, 9997, 9995, 9090, 9443, SCHEDULER_PORT, SCHEDULER_AUXILIARY_PORT),
    occupied=MappingProxyType({**_OCCUPIED, **_JMX}),
    private=_PRIVATE | frozenset(_JMX),
)
_V9: Final = Ports(
    services=_SHARED,
    auxiliary=False,
    management=_V8.management,
    occupied=MappingProxyType({**_V8.occupied, FLIGHT_PORT: "Virtual DataPort Arrow Flight SQL"}),
    private=_V8.private,
)

PORTS: Final[Mapping[Family, Ports]] = MappingProxyType({"7.0": _V7, "8.0": _V8, "9.0": _V9})

JDBC_URLS: Final[Mapping[Family, str]] = MappingProxyType(
    {
        # Without `reuseRegistrySocket=false`, a 7.0 client reuses its first socket and always
        # connects to the same node.
        "7.0": "jdbc:vdb://{host}:{port}/admin?reuseRegistrySocket=false",
        "8.0": "jdbc:denodo://{host}:{port}/admin",
        "9.0": "jdbc:denodo://{host}:{port}/admin",
    }
)
"""JDBC URL by version (Denodo, Virtual DataPort Developer Guide, "Parameters of the JDBC connection
URL"); every installation has the database `admin`."""
