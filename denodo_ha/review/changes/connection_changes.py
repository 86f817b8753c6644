"""Findings on connections that end earlier or become impossible, and on changed addresses."""

from collections.abc import Iterator
from typing import Any, Final

from denodo_ha.environment.facts.limits import NLB_IDLE_TIMEOUT_DEFAULT_S
from denodo_ha.plan.balancer_changes import LOAD_BALANCER
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    LISTENER,
    TARGET_GROUP,
    Properties,
    Resources,
    StackPair,
    attributes,
    is_true,
    listener_label,
    number,
    of_type,
    resource_label,
    text_of,
)

STICKINESS_OFF: Final = (
    "a client's connections go to different nodes: sessions of web applications are lost"
)
CONNECTIONS_NOT_ENDED: Final = (
    "connections to a node that is out of service are no longer ended, so the clients wait until "
    "their own time-outs"
)
_NAT_GATEWAY: Final = "AWS::EC2::NatGateway"


def connection_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on connections of a stack that exists before and after the change."""
    yield from _idle_timeouts(pair)
    yield from _target_groups(pair)
    yield from _load_balancers(pair)
    yield from _paths_of_nodes(pair)


def _idle_timeouts(pair: StackPair) -> Iterator[Finding]:
    """Yield listeners that end idle connections earlier: a connection is idle during a query."""
    for id_, before, after in pair.kept(LISTENER):
        old, new = (
            number(attributes(each, "ListenerAttributes").get("tcp.idle_timeout.seconds"))
            or NLB_IDLE_TIMEOUT_DEFAULT_S
            for each in (before, after)
        )
        if new < old:
            text = (
                f"idle connections end after {old} -> {new} s; a connection is idle while its "
                "client waits for the result of a query"
            )
            yield finding("idle-timeout-shorter", pair.place(listener_label(pair.new, id_)), text)


def _target_groups(pair: StackPair) -> Iterator[Finding]:
    """Yield target groups with settings that are worse for the connections of clients."""
    for id_, before, after in pair.kept(TARGET_GROUP):
        place = pair.place(resource_label(pair.new, id_))
        old, new = (attributes(each, "TargetGroupAttributes") for each in (before, after))
        delays = [number(each.get("deregistration_delay.timeout_seconds")) for each in (old, new)]
        if delays[0] is not None and delays[1] is not None and delays[1] < delays[0]:
            text = (
                f"connections to a node that is drained or replaced end after {delays[0]} -> "
                f"{delays[1]} s, together with their running queries"
            )
            yield finding("deregistration-delay-shorter", place, text)
        if _is_turned_off("stickiness.enabled", old, new):
            yield finding("stickiness-off", place, STICKINESS_OFF)
        if _is_turned_off("preserve_client_ip.enabled", old, new):
            text = "nodes and their logs no longer get the addresses of clients"
            yield finding("client-address-hidden", place, text)


def _is_turned_off(key: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    return is_true(old.get(key)) and not is_true(new.get(key))


def _load_balancers(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept(LOAD_BALANCER):
        place = pair.place("load balancer")
        gone = sorted(_addresses(before) - _addresses(after))
        if gone:
            text = f"the load balancer loses the fixed addresses {', '.join(gone)}, which clients "
            text += "and firewalls may use"
            yield finding("balancer-address-changed", place, text)
        subnets = [text_of(each) for each in before.get("Subnets") or ()]
        left = [each for each in subnets if each not in map(text_of, after.get("Subnets") or ())]
        # Ignore the address of a zone that is removed: the zone has its own finding.
        if left and len(after.get("Subnets") or ()) >= len(subnets):
            text = f"the load balancer's addresses in {', '.join(left)} no longer exist"
            yield finding("balancer-address-changed", place, text)
        old, new = (attributes(each, "LoadBalancerAttributes") for each in (before, after))
        if _is_turned_off("zonal_shift.config.enabled", old, new):
            text = "operators can no longer shift the load balancer's traffic away from a zone"
            yield finding("zonal-shift-off", place, text)


def _addresses(balancer: Properties) -> set[str]:
    mappings = balancer.get("SubnetMappings")
    return {
        text_of(mapping[key])
        for mapping in (mappings if isinstance(mappings, list) else ())
        for key in ("PrivateIPv4Address", "AllocationId")
        if key in mapping
    }


def _paths_of_nodes(pair: StackPair) -> Iterator[Finding]:
    """Yield destinations that nodes no longer reach, and VPCs that cannot resolve nodes' names."""
    name = "network-path-removed"
    if not of_type(pair.new, _NAT_GATEWAY):
        if of_type(pair.old, _NAT_GATEWAY):
            text = "nodes no longer reach the internet: the NAT gateways are removed"
            yield finding(name, pair.place("nodes"), text)
        for service in sorted(_endpoints(pair.old) - _endpoints(pair.new)):
            text = f"nodes no longer reach {service}: the VPC endpoint of this service is removed"
            yield finding(name, pair.place("nodes"), text)
    for _, before, after in pair.kept("AWS::Route53::HostedZone"):
        for vpc in sorted(_vpcs(before) - _vpcs(after)):
            text = f"{vpc} no longer resolves the names of the nodes"
            yield finding(name, pair.place("nodes"), text)


def _endpoints(resources: Resources) -> set[str]:
    endpoints = of_type(resources, "AWS::EC2::VPCEndpoint").values()
    return {text_of(endpoint.get("ServiceName", "")) for endpoint in endpoints}


def _vpcs(zone: Properties) -> set[str]:
    vpcs = zone.get("VPCs")
    return {text_of(vpc.get("VPCId", "")) for vpc in (vpcs if isinstance(vpcs, list) else ())}
