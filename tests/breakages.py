"""Ways to break a valid configuration: each must be said at its place, and bring nothing else."""

from tests import (
    breakages_balancer,
    breakages_denodo,
    breakages_environment,
    breakages_failover,
    breakages_keys,
    breakages_network,
    breakages_nodes,
    breakages_services,
)
from tests.breakage import Breakage

BREAKAGES: tuple[Breakage, ...] = (
    *breakages_keys.BREAKAGES,
    *breakages_environment.BREAKAGES,
    *breakages_denodo.BREAKAGES,
    *breakages_network.BREAKAGES,
    *breakages_nodes.BREAKAGES,
    *breakages_balancer.BREAKAGES,
    *breakages_services.BREAKAGES,
    *breakages_failover.BREAKAGES,
)
