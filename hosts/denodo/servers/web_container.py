"""Ports and applications of the web container.

All web applications run in one Tomcat. Virtual DataPort starts Tomcat with applications of Virtual
DataPort, so `/` answers even if the applications that users open do not run. HTTP is off if its
port is commented out or 0, which is Denodo's documented way to allow only HTTPS.

Sources: Denodo, Virtual DataPort Administration Guide, "Enabling HTTPS in the Embedded Web
Container"; Installation Guide, "Denodo Web Container"; Denodo's container images, health checks of
the web applications (`/denodo-design-studio/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
"""The path of each web application, by the name of its server in the state."""


@dataclass(frozen=True)
class Connector:
    """Port on which the web container listens, with or without TLS."""

    port: int
    tls: bool


def connectors(home: Path) -> list[Connector]:
    """Return the ports in the web container's file, HTTP first; none if the file does not exist.

    The ports are read from Denodo's file, because only this file shows which protocols are turned
    off.
    """
    values = properties_file.values_or_none(home / settings.WEB)
    ports = ((settings.HTTP_PORT, False), (settings.HTTPS_PORT, True))
    numbers = ((values.get(key, "").strip(), tls) for key, tls in ports)
    return [Connector(int(number), tls) for number, tls in numbers if _is_port(number)]


def paths(servers: Iterable[str]) -> list[str]:
    """Return the URL paths of the web applications among the given servers."""
    return [APPLICATIONS[server] for server in servers if server in APPLICATIONS]


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= 65535
