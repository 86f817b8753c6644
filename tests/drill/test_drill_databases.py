"""Failures of a shared database, with and without a standby, in any zone."""

from collections.abc import Callable
from typing import Any

import pytest

from denodo_ha.drill.json_report import drill_report
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.text_report import outcome_rows
from denodo_ha.environment.derived.node_metadata import services_using_database
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.catalog import Component
from tests.drill.sample_templates import (
    JDBC,
    Data,
    Templates,
    drill,
    output,
    properties,
    ref,
    resource,
    two_clusters,
    unknown_policies,
    violations,
)
from tests.support.assembly import ROOT, Assembly

SCHEDULER = 8000
FAILED = Failure("database-failed", "site-a", "Store")
EXAMPLE = ROOT / "config/examples/shared-catalog.yaml"


def plain() -> Templates:
    return two_clusters("alarm", services=(JDBC, SCHEDULER))


def with_database(
    *, multi_az: bool, zones: str = "ab", keeps: Data | None = None, **settings: Any
) -> Templates:
    """Return two clusters, their failover name, and a stack with the first cluster's database."""
    templates = plain()
    templates["site-a"]["Outputs"] |= {f"Net{zone}": {"Value": ref(f"Net{zone}")} for zone in "ab"}
    store = resource(
        "AWS::RDS::DBInstance",
        Engine="postgres",
        MultiAZ=multi_az,
        DBSubnetGroupName=ref("Subnets"),
        **settings,
    )
    default = {"Stack": "site-a", "Services": {"scheduler": SCHEDULER}}
    store["Metadata"] = {"Denodo": {"Keeps": default if keeps is None else keeps}}
    subnets = [output("site-a", f"Net{zone}") for zone in zones]
    group = resource("AWS::RDS::DBSubnetGroup", SubnetIds=subnets)
    templates["database"] = {"Resources": {"Subnets": group, "Store": store}}
    return templates


def test_a_server_that_no_stack_creates_is_unknown() -> None:
    templates = plain()
    templates["database"] = {
        "Resources": {},
        "Outputs": {"CatalogHost": {"Value": "db.example.com"}},
    }
    (reason,) = unknown_policies(drill(templates)).pop("database-alone")
    assert reason.startswith("database: nodes keep their metadata on db.example.com")
    assert set(unknown_policies(drill(templates))) == {"database-alone"}
    assert unknown_policies(drill(with_database(multi_az=True))) == {}


def test_a_standby_takes_over() -> None:
    result = drill(with_database(multi_az=True))
    outcome = result.by_failure[FAILED]
    assert (outcome.unreachable, outcome.interrupted, outcome.recovery) == ((), (SCHEDULER,), 120)
    assert [step.text for step in outcome.steps] == [
        "failover of the database, typically 60 to 120 s"
    ]
    assert not outcome.moves_site
    assert any("assumes that health checks do not detect" in note for note in result.model.notes)
    assert violations(result) == {}
    assert [*violations(result, max_recovery=119)] == ["max-recovery"]
    (row,) = outcome_rows([outcome], result.model)
    assert row.cells[0] == "database failed: site-a Store"
    assert row.cells[2] == "all\n8000: none before the recovery"


def test_without_a_standby_its_services_are_lost_and_the_site_does_not_fail_over() -> None:
    result = drill(with_database(multi_az=False, AvailabilityZone="eu-west-1a"))
    outcome = result.by_failure[FAILED]
    assert (outcome.unreachable, outcome.recovery) == ((SCHEDULER,), None)
    assert (outcome.interrupted, outcome.moves_site) == ((), False)
    assert outcome.after_repair == "all ports are served after the database answers again"
    assert {gap.port for gap in outcome.gaps} == {SCHEDULER}
    assert set(violations(result)) == {"database-alone", "zone-unreachable"}


@pytest.mark.parametrize(
    ("settings", "zones"),
    [
        ({"multi_az": False, "AvailabilityZone": "eu-west-1a"}, "a"),
        ({"multi_az": False, "AvailabilityZone": "eu-west-1c"}, "c"),
        # The template does not contain the database's zone, so it may be any zone.
        ({"multi_az": False}, "ab"),
        ({"multi_az": False, "AvailabilityZone": {"Ref": "Parameter"}}, "ab"),
        ({"multi_az": False, "zones": "a"}, "a"),
    ],
    ids=str,
)
def test_a_database_is_lost_with_its_zone(settings: dict[str, Any], zones: str) -> None:
    result = drill(with_database(**settings))
    lost = {
        outcome.failure.name[-1]
        for outcome in result.outcomes
        if outcome.failure.kind == "zone-lost" and SCHEDULER in outcome.unreachable
    }
    assert lost == set(zones)
    noted = any("the zone of this database is not known" in note for note in result.model.notes)
    assert noted == (len(zones) > 1)


def test_the_recovery_from_a_lost_zone_takes_the_longer_of_both_times() -> None:
    without = drill(plain())
    result = drill(with_database(multi_az=True, zones="a"))
    for zone, seconds in (("eu-west-1a", 120), ("eu-west-1b", 80)):
        failure = Failure("zone-lost", "site-a", zone)
        assert without.by_failure[failure].recovery == 80
        outcome = result.by_failure[failure]
        assert (outcome.unreachable, outcome.recovery) == ((), seconds)
        assert outcome.interrupted == ((SCHEDULER,) if seconds == 120 else ())


def test_a_database_changes_only_its_own_failures_and_those_of_its_zones() -> None:
    """Losing the Region still triggers a failover: the secondary uses another database."""
    result = drill(with_database(multi_az=True))
    for failure, outcome in drill(plain()).by_failure.items():
        if failure.kind != "zone-lost":
            assert result.by_failure[failure] == outcome
    assert result.by_failure[Failure("region-lost", "site-a", "eu-west-1")].moves_site


@pytest.mark.parametrize("multi_az", [True, False])
def test_without_metadata_the_services_that_need_it_are_unknown(*, multi_az: bool) -> None:
    tags = [{"Key": "denodo:cluster", "Value": "site-a"}]
    result = drill(with_database(multi_az=multi_az, keeps={}, Tags=tags))
    outcome = result.by_failure[FAILED]
    assert outcome.unreachable == ()
    assert outcome.unknown == (() if multi_az else (SCHEDULER, JDBC))
    assert outcome.recovery == (120 if multi_az else None)
    assert "database-alone" not in violations(result)
    assert any(
        "that a failure of this database interrupts are not known" in note
        for note in result.model.notes
    )


@pytest.mark.parametrize("keeps", [{}, {"Stack": "elsewhere", "Services": {"web": 9090}}])
def test_a_database_of_an_unknown_cluster_is_left_out(keeps: Data) -> None:
    result = drill(with_database(multi_az=False, keeps=keeps))
    assert result.model.databases == {}
    assert any("the drill leaves out the database's failure" in note for note in result.model.notes)
    assert violations(result) == {}


@pytest.mark.parametrize("key", ["DBClusterIdentifier", "SourceDBInstanceIdentifier"])
def test_an_instance_of_a_db_cluster_or_a_replica_is_left_out(key: str) -> None:
    templates = with_database(multi_az=False)
    properties(templates, "database", "Store")[key] = "other"
    assert drill(templates).model.databases == {}


def test_a_single_node_needs_its_database() -> None:
    keeps = {"Stack": "site-a", "Services": {"jdbc": JDBC}}
    database = with_database(multi_az=False, keeps=keeps)["database"]
    result = drill({"site-a": two_clusters("ip")["site-a"], "database": database})
    assert result.by_failure[FAILED].unreachable == (JDBC,)


def test_the_json_report_of_an_example(assembly_of: Callable[[str], Assembly]) -> None:
    """This project's templates contain the database's cluster, services and zones."""
    result = drill(dict(assembly_of("shared-catalog").templates))
    (database,) = result.model.databases.values()
    assert (database.cluster, database.multi_az, database.ports) == ("main", True, (8000, 9090))
    report = drill_report(result, apply_policies(result, max_recovery=None, min_secondary=1))
    (cluster,) = report["clusters"]
    assert cluster["databases"] == {database.name: {"multi_az": True, "ports": [8000, 9090]}}
    by_kind = {scenario["failure"]["kind"]: scenario for scenario in report["scenarios"]}
    failed = by_kind["database-failed"]
    assert failed["meanwhile_unreachable"] == [8000, 9090]
    assert (failed["unreachable"], failed["recovery_seconds"]) == ([], 120)


def test_metadata_tell_the_zones_of_existing_subnets() -> None:
    templates = with_database(multi_az=False)
    templates["site-a"]["Metadata"] = {"Denodo": {"Zones": {"subnet-1": "eu-west-1b"}}}
    properties(templates, "database", "Subnets")["SubnetIds"] = ["subnet-1"]
    (database,) = drill(templates).model.databases.values()
    assert database.zones == ("eu-west-1b",)


@pytest.mark.parametrize(
    ("components", "services"),
    [
        (("scheduler",), {"scheduler": 8000}),
        (("data-catalog",), {"web": 9090}),
        (("vdp",), {"jdbc": 9999, "odbc": 9996}),
        (("scheduler", "vdp"), {"jdbc": 9999, "odbc": 9996, "scheduler": 8000}),
    ],
)
def test_the_services_that_need_a_component(
    components: tuple[Component, ...], services: dict[str, int]
) -> None:
    environment = load(EXAMPLE).environment
    cluster = environment.clusters["main"]
    assert cluster.catalog is not None
    catalog = cluster.catalog.model_copy(update={"components": components})
    with_catalog = cluster.model_copy(update={"catalog": catalog})
    assert services_using_database(environment, with_catalog) == services
    assert services_using_database(environment, cluster.model_copy(update={"catalog": None})) == {}


def lost(templates: Templates, kind: str) -> list[str]:
    """Return the data that may be lost in the first failure of this kind with a failover."""
    result = drill(templates)
    reports = drill_report(result, ())["scenarios"]
    found: list[list[str]] = [
        report["lost"]
        for report in reports
        if report["failure"]["kind"] == kind and report["moves_site"]
    ]
    return found[0]


def test_what_may_be_lost_is_by_what_is_copied() -> None:
    """The column for lost data is empty without a failover, since the cluster keeps its data.

    A failover may lose the data that is not copied to the other region.
    """
    templates = with_database(multi_az=True)
    assert lost(templates, "region-lost") == [
        "metadata: there are no exports",
        "database: is not copied",
    ]
    state = '{"exports": {"bucket": "b", "prefix": "node1/", "every": 86400}}'
    templates["site-a"]["Resources"]["State"] = resource("AWS::SSM::Parameter", Value=state)
    assert lost(templates, "region-lost")[0] == "metadata: exports are not copied"
    bucket = resource("AWS::S3::Bucket", ReplicationConfiguration={"Role": "r", "Rules": []})
    templates["site-a-catalog"] = {"Resources": {"Exports": bucket}}
    store = templates["database"]["Resources"]["Store"]["Properties"]
    store["AutomaticBackupReplicationRegion"] = "eu-central-1"
    copied = ["metadata: changes of 24 h and the duration of a copy", "database: changes of 30 min"]
    assert lost(templates, "region-lost") == copied
    result = drill(templates)
    rows = outcome_rows(result.worst_first, result.model)
    assert any("database: changes of 30 min" in row.cells[5] for row in rows)
    stays = [outcome for outcome in result.worst_first if not outcome.moves_site]
    assert {row.cells[5] for row in outcome_rows(stays, result.model)} == {"-"}
