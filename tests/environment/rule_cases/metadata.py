"""Cases of the rules about node metadata and the metadata database."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.metadata import (
    component_settings,
    components_unique,
    data_catalog_sessions,
    export_copies_possible,
    exports_possible,
    metadata_must_be_shared,
    metadata_source,
    restore_of_shared_catalog,
    shared_catalog_promotions,
    unused_components,
    vdp_catalog_version,
)
from denodo_ha.environment.rules.metadata_database import (
    database_copies,
    database_private_subnets,
    database_safeguards,
    database_storage_growth,
    database_windows,
    database_zones,
    databases_of_one_cluster,
    existing_server_options,
    secret_locations,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    OTHER_ACCOUNT,
    UUID,
    Data,
    changed,
    cluster,
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
MANAGED = {"cidrs": ["10.9.0.0/16"]}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{UUID}"


def sharing() -> Data:
    """Return a configuration of a cluster with a new database for Scheduler and Data Catalog."""
    return changed(minimal(), {CATALOG: {}})


def all_sharing() -> Data:
    """Return the configuration of `sharing` with explicit `denodo.servers`."""
    return changed(sharing(), RUNS_ALL)


def existing() -> Data:
    """Return a configuration of a cluster with an existing database server."""
    return changed(minimal(), {CATALOG: {"existing": SERVER}})


def two_existing() -> Data:
    """Return a configuration of two clusters, each with an existing database server."""
    other = {"host": "db2.example.com", "secret": ELSEWHERE.format(ACCOUNT)}
    return changed(
        twins(),
        {CATALOG: {"existing": SERVER}, "clusters/spare/catalog": {"existing": other}},
    )


def given() -> Data:
    """Return the configuration of `sharing` in an existing VPC."""
    return changed(sharing(), {NETWORK: given_network()})


def public_node() -> Data:
    """Return a configuration of a single public node in an existing VPC."""
    network = given_network()
    network["health_checkers"] = "pl-0123456789abcdef0"
    balancer = {"kind": "none", "scheme": "internet-facing", "clients": ["10.0.0.0/8"]}
    return changed(
        given(), {"clusters/main/balancer": balancer, f"{NODES}/node2": GONE, NETWORK: network}
    )


V7 = partial(minimal, "7.0")
EXPORTED = {EXPORTS: {"login": SECRET}}


def copied() -> Data:
    """Return a configuration of two clusters with databases; RDS copies the database of `main`."""
    copy = {"to": "spare", "kms_key": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{UUID}"}
    return changed(
        twins(),
        {
            "clusters/main/catalog": {"components": ["scheduler"], "copy": copy},
            "clusters/spare/catalog": {"components": ["scheduler"]},
        },
    )


def short_names() -> Data:
    """Return a configuration of two clusters with failover, one with a name of one letter."""
    data = twins()
    data["clusters"]["a"] = data["clusters"].pop("main")
    data["failover"]["primary"] = "a"
    return data


WRONG = (
    Wrong(
        vdp_catalog_version,
        {CATALOG: {"components": ["scheduler", "vdp"]}},
        f"{AT}.components.1",
        ("cannot use a shared database with Denodo 7.0", "from 8.0 on", "exports"),
        base=V7,
    ),
    Wrong(
        metadata_must_be_shared,
        {SERVERS: ["vdp", "scheduler"]},
        AT,
        ("is missing", "scheduler runs on 2 nodes", "run its own jobs", "catalog: {}"),
    ),
    Wrong(
        metadata_must_be_shared,
        RUNS_ALL | {SERVERS: ["vdp", "data-catalog"]},
        AT,
        ("is missing", "data-catalog runs on 2 nodes", "saved queries"),
    ),
    Wrong(
        metadata_must_be_shared,
        {f"{CATALOG}/components": ["scheduler"]},
        f"{AT}.components",
        ("lacks data-catalog", "add data-catalog to components"),
        base=all_sharing,
    ),
    Wrong(
        unused_components,
        {f"{CATALOG}/components": ["vdp", "scheduler", "data-catalog"], SERVERS: ["vdp"]},
        f"{AT}.components.1",
        ("runs on no node (scheduler)",),
        base=sharing,
        severity=Severity.WARNING,
    ),
    Wrong(
        components_unique,
        {f"{CATALOG}/components": ["scheduler", "scheduler"]},
        f"{AT}.components.1",
        ("is listed twice",),
        base=sharing,
    ),
    Wrong(
        component_settings,
        {f"{CATALOG}/settings": {"vdp": {}}},
        f"{AT}.settings.vdp",
        ("is not one of the catalog's components",),
        base=sharing,
    ),
    Wrong(
        data_catalog_sessions,
        {"services/web/sticky": False},
        "services.web.sticky",
        ("the Data Catalog runs on several nodes", "sticky: true"),
        base=all_sharing,
        severity=Severity.WARNING,
    ),
    Wrong(
        shared_catalog_promotions,
        {f"{CATALOG}/components": ["scheduler", "vdp"], "solution_manager": MANAGED},
        f"{AT}.components.1",
        ("rules out promotions without interruption", "remove vdp from components"),
        base=sharing,
        severity=Severity.WARNING,
    ),
    Wrong(
        restore_of_shared_catalog,
        {f"{CATALOG}/components": ["vdp"], EXPORTS: {"login": SECRET, "restore": True}},
        "clusters.main.exports.restore",
        ("the nodes share the metadata", "restore: false"),
        base=sharing,
    ),
    Wrong(
        exports_possible,
        {**EXPORTED, "denodo/program": False},
        "clusters.main.exports",
        ("would never run", "program: false"),
    ),
    Wrong(
        exports_possible,
        {**EXPORTED, SERVERS: ["scheduler-admin"], "services": {"mine": 1234}},
        "clusters.main.exports",
        ("have no metadata to export",),
        severity=Severity.WARNING,
    ),
    *(
        Wrong(database_copies, changes, f"clusters.main.catalog.copy.{key}", says, base=copied)
        for changes, key, says in (
            (
                {"clusters/main/catalog/copy/to": "nowhere"},
                "to",
                ("the file has no cluster of this name",),
            ),
            ({"clusters/main/catalog/copy/to": "main"}, "to", ("lost with the region",)),
            (
                {"clusters/spare/account": OTHER_ACCOUNT, "failover/account": ACCOUNT},
                "to",
                ("within one account",),
            ),
            (
                {"clusters/spare/catalog": GONE},
                "to",
                ("spare has no database on RDS", "add a catalog without existing to spare"),
            ),
            (
                {
                    "clusters/main/catalog/copy/kms_key": (
                        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UUID}"
                    )
                },
                "kms_key",
                ("is not a key of", "us-east-1"),
            ),
        )
    ),
    Wrong(
        export_copies_possible,
        {EXPORTS: {"login": SECRET, "copy": True}},
        "clusters.main.exports.copy",
        ("the exports cannot be copied", "not part of a failover"),
    ),
    Wrong(
        export_copies_possible,
        {EXPORTS: {"login": SECRET, "copy": True}, "clusters/spare": cluster("eu-west-1")},
        "clusters.main.exports.copy",
        ("spare is in the same region",),
        base=twins,
    ),
    Wrong(
        export_copies_possible,
        {"clusters/a/exports": {"login": SECRET}, "clusters/a-exports-copy": cluster("us-east-2")},
        "clusters.a-exports-copy",
        ("the copies of a's exports", "copy: false below exports of a"),
        base=short_names,
    ),
    Wrong(
        metadata_source,
        {f"{CATALOG}/components": ["vdp"], "denodo/metadata": "manual"},
        "denodo.metadata.source",
        ("the nodes of main share", "write catalog"),
        base=sharing,
    ),
    Wrong(
        existing_server_options,
        {f"{CATALOG}/storage_gib": 50},
        f"{AT}.storage_gib",
        ("is not allowed for an existing server",),
        base=existing,
    ),
    Wrong(
        databases_of_one_cluster,
        {"clusters/spare/catalog/existing/host": "DB.example.com"},
        "clusters.spare.catalog.existing",
        ("is also the server of main, with the same database names", "prefix: test_spare_"),
        base=two_existing,
    ),
    Wrong(
        database_zones,
        {
            f"{NETWORK}/zones": ["eu-west-1a"],
            f"{NODES}/node2/zone": "eu-west-1a",
            "clusters/main/allow_single_zone": True,
        },
        AT,
        ("has subnets in only one zone", "2 zones"),
        base=sharing,
    ),
    Wrong(
        database_zones,
        {f"{CATALOG}/subnets": {"eu-west-1c": subnet(9)}},
        f"{AT}.subnets.eu-west-1c",
        (
            "is not one of the cluster's zones",
            "only in the zones of the cluster",
            "one of network.zones",
        ),
        base=given,
    ),
    Wrong(
        database_zones,
        {f"{CATALOG}/subnets": {"eu-west-1a": subnet(9)}},
        f"{AT}.subnets.eu-west-1a",
        ("is set, but network.vpc is not", "subnets belong to an existing VPC", "remove subnets"),
        base=sharing,
    ),
    Wrong(
        database_private_subnets,
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
        database_storage_growth,
        {f"{CATALOG}/storage_gib": 100, f"{CATALOG}/max_storage_gib": 109},
        f"{AT}.max_storage_gib",
        ("a tenth more", "110 or more"),
        base=sharing,
    ),
    Wrong(
        database_windows,
        {f"{CATALOG}/maintenance_window": "sun:03:00-sun:03:29"},
        f"{AT}.maintenance_window",
        ("lasts 0:29:00 hours",),
        base=sharing,
    ),
    Wrong(
        database_windows,
        {f"{CATALOG}/maintenance_window": "sun:03:00-mon:03:01"},
        f"{AT}.maintenance_window",
        ("from half an hour to a day",),
        base=sharing,
    ),
    Wrong(
        database_windows,
        {
            f"{CATALOG}/maintenance_window": "sun:23:30-mon:00:30",
            f"{CATALOG}/backup_window": "00:29-01:29",
        },
        f"{AT}.maintenance_window",
        ("overlaps the backup window, 00:29-01:29",),
        base=sharing,
    ),
    Wrong(
        secret_locations,
        {f"{CATALOG}/existing/secret": ELSEWHERE.format(ACCOUNT)},
        f"{AT}.existing.secret",
        ("is not an ARN of eu-west-1",),
        base=existing,
    ),
    Wrong(
        secret_locations,
        {f"{CATALOG}/kms_key": KEY},
        f"{AT}.kms_key",
        ("is not an ARN of eu-west-1",),
        base=sharing,
    ),
    Wrong(
        secret_locations,
        {EXPORTS: {"login": SECRET.replace(ACCOUNT, OTHER_ACCOUNT)}},
        "clusters.main.exports.login",
        (f"is not an ARN of account {ACCOUNT}",),
    ),
    *(
        Wrong(
            database_safeguards,
            {f"{CATALOG}/{key}": False},
            f"{AT}.{key}",
            ("is false", f"write {key}: true"),
            base=sharing,
            severity=Severity.WARNING,
        )
        for key in ("multi_az", "deletion_protection", "final_snapshot")
    ),
    Wrong(
        database_windows,
        {
            f"{CATALOG}/maintenance_window": "mon:00:00-mon:00:30",
            f"{CATALOG}/backup_window": "23:30-00:30",
        },
        f"{AT}.maintenance_window",
        ("overlaps the backup window, 23:30-00:30",),
        base=sharing,
    ),
)

RIGHT = (
    Right(vdp_catalog_version, {CATALOG: {"components": ["scheduler"]}}, base=V7),
    Right(vdp_catalog_version, {f"{CATALOG}/components": ["vdp"]}, base=sharing),
    Right(metadata_must_be_shared, {}),
    Right(metadata_must_be_shared, {}, base=all_sharing),
    Right(metadata_must_be_shared, {**RUNS_ALL, f"{NODES}/node2": GONE}),
    Right(metadata_must_be_shared, {SERVERS: ["vdp", "scheduler-admin"]}),
    Right(unused_components, {}, base=sharing),
    Right(unused_components, {}, base=all_sharing),
    Right(components_unique, {f"{CATALOG}/components": ["vdp", "scheduler"]}, base=sharing),
    Right(component_settings, {f"{CATALOG}/settings": {"scheduler": {}}}, base=sharing),
    Right(data_catalog_sessions, {}, base=all_sharing),
    Right(data_catalog_sessions, {"services/web": 9090}),
    Right(shared_catalog_promotions, {"solution_manager": MANAGED}, base=sharing),
    Right(shared_catalog_promotions, {f"{CATALOG}/components": ["vdp"]}, base=sharing),
    Right(restore_of_shared_catalog, EXPORTED, base=sharing),
    Right(
        restore_of_shared_catalog,
        {f"{CATALOG}/components": ["vdp"], EXPORTS: {"login": SECRET, "restore": False}},
        base=sharing,
    ),
    Right(exports_possible, EXPORTED),
    Right(database_copies, {}, base=copied),
    Right(export_copies_possible, {EXPORTS: {"login": SECRET}}),
    Right(export_copies_possible, {EXPORTS: {"login": SECRET, "copy": True}}, base=twins),
    Right(export_copies_possible, {EXPORTS: {"login": SECRET, "copy": False}}, base=twins),
    Right(metadata_source, {f"{CATALOG}/components": ["vdp"]}, base=sharing),
    Right(metadata_source, {"denodo/metadata": "manual"}, base=sharing),
    Right(
        metadata_source,
        {f"{CATALOG}/components": ["vdp"], "denodo/metadata": "catalog"},
        base=sharing,
    ),
    Right(existing_server_options, {f"{CATALOG}/check_interval": 2}, base=existing),
    Right(databases_of_one_cluster, {}, base=two_existing),
    Right(
        databases_of_one_cluster,
        {
            "clusters/spare/catalog/existing/host": "db.example.com",
            "clusters/spare/catalog/existing/prefix": "spare_",
        },
        base=two_existing,
    ),
    Right(database_zones, {}, base=given),
    Right(database_zones, {f"{CATALOG}/subnets": {"eu-west-1b": subnet(9)}}, base=given),
    Right(database_private_subnets, {}, base=public_node),
    Right(
        database_storage_growth,
        {f"{CATALOG}/storage_gib": 100, f"{CATALOG}/max_storage_gib": 110},
        base=sharing,
    ),
    Right(database_windows, {f"{CATALOG}/maintenance_window": "sun:03:00-sun:03:30"}, base=sharing),
    Right(
        database_windows,
        {
            f"{CATALOG}/maintenance_window": "sun:23:30-mon:00:30",
            f"{CATALOG}/backup_window": "00:30-01:30",
        },
        base=sharing,
    ),
    Right(secret_locations, {}, base=existing),
    Right(secret_locations, EXPORTED),
    Right(database_safeguards, {}, base=sharing),
    Right(database_safeguards, {}, base=existing),
    Right(
        data_catalog_sessions,
        {SERVERS: ["vdp", "data-catalog"], "services/web": 9090, f"{NODES}/node2": GONE},
    ),
    Right(exports_possible, {SERVERS: ["data-catalog"], "services": {"web": 9090}}, base=sharing),
    Right(
        database_zones,
        {
            f"{NETWORK}/zones": ["eu-west-1a"],
            f"{NODES}/node2/zone": "eu-west-1a",
            "clusters/main/allow_single_zone": True,
        },
        base=existing,
    ),
    Right(
        database_private_subnets,
        {
            "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
            f"{NODES}/node2": GONE,
        },
        base=sharing,
    ),
    Right(
        database_private_subnets,
        {"clusters/main/balancer/scheme": "internet-facing"},
        base=sharing,
    ),
    Right(database_windows, {f"{CATALOG}/backup_window": "23:30-00:30"}, base=sharing),
    Right(
        database_windows,
        {
            f"{CATALOG}/maintenance_window": "mon:00:30-mon:01:00",
            f"{CATALOG}/backup_window": "23:30-00:30",
        },
        base=sharing,
    ),
)
