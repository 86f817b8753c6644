"""Metrics of a node, measured on the node itself, and their publication to CloudWatch.

The dimensions are the cluster and the node, which a replaced instance keeps. A metric that does not
apply to the node is left out, because each metric costs money. The alarms on these metrics are in
`denodo_ha.environment.derived.node_alarms`.
"""

from __future__ import annotations

import http.client
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.denodo import license_manager, log
from hosts.denodo.metrics import certificate_expiry
from hosts.denodo.readiness.readiness_endpoint import LOSSES_PATH, READY_PATH
from hosts.denodo.readiness.service_probe import DRAINED
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System

UNREADY_SERVICES = "UnreadyServices"
READINESS_LOSSES = "ReadinessLosses"
SERVERS_RESTARTED = "ServersRestarted"
MEMORY_USED = "MemoryUsedPercent"
DISK_USED = "DiskUsedPercent"
EXPORT_AGE = "MetadataExportAgeDays"
CERTIFICATE_DAYS = "CertificateDaysLeft"
LICENSE_MANAGER_DOWN = "LicenseManagerUnreachable"
DRAINED_HOURS = "DrainedHours"

RESTARTS_WINDOW_S = 3600
"""Project default: seconds for which servers that the watchdog has started again are counted."""
_MORE_QUESTIONS = 5
"""Project default: number of further queries of the readiness endpoint. With the pauses between
them, they take longer than `ping.sh` may take."""
ENDPOINT_SECONDS = 20
"""Project default: time limit of the readiness endpoint, which answers within some seconds."""


def publish(system: System) -> None:
    """Publish the metrics of the node in one call, if the applied state has metrics.

    Raises:
        AwsError: CloudWatch does not accept the metrics.
    """
    record = Record(system)
    state = record.applied
    if state is None or not state.metrics:
        log.info("the applied state has no namespace for metrics, so no metrics are published")
        return
    values = dict(metrics(system, state, record))
    system.aws_cli.put_metric_data(
        state.metrics, {"Cluster": state.cluster, "Node": state.node}, values
    )
    log.info(", ".join(f"{name} {value:g}" for name, value in values.items()))


def metrics(system: System, state: State, record: Record) -> Iterator[tuple[str, float]]:
    """Yield the names and values of the metrics that apply to a node."""
    drains = [drain for drain in (record.drained, record.drain_hold) if drain is not None]
    ages = [_age(system, drain.get("at")) or 0 for drain in drains]
    yield DRAINED_HOURS, max(ages, default=0) / 3600
    yield UNREADY_SERVICES, 0 if drains else _unready_services(system, state)
    losses = _from_endpoint(system, state, LOSSES_PATH).get("losses")
    if isinstance(losses, int):
        yield READINESS_LOSSES, losses
    yield SERVERS_RESTARTED, _servers_restarted(system, record)
    memory = _memory_used(system)
    if memory is not None:
        yield MEMORY_USED, memory
    yield DISK_USED, max(_disk_used(path) for path in _disks(state))
    if state.exports is not None:
        yield EXPORT_AGE, _export_age(system, record)
    days = certificate_expiry.days_left(system, state)
    if days is not None:
        yield CERTIFICATE_DAYS, days
    manager = license_manager.of(state)
    if manager is not None:
        yield LICENSE_MANAGER_DOWN, float(bool(license_manager.failure(manager)))


def _unready_services(system: System, state: State) -> int:
    """Return the number of services that are not ready; all if the endpoint does not answer.

    If no load balancer queries the endpoint, its first answer contains old results, because a query
    only begins new probes. So the endpoint is queried again before a service counts as not ready.
    """
    count = 0
    for question in range(1 + _MORE_QUESTIONS):
        if question:
            time.sleep(system.poll)
        services = _from_endpoint(system, state, READY_PATH).get("services")
        if not isinstance(services, list):
            return len(state.services)
        count = sum(
            not service.get("ready") and service.get("state") != DRAINED
            for service in services
            if isinstance(service, dict)
        )
        if not count:
            break
    return count


def _from_endpoint(system: System, state: State, path: str) -> dict[str, Any]:
    """Return the answer of the node's own readiness endpoint, empty if it does not answer."""
    connection = http.client.HTTPConnection(
        system.local, state.ready_port, timeout=ENDPOINT_SECONDS
    )
    try:
        connection.request("GET", path)
        answer = json_object.parse(connection.getresponse().read().decode())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def _servers_restarted(system: System, record: Record) -> int:
    """Return how many servers the watchdog last started again; 0 after `RESTARTS_WINDOW_S`."""
    last, processes = record.revival
    age = _age(system, last)
    return len(processes) if age is not None and age <= RESTARTS_WINDOW_S else 0


def _memory_used(system: System) -> float | None:
    """Return the percentage of memory that is not available (proc(5), meminfo)."""
    try:
        lines = (system.processes / "meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
        return 100 * (1 - sizes["MemAvailable"] / sizes["MemTotal"])
    except (OSError, ValueError, LookupError, ZeroDivisionError):
        return None


def _disks(state: State) -> Iterator[Path]:
    yield state.home
    yield type(state.home)("/")
    if state.data_disk is not None:
        yield state.data_disk.path


def _disk_used(path: Path) -> float:
    """Return the percentage of a file system that is full for Denodo's user, as `df` shows it."""
    try:
        sizes = os.statvfs(path)
    except OSError:
        return 0.0
    used = sizes.f_blocks - sizes.f_bfree
    return 100 * used / (used + sizes.f_bavail) if used + sizes.f_bavail else 0.0


def _export_age(system: System, record: Record) -> float:
    """Return the days since the last export, else since the metadata was confirmed, else 0."""
    age = _age(system, record.exported.get("good")) or _age(system, record.metadata_time)
    return (age or 0.0) / 86_400


def _age(system: System, recorded: object) -> float | None:
    """Return the seconds since a recorded time; None if `recorded` is not a time."""
    try:
        return (system.now() - datetime.fromisoformat(str(recorded))).total_seconds()
    except (TypeError, ValueError):
        return None
