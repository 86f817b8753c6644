"""The zones of a load balancer that are in DNS: healthy ones, or all if none is healthy.

AWS, Target group health (Network Load Balancers): a zone is healthy while every target group has as
many healthy targets for the zone as its DNS failover threshold requires. With cross-zone load
balancing the targets of all zones count for each zone. A zone that a zonal shift takes out is not
in DNS (AWS, Zonal shift for your Network Load Balancer).
"""

from tools.local_aws.emulator import cuts, ministack
from tools.local_aws.emulator.elb import target_health, zonal_shifts

Balancer = ministack.Record

_COUNT = "target_group_health.dns_failover.minimum_healthy_targets.count"
_PERCENTAGE = "target_group_health.dns_failover.minimum_healthy_targets.percentage"
_CROSS_ZONE = "load_balancing.cross_zone.enabled"
_OFF = "off"


def zones(balancer: Balancer) -> list[str]:
    """Return the zones of a load balancer, in the order of its subnets."""
    return [str(subnet["AvailabilityZone"]) for subnet in _subnets(balancer)]


def in_dns(balancer: Balancer) -> list[str]:
    """Return the zones whose addresses are in the DNS of a load balancer; all if none is healthy.

    A zone that is cut off is not healthy: the load balancer's address in the zone is unreachable.
    """
    away = zonal_shifts.zones_away(balancer["LoadBalancerArn"])
    region = ministack.region()
    there = [
        str(subnet["AvailabilityZone"])
        for subnet in _subnets(balancer)
        if subnet.get("AvailabilityZoneId") not in away
        and not cuts.is_cut(region, subnet["AvailabilityZone"])
    ]
    return [zone for zone in there if is_healthy(balancer, zone)] or there or zones(balancer)


def _subnets(balancer: Balancer) -> list[ministack.Record]:
    known = (ministack.subnets.get(id_) for id_ in balancer.get("Subnets", ()))
    return [subnet for subnet in known if subnet is not None]


def is_healthy(balancer: Balancer, zone: str) -> bool:
    """Return whether every target group has enough healthy targets for a zone."""
    groups = [
        arn
        for arn, group in ministack.target_groups.items()
        if balancer["LoadBalancerArn"] in group["LoadBalancerArns"]
    ]
    return all(_enough(balancer, arn, zone) for arn in groups)


def _enough(balancer: Balancer, arn: str, zone: str) -> bool:
    targets = [
        item
        for item in ministack.targets.get(arn, [])
        if crosses_zones(balancer, arn) or _zone_of(item) in ("", zone)
    ]
    healthy = sum(target_health.health(arn, item).state == "healthy" for item in targets)
    attributes = _attributes(ministack.target_group_attributes.get(arn))
    count, percentage = attributes.get(_COUNT, "1"), attributes.get(_PERCENTAGE, _OFF)
    if count != _OFF and healthy < int(count):
        return False
    return percentage == _OFF or healthy * 100 >= int(percentage) * len(targets)


def crosses_zones(balancer: Balancer, arn: str) -> bool:
    """Return whether the addresses of all zones reach the targets of a target group."""
    own = _attributes(ministack.target_group_attributes.get(arn)).get(_CROSS_ZONE, "")
    if own in ("true", "false"):
        return own == "true"
    of_balancer = ministack.load_balancer_attributes.get(balancer["LoadBalancerArn"])
    return _attributes(of_balancer).get(_CROSS_ZONE) == "true"


def _attributes(items: list[dict[str, str]] | None) -> dict[str, str]:
    return {item["Key"]: str(item["Value"]).lower() for item in items or []}


def _zone_of(target: ministack.Record) -> str:
    """Return the zone of a target's instance; empty for another kind of target."""
    instance = ministack.instances.get(target["Id"]) or {}
    return str((instance.get("Placement") or {}).get("AvailabilityZone", ""))
