"""A shared database is a thing that can fail: with and without a standby, wherever it stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.json_report import drill_report
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.text_report import outcome_rows
from denodo_ha.environment.derived.node_metadata import services_using_database
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.catalog import Component
from tests.drill.handmade import Data, model, ref, resource, site
from tests.support.assembly import ROOT, Assembly

SCHEDULER = 8000
FAILED = Failure("database-failed", "site-a", "Store")
EXAMPLE = ROOT / "config/examples/shared-catalog.yaml"


def kept(
    *, multi_az: bool, zones: str = "ab", keeps: Data | None = None, **properties: Any
) -> dict[str, Data]:
    """Two clusters with their name, and a database of the first in a stack of its own."""
    templates = site("alarm", services=(9999, SCHEDULER))
    templates["site-a"]["Outputs"] |= {f"Net{zone}": {"Value": ref(f"Net{zone}")} for zone in "ab"}
    subnets = [
        {"Fn::GetStackOutput": {"StackName": "site-a", "OutputName": f"Net{zone}"}}
        for zone in zones
    ]
    store = resource(
        "AWS::RDS::DBInstance",
        Engine="postgres",
        MultiAZ=multi_az,
        DBSubnetGroupName=ref("Places"),
        **properties,
    )
    said = {"Stack": "site-a", "Services": {"scheduler": SCHEDULER}} if keeps is None else keeps
    store["Metadata"] = {"Denodo": {"Keeps": said}}
    found = {"Places": resource("AWS::RDS::DBSubnetGroup", SubnetIds=subnets), "Store": store}
    templates["kept"] = {"Resources": found}
    return templates


def drilled(templates: dict[str, Data]) -> DrillResult:
    return drill_model(model(templates))


def broken(found: DrillResult, **settings: Any) -> list[str]:
    chosen = {"max_recovery": None, "min_secondary": 1, **settings}
    return [one.policy.id for one in apply_policies(found, **chosen) if not one.holds]


def test_a_standby_takes_over() -> None:
    found = drilled(kept(multi_az=True))
    outcome = found.by_failure[FAILED]
    assert (outcome.unreachable, outcome.interrupted, outcome.recovery) == ((), (SCHEDULER,), 120)
    assert [term.text for term in outcome.steps] == [
        "failover of the database, typically 60 to 120 s"
    ]
    assert not outcome.moves_site
    assert any("checks are taken not to see" in note for note in found.model.notes)
    assert broken(found) == []
    assert broken(found, max_recovery=119) == ["max-recovery"]
    (row,) = (row for row in outcome_rows([outcome], found.model))
    assert row.cells[0] == "database failed: site-a Store"
    assert row.cells[2] == "all\n8000: none until then"


def test_without_a_standby_its_services_are_gone_and_the_site_does_not_move() -> None:
    found = drilled(kept(multi_az=False, AvailabilityZone="eu-west-1a"))
    outcome = found.by_failure[FAILED]
    assert (outcome.unreachable, outcome.recovery) == ((SCHEDULER,), None)
    assert (outcome.interrupted, outcome.moves_site) == ((), False)
    assert outcome.after_repair == "served again once the database answers"
    assert {gap.port for gap in outcome.gaps} == {SCHEDULER}
    assert set(broken(found)) == {"database-alone", "zone-unreachable"}


@pytest.mark.parametrize(
    ("settings", "taking"),
    [
        ({"multi_az": False, "AvailabilityZone": "eu-west-1a"}, "a"),
        ({"multi_az": False, "AvailabilityZone": "eu-west-1c"}, "c"),
        # Nothing says where it is: each may be the one.
        ({"multi_az": False}, "ab"),
        ({"multi_az": False, "AvailabilityZone": {"Ref": "Parameter"}}, "ab"),
        ({"multi_az": False, "zones": "a"}, "a"),
    ],
    ids=str,
)
def test_a_zone_takes_it_along(settings: dict[str, Any], taking: str) -> None:
    found = drilled(kept(**settings))
    lost = {
        one.failure.name[-1]
        for one in found.outcomes
        if one.failure.kind == "zone-lost" and SCHEDULER in one.unreachable
    }
    assert lost == set(taking)


def test_a_zones_loss_lasts_as_long_as_the_longer_of_both() -> None:
    without = drill_model(model(site("alarm", services=(9999, SCHEDULER))))
    found = drilled(kept(multi_az=True, zones="a"))
    for zone, seconds in (("eu-west-1a", 120), ("eu-west-1b", 70)):
        failure = Failure("zone-lost", "site-a", zone)
        assert without.by_failure[failure].recovery == 70
        outcome = found.by_failure[failure]
        assert (outcome.unreachable, outcome.recovery) == ((), seconds)
        assert outcome.interrupted == ((SCHEDULER,) if seconds == 120 else ())


def test_the_region_takes_all_and_the_site_moves_to_another_database() -> None:
    found = drilled(kept(multi_az=True))
    plain = drill_model(model(site("alarm", services=(9999, SCHEDULER))))
    failure = Failure("region-lost", "site-a", "eu-west-1")
    assert found.by_failure[failure] == plain.by_failure[failure]
    assert found.by_failure[failure].moves_site


def test_nothing_else_changes() -> None:
    plain = drill_model(model(site("alarm", services=(9999, SCHEDULER))))
    found = drilled(kept(multi_az=True))
    for failure, outcome in plain.by_failure.items():
        if failure.kind != "zone-lost":
            assert found.by_failure[failure] == outcome


@pytest.mark.parametrize("multi_az", [True, False])
def test_which_services_need_it_is_unknown_without_metadata(*, multi_az: bool) -> None:
    tags = [{"Key": "denodo:cluster", "Value": "site-a"}]
    found = drilled(kept(multi_az=multi_az, keeps={}, Tags=tags))
    outcome = found.by_failure[FAILED]
    assert outcome.unreachable == ()
    assert outcome.unknown == (() if multi_az else (SCHEDULER, 9999))
    assert outcome.recovery == (120 if multi_az else None)
    assert "database-alone" not in broken(found)
    assert any("so what its failure takes is unknown" in note for note in found.model.notes)


@pytest.mark.parametrize("keeps", [{}, {"Stack": "elsewhere", "Services": {"web": 9090}}])
def test_somebody_elses_database_is_left_out(keeps: Data) -> None:
    found = drilled(kept(multi_az=False, keeps=keeps))
    assert found.model.databases == {}
    assert any("so its failure is left out" in note for note in found.model.notes)
    assert broken(found) == []


@pytest.mark.parametrize("key", ["DBClusterIdentifier", "SourceDBInstanceIdentifier"])
def test_what_does_not_fail_by_itself_is_no_database(key: str) -> None:
    templates = kept(multi_az=False)
    templates["kept"]["Resources"]["Store"]["Properties"][key] = "other"
    assert drilled(templates).model.databases == {}


def test_a_single_node_needs_it_too() -> None:
    templates = kept(multi_az=False, keeps={"Stack": "site-a", "Services": {"jdbc": 9999}})
    alone = {key: one for key, one in site("ip").items() if key == "site-a"}
    found = drilled(alone | {"kept": templates["kept"]})
    assert found.by_failure[FAILED].unreachable == (9999,)


def test_machines_are_told(assembly_of: Callable[[str], Assembly]) -> None:
    """Our own templates say whose database it is, what needs it, and where it may be."""
    templates = assembly_of("shared-catalog").templates
    found = drill_model(model(dict(templates)))
    (database,) = found.model.databases.values()
    assert (database.cluster, database.multi_az, database.ports) == ("main", True, (8000, 9090))
    data = drill_report(found, apply_policies(found, max_recovery=None, min_secondary=1))
    (cluster,) = data["clusters"]
    assert cluster["databases"] == {database.name: {"multi_az": True, "ports": [8000, 9090]}}
    told = {one["failure"]["kind"]: one for one in data["scenarios"]}["database-failed"]
    assert told["meanwhile_unreachable"] == [8000, 9090]
    assert (told["unreachable"], told["recovery_seconds"]) == ([], 120)


def test_the_templates_name_the_zones_of_subnets_that_existed() -> None:
    templates = kept(multi_az=False)
    templates["site-a"]["Metadata"] = {"Denodo": {"Zones": {"subnet-1": "eu-west-1b"}}}
    templates["kept"]["Resources"]["Places"]["Properties"]["SubnetIds"] = ["subnet-1"]
    found = drilled(templates)
    (database,) = found.model.databases.values()
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
def test_which_services_need_which_component(
    components: tuple[Component, ...], services: dict[str, int]
) -> None:
    environment = load(Path(EXAMPLE)).environment
    cluster = environment.clusters["main"]
    assert cluster.catalog is not None
    catalog = cluster.catalog.model_copy(update={"components": components})
    assert (
        services_using_database(environment, cluster.model_copy(update={"catalog": catalog}))
        == services
    )
    assert services_using_database(environment, cluster.model_copy(update={"catalog": None})) == {}
