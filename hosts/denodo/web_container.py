"""The web container: where it listens, and its applications.

All web applications run in one Tomcat, which Virtual DataPort starts with its own applications: so
`/` answers before, and without, the applications that users open. HTTP is off where its port is
commented out or 0, which is Denodo's way to have HTTPS only.

Sources: Denodo, Virtual DataPort Administration Guide, "Enabling HTTPS in the Embedded Web
Container"; Installation Guide, "Denodo Web Container"; Denodo's container images, health checks of
the web applications (`/denodo-design-studio/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.denodo.configuration import properties_file, settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

APPLICATIONS = {
    "data-catalog": "/denodo-data-catalog/",
    "design-studio": "/denodo-design-studio/",
    "scheduler-admin": "/webadmin/denodo-scheduler-admin/",
    "diagnostic-monitoring": "/diagnostic-monitoring-tool/",
}
"""The path of each application, by the server that the state names."""


@dataclass(frozen=True)
class Connector:
    """A port on which the web container listens."""

    port: int
    tls: bool


def connectors(home: Path) -> list[Connector]:
    """Return the ports of the web container in its file, HTTP first; none if it has no such file.

    Denodo's file is the source, since the desired state does not know what the site has turned off.
    """
    try:
        text = files.read(home / settings.WEB).decode(properties_file.ENCODING)
        values = properties_file.values(text)
    except (OSError, properties_file.FormatError):
        return []
    ports = ((settings.HTTP_PORT, False), (settings.HTTPS_PORT, True))
    numbers = ((values.get(key, "").strip(), tls) for key, tls in ports)
    return [Connector(int(number), tls) for number, tls in numbers if _is_port(number)]


def paths(servers: Iterable[str]) -> list[str]:
    """Return the paths of the web applications among some servers."""
    return [APPLICATIONS[server] for server in servers if server in APPLICATIONS]


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= 65535
