"""Configuration text: the file for a found site, with comments on what AWS does not show.

The file describes the deployed nodes, ports, checks and sources of clients as they are. If the site
has a known flaw, such as load balancing without cross-zone, the file has this project's value
instead, and the plan names the difference.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from denodo_ha.drill.live.adoption.found_cluster import FoundCluster, FoundSite
from denodo_ha.drill.live.adoption.service_settings import (
    TIMES,
    balancer_times,
    service_differences,
    service_settings,
    services_of,
)
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true
from denodo_ha.environment.facts.limits import (
    DEREGISTRATION_DELAY_DEFAULT_S,
)

RECORD_SUFFIX: Final = "-ha"
"""Suffix of the new failover record's name: the records that clients use now remain until clients
are switched to the new record."""

_SCHEMA: Final = "# yaml-language-server: $schema=schema.json"
_NOT_VISIBLE: Final = "not visible in AWS"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]*")
_ANY_NETWORK: Final = "0.0.0.0/0"


def configuration_text(name: str, site: FoundSite) -> str:
    """Return the text of `config/NAME.yaml`.

    Args:
        name: name of the environment.
        site: the found site that the configuration describes.
    """
    return "\n".join([*_head(name, site), *_clusters(site), *_failover(site)]) + "\n"


def denodo_version(site: FoundSite) -> str:
    """Return the Denodo version that the ports suggest: only 7.0 has auxiliary ports."""
    return "7.0" if any(cluster.auxiliary for cluster in site.clusters) else "8.0"


def _head(name: str, site: FoundSite) -> Iterator[str]:
    version = denodo_version(site)
    reason = (
        "each node has an auxiliary port, as Denodo 7.0 needs"
        if version == "7.0"
        else "no node has an auxiliary port, which Denodo 7.0 needs"
    )
    yield _SCHEMA
    yield "#"
    yield "# Written by `denodo-ha adopt` from the resources in AWS, which were not changed. Check"
    yield f'# each value whose comment has the words "{_NOT_VISIBLE}".'
    for part in site.details.unread:
        yield f"# Not read: {part.action} in {part.region}."
    for target in site.other_targets:
        yield f"# {site.record} also leads to {target}, which is not a load balancer of this"
        yield "# account in the regions that were read."
    yield f"name: {name}"
    yield ""
    yield "denodo:"
    yield f'  version: "{version}"   # {_NOT_VISIBLE}: {reason}'
    yield "  program: false   # the instances stay as they are, without the node program"
    yield ""
    yield f"# {_NOT_VISIBLE}: the Solution Manager and the License Manager of the nodes"
    yield "# solution_manager: {cidrs: [10.0.9.0/24], host: sm.example.com}"
    yield "# license_manager: {host: sm.example.com}"
    yield ""
    yield f"# {_NOT_VISIBLE}: the e-mail addresses that alarms notify"
    yield "# alarms: {email: [denodo-operators@example.com]}"
    yield ""
    yield "services:"
    for service, ports in services_of(site).items():
        yield f"  {service}: {_flow(service_settings(ports, site))}"
        yield from service_differences(service, ports)


def _clusters(site: FoundSite) -> Iterator[str]:
    yield ""
    yield "clusters:"
    for cluster in site.clusters:
        yield from _cluster(cluster, site.details)


def _cluster(cluster: FoundCluster, details: SiteDetails) -> Iterator[str]:
    balancer = cluster.balancer
    networks = list(details.networks.get(cluster.vpc, ()))
    cidr = network_of(cluster, networks)
    yield f"  {cluster.name}:   # load balancer {balancer.id.rpartition('loadbalancer/')[2]}"
    yield f'    account: "{balancer.account or balancer.id.split(":")[4]}"'
    yield f"    region: {balancer.region}"
    yield "    network:"
    yield f"      vpc: {cluster.vpc}"
    if cidr:
        others = [network for network in networks if network != cidr]
        note = f"   # the VPC also has {', '.join(others)}" if others else ""
        yield f"      cidr: {cidr}{note}"
    yield "      zones:"
    zones = {node.zone: "" for node in cluster.nodes.values()} | dict(cluster.subnets)
    for zone, subnet in sorted(zones.items()):
        if subnet:
            yield f"        {zone}: {{balancer: {subnet}}}"
        else:
            yield f"        {zone}: {{}}   # the load balancer has no subnet in this zone: add one"
    checkers = details.health_checkers.get(balancer.region)
    if checkers:
        yield f"      health_checkers: {checkers}"
    yield "    nodes:"
    for id_, node in cluster.nodes.items():
        values: dict[str, Any] = {"instance_id": id_, "zone": node.zone}
        if node.address:
            values["address"] = node.address
        if id_ in cluster.auxiliary:
            values["auxiliary_port"] = cluster.auxiliary[id_].port
        yield f"      {node.name}: {_flow(values)}"
    yield from (f"    # {sentence}" for sentence in cluster.left_out)
    yield "    balancer:"
    yield "      kind: nlb"
    yield f"      scheme: {balancer.properties.get('Scheme', 'internal')}"
    clients, source = client_sources(cluster, details)
    yield f"      clients: [{', '.join(clients)}]   # {source}"
    yield from _balancer_options(cluster)
    if len({node.zone for node in cluster.nodes.values()}) == 1 and len(cluster.nodes) > 1:
        yield "    allow_single_zone: true   # all nodes are in one zone, and fail together with it"


def network_of(cluster: FoundCluster, networks: Iterable[str]) -> str:
    """Return the VPC's network that contains all nodes, else its first network.

    A VPC may have several networks. The result is empty if `networks` is empty.
    """
    networks = list(networks)
    addresses = [IPv4Address(node.address) for node in cluster.nodes.values() if node.address]
    containing = (
        network
        for network in networks
        if all(address in IPv4Network(network) for address in addresses)
    )
    return next(containing, networks[0] if networks else "")


def client_sources(cluster: FoundCluster, details: SiteDetails) -> tuple[list[str], str]:
    """Return the networks of clients, and a comment that names the source of this list.

    A load balancer without a security group passes on the clients' addresses, so the security
    groups of the nodes decide which clients may connect.
    """
    ports = {port.port for port in cluster.services.values()}
    groups = as_list(cluster.balancer.properties.get("SecurityGroups"))
    sources = _sources(details, groups, ports)
    if sources:
        return sources, "from the rules of the load balancer's security groups"
    of_nodes = {group for node in cluster.nodes.values() for group in node.security_groups}
    node_ports = {port.target_port for port in cluster.services.values()}
    sources = _sources(details, of_nodes, node_ports)
    if sources:
        return sources, "from the rules of the nodes' security groups"
    networks = list(details.networks.get(cluster.vpc, ())) or [_ANY_NETWORK]
    return networks, f"{_NOT_VISIBLE}: no rule of a security group has the networks of clients"


def _sources(details: SiteDetails, groups: Iterable[str], ports: set[int]) -> list[str]:
    """Return the sources that ingress rules of security groups admit to one of the ports."""
    groups = set(groups)
    sources: dict[str, None] = {}
    for rule in details.rules:
        if rule.get("IsEgress") or rule.get("GroupId") not in groups:
            continue
        low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
        is_any = str(rule.get("IpProtocol")) == "-1" or low == -1
        if not is_any and not any(low <= port <= high for port in ports):
            continue
        peer = as_mapping(rule.get("ReferencedGroupInfo")).get("GroupId")
        source = rule.get("CidrIpv4") or rule.get("PrefixListId") or peer
        # Leave out the given security groups themselves: their members are not clients.
        if source and source not in groups:
            sources[str(source)] = None
    return sorted(sources)


def _balancer_options(cluster: FoundCluster) -> Iterator[str]:
    attributes = cluster.balancer.attributes or {}
    if attributes.get("load_balancing.cross_zone.enabled") == "false":
        yield "      # cross_zone is off in AWS. This file turns cross_zone on, so the nodes of"
        yield "      # all zones serve the clients of each zone."
    if attributes.get("deletion_protection.enabled") == "true":
        yield "      deletion_protection: true"
    if attributes.get("zonal_shift.config.enabled") == "true":
        yield "      zonal_shift: true"
    delays = {
        as_integer(
            (port.group.attributes or {}).get("deregistration_delay.timeout_seconds"),
            DEREGISTRATION_DELAY_DEFAULT_S,
        )
        for port in cluster.ports
        if port.group is not None
    }
    if len(delays) == 1 and (delay := delays.pop()) != DEREGISTRATION_DELAY_DEFAULT_S:
        yield f"      deregistration_delay: {delay}"
    times = balancer_times(cluster)
    differing = {key: times[key] for key, (_, default) in TIMES.items() if times[key] != default}
    if differing:
        yield (
            "      # The times in AWS take a lost node out of service within "
            f"{_detection(times)} s, the default times within {_detection({})} s."
        )
        yield f"      health: {_flow(differing)}"
    if cluster.fixed_addresses:
        yield f"      addresses: {_flow(cluster.fixed_addresses)}"


def _detection(times: Mapping[str, int]) -> int:
    """Return the seconds until checks with the given times take a lost node out of service."""
    values = {key: times.get(key, default) for key, (_, default) in TIMES.items()}
    return values["interval"] * values["unhealthy"] + values["timeout"]


@dataclass(frozen=True)
class NewRecord:
    """The failover record that the stacks create.

    Attributes:
        label: its name without the name of the hosted zone.
        name: its whole name.
    """

    label: str
    name: str


def new_record(site: FoundSite) -> NewRecord | None:
    """Return the failover record for the configuration; None if the site has no failover."""
    zone = site.hosted_zone[1]
    if not site.is_failover or not zone or not site.record.endswith(zone):
        return None
    label = site.record.removesuffix(zone).rstrip(".") or "denodo"
    label = label.replace("*", "denodo")
    return NewRecord(f"{label}{RECORD_SUFFIX}", f"{label}{RECORD_SUFFIX}.{zone}")


def _failover(site: FoundSite) -> Iterator[str]:
    if len(site.clusters) == 1:
        return
    record = new_record(site)
    yield ""
    if record is None:
        yield f"# {_NOT_VISIBLE}: which cluster is the primary, and the name of the service"
        first, second = (cluster.name for cluster in site.clusters[:2])
        yield "# failover:"
        yield f"#   primary: {first}"
        yield f"#   secondary: {second}"
        yield "#   zone: {id: Z0123456789ABCDEFGHIJ, name: example.com}"
        yield "#   record: denodo"
        return
    yield "failover:"
    yield f"  primary: {site.clusters[0].name}"
    yield f"  secondary: {site.clusters[1].name}"
    yield f"  zone: {{id: {site.hosted_zone[0]}, name: {site.hosted_zone[1]}}}"
    yield f"  # A new name. A later step of the plan leads {site.record} to this name."
    yield f"  record: {record.label}"
    yield "  health: auto   # only the nodes' shared ports decide, not an auxiliary port"


def _flow(values: Mapping[str, Any]) -> str:
    """Return values as YAML in one line; for a map with the key `port` alone, return the port."""
    if values.keys() == {"port"}:
        return str(values["port"])
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _scalar(value: object) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    if isinstance(value, bool | int):
        return json.dumps(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and not is_true(text) else json.dumps(text)
