"""Warnings about a running node, which `status` shows to operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hosts.denodo.configuration import settings
from hosts.denodo.disks import data_disk
from hosts.denodo.readiness import earlier_rules, ping
from hosts.denodo.servers import scripts, web_container
from hosts.denodo.servers.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System


def _unserved_ports(state: State) -> Iterator[str]:
    """Yield a warning for each web service if the web container does not listen on its port."""
    connectors = web_container.connectors(state.home)
    ports = {connector.port for connector in connectors}
    for name, service in state.services.items():
        if service.kind == "web" and connectors and service.port not in ports:
            listens = " and ".join(
                f"{connector.port} ({'HTTPS' if connector.tls else 'HTTP'})"
                for connector in connectors
            )
            yield (
                f"the service {name} is on port {service.port}, and the web container listens on"
                f" {listens}: write a port of the web container into services.{name}.node_port, or"
                f" turn on port {service.port} in {settings.WEB}"
            )


def warnings(system: System, record: Record) -> Iterator[str]:
    """Yield warnings, from the records, Denodo's files and the running processes."""
    yield from record.warnings()
    state = record.applied
    if state is None:
        return
    yield from Servers(system, state).heap_warnings()
    yield from _unserved_ports(state)
    yield from data_disk.warnings(state)
    if warning := scripts.missing_java(state):
        yield warning
    if warning := earlier_rules.warning(state, record):
        yield warning
    if warning := ping.warning(state, record):
        yield warning
