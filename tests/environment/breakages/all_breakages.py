"""All breakages of a valid configuration: each causes one error at its position."""

from tests.environment.breakages import (
    balancer,
    denodo,
    environment,
    failover,
    keys,
    network,
    nodes,
    services,
)
from tests.environment.breakages.breakage import Breakage

BREAKAGES: tuple[Breakage, ...] = (
    *keys.BREAKAGES,
    *environment.BREAKAGES,
    *denodo.BREAKAGES,
    *network.BREAKAGES,
    *nodes.BREAKAGES,
    *balancer.BREAKAGES,
    *services.BREAKAGES,
    *failover.BREAKAGES,
)
