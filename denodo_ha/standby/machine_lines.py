"""Lines 6, 7 and 9: licence, machines and software of the standby."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.catalog.exports import Export
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.instances import Instance, read_instances
from denodo_ha.deployed.node_agent import (
    DONE,
    LICENSE_MANAGER,
    UNLICENSED,
    NodeAgent,
    explain_result,
)
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import (
    NO,
    OK,
    UNKNOWN,
    CheckLine,
    Finding,
    Unknown,
    age_text,
    known,
    line,
    unknown,
)
from denodo_ha.standby.metadata_lines import SiteExports

CERTIFICATE_MARGIN: Final = timedelta(days=14)
"""Project default: a certificate that expires within this time is reported."""
PATIENCE_S: Final = 8.0
"""Project default: seconds to wait for a node's answer about its licence."""
_RUN_S: Final = 30
_RUNNING: Final = "running"


@dataclass(frozen=True)
class Machines:
    """The standby's machines.

    Attributes:
        nodes: type, zone and state of each node's instance; None for a missing instance.
        free_places: number of free places in active Capacity Reservations, by zone and instance
            type.
    """

    nodes: Mapping[str, Instance | None]
    free_places: Mapping[tuple[str, str], int] | Unknown


def read_licences(aws: Aws, cluster: Cluster, clock: Clock) -> Mapping[str, str | Unknown]:
    """Let each node call its License Manager; return by node why the call failed, empty if not."""
    agent = NodeAgent(aws, cluster, clock)

    def ask(node: str) -> str | Unknown:
        def run() -> str | Unknown:
            result = agent.run(node, LICENSE_MANAGER, timeout=_RUN_S, patience=PATIENCE_S)
            if result.code == DONE:
                return ""
            failure = explain_result(result)
            return failure if result.code == UNLICENSED else Unknown(failure)

        return known(run)

    nodes = [node.name for node in cluster.nodes]
    return dict(zip(nodes, map_concurrently(ask, nodes), strict=True))


def read_machines(aws: Aws, cluster: Cluster) -> Machines:
    """Read the standby's instances and the free places of reservations in its region."""
    region = cluster.location.region
    ids = {node.name: node.instance_id for node in cluster.nodes}
    instances = read_instances(aws, region, ids.values())
    return Machines(
        {name: instances.get(id_) for name, id_ in ids.items()},
        known(lambda: _free_places(aws, region)),
    )


def _free_places(aws: Aws, region: str) -> Mapping[tuple[str, str], int]:
    places: Counter[tuple[str, str]] = Counter()
    with translated_errors():
        pages = (
            aws.client("ec2", region)
            .get_paginator("describe_capacity_reservations")
            .paginate(Filters=[{"Name": "state", "Values": ["active"]}])
        )
        for page in pages:
            for item in page["CapacityReservations"]:
                # Instances of nodes name no reservation, so EC2 uses only reservations with the
                # match criteria `open` for them.
                if item.get("InstanceMatchCriteria", "open") == "open":
                    key = (str(item["AvailabilityZone"]), str(item["InstanceType"]))
                    places[key] += int(item["AvailableInstanceCount"])
    return places


def licence_line(
    answers: Mapping[str, str | Unknown] | Unknown,
    own: SiteExports,
    now: datetime,
    *,
    shared_host: str,
) -> CheckLine:
    """Judge whether the standby's nodes would get a licence if the other region were lost.

    Args:
        answers: the answer of each node's License Manager: empty, or the failure.
        own: the standby's exports; their manifests contain the last answer for nodes that cannot be
            queried now.
        now: the current time.
        shared_host: host of the License Manager that both sites use; empty if each site has its
            own, or none.
    """
    return line(6, "licence", _licence(answers, own, now, shared_host))


def _licence(
    answers: Mapping[str, str | Unknown] | Unknown,
    own: SiteExports,
    now: datetime,
    shared_host: str,
) -> Iterator[Finding]:
    limit = "every node gets an answer of a License Manager outside of the active cluster's region"
    by_node = dict.fromkeys(own.nodes, answers) if isinstance(answers, Unknown) else answers
    for node, answer in by_node.items():
        if answer == "":
            yield Finding(OK, f"{node}: answered", limit=limit)
        elif isinstance(answer, Unknown):
            yield _licence_of_export(node, answer, own, now, limit)
        else:
            remedy = (
                "repair the License Manager or the network path to it; until then, do not restart "
                "servers of the standby: without a License Manager, a stopped server does not "
                "start (Denodo, License Management)"
            )
            yield Finding(NO, f"{node}: {answer}", limit=limit, remedy=remedy)
    if not by_node:
        yield Finding(UNKNOWN, "the cluster has no node", limit=limit)
    if shared_host:
        yield Finding(
            UNKNOWN,
            f"both sites use the License Manager {shared_host}, which may be lost with the active "
            "cluster's region",
            limit=limit,
            remedy="give the standby a License Manager of its own "
            "(clusters.NAME.license_manager); if the shared License Manager does not depend on the "
            "active cluster's region, add accept: {shared-manager: ...} to the configuration",
        )


def _licence_of_export(
    node: str, answer: Unknown, own: SiteExports, now: datetime, limit: str
) -> Finding:
    """Return the finding of a node that cannot be queried, from the manifest of its export."""
    export = None if isinstance(own.newest, Unknown) else own.newest.get(node)
    recorded = export.site.license_manager if export is not None else None
    if export is None or recorded is None:
        return Finding(UNKNOWN, f"{node}: {answer.reason}", limit=limit)
    age = now - export.at
    if recorded.answered:
        seen = f"{node}: License Manager {recorded.host} answered at the node's last export"
        return Finding(OK, seen, age, limit)
    seen = (
        f"{node}: License Manager {recorded.host} did not answer at the node's last export: "
        f"{recorded.reason}"
    )
    remedy = "repair the License Manager or the network path to it"
    return Finding(NO, seen, age, limit, remedy)


def machines_line(machines: Machines | Unknown, active_types: Mapping[str, str]) -> CheckLine:
    """Judge whether each machine of the standby runs or has a reserved place, with the right type.

    Args:
        machines: the machines.
        active_types: the right type for each node of the standby: the type of the active cluster's
            node, by configuration and pins.
    """
    return line(7, "machines", _machines(machines, active_types))


def _machines(machines: Machines | Unknown, active_types: Mapping[str, str]) -> Iterator[Finding]:
    limit = "each node runs or has a reserved place, with the active cluster's instance types"
    if isinstance(machines, Unknown):
        yield unknown(machines, "machines", limit)
        return
    needed: Counter[tuple[str, str]] = Counter()
    for name, instance in machines.nodes.items():
        if instance is None or instance.state not in {_RUNNING, "pending", "stopping", "stopped"}:
            state = instance.state if instance is not None else "gone"
            remedy = f"`{full_command('status')}` names the command that brings {name} back"
            yield Finding(NO, f"the instance of {name} is {state}", limit=limit, remedy=remedy)
        elif instance.state == _RUNNING:
            yield Finding(OK, f"{name} runs", limit=limit)
        else:
            needed[instance.zone, instance.type] += 1
            yield from _place(name, instance, machines.free_places, needed, limit)
    types = {instance.type for instance in machines.nodes.values() if instance is not None}
    expected = set(active_types.values())
    if not expected:
        yield Finding(UNKNOWN, "the active cluster's instance types are not known", limit=limit)
    elif types == expected:
        yield Finding(OK, f"instance type {', '.join(sorted(types))}", limit=limit)
    else:
        seen = (
            f"instance types {', '.join(sorted(types)) or 'none'}, but "
            f"{', '.join(sorted(expected))} in the active cluster"
        )
        rollout = full_command("rollout")
        remedy = f"give both clusters the same instance types, and run `{rollout}`"
        yield Finding(NO, seen, limit=limit, remedy=remedy)


def _place(
    name: str,
    instance: Instance,
    free: Mapping[tuple[str, str], int] | Unknown,
    needed: Mapping[tuple[str, str], int],
    limit: str,
) -> Iterator[Finding]:
    key = (instance.zone, instance.type)
    if isinstance(free, Unknown):
        yield unknown(free, f"{name} is {instance.state}; Capacity Reservations", limit)
    elif free.get(key, 0) >= needed[key]:
        seen = f"{name} is {instance.state}, with a reserved place"
        yield Finding(OK, seen, limit=limit)
    else:
        seen = f"{name} is {instance.state}, and no place is reserved in {instance.zone}"
        remedy = f"start {name}, or reserve capacity (clusters.NAME.capacity)"
        yield Finding(NO, seen, limit=limit, remedy=remedy)


_COMPARED: Final[tuple[tuple[str, Callable[[Export], object]], ...]] = (
    ("Denodo's update", lambda export: export.site.denodo_update),
    ("the node program", lambda export: export.site.program_version),
    ("the installation's encryption key", lambda export: export.site.encryption_key),
    (
        "drivers and extensions",
        lambda export: None if export.site.files is None else frozenset(export.site.files),
    ),
)
"""Facts that must be equal on all nodes of both sites, each with a function that reads it from an
export; the function returns None if the export's manifest does not state the fact."""


def software_line(own: SiteExports, active: SiteExports, now: datetime) -> CheckLine:
    """Judge whether both sites have the same software, and the standby's certificates are valid."""
    return line(9, "software and certificates", _software(own, active, now))


def _software(own: SiteExports, active: SiteExports, now: datetime) -> Iterator[Finding]:
    limit = (
        "the same update, program, encryption key, drivers and extensions at both sites; "
        f"certificates valid for {age_text(CERTIFICATE_MARGIN)}"
    )
    exports: dict[str, Export] = {}
    for site in (own, active):
        if site.every is None:
            seen = f"{site.cluster} makes no exports; the software is read from their manifests"
            remedy = f"add `exports` to clusters.{site.cluster}, and deploy"
            yield Finding(UNKNOWN, seen, limit=limit, remedy=remedy)
            continue
        if isinstance(site.newest, Unknown):
            yield unknown(site.newest, f"exports of {site.cluster}", limit)
            continue
        for node in site.nodes:
            export = site.newest.get(node)
            if export is None or export.error:
                seen = f"there is no readable manifest of {site.cluster} {node}"
                yield Finding(UNKNOWN, seen, limit=limit)
            else:
                exports[f"{site.cluster} {node}"] = export
    for what, value in _COMPARED if exports else ():
        yield _compared(
            what, {name: value(export) for name, export in exports.items()}, exports, now
        )
    for name, export in exports.items():
        if name.startswith(f"{own.cluster} "):
            yield from _certificates(name, export, now, limit)


def _compared(
    what: str, values: Mapping[str, object], exports: Mapping[str, Export], now: datetime
) -> Finding:
    age = now - min(export.at for export in exports.values())
    silent = [name for name, value in values.items() if value is None]
    groups: dict[object, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            groups.setdefault(value, []).append(name)
    if len(groups) > 1:
        listed = " | ".join(", ".join(names) for names in groups.values())
        remedy = f"make {what} equal on all nodes of both sites"
        return Finding(NO, f"{what} not equal: {listed}", age, remedy=remedy)
    if silent:
        seen = f"{what}: not in the manifest of {', '.join(silent)}"
        remedy = "roll the nodes to this version of the node program, and wait for the next export"
        return Finding(UNKNOWN, seen, age, remedy=remedy)
    return Finding(OK, f"{what} equal", age)


def _certificates(name: str, export: Export, now: datetime, limit: str) -> Iterator[Finding]:
    age, certificates = now - export.at, export.site.certificates
    if certificates is None:
        yield Finding(UNKNOWN, f"certificates: not in the manifest of {name}", age, limit)
        return
    for certificate in certificates:
        left = certificate.not_after - now
        where, end = f"{name}, {certificate.where}", f"{certificate.not_after:%Y-%m-%d}"
        seen = f"certificate {certificate.subject} ({where}) expires {end}"
        if left > CERTIFICATE_MARGIN:
            yield Finding(OK, seen, age, limit)
        else:
            yield Finding(NO, seen, age, limit, "renew the certificate, and roll the node")
