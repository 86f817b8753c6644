"""Configuration text: the file that describes a found site, with comments on what is not visible.

The file describes what runs where the configuration can: nodes, ports, checks, sources of clients.
Where what runs has a known flaw, such as load balancing without cross-zone, the file has this
project's value instead, and the plan names the difference.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from denodo_ha.drill.live.adoption.found_site import FoundCluster, FoundPort, FoundSite
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true
from denodo_ha.environment.facts.limits import (
    DEREGISTRATION_DELAY_DEFAULT_S,
    HEALTH_INTERVAL_DEFAULT_S,
    HEALTH_THRESHOLD_DEFAULT,
    HEALTH_TIMEOUT_DEFAULT_S,
    NLB_IDLE_TIMEOUT_DEFAULT_S,
)

RECORD_SUFFIX: Final = "-ha"
"""Suffix of the new failover record: the records of the present name stay until the switch."""

_SCHEMA: Final = "# yaml-language-server: $schema=schema.json"
_NOT_VISIBLE: Final = "not visible in AWS"
_TIMES: Final[Mapping[str, tuple[str, int]]] = {
    "interval": ("HealthCheckIntervalSeconds", HEALTH_INTERVAL_DEFAULT_S),
    "timeout": ("HealthCheckTimeoutSeconds", HEALTH_TIMEOUT_DEFAULT_S),
    "healthy": ("HealthyThresholdCount", HEALTH_THRESHOLD_DEFAULT),
    "unhealthy": ("UnhealthyThresholdCount", HEALTH_THRESHOLD_DEFAULT),
}
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]*")
_ANY_NETWORK: Final = "0.0.0.0/0"


def configuration_text(name: str, site: FoundSite) -> str:
    """Return the text of `config/NAME.yaml`.

    Args:
        name: name of the environment.
        site: the site.
    """
    return "\n".join([*_head(name, site), *_clusters(site), *_failover(site)]) + "\n"


def denodo_version(site: FoundSite) -> str:
    """Return the version that the ports suggest: only 7.0 has auxiliary ports."""
    return "7.0" if any(cluster.auxiliary for cluster in site.clusters) else "8.0"


def _head(name: str, site: FoundSite) -> Iterator[str]:
    version = denodo_version(site)
    reason = (
        "nodes have ports of their own, as 7.0 needs"
        if version == "7.0"
        else "no node has a port of its own, so it is not 7.0"
    )
    yield _SCHEMA
    yield "#"
    yield "# Written by `denodo-ha adopt` from what runs; it has changed nothing in AWS. The comments"
    yield f'# "{_NOT_VISIBLE}" name the values to check.'
    for part in site.details.unread:
        yield f"# Not read: {part.action} in {part.region}."
    yield f"name: {name}"
    yield ""
    yield "denodo:"
    yield f'  version: "{version}"   # {_NOT_VISIBLE}: {reason}'
    yield "  program: false   # the instances stay as they are, without the node program"
    yield ""
    yield f"# {_NOT_VISIBLE}: who manages the nodes, and where they get their licence"
    yield "# solution_manager: {cidrs: [10.0.9.0/24], host: sm.example.com}"
    yield "# license_manager: {host: sm.example.com}"
    yield ""
    yield f"# {_NOT_VISIBLE}: who is told of alarms"
    yield "# alarms: {email: [denodo-operators@example.com]}"
    yield ""
    yield "services:"
    for service, ports in _services(site).items():
        yield f"  {service}: {_flow(_service(service, ports, site))}"
        yield from _differences(service, ports)


def _services(site: FoundSite) -> dict[str, dict[str, FoundPort]]:
    """Return the port of each service in each cluster that has it."""
    services: dict[str, dict[str, FoundPort]] = {}
    for cluster in site.clusters:
        for service, port in cluster.services.items():
            services.setdefault(service, {})[cluster.name] = port
    return services


def _service(name: str, ports: Mapping[str, FoundPort], site: FoundSite) -> dict[str, Any]:
    first = next(iter(ports.values()))
    values: dict[str, Any] = {"port": first.port}
    if first.target_port != first.port:
        values["node_port"] = first.target_port
    if _all(ports, "stickiness.enabled", "true"):
        values["sticky"] = True
    if _all(ports, "preserve_client_ip.enabled", "false"):
        values["client_ip"] = False
    certificates = {
        cluster: certificate
        for cluster, port in ports.items()
        if (certificate := _certificate(port)) is not None
    }
    if certificates:
        values["tls"] = certificates
    health = _service_health(name, ports, site)
    if health:
        values["health"] = health
    idle = {as_integer(_listener_idle(port), 0) for port in ports.values()}
    if len(idle) == 1 and not certificates and (seconds := idle.pop()) != _IDLE_DEFAULT:
        values |= {"idle_timeout": seconds} if seconds else {}
    if _all(ports, "target_health_state.unhealthy.connection_termination.enabled", "false"):
        values["unhealthy_termination"] = False
    return values


_IDLE_DEFAULT: Final = NLB_IDLE_TIMEOUT_DEFAULT_S


def _listener_idle(port: FoundPort) -> str:
    return (port.attributes or {}).get("tcp.idle_timeout.seconds", str(_IDLE_DEFAULT))


def _all(ports: Mapping[str, FoundPort], attribute: str, value: str) -> bool:
    """Return whether every target group has a value of an attribute."""
    return all(
        port.group is not None and (port.group.attributes or {}).get(attribute) == value
        for port in ports.values()
    )


def _certificate(port: FoundPort) -> str | None:
    certificates = as_list(port.listener.properties.get("Certificates"))
    return str(certificates[0]["CertificateArn"]) if certificates else None


def _service_health(name: str, ports: Mapping[str, FoundPort], site: FoundSite) -> dict[str, Any]:
    """Return what the check of a service has in every cluster and the load balancers have not."""
    checks = []
    for cluster in site.clusters:
        port = ports.get(cluster.name)
        if port is None or port.group is None:
            continue
        general, own = balancer_times(cluster), _times(port)
        differing = {key: own[key] for key in _TIMES if own[key] != general[key]}
        checks.append({**_check_target(port), **differing})
    return checks[0] if checks and all(check == checks[0] for check in checks) else {}


def _check_target(port: FoundPort) -> dict[str, Any]:
    """Return protocol, port and path of a check, as far as they are not the default."""
    properties = port.group.properties if port.group else {}
    protocol = str(properties.get("HealthCheckProtocol", "TCP")).lower()
    target: dict[str, Any] = {}
    if protocol != "tcp":
        target["protocol"] = protocol
        target["path"] = str(properties.get("HealthCheckPath", "/"))
    checked = str(properties.get("HealthCheckPort", "traffic-port"))
    if checked not in ("traffic-port", str(port.target_port)):
        target = {"protocol": protocol, **target, "port": as_integer(checked, port.target_port)}
    return target


def _times(port: FoundPort) -> dict[str, int]:
    properties = port.group.properties if port.group else {}
    return {
        key: as_integer(properties.get(name), default) for key, (name, default) in _TIMES.items()
    }


def balancer_times(cluster: FoundCluster) -> dict[str, int]:
    """Return the times that most checks of a cluster have."""
    counts = Counter(tuple(_times(port).items()) for port in cluster.ports)
    return dict(counts.most_common(1)[0][0]) if counts else {}


def _differences(service: str, ports: Mapping[str, FoundPort]) -> Iterator[str]:
    """Yield comments on what a service has differently in the clusters."""
    checks: dict[str, Callable[[FoundPort], object]] = {
        "ports": lambda port: port.port,
        "ports on the nodes": lambda port: port.target_port,
        "targets of checks": _check_target,
    }
    for what, of_port in checks.items():
        values = {cluster: of_port(port) for cluster, port in ports.items()}
        if len({str(value) for value in values.values()}) > 1:
            shown = ", ".join(f"{cluster}: {value}" for cluster, value in values.items())
            yield f"  # {service}: the clusters have different {what} ({shown})"


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
            yield f"        {zone}: {{}}   # the load balancer has no subnet here: add balancer: subnet-…"
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
        yield "    allow_single_zone: true   # all nodes are in one zone: if it fails, all fail"


def network_of(cluster: FoundCluster, networks: Iterable[str]) -> str:
    """Return the network of the VPC that contains the nodes, else the first; empty without one."""
    networks = list(networks)
    addresses = [IPv4Address(node.address) for node in cluster.nodes.values() if node.address]
    containing = (
        network
        for network in networks
        if all(address in IPv4Network(network) for address in addresses)
    )
    return next(containing, networks[0] if networks else "")


def client_sources(cluster: FoundCluster, details: SiteDetails) -> tuple[list[str], str]:
    """Return who may connect, and where this is written: in the rules of security groups.

    A load balancer without a security group passes on the clients' addresses, so the security
    groups of the nodes say who may connect.
    """
    ports = {port.port for port in cluster.services.values()}
    groups = as_list(cluster.balancer.properties.get("SecurityGroups"))
    found = _sources(details, groups, ports)
    if found:
        return found, "as the load balancer's security groups say"
    of_nodes = {group for node in cluster.nodes.values() for group in node.security_groups}
    node_ports = {port.target_port for port in cluster.services.values()}
    found = _sources(details, of_nodes, node_ports)
    if found:
        return found, "as the nodes' security groups say"
    networks = list(details.networks.get(cluster.vpc, ())) or [_ANY_NETWORK]
    return networks, f"{_NOT_VISIBLE}: no rule of a security group names the clients"


def _sources(details: SiteDetails, groups: Iterable[str], ports: set[int]) -> list[str]:
    """Return the sources that ingress rules of security groups admit to any of some ports."""
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
        # The nodes themselves are not clients.
        if source and source not in groups:
            sources[str(source)] = None
    return sorted(sources)


def _balancer_options(cluster: FoundCluster) -> Iterator[str]:
    attributes = cluster.balancer.attributes or {}
    if attributes.get("load_balancing.cross_zone.enabled") == "false":
        yield "      # cross_zone is off in AWS; the default here is on: a zone whose nodes fail is"
        yield "      # then served by the nodes of the others"
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
    found = {key: times[key] for key, (_, default) in _TIMES.items() if times[key] != default}
    if found:
        yield "      # as found; without this line, a node is out of service within"
        yield f"      # {_detection({})} s instead of {_detection(times)} s"
        yield f"      health: {_flow(found)}"
    yield from _addresses(cluster)


def _detection(times: Mapping[str, int]) -> int:
    """Return the seconds until a lost node is out of service: its checks, and the last time-out."""
    values = {key: times.get(key, default) for key, (_, default) in _TIMES.items()}
    return values["interval"] * values["unhealthy"] + values["timeout"]


def _addresses(cluster: FoundCluster) -> Iterator[str]:
    """Yield the fixed addresses of a load balancer."""
    zone_of = {subnet: zone for zone, subnet in cluster.subnets.items()}
    fixed = {
        zone_of[mapping["SubnetId"]]: address
        for mapping in as_list(cluster.balancer.properties.get("SubnetMappings"))
        if mapping.get("SubnetId") in zone_of
        and (address := mapping.get("AllocationId") or mapping.get("PrivateIPv4Address"))
    }
    if fixed:
        yield f"      addresses: {_flow(fixed)}"


@dataclass(frozen=True)
class NewRecord:
    """The failover record that the stacks create.

    Attributes:
        label: its name without the name of the zone.
        name: its whole name.
    """

    label: str
    name: str


def new_record(site: FoundSite) -> NewRecord | None:
    """Return the failover record of the configuration; None without a failover."""
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
    yield f"  # A new name: {site.record} keeps its records until they are switched (see the plan)."
    yield f"  record: {record.label}"
    yield "  health: auto   # the nodes' shared ports decide, and never the port of a single node"


def _flow(values: Mapping[str, Any]) -> str:
    """Return values as YAML in one line; a map with only a port is the port."""
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
