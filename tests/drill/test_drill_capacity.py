"""The load of the nodes that remain after a failure."""

import json

import pytest
import typer
from typer.testing import CliRunner

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import Commands
from denodo_ha.drill.command import drill as drill_command
from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import FILES, cluster, drill, properties, two_clusters, violations

LOST = Failure("node-lost", "site-a", "Box1")


@pytest.mark.parametrize(
    ("nodes", "percent"), [("ab", 200), ("abc", 150), ("abca", 134), ("ababab", 120)]
)
def test_the_load_of_one_lost_node_is_shared_by_the_others(nodes: str, percent: int) -> None:
    result = drill({"site-a": cluster("a", nodes=nodes, zones="abc")})
    assert result.by_failure[LOST].load_percent == percent
    assert result.without_failure.load_percent == 100
    broken = [
        [text for text in violations(result, max_load=limit).get("max-load", ()) if "Box" in text]
        for limit in (percent, percent - 1)
    ]
    # Each node can fail in three ways, each of which breaks the policy: lost, not ready, drained.
    assert [len(texts) for texts in broken] == [0, 3 * len(nodes)]
    assert any(f"up to {percent} % of its previous load" in note for note in result.model.notes)


def test_a_site_failover_loads_the_other_sides_nodes() -> None:
    templates = two_clusters("alias", nodes="abab")
    templates["site-b"] = cluster("b", nodes="ab")
    result = drill(templates)
    region = Failure("region-lost", "site-a", "eu-west-1")
    assert result.by_failure[region].load_percent == 200
    assert result.by_failure[Failure("node-lost", "site-b", "Box1")].load_percent == 100


def test_a_lost_zone_loads_the_nodes_of_the_others() -> None:
    result = drill({"site-a": cluster("a", nodes="aab", zones="ab")})
    assert result.by_failure[Failure("zone-lost", "site-a", "eu-west-1a")].load_percent == 300
    assert result.by_failure[Failure("zone-lost", "site-a", "eu-west-1b")].load_percent == 150


def test_a_cluster_of_one_node_has_no_note() -> None:
    result = drill({"site-a": cluster("a", nodes="a")})
    assert not any("of its previous load" in note for note in result.model.notes)


def test_the_option() -> None:
    program = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    program.command("drill")(drill_command)
    program.callback()(lambda: None)
    arguments = ["drill", *map(str, FILES), "--max-load"]
    assert CliRunner().invoke(program, [*arguments, "200"]).exit_code == exit_codes.DONE
    result = CliRunner().invoke(program, [*arguments, "199", "--format", "json"])
    assert result.exit_code == exit_codes.NO
    (policy,) = [one for one in json.loads(result.output)["policies"] if one["id"] == "max-load"]
    assert "node-lost site-a left: 200 %" in policy["broken_by"]


def test_the_most_loaded_service_counts() -> None:
    result = drill({"site-a": cluster("a", services=(9999, 9996))})
    failure = Failure("service-down", "site-a", "9996 on Box1")
    assert result.by_failure[failure].load_percent == 200


def test_targets_that_get_connections_and_do_not_listen_carry_no_load() -> None:
    templates = {"site-a": cluster("a")}
    name = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
    group = properties(templates, "site-a", "P9999")
    group["TargetGroupAttributes"] = [{"Key": name, "Value": 2}]
    outcome = drill(templates).by_failure[LOST]
    assert (outcome.partial, outcome.load_percent) == ((9999,), 200)
