"""The number of AWS calls of the live drill does not depend on the number of nodes."""

from collections import Counter

from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import drill_live
from tests.support.hand_made_site import (
    AUXILIARY_PORTS,
    IMAGE,
    REGIONS,
    SHARED_PORTS,
    HandMadeCluster,
    HandMadeSite,
)
from tests.support.recorded_calls import RecordedCalls

BY_TARGET_GROUP = ("DescribeTargetHealth", "DescribeTargetGroupAttributes")
BY_BALANCER = ("DescribeListeners", "DescribeLoadBalancerAttributes")
NODES = 30


def counts(site: HandMadeSite, calls: RecordedCalls) -> tuple[Counter[str], int]:
    """Run the live drill; return its number of calls by operation, and the number of nodes read."""
    calls.forget()
    with calls.counted() as made:
        drill = drill_live(profile=None, regions=REGIONS, locator=SiteLocator(record=site.record))
    return Counter(action.partition(":")[2] for action, _ in made), len(drill.result.model.machines)


def add_nodes(cluster: HandMadeCluster) -> None:
    """Start more nodes, and register them in the target group of every service."""
    ec2, elb = cluster.cloud.client("ec2"), cluster.cloud.client("elbv2")
    (first,) = ec2.describe_instances(InstanceIds=[cluster.nodes["node1"]])["Reservations"]
    launched = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType="m5.xlarge",
        MinCount=NODES,
        MaxCount=NODES,
        SubnetId=first["Instances"][0]["SubnetId"],
    )["Instances"]
    for service in SHARED_PORTS:
        targets = [{"Id": instance["InstanceId"]} for instance in launched]
        elb.register_targets(TargetGroupArn=cluster.groups[service], Targets=targets)


def test_more_nodes_need_no_more_calls(site: HandMadeSite, calls: RecordedCalls) -> None:
    before, nodes = counts(site, calls)
    groups = len(REGIONS) * (len(SHARED_PORTS) + len(AUXILIARY_PORTS))
    assert {name: before[name] for name in BY_TARGET_GROUP} == dict.fromkeys(
        BY_TARGET_GROUP, groups
    )
    assert {name: before[name] for name in BY_BALANCER} == dict.fromkeys(BY_BALANCER, len(REGIONS))
    others = before.keys() - {*BY_TARGET_GROUP, *BY_BALANCER}
    assert all(before[name] <= 2 * len(REGIONS) for name in others), before
    add_nodes(site.clusters["eu-west-1"])
    after, more = counts(site, calls)
    assert more == nodes + NODES
    assert after == before
