"""Clusters of a live site: the cluster of each load balancer, and the purpose of each port.

A cluster is a load balancer with its ports and the instances behind them. A port whose target group
has one instance of several is the auxiliary (RMI) port of this node, as Denodo 7.0 needs it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.adoption.found_cluster import (
    FoundCluster,
    FoundNode,
    FoundPort,
    FoundSite,
    LiveResource,
    SiteResources,
)
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.reading.resource_reader import (
    LISTENER,
    LOAD_BALANCER,
    RECORD_SET,
    TARGET_GROUP,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping
from denodo_ha.environment.facts.denodo_ports import (
    FLIGHT_PORT,
    JMX_FACTORY_PORT,
    JMX_REGISTRY_PORT,
    NODE_TLS_PORTS,
    PORTS,
    SCHEDULER_PORT,
)
from denodo_ha.environment.full_command import full_command

_SERVICES: Final[Mapping[int, str]] = {
    **{port: name for name, port in PORTS["9.0"].services.items()},
    FLIGHT_PORT: "flight",
    SCHEDULER_PORT: "scheduler",
    **dict.fromkeys(NODE_TLS_PORTS, "web-tls"),
}
"""The name of the service for each port on the nodes."""
_AUXILIARY_ENDINGS: Final = (JMX_REGISTRY_PORT, JMX_FACTORY_PORT)
"""Ports that Denodo 7.0 uses as auxiliary port; further nodes often use them with one more digit in
front, such as 19997 instead of 9997.
"""
_NODE_NAME: Final = re.compile(r"(?=.{1,32}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_ROLES: Final = {"PRIMARY": "active", "SECONDARY": "passive"}


def network_balancers(resources: SiteResources) -> list[LiveResource]:
    """Return the Network Load Balancers of a site.

    Raises:
        UsageError: The site has no Network Load Balancer.
    """
    every = resources.of_type(LOAD_BALANCER)
    balancers = [item for item in every if item.properties.get("Type") == "network"]
    if not balancers:
        kinds = ", ".join(f"{item.id} is an Application Load Balancer" for item in every)
        message = (
            f"there is no Network Load Balancer to adopt ({kinds or 'no load balancer was found'});"
            " clients of Denodo need a load balancer for TCP: create a new cluster with "
            f"`{full_command('init', 'NAME')}`, and move the clients to its name"
        )
        raise UsageError(message)
    return balancers


def record_of(resources: SiteResources) -> tuple[str, str]:
    """Return hosted zone and name of the records that clients use; empty without records.

    If the adoption of the site has begun, this project's failover stack may have a record too. That
    record is left out: clients still use the old name.
    """
    return next(
        (
            (str(item.properties.get("HostedZoneId", "")), _dns_name(item.properties.get("Name")))
            for item in resources.of_type(RECORD_SET)
            if not item.is_own
        ),
        ("", ""),
    )


def find_clusters(resources: SiteResources, details: SiteDetails) -> FoundSite:
    """Return the clusters of a site, and the name that clients use.

    Raises:
        UsageError: The site has no Network Load Balancer, or a Network Load Balancer without an
            instance behind it.
    """
    balancers = network_balancers(resources)
    zone_id, name = record_of(resources)
    records = [
        item
        for item in resources.of_type(RECORD_SET)
        if not item.is_own and _dns_name(item.properties.get("Name")) == name
    ]
    roles: dict[str, str] = {}
    others = []
    for record in records:
        balancer = _balancer_of(record, resources)
        if balancer is None:
            others += [_dns_name(value) for value in _values(record)]
        elif record.properties.get("Failover") in _ROLES:
            roles[balancer.id] = str(record.properties["Failover"])
    is_failover = set(roles.values()) == set(_ROLES) and len(balancers) == len(_ROLES)
    if is_failover:
        balancers.sort(key=lambda item: roles[item.id])
    names = cluster_names(balancers, roles if is_failover else {})
    return FoundSite(
        tuple(_cluster(names[item.id], item, resources, details) for item in balancers),
        details,
        name,
        (zone_id, details.zone_names.get(zone_id, "")),
        is_failover,
        tuple(others),
    )


def _dns_name(name: object) -> str:
    return str(name or "").rstrip(".")


def _values(record: LiveResource) -> list[Any]:
    """Return the names and addresses with which a record answers."""
    alias = as_mapping(record.properties.get("AliasTarget"))
    return [alias["DNSName"]] if alias else as_list(record.properties.get("ResourceRecords"))


def _balancer_of(record: LiveResource, resources: SiteResources) -> LiveResource | None:
    balancers = (resources.referenced(value, LOAD_BALANCER) for value in _values(record))
    return next((item for item in balancers if item is not None), None)


def cluster_names(balancers: list[LiveResource], roles: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each cluster: by its failover role, else `main`.

    Several clusters without roles are named after their regions.
    """
    if roles:
        return {item.id: _ROLES[roles[item.id]] for item in balancers}
    if len(balancers) == 1:
        return {balancers[0].id: "main"}
    seen = Counter[str]()
    names = {}
    for item in balancers:
        seen[item.region] += 1
        suffix = f"-{seen[item.region]}" if seen[item.region] > 1 else ""
        names[item.id] = f"{item.region[: 16 - len(suffix)]}{suffix}"
    return names


def _cluster(
    name: str, balancer: LiveResource, resources: SiteResources, details: SiteDetails
) -> FoundCluster:
    listed = as_mapping(details.balancers.get(balancer.id))
    ports = sorted(
        (
            _port(item, resources, details)
            for item in resources.of_type(LISTENER)
            if resources.referenced(item.properties.get("LoadBalancerArn"), LOAD_BALANCER)
            == balancer
        ),
        key=lambda port: port.port,
    )
    nodes = _nodes(ports, details)
    if not nodes:
        message = (
            f"{balancer.id}: no target of this load balancer is registered by its instance id, so "
            "there is no node to adopt: register the nodes by their instance ids, and run the "
            "command again"
        )
        raise UsageError(message)
    services, auxiliary, left_out = _classified(ports, nodes)
    return FoundCluster(
        name,
        balancer,
        str(listed.get("DNSName", "")),
        str(listed.get("VpcId", "")),
        {
            str(zone["ZoneName"]): str(zone["SubnetId"])
            for zone in sorted(as_list(listed.get("AvailabilityZones")), key=str)
            if "ZoneName" in zone and "SubnetId" in zone
        },
        nodes,
        services,
        auxiliary,
        tuple(left_out),
    )


def _port(item: LiveResource, resources: SiteResources, details: SiteDetails) -> FoundPort:
    actions = as_list(item.properties.get("DefaultActions"))
    forwards = [
        value
        for action in actions
        for value in (
            action.get("TargetGroupArn"),
            *(
                group.get("TargetGroupArn")
                for group in as_list(as_mapping(action.get("ForwardConfig")).get("TargetGroups"))
            ),
        )
        if value
    ]
    groups = {
        forwarded.id: forwarded
        for value in forwards
        if (forwarded := resources.referenced(value, TARGET_GROUP)) is not None
    }
    group = next(iter(groups.values())) if len(groups) == 1 else None
    targets = resources.targets(group) if group is not None else []
    on_nodes = Counter(port for _, port in targets)
    own_port = as_integer(group.properties.get("Port"), 0) if group is not None else 0
    return FoundPort(
        as_integer(item.properties.get("Port"), 0),
        item,
        group,
        on_nodes.most_common(1)[0][0] if on_nodes else own_port,
        tuple(id_ for id_, _ in targets if id_ in details.instances),
        details.listener_attributes.get(item.id),
    )


def _nodes(ports: Iterable[FoundPort], details: SiteDetails) -> dict[str, FoundNode]:
    """Return the instances behind a load balancer by id, sorted by zone."""
    ids = {id_ for port in ports for id_ in port.nodes}
    by_zone = sorted((_zone(details.instances[id_]), id_) for id_ in ids)
    tags = [_name_tag(details.instances[id_]) for _, id_ in by_zone]
    plain = [re.sub(r"[^a-z0-9]", "", tag.lower()) for tag in tags]
    usable = all(map(_NODE_NAME.fullmatch, tags)) and len(set(plain)) == len(tags)
    names = tags if usable else [f"node{number}" for number in range(1, len(by_zone) + 1)]
    return {
        id_: FoundNode(
            name,
            zone,
            str(details.instances[id_].get("PrivateIpAddress", "")),
            tuple(
                str(group["GroupId"]) for group in details.instances[id_].get("SecurityGroups", ())
            ),
        )
        for name, (zone, id_) in zip(names, by_zone, strict=True)
    }


def _name_tag(instance: Mapping[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in instance.get("Tags", ()) if tag["Key"] == "Name"), "")


def _zone(instance: Mapping[str, Any]) -> str:
    return str(as_mapping(instance.get("Placement")).get("AvailabilityZone", ""))


def _classified(
    ports: list[FoundPort], nodes: Mapping[str, FoundNode]
) -> tuple[dict[str, FoundPort], dict[str, FoundPort], list[str]]:
    """Return the services, the auxiliary ports, and sentences on all other ports."""
    services: dict[str, FoundPort] = {}
    auxiliary: dict[str, FoundPort] = {}
    left_out = []
    for port in ports:
        if port.group is None or not port.nodes:
            what = (
                "does not forward to exactly one target group"
                if port.group is None
                else "has no instance as a target"
            )
            left_out.append(f"port {port.port} {what}, and is not in the configuration")
        elif _is_auxiliary(port, len(nodes)):
            (node,) = port.nodes
            if node in auxiliary:
                left_out.append(
                    f"port {port.port}, which only {nodes[node].name} serves, is not in the "
                    f"configuration: the auxiliary port of {nodes[node].name} is assumed to be "
                    f"{auxiliary[node].port}"
                )
            else:
                auxiliary[node] = port
        else:
            name = _SERVICES.get(port.target_port, "")
            if not name or name in services:
                name = f"port-{port.port}"
            services[name] = port
    return services, auxiliary, left_out


def _is_auxiliary(port: FoundPort, nodes: int) -> bool:
    """Return whether a port leads to the second (RMI) port of one node."""
    if len(set(port.nodes)) != 1 or port.target_port in _SERVICES:
        return False
    return nodes > 1 or port.target_port % 10_000 in _AUXILIARY_ENDINGS
