"""`denodo-ha plan --destroy`: stacks that need the cluster are named before anything is deleted."""

import copy
import json
from pathlib import Path

from denodo_ha.cli import exit_codes
from tests.commands.account.cloudformation import Deployed
from tests.commands.conftest import Clouds, Run, Templates
from tests.support.assembly import ROOT

CATALOG = "denodo80s-main-catalog"


def test_a_cluster_under_a_living_database_is_refused(
    clouds: Clouds, templates_of: Templates, denodo_ha: Run
) -> None:
    cloud = clouds("shared-catalog")
    arguments = ("plan", "-c", "shared-catalog", "--destroy", "main")
    without = denodo_ha(*arguments)
    assert (without.exit_code, "removed" in without.stdout) == (exit_codes.DONE, True)
    assert CATALOG not in without.stdout
    template = templates_of(ROOT / "config/examples/shared-catalog.yaml")[CATALOG]
    cluster = cloud.stack("main")
    cloud.stacks.all.append(
        Deployed(CATALOG, cluster.account, cluster.region, copy.deepcopy(template), {})
    )
    done = denodo_ha(*arguments)
    assert done.exit_code == exit_codes.NO
    assert f"`npx cdk destroy -c config=shared-catalog {CATALOG} --exclusively`" in done.stdout
    assert "deletion_protection: false" in done.stdout
    (stack,) = json.loads(denodo_ha(*arguments, "--format", "json").stdout)["dependent"]
    assert stack["stack"] == CATALOG


def test_a_cluster_of_the_failover_is_refused(clouds: Clouds, denodo_ha: Run) -> None:
    clouds("active-passive")
    done = denodo_ha("plan", "-c", "active-passive", "--destroy", "passive", "--format", "json")
    assert done.exit_code == exit_codes.NO
    description = json.loads(done.stdout)
    assert [stack["stack"] for stack in description["dependent"]] == ["denodo70-failover"]
    assert {node["effect"] for node in description["nodes"]} == {"removed"}


def test_what_is_protected_is_named_before_the_destroy(
    clouds: Clouds, templates_of: Templates, denodo_ha: Run
) -> None:
    cloud = clouds("shared-catalog")
    template = copy.deepcopy(templates_of(ROOT / "config/examples/shared-catalog.yaml")[CATALOG])
    cluster = cloud.stack("main")
    cloud.stacks.all.append(Deployed(CATALOG, cluster.account, cluster.region, template, {}))
    arguments = ("plan", "-c", "shared-catalog", "--destroy-all")
    done = denodo_ha(*arguments)
    assert done.exit_code == exit_codes.NO
    assert f"{CATALOG}: the stack's database is protected from deletion" in done.stdout
    assert "write catalog: {deletion_protection: false}" in done.stdout
    assert "load balancer" not in done.stdout
    (database,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::RDS::DBInstance"
    )
    database["DeletionProtection"] = False
    free = denodo_ha(*arguments)
    assert (free.exit_code, "removed" in free.stdout) == (exit_codes.DONE, True)
    # The load balancer's loss is not reported, since a destroy removes it on purpose.
    assert "instead" not in free.stdout
    (balancer,) = (
        resource["Properties"]
        for resource in cluster.template["Resources"].values()
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::LoadBalancer"
    )
    attributes = {item["Key"]: item for item in balancer["LoadBalancerAttributes"]}
    attributes["deletion_protection.enabled"]["Value"] = "true"
    for choice in (("--destroy-all",), ("--destroy", "main")):
        refused = denodo_ha("plan", "-c", "shared-catalog", *choice)
        assert refused.exit_code == exit_codes.NO
        assert "the stack's load balancer is protected from deletion" in refused.stdout


def test_wrong_usage(tmp_path: Path, clouds: Clouds, denodo_ha: Run) -> None:
    clouds("active-passive")
    for arguments in (
        ("--destroy", "passive"),
        ("--destroy-all",),
        ("--destroy-all", "--destroy", "passive", "-c", "active-passive"),
        ("--destroy", "passive", "-c", "active-passive", str(tmp_path)),
        ("--destroy", "passiv", "-c", "active-passive"),
    ):
        assert denodo_ha("plan", *arguments).exit_code == exit_codes.USAGE
