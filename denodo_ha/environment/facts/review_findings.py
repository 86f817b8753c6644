"""Names of the findings of `denodo-ha review`, which `accept` of the configuration can name."""

from collections.abc import Mapping
from typing import Final, Literal

Category = Literal["worse", "replacement", "access", "protection", "cost"]

_NAMES: Final[Mapping[Category, tuple[str, ...]]] = {
    "worse": (
        *("alarm-lost", "capacity-reservation-smaller", "cluster-removed", "data-disk-unmounted"),
        *("database-connections-fewer", "database-smaller", "deregistration-delay-shorter"),
        *("event-order-worse", "failure-worse", "haproxy-connect-slower", "haproxy-fewer"),
        "haproxy-health-port-changed",
        *("haproxy-maxconn-lower", "haproxy-settings-unknown", "haproxy-smaller"),
        *("haproxy-timeout-shorter", "heap-smaller", "idle-timeout-shorter", "instance-smaller"),
        *("instance-type-unknown", "license-manager-removed", "metadata-by-hand"),
        *("metadata-database-changed", "network-path-removed", "node-program-removed"),
        *("node-removed", "scheduler-check-slower", "security-token-removed", "server-removed"),
        *("service-removed", "solution-manager-removed", "start-limit-shorter"),
        *("stickiness-off", "stop-limit-shorter", "storage-limit-lower", "switch-changed"),
        *("version-changed", "zonal-shift-off", "zone-removed"),
    ),
    "replacement": (
        *("balancer-address-changed", "balancer-replaced", "database-interrupted"),
        *("database-replaced", "deploy-fails", "failover-name-changed", "haproxy-replaced"),
        *("listener-port-changed", "node-replaced", "node-restarted", "nodes-stop-together"),
        *("rmi-host-changed", "stack-moved", "target-group-replaced"),
    ),
    "access": (
        *("access-from-anywhere", "access-widened", "balancer-public", "database-public"),
        *("egress-widened", "iam-widened", "permissions-boundary-removed"),
    ),
    "protection": (
        *("alarm-later", "alarm-removed", "backups-fewer", "certificate-of-another-region"),
        *("client-address-hidden", "comparison-narrower", "deletion-protection-off"),
        *("encryption-key-removed", "failover-check-weaker", "final-snapshot-off"),
        *("health-check-weaker", "logs-off", "logs-shorter", "multi-az-off"),
        *("notification-removed", "readiness-weaker", "tls-off", "watchdog-off"),
    ),
    "cost": ("cost-higher", "cost-unknown"),
}

CATEGORY_OF: Final[Mapping[str, Category]] = {
    name: category for category, names in _NAMES.items() for name in names
}
"""The category of each finding by name."""
