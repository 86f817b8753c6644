"""Table of a cluster's configuration keys and what `review` finds in changes of them.

Each key has a change for the worse and the finding of this change, or a reason why no finding is
needed.

A key is a path in `config/schema.json`, with `*` for a name that users choose.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.review.configuration_key_rows import (
    FAILURE_WORSE,
    HAPROXY,
    NAMED_ELSEWHERE,
    OWN,
    PROXY,
    VALUE,
    WRONG_VALUE,
    Edited,
    Harmless,
    Like,
    OwnCase,
    Row,
    Seeded,
    Worse,
    set_property,
)
from tests.support.configurations import GONE, POLICY

_INSTANCE: Final = "AWS::EC2::Instance"
_RESERVATION: Final = "AWS::EC2::CapacityReservation"
_DATABASE: Final = "AWS::RDS::DBInstance"
_BALANCER: Final = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def _turn_off(key: str) -> Callable[[dict[str, Any]], object]:
    def edit(properties: dict[str, Any]) -> None:
        for attribute in properties.get("LoadBalancerAttributes", []):
            if attribute["Key"] == key:
                attribute["Value"] = "false"

    return edit


def _reserve_for(**values: str) -> Edited:
    return Edited(
        _RESERVATION, lambda properties: properties.update(values), "capacity-reservation-smaller"
    )


def _replaced(key: str) -> Edited:
    return Edited(_INSTANCE, set_property(key, "another"), "node-replaced")


CLUSTER_KEYS: Final[Mapping[str, Row]] = {
    "clusters.*.account": Harmless(NAMED_ELSEWHERE),
    "clusters.*.region": Harmless(NAMED_ELSEWHERE),
    "clusters.*.network.vpc": Like("clusters.*.network.cidr"),
    "clusters.*.network.cidr": Edited(
        "AWS::EC2::Subnet", set_property("CidrBlock", "10.5.0.0/20"), "node-replaced"
    ),
    "clusters.*.network.zones.*.nodes": _replaced("SubnetId"),
    "clusters.*.network.zones.*.balancer": Edited(
        _BALANCER,
        set_property("Subnets", ["subnet-1", "subnet-2"]),
        "balancer-address-changed",
    ),
    "clusters.*.network.zones": Seeded("zone removed"),
    "clusters.*.network.nat": Worse(
        {f"{OWN}/network/nat": "none"},
        "network-path-removed",
        "no longer reach the internet",
        "nodes",
    ),
    "clusters.*.network.endpoints": Worse(
        {f"{PROXY}/network/endpoints": GONE}, "network-path-removed", "us-east-1.athena", "nodes"
    ),
    **dict.fromkeys(
        (
            "clusters.*.network.egress",
            *(f"clusters.*.network.egress.{key}" for key in ("to", "ports", "protocol")),
        ),
        Worse(
            {f"{OWN}/network/egress": GONE},
            "egress-widened",
            "allows connections to 0.0.0.0/0: all ports",
        ),
    ),
    "clusters.*.network.flow_logs": Seeded("shorter idle time; watchdog, logs and exports off"),
    "clusters.*.network.health_checkers": Harmless("a rule requires it where checks need it"),
    "clusters.*.network.node_zone.id": Harmless(WRONG_VALUE),
    "clusters.*.network.node_zone.name": Like("denodo.rmi_host"),
    **dict.fromkeys(
        (
            "clusters.*.network.node_zone_vpcs",
            *(f"clusters.*.network.node_zone_vpcs.{key}" for key in ("vpc", "region", "account")),
        ),
        Worse(
            {f"{OWN}/network/node_zone_vpcs": GONE},
            "network-path-removed",
            "vpc-0123456789abcdef1 no longer resolves",
        ),
    ),
    "clusters.*.instance.type": Seeded("smaller instance type"),
    "clusters.*.instance.image": Seeded("image without pins"),
    "clusters.*.instance.disk_gib": _replaced("BlockDeviceMappings"),
    "clusters.*.instance.root_device": Like("clusters.*.instance.disk_gib"),
    "clusters.*.instance.data_disk_gib": Like("clusters.*.instance.disk_gib"),
    "clusters.*.instance.data_disk_path": Worse(
        {f"{OWN}/instance/data_disk_path": GONE}, "data-disk-unmounted", "/data -> none", "node1"
    ),
    "clusters.*.instance.kms_key": Edited(
        _INSTANCE, set_property("BlockDeviceMappings", []), "encryption-key-removed"
    ),
    "clusters.*.instance.key": _replaced("KeyName"),
    "clusters.*.instance.role_policies": Worse(
        {f"{OWN}/instance/role_policies": [POLICY]}, "iam-widened", POLICY
    ),
    "clusters.*.nodes.*.zone": Seeded("zone removed"),
    "clusters.*.nodes.*.auxiliary_port": Like("services.*.node_port"),
    "clusters.*.nodes.*.scheduler_auxiliary_port": Like("services.*.node_port"),
    "clusters.*.nodes.*.instance_id": Edited(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        set_property("Targets", [{"Id": "i-2"}]),
        "node-removed",
        before=set_property("Targets", [{"Id": "i-1"}]),
    ),
    "clusters.*.nodes.*.address": Harmless(WRONG_VALUE),
    "clusters.*.nodes.*.instance": Like("clusters.*.instance"),
    "clusters.*.balancer.kind": Like("clusters.*.balancer.scheme"),
    "clusters.*.balancer.scheme": Seeded("scheme"),
    "clusters.*.balancer.clients": Seeded("clients from anywhere"),
    "clusters.*.balancer.cross_zone": Edited(
        _BALANCER, _turn_off("load_balancing.cross_zone.enabled"), FAILURE_WORSE
    ),
    "clusters.*.balancer.deregistration_delay": Worse(
        {f"{OWN}/balancer/deregistration_delay": 0},
        "deregistration-delay-shorter",
        "end after 300 -> 0 s",
        "odbc",
    ),
    "clusters.*.balancer.zonal_shift": Edited(
        _BALANCER, _turn_off("zonal_shift.config.enabled"), "zonal-shift-off"
    ),
    "clusters.*.balancer.deletion_protection": Seeded("deletion protection of the balancer off"),
    "clusters.*.balancer.health": Like("services.*.health"),
    "clusters.*.balancer.addresses": Worse(
        {f"{OWN}/balancer/addresses": GONE},
        "balancer-address-changed",
        "loses the fixed addresses 10.0.0.20",
    ),
    "clusters.*.balancer.haproxy.instance.type": Seeded("HAProxy's type"),
    "clusters.*.balancer.haproxy.instance.image": Seeded("HAProxy's image"),
    "clusters.*.balancer.haproxy.instance.count": Seeded("HAProxy's count"),
    **dict.fromkeys(
        (
            f"clusters.*.balancer.haproxy.instance.{key}"
            for key in ("disk_gib", "root_device", "role_policies")
        ),
        Like("clusters.*.balancer.haproxy.instance.image"),
    ),
    "clusters.*.balancer.haproxy.instance.kms_key": Worse(
        {f"{HAPROXY}/instance/kms_key": GONE},
        "encryption-key-removed",
        "AWS's key encrypts the data instead of",
    ),
    "clusters.*.balancer.haproxy.algorithm": Harmless(VALUE),
    "clusters.*.balancer.haproxy.maxconn": Seeded("HAProxy's maxconn"),
    "clusters.*.balancer.haproxy.timeouts.connect": Worse(
        {f"{HAPROXY}/timeouts/connect": 10}, "haproxy-connect-slower", "connect 1 -> 10 s", "odbc"
    ),
    "clusters.*.balancer.haproxy.timeouts.tcp": Worse(
        {f"{HAPROXY}/timeouts/tcp": 600},
        "haproxy-timeout-shorter",
        "timeout client 28800 -> 600 s",
        "odbc",
    ),
    "clusters.*.balancer.haproxy.timeouts.http": Worse(
        {f"{HAPROXY}/timeouts/http": 60},
        "haproxy-timeout-shorter",
        "timeout server 900 -> 60 s, timeout tunnel 28800 -> 600 s",
        "web",
    ),
    "clusters.*.balancer.haproxy.timeouts.http_request": Worse(
        {f"{HAPROXY}/timeouts/http_request": 5},
        "haproxy-timeout-shorter",
        "timeout http-request 10 -> 5 s",
        "web",
    ),
    "clusters.*.balancer.haproxy.timeouts.keep_alive": Worse(
        {f"{HAPROXY}/timeouts/keep_alive": 10},
        "haproxy-timeout-shorter",
        "timeout http-keep-alive 30 -> 10 s",
        "web",
    ),
    "clusters.*.balancer.haproxy.timeouts.old_worker": Worse(
        {f"{HAPROXY}/timeouts/old_worker": 30_000},
        "haproxy-timeout-shorter",
        "end after 86400 -> 30000 s",
        "HAProxy",
    ),
    "clusters.*.balancer.haproxy.checks.interval": Worse(
        {f"{HAPROXY}/checks/interval": 30}, FAILURE_WORSE, "node lost", ""
    ),
    "clusters.*.balancer.haproxy.checks.timeout": Harmless("as services.*.health.timeout"),
    "clusters.*.balancer.haproxy.checks.fall": Like("clusters.*.balancer.haproxy.checks.interval"),
    "clusters.*.balancer.haproxy.checks.rise": Harmless("as services.*.health.healthy"),
    "clusters.*.balancer.haproxy.checks.ready": Worse(
        {f"{HAPROXY}/checks/ready": False}, FAILURE_WORSE, "node not ready"
    ),
    "clusters.*.balancer.haproxy.checks.tls": Harmless(WRONG_VALUE),
    "clusters.*.balancer.haproxy.tls.mode": OwnCase("test_haproxy_without_tls_is_named"),
    "clusters.*.balancer.haproxy.tls.services": Like("clusters.*.balancer.haproxy.tls.mode"),
    **dict.fromkeys(
        (
            *(f"clusters.*.balancer.haproxy.{key}" for key in ("tls.certificate", "tls.authority")),
            *(f"clusters.*.balancer.haproxy.{key}" for key in ("tls.node_name", "hosts")),
        ),
        Harmless("HAProxy validates the file before it applies it, and checks each node"),
    ),
    "clusters.*.balancer.haproxy.health_port": Edited(
        "", lambda state: state.update(health_port=9193), "haproxy-health-port-changed"
    ),
    "clusters.*.balancer.haproxy.metrics_port": Harmless("only for those who read the metrics"),
    "clusters.*.balancer.haproxy.metrics_clients": Worse(
        {f"{HAPROXY}/metrics_clients": ["10.0.0.0/8"]}, "access-widened", "10.0.0.0/8: tcp 8404"
    ),
    "clusters.*.catalog.components": Edited(
        "", lambda state: state.update(catalog={}), "metadata-database-changed"
    ),
    **dict.fromkeys(
        ("clusters.*.catalog.existing.host", "clusters.*.catalog.existing.port"),
        OwnCase("test_another_server_of_the_metadata_is_named"),
    ),
    "clusters.*.catalog.existing.secret": Harmless(WRONG_VALUE),
    "clusters.*.catalog.existing.prefix": Edited(
        "AWS::SecretsManager::Secret",
        set_property("GenerateSecretString", {"SecretStringTemplate": "another"}),
        "metadata-database-changed",
    ),
    "clusters.*.catalog.version": Seeded("older database"),
    "clusters.*.catalog.type": Seeded("database class"),
    "clusters.*.catalog.storage_gib": Edited(
        _DATABASE, set_property("AllocatedStorage", "5"), "deploy-fails"
    ),
    "clusters.*.catalog.max_storage_gib": Worse(
        {f"{OWN}/catalog/max_storage_gib": 100},
        "storage-limit-lower",
        "200 GiB -> up to 100 GiB",
    ),
    "clusters.*.catalog.max_connections": Worse(
        {f"{OWN}/catalog/max_connections": 100}, "database-connections-fewer", "300 -> 100"
    ),
    "clusters.*.catalog.multi_az": Seeded("Multi-AZ off"),
    "clusters.*.catalog.retention_days": Seeded("fewer backups"),
    "clusters.*.catalog.maintenance_window": Harmless(VALUE),
    "clusters.*.catalog.backup_window": Harmless(VALUE),
    "clusters.*.catalog.deletion_protection": Seeded("deletion protection of the database off"),
    "clusters.*.catalog.final_snapshot": Seeded("final snapshot off"),
    "clusters.*.catalog.log_exports": Seeded("shorter idle time; watchdog, logs and exports off"),
    "clusters.*.catalog.kms_key": Seeded("key of the database"),
    "clusters.*.catalog.copy": Worse(
        {f"{OWN}/catalog/copy": GONE}, "backups-fewer", "no longer replicated to us-east-1"
    ),
    "clusters.*.catalog.subnets": Harmless("RDS moves a database only to subnets of its VPC"),
    "clusters.*.catalog.check_interval": Worse(
        {f"{OWN}/catalog/check_interval": 60}, "scheduler-check-slower", "every 3 -> 60 s"
    ),
    "clusters.*.catalog.settings": Harmless(WRONG_VALUE),
    "clusters.*.exports.login": Harmless(WRONG_VALUE),
    "clusters.*.exports.every": Worse(
        {f"{OWN}/exports/every": 86_400}, "backups-fewer", "every 3600 -> 86400 s", "node1"
    ),
    "clusters.*.exports.retention_days": Worse(
        {f"{OWN}/exports/retention_days": 1}, "backups-fewer", "are kept 30 -> 1 days", "exports"
    ),
    "clusters.*.exports.restore": Worse(
        {f"{OWN}/exports/restore": False}, "metadata-by-hand", "metadata export -> manual"
    ),
    "clusters.*.exports.copy": Worse(
        {f"{OWN}/exports/copy": False}, "backups-fewer", "no longer copied", "exports"
    ),
    "clusters.*.exports.not_compared": Worse(
        {f"{OWN}/exports/not_compared": ["a", "b*"]}, "comparison-narrower", "elements: b*"
    ),
    "clusters.*.solution_manager": Like("solution_manager"),
    "clusters.*.license_manager": Like("license_manager"),
    "clusters.*.capacity.reserve": Worse(
        {f"{OWN}/capacity/reserve": 1}, "capacity-reservation-smaller", "2 -> 1", "eu-west-1a"
    ),
    "clusters.*.capacity.platform": _reserve_for(InstancePlatform="SUSE Linux"),
    "clusters.*.capacity.tenancy": _reserve_for(Tenancy="dedicated"),
    "clusters.*.allow_single_zone": Harmless("allows what zone-removed names"),
}
