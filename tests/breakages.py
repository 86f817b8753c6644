"""Ways to break a valid configuration: each must be said at its place, and bring nothing else."""

from tests.breakage import Breakage
from tests.breakages_balancer import BALANCER_BREAKAGES
from tests.breakages_denodo import DENODO_BREAKAGES
from tests.breakages_environment import ENVIRONMENT_BREAKAGES
from tests.breakages_failover import FAILOVER_BREAKAGES
from tests.breakages_keys import KEYS_BREAKAGES
from tests.breakages_network import NETWORK_BREAKAGES
from tests.breakages_nodes import NODES_BREAKAGES
from tests.breakages_services import SERVICES_BREAKAGES

BREAKAGES: tuple[Breakage, ...] = (
    *KEYS_BREAKAGES,
    *ENVIRONMENT_BREAKAGES,
    *DENODO_BREAKAGES,
    *NETWORK_BREAKAGES,
    *NODES_BREAKAGES,
    *BALANCER_BREAKAGES,
    *SERVICES_BREAKAGES,
    *FAILOVER_BREAKAGES,
)
