"""Cases of the rules about metadata: who shares it, and the database."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.catalog import (
    exports_of_nobody,
    exports_of_shared,
    oldest_cannot_share,
    repeated_components,
    settings_of_others,
    told_otherwise,
    unshared,
    unused,
    wandering_sessions,
)
from denodo_ha.environment.rules.database import (
    existing_is_left_alone,
    growth,
    loosened,
    one_cluster_a_database,
    private_subnets,
    two_zones,
    where_secrets_are,
    windows,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    OTHER_ACCOUNT,
    UUID,
    Data,
    changed,
    given_network,
    minimal,
    subnet,
    twins,
)

CATALOG, EXPORTS, NETWORK = (f"clusters/main/{key}" for key in ("catalog", "exports", "network"))
AT, NODES = "clusters.main.catalog", "clusters/main/nodes"
SERVERS = "denodo/servers"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:admin-AbCdEf"
ELSEWHERE = "arn:aws:secretsmanager:us-east-1:{}:secret:admin-AbCdEf"
SERVER = {"host": "db.example.com", "secret": SECRET}
RUNS_ALL = {
    SERVERS: ["vdp", "data-catalog", "scheduler"],
    "services/web": {"port": 9090, "sticky": True},
}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{UUID}"


def sharing() -> Data:
    """A cluster that makes a database for its Scheduler and Data Catalog."""
    return changed(minimal(), {CATALOG: {}})


def all_sharing() -> Data:
    """The same, which names its servers."""
    return changed(sharing(), RUNS_ALL)


def existing() -> Data:
    """A cluster whose database exists already."""
    return changed(minimal(), {CATALOG: {"existing": SERVER}})


def two_existing() -> Data:
    """Two clusters with servers of their own."""
    other = {"host": "db2.example.com", "secret": ELSEWHERE.format(ACCOUNT)}
    return changed(
        twins(),
        {CATALOG: {"existing": SERVER}, "clusters/spare/catalog": {"existing": other}},
    )


def given() -> Data:
    """A database in an existing VPC."""
    return changed(sharing(), {NETWORK: given_network()})


def public_node() -> Data:
    """A single public node in an existing VPC."""
    network = given_network()
    network["health_checkers"] = "pl-0123456789abcdef0"
    balancer = {"kind": "none", "scheme": "internet-facing", "clients": ["10.0.0.0/8"]}
    return changed(
        given(), {"clusters/main/balancer": balancer, f"{NODES}/node2": GONE, NETWORK: network}
    )


V7 = partial(minimal, "7.0")
EXPORTED = {EXPORTS: {"login": SECRET}}

WRONG = (
    Wrong(
        oldest_cannot_share,
        {CATALOG: {"components": ["scheduler", "vdp"]}},
        f"{AT}.components.1",
        ("can't be shared by Denodo 7.0", "from 8.0 on", "exports"),
        base=V7,
    ),
    Wrong(
        unshared,
        {SERVERS: ["vdp", "scheduler"]},
        AT,
        ("is missing", "scheduler runs on 2 nodes", "fire them", "catalog: {}"),
    ),
    Wrong(
        unshared,
        RUNS_ALL | {SERVERS: ["vdp", "data-catalog"]},
        AT,
        ("is missing", "data-catalog runs on 2 nodes", "saved queries"),
    ),
    Wrong(
        unshared,
        {f"{CATALOG}/components": ["scheduler"]},
        f"{AT}.components",
        ("lacks data-catalog", "add data-catalog to components"),
        base=all_sharing,
    ),
    Wrong(
        unused,
        {f"{CATALOG}/components": ["vdp", "scheduler", "data-catalog"], SERVERS: ["vdp"]},
        f"{AT}.components.1",
        ("runs on no node (scheduler)",),
        base=sharing,
        severity=Severity.WARNING,
    ),
    Wrong(
        repeated_components,
        {f"{CATALOG}/components": ["scheduler", "scheduler"]},
        f"{AT}.components.1",
        ("stands here twice",),
        base=sharing,
    ),
    Wrong(
        settings_of_others,
        {f"{CATALOG}/settings": {"vdp": {}}},
        f"{AT}.settings.vdp",
        ("is not one of the catalog's components",),
        base=sharing,
    ),
    Wrong(
        wandering_sessions,
        {"services/web/sticky": False},
        "services.web.sticky",
        ("the Data Catalog runs on several nodes", "sticky: true"),
        base=all_sharing,
        severity=Severity.WARNING,
    ),
    Wrong(
        exports_of_shared,
        {f"{CATALOG}/components": ["vdp"], EXPORTS: {"login": SECRET, "restore": True}},
        "clusters.main.exports.restore",
        ("the nodes share the catalog", "restore: false"),
        base=sharing,
    ),
    Wrong(
        exports_of_nobody,
        {**EXPORTED, "denodo/program": False},
        "clusters.main.exports",
        ("would be made by nobody", "program: false"),
    ),
    Wrong(
        exports_of_nobody,
        {**EXPORTED, SERVERS: ["scheduler-admin"], "services": {"mine": 1234}},
        "clusters.main.exports",
        ("have nothing to export",),
        severity=Severity.WARNING,
    ),
    Wrong(
        told_otherwise,
        {f"{CATALOG}/components": ["vdp"], "denodo/metadata": "manual"},
        "denodo.metadata.source",
        ("the nodes of main share", "write catalog"),
        base=sharing,
    ),
    Wrong(
        existing_is_left_alone,
        {f"{CATALOG}/storage_gib": 50},
        f"{AT}.storage_gib",
        ("is given for a server that exists",),
        base=existing,
    ),
    Wrong(
        one_cluster_a_database,
        {"clusters/spare/catalog/existing/host": "DB.example.com"},
        "clusters.spare.catalog.existing",
        ("names the databases of main too", "prefix: test_spare_"),
        base=two_existing,
    ),
    Wrong(
        two_zones,
        {
            f"{NETWORK}/zones": ["eu-west-1a"],
            f"{NODES}/node2/zone": "eu-west-1a",
            "clusters/main/allow_single_zone": True,
        },
        AT,
        ("has subnets in one zone only", "2 zones"),
        base=sharing,
    ),
    Wrong(
        two_zones,
        {f"{CATALOG}/subnets": {"eu-west-1c": subnet(9)}},
        f"{AT}.subnets.eu-west-1c",
        ("is not one of the cluster's zones",),
        base=given,
    ),
    Wrong(
        two_zones,
        {f"{CATALOG}/subnets": {"eu-west-1a": subnet(9)}},
        f"{AT}.subnets.eu-west-1a",
        ("is given, but no VPC",),
        base=sharing,
    ),
    Wrong(
        private_subnets,
        {
            NETWORK: {
                "cidr": "10.0.0.0/16",
                "zones": ["eu-west-1a", "eu-west-1b"],
                "health_checkers": "pl-0123456789abcdef0",
            }
        },
        AT,
        ("has no private subnet",),
        base=public_node,
    ),
    Wrong(
        growth,
        {f"{CATALOG}/storage_gib": 100, f"{CATALOG}/max_storage_gib": 109},
        f"{AT}.max_storage_gib",
        ("a tenth more", "110 or more"),
        base=sharing,
    ),
    Wrong(
        windows,
        {f"{CATALOG}/maintenance_window": "sun:03:00-sun:03:29"},
        f"{AT}.maintenance_window",
        ("lasts 0:29:00 hours",),
        base=sharing,
    ),
    Wrong(
        windows,
        {f"{CATALOG}/maintenance_window": "sun:03:00-mon:03:01"},
        f"{AT}.maintenance_window",
        ("from half an hour to a day",),
        base=sharing,
    ),
    Wrong(
        windows,
        {
            f"{CATALOG}/maintenance_window": "sun:23:30-mon:00:30",
            f"{CATALOG}/backup_window": "00:29-01:29",
        },
        f"{AT}.maintenance_window",
        ("overlaps the backup window, 00:29-01:29",),
        base=sharing,
    ),
    Wrong(
        where_secrets_are,
        {f"{CATALOG}/existing/secret": ELSEWHERE.format(ACCOUNT)},
        f"{AT}.existing.secret",
        ("is not of eu-west-1",),
        base=existing,
    ),
    Wrong(
        where_secrets_are,
        {f"{CATALOG}/kms_key": KEY},
        f"{AT}.kms_key",
        ("is not of eu-west-1",),
        base=sharing,
    ),
    Wrong(
        where_secrets_are,
        {EXPORTS: {"login": SECRET.replace(ACCOUNT, OTHER_ACCOUNT)}},
        "clusters.main.exports.login",
        (f"is not of account {ACCOUNT}",),
    ),
    *(
        Wrong(
            loosened,
            {f"{CATALOG}/{key}": False},
            f"{AT}.{key}",
            ("is false", f"write {key}: true"),
            base=sharing,
            severity=Severity.WARNING,
        )
        for key in ("multi_az", "deletion_protection", "final_snapshot")
    ),
)

RIGHT = (
    Right(oldest_cannot_share, {CATALOG: {"components": ["scheduler"]}}, base=V7),
    Right(oldest_cannot_share, {f"{CATALOG}/components": ["vdp"]}, base=sharing),
    Right(unshared, {}),
    Right(unshared, {}, base=all_sharing),
    Right(unshared, {**RUNS_ALL, f"{NODES}/node2": GONE}),
    Right(unshared, {SERVERS: ["vdp", "scheduler-admin"]}),
    Right(unused, {}, base=sharing),
    Right(unused, {}, base=all_sharing),
    Right(repeated_components, {f"{CATALOG}/components": ["vdp", "scheduler"]}, base=sharing),
    Right(settings_of_others, {f"{CATALOG}/settings": {"scheduler": {}}}, base=sharing),
    Right(wandering_sessions, {}, base=all_sharing),
    Right(wandering_sessions, {"services/web": 9090}),
    Right(exports_of_shared, EXPORTED, base=sharing),
    Right(
        exports_of_shared,
        {f"{CATALOG}/components": ["vdp"], EXPORTS: {"login": SECRET, "restore": False}},
        base=sharing,
    ),
    Right(exports_of_nobody, EXPORTED),
    Right(told_otherwise, {f"{CATALOG}/components": ["vdp"]}, base=sharing),
    Right(told_otherwise, {"denodo/metadata": "manual"}, base=sharing),
    Right(
        told_otherwise,
        {f"{CATALOG}/components": ["vdp"], "denodo/metadata": "catalog"},
        base=sharing,
    ),
    Right(existing_is_left_alone, {f"{CATALOG}/check_interval": 2}, base=existing),
    Right(one_cluster_a_database, {}, base=two_existing),
    Right(
        one_cluster_a_database,
        {
            "clusters/spare/catalog/existing/host": "db.example.com",
            "clusters/spare/catalog/existing/prefix": "spare_",
        },
        base=two_existing,
    ),
    Right(two_zones, {}, base=given),
    Right(two_zones, {f"{CATALOG}/subnets": {"eu-west-1b": subnet(9)}}, base=given),
    Right(private_subnets, {}, base=public_node),
    Right(growth, {f"{CATALOG}/storage_gib": 100, f"{CATALOG}/max_storage_gib": 110}, base=sharing),
    Right(windows, {f"{CATALOG}/maintenance_window": "sun:03:00-sun:03:30"}, base=sharing),
    Right(
        windows,
        {
            f"{CATALOG}/maintenance_window": "sun:23:30-mon:00:30",
            f"{CATALOG}/backup_window": "00:30-01:30",
        },
        base=sharing,
    ),
    Right(where_secrets_are, {}, base=existing),
    Right(where_secrets_are, EXPORTED),
    Right(loosened, {}, base=sharing),
    Right(loosened, {}, base=existing),
)
