"""Names of the findings of `denodo-ha review`, which `accept` of the configuration can name."""

from collections.abc import Mapping
from typing import Final, Literal

Category = Literal["worse", "replacement", "access", "protection", "cost"]

_NAMES: Final[Mapping[Category, tuple[str, ...]]] = {
    "worse": (
        *("alarm-lost", "cluster-removed", "database-smaller", "event-order-worse"),
        *("failure-worse",),
        *("haproxy-fewer", "haproxy-maxconn-lower", "haproxy-smaller", "heap-smaller"),
        *("idle-timeout-shorter", "instance-smaller", "instance-type-unknown", "node-removed"),
        *("service-removed", "version-changed", "zone-removed"),
    ),
    "replacement": (
        *("balancer-replaced", "database-interrupted", "database-replaced", "deploy-fails"),
        *("failover-name-changed", "haproxy-replaced", "listener-port-changed", "node-replaced"),
        *("node-restarted", "nodes-stop-together", "stack-moved", "target-group-replaced"),
    ),
    "access": (
        *("access-from-anywhere", "access-widened", "balancer-public", "database-public"),
        *("egress-widened", "iam-widened", "permissions-boundary-removed"),
    ),
    "protection": (
        *("alarm-removed", "backups-fewer", "certificate-of-another-region"),
        *("deletion-protection-off", "failover-check-weaker", "final-snapshot-off"),
        *("health-check-weaker", "logs-off", "multi-az-off", "notification-removed", "tls-off"),
        *("watchdog-off",),
    ),
    "cost": ("cost-higher", "cost-unknown"),
}

CATEGORY_OF: Final[Mapping[str, Category]] = {
    name: category for category, names in _NAMES.items() for name in names
}
"""The category of each finding by name."""
