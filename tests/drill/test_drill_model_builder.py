"""Model that the drill builds of templates: clusters, balancers, alarms and failover names."""

import json
from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import read_template_file
from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.reading.model_builder import build_model
from tests.drill.sample_templates import (
    FILES,
    Data,
    Templates,
    attributes,
    cluster,
    drill,
    model,
    properties,
    resource,
    single_node,
    two_clusters,
)


def one_stack(template: Data, name: str = "all") -> Model:
    return build_model((SynthesisedStack(name, "eu-west-1", "", template),))


def test_the_order_of_files_does_not_matter() -> None:
    assert dict(drill_paths(FILES).by_failure) == dict(drill_paths(FILES[::-1]).by_failure)


def test_json_and_yaml_give_the_same(tmp_path: Any) -> None:
    for file in FILES:
        (tmp_path / f"{file.stem}.json").write_text(json.dumps(read_template_file(file)))
    as_json = [tmp_path / f"{file.stem}.json" for file in FILES]
    assert drill_paths(as_json).outcomes == drill_paths(FILES).outcomes


def test_balancers_of_a_stack_that_share_no_node_are_two_clusters() -> None:
    first, second = cluster("a"), json.dumps(cluster("a"))
    for id_ in first["Resources"]:
        second = second.replace(f'"{id_}"', f'"Other{id_}"')
    both = {"Resources": first["Resources"] | json.loads(second)["Resources"]}
    clusters = one_stack(both).clusters
    assert {name: len(cluster.nodes) for name, cluster in clusters.items()} == {
        "all-Front": 2,
        "all-OtherFront": 2,
    }


def test_balancers_of_a_stack_that_share_a_node_are_one_cluster() -> None:
    template = cluster("a", services=(9999, 9996))
    resources = template["Resources"]
    resources["Second"] = json.loads(json.dumps(resources["Front"]))
    resources["P9996In"]["Properties"]["LoadBalancerArn"] = {"Ref": "Second"}
    (of_stack,) = one_stack(template).clusters.values()
    assert (of_stack.name, len(of_stack.balancers), len(of_stack.nodes)) == ("all", 2, 2)
    assert of_stack.ports == ()


def test_nodes_without_a_balancer_are_a_cluster() -> None:
    (of_stack,) = one_stack(single_node("a"), "solo").clusters.values()
    assert (of_stack.name, len(of_stack.nodes), of_stack.balancers) == ("solo", 1, ())
    assert of_stack.ports == (9999,)


def test_a_cluster_has_the_name_of_its_tag_if_no_other_has_it() -> None:
    for tags, names in (
        ({"site-a": "main", "site-b": "other"}, {"main", "other"}),
        ({"site-a": "main", "site-b": "main"}, {"site-a", "site-b"}),
        ({"site-a": "main"}, {"main", "site-b"}),
    ):
        templates = two_clusters("alarm")
        for stack, tag in tags.items():
            own = [{"Key": "denodo:cluster", "Value": tag}]
            properties(templates, stack, "Front")["Tags"] = own
        assert set(model(templates).clusters) == names


def test_nodes_of_one_name_have_their_logical_ids() -> None:
    templates = two_clusters("alarm")
    for id_ in ("Box1", "Box2"):
        properties(templates, "site-a", id_)["Tags"] = [{"Key": "Name", "Value": "node"}]
        properties(templates, "site-b", id_)["Tags"] = [{"Key": "Name", "Value": id_.lower()}]
    names = {key: machine.name for key, machine in model(templates).machines.items()}
    assert names == {
        "site-a/Box1": "Box1",
        "site-a/Box2": "Box2",
        "site-b/Box1": "box1",
        "site-b/Box2": "box2",
    }


def test_a_resource_whose_condition_is_false_does_not_exist() -> None:
    templates = two_clusters("alarm")
    template = templates["site-a"]
    template["Conditions"] = {"No": {"Fn::Equals": ["a", "b"]}, "Yes": {"Fn::Equals": ["a", "a"]}}
    template["Resources"]["Box2"]["Condition"] = "No"
    template["Resources"]["Box1"]["Condition"] = "Yes"
    assert "site-a/Box1" in model(templates).machines
    assert "site-a/Box2" not in model(templates).machines


def test_a_record_set_group_is_read() -> None:
    templates = two_clusters("alarm")
    resources = templates["names"]["Resources"]
    records = [resources.pop(id_)["Properties"] for id_ in ("First", "Second")]
    resources["Records"] = resource("AWS::Route53::RecordSetGroup", RecordSets=records)
    assert [name.name for name in model(templates).failover_names] == ["sql.example.org"]


def test_records_of_two_types_are_two_failover_names() -> None:
    templates = two_clusters("alias")
    resources = templates["names"]["Resources"]
    for id_ in ("First", "Second"):
        copy = json.loads(json.dumps(resources[id_]))
        copy["Properties"]["Type"] = "AAAA"
        resources[f"{id_}6"] = copy
    names = [name.name for name in model(templates).failover_names]
    assert names == ["sql.example.org A", "sql.example.org AAAA"]


def test_a_name_with_one_record_has_a_note_and_fails_nothing_over() -> None:
    templates = two_clusters("alarm")
    del templates["names"]["Resources"]["Second"]
    of_templates = model(templates)
    assert of_templates.failover_names == ()
    assert (
        "sql.example.org has only a PRIMARY record, so DNS cannot fail over" in of_templates.notes
    )


def test_a_target_that_no_template_has_is_unknown() -> None:
    templates = two_clusters("alarm")
    del templates["site-b"]
    of_templates = model(templates)
    assert of_templates.failover_names[0].secondary.cluster is None
    assert any(
        "which is not among the resources that were read" in note for note in of_templates.notes
    )
    assert any("assumes that this health check is healthy" in note for note in of_templates.notes)


def test_a_health_check_has_its_tag_and_id_as_its_name() -> None:
    templates = two_clusters("endpoint")
    tags = [{"Key": "Name", "Value": "primary"}]
    properties(templates, "names", "Probea")["HealthCheckTags"] = tags
    names = {check.name for check in model(templates).checks.values()}
    assert names >= {"primary (Probea)", "Probeb"}


@pytest.mark.parametrize(
    ("statistic", "threshold", "depends"),
    [("Maximum", 1, False), ("Maximum", 2, True), ("Minimum", 1, True)],
)
def test_the_targets_that_a_zone_reports_matter_to_some_alarms(
    statistic: str, threshold: int, *, depends: bool
) -> None:
    """If an alarm depends on which targets a zone counts, the report has an open point.

    An alarm on "no healthy target at all" does not depend on the zones' targets.
    """
    templates = two_clusters("alarm", nodes="aab")
    for stack in ("site-a", "site-b"):
        settings = properties(templates, stack, "NoneHealthy")
        settings |= {"Statistic": statistic, "Threshold": threshold}
    outcomes = drill(templates).outcomes
    texts = [text for outcome in outcomes for text in outcome.interpretations]
    assert any("HealthyHostCount" in text for text in texts) is depends


def test_an_alarm_that_ignores_missing_data_leaves_its_effect_open() -> None:
    templates = two_clusters("alarm")
    properties(templates, "site-a", "NoneHealthy")["TreatMissingData"] = "ignore"
    outcome = drill(templates).by_failure[Failure("region-lost", "site-a", "eu-west-1")]
    (text,) = outcome.interpretations
    assert (
        "if instead without data, the health check's InsufficientDataHealthStatus decides" in text
    )
    assert "DNS moves to site-b" in text


def thresholds(**values: str) -> list[Data]:
    prefix = "target_group_health"
    return [
        *attributes(**{f"{prefix}__unhealthy_state_routing__minimum_healthy_targets__{key}": value
                       for key, value in values.items()})
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "partial"),
    [({"count": "1"}, ()), ({"count": "2"}, (9999,)), ({"percentage": "51"}, (9999,)),
     ({"count": "off", "percentage": "off"}, ()), ({"percentage": "50"}, ())],
)  # fmt: skip
def test_below_the_routing_threshold_unhealthy_targets_get_connections(
    settings: dict[str, str], partial: tuple[int, ...]
) -> None:
    templates: Templates = {"site-a": cluster("a")}
    properties(templates, "site-a", "P9999")["TargetGroupAttributes"] = thresholds(**settings)
    outcome = drill(templates).by_failure[Failure("node-lost", "site-a", "Box1")]
    assert outcome.partial == partial


def test_a_listener_forwards_only_to_target_groups_with_a_weight() -> None:
    templates: Templates = {"site-a": cluster("a", services=(9999, 9996))}
    weights = [
        {"TargetGroupArn": {"Ref": "P9999"}, "Weight": 1},
        {"TargetGroupArn": {"Ref": "P9996"}, "Weight": 0},
    ]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
    properties(templates, "site-a", "P9999In")["DefaultActions"] = [action]
    (balancer,) = model(templates).balancers.values()
    groups = {listener.port: listener.target_groups for listener in balancer.listeners}
    assert groups == {9999: ("site-a/P9999",), 9996: ("site-a/P9996",)}
