"""Cases of the rules about reserved capacity."""

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.capacity import (
    capacity_for_some_nodes,
    capacity_of_created_nodes,
    capacity_of_existing_nodes,
    capacity_platform,
    capacity_unused,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import Data, changed

CAPACITY = "clusters/main/capacity"
RUNNING = {CAPACITY: {"reserve": "running"}}
DEVICE = {"clusters/main/instance/root_device": "/dev/sda1"}
ONE_ZONE = {"clusters/main/nodes/node2/zone": "eu-west-1a", "clusters/main/allow_single_zone": True}


def mixed() -> Data:
    """Return a configuration of a cluster with an existing and a created node."""
    return changed(exists(), {"clusters/main/nodes/node2": {"zone": "eu-west-1b"}})


WRONG = (
    Wrong(
        capacity_of_created_nodes,
        RUNNING,
        "clusters.main.capacity",
        ("reserves capacity for no node", "all nodes are existing instances", "remove capacity"),
        base=exists,
    ),
    Wrong(
        capacity_platform,
        {**RUNNING, **DEVICE},
        "clusters.main.capacity",
        (
            "has no platform",
            "ami-0123456789abcdef0 is /dev/sda1",
            "Red Hat or SUSE",
            "aws ec2 describe-images --image-ids ami-0123456789abcdef0 --region eu-west-1",
        ),
    ),
    Wrong(
        capacity_unused,
        {CAPACITY: {"reserve": 3}},
        "clusters.main.capacity.reserve",
        (
            "4 more places than there are nodes (2 m5.xlarge in eu-west-1a, 2 m5.xlarge in",
            "On-Demand rate",
            "as 16 vCPUs against the quota L-1216C47A",
            "write reserve: running",
        ),
        severity=Severity.NOTE,
    ),
    Wrong(
        capacity_unused,
        {CAPACITY: {"reserve": 2}, "clusters/main/instance/type": "t3.xlarge"},
        "clusters.main.capacity.reserve",
        ("2 more places", "and unused places count against the quota"),
        severity=Severity.NOTE,
    ),
    Wrong(
        capacity_for_some_nodes,
        {CAPACITY: {"reserve": 1}, **ONE_ZONE},
        "clusters.main.capacity.reserve",
        (
            "reserves 1 places for 2 nodes of type m5.xlarge in eu-west-1a",
            "a number that is not less than 2",
        ),
        severity=Severity.WARNING,
    ),
    Wrong(
        capacity_of_existing_nodes,
        RUNNING,
        "clusters.main.capacity",
        ("has no places for node1", "create-capacity-reservation"),
        base=mixed,
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    Right(capacity_of_created_nodes, RUNNING, base=mixed),
    Right(capacity_platform, RUNNING),
    Right(capacity_platform, {CAPACITY: {"reserve": 1, "platform": "SUSE Linux"}, **DEVICE}),
    Right(capacity_unused, {CAPACITY: {"reserve": 1}}),
    Right(capacity_for_some_nodes, {CAPACITY: {"reserve": 2}, **ONE_ZONE}),
    Right(capacity_for_some_nodes, {**RUNNING, **ONE_ZONE}),
    Right(capacity_of_existing_nodes, RUNNING),
)
