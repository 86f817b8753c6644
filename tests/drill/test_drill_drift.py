"""Drift in meaning: differences between templates and deployed resources, and their effects."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.live.drift import drift_sentences, model_differences
from denodo_ha.drill.live.live_site import UnreadPart
from denodo_ha.drill.reading.model_builder import build_model
from tests.drill.sample_templates import Templates, drill, properties, yaml_templates

OF_TEMPLATES = yaml_templates()


def changed(stack: str, id_: str, **settings: Any) -> Templates:
    """Return the sample templates, with changed properties of one resource."""
    templates = copy.deepcopy(OF_TEMPLATES)
    properties(templates, stack, id_).update(settings)
    return templates


def drift(live: Templates) -> tuple[list[str], list[str]]:
    """Return differences between the templates and the deployed site `live`, and sentences."""
    base, new = drill(OF_TEMPLATES), drill(live)
    differences = model_differences(base.model, new.model)
    sentences = drift_sentences(outcome_changes(base, new), differences, new.model)
    return [one.text for one in differences], sentences


def without(templates: Templates, stack: str, *ids: str) -> Templates:
    resources = templates[stack]["Resources"]
    for id_ in ids:
        del resources[id_]
    return templates


CASES: Mapping[str, tuple[Templates, list[str]]] = {
    "health check": (
        changed("site-a", "Sql", HealthCheckIntervalSeconds=30, UnhealthyThresholdCount=10),
        ["the target group of port 9999, health check: 30 s x 10 (templates: 10 s x 3)"],
    ),
    "time-out": (
        changed("site-a", "Sql", HealthCheckTimeoutSeconds=3),
        ["the target group of port 9999, health check's time-out: 3 s (templates: 10 s)"],
    ),
    "request": (
        changed("site-a", "Sql", HealthCheckProtocol="HTTP", HealthCheckTimeoutSeconds=10),
        [
            (
                "the target group of port 9999, health check's request: HTTP / on each target's "
                "own port (templates: TCP on each target's own port)"
            )
        ],
    ),
    "targets": (
        changed("site-a", "Sql", Targets=[{"Id": {"Ref": "Left"}}]),
        ["the target group of port 9999, targets: left:9999 (templates: left:9999, right:9999)"],
    ),
    "threshold": (
        changed(
            "site-a",
            "Sql",
            TargetGroupAttributes=[
                {
                    "Key": "target_group_health.dns_failover.minimum_healthy_targets.count",
                    "Value": "2",
                }
            ],
        ),
        [
            "the target group of port 9999, minimum of healthy targets in DNS: 2 (templates: 1)",
        ],
    ),
    "cross-zone": (
        changed("site-a", "Front", LoadBalancerAttributes=[]),
        [
            "the balancer Front, cross-zone load balancing: off (templates: on)",
        ],
    ),
    "zones": (
        changed("site-a", "Front", Subnets=[{"Ref": "LeftNet"}]),
        [
            ("the balancer Front, zones: eu-west-1a (templates: eu-west-1a, eu-west-1b)"),
        ],
    ),
    "zone of a node": (
        changed("site-a", "Right", SubnetId={"Ref": "LeftNet"}),
        ["node right is in eu-west-1a (templates: eu-west-1b)"],
    ),
    "alarm": (
        changed("site-a", "NoneHealthy", Statistic="Minimum"),
        [
            (
                "alarm site-a/NoneHealthy, condition: Minimum of HealthyHostCount "
                "LessThanThreshold 1 (templates: Maximum of HealthyHostCount LessThanThreshold 1)"
            )
        ],
    ),
    "lost listener": (
        without(changed("site-a", "Sql"), "site-a", "RightIn"),
        ["a listener on port 29997 is in the templates and is not deployed"],
    ),
    "nothing": (changed("site-a", "Sql"), []),
    "the port that all targets have": (changed("site-a", "Sql", HealthCheckPort="9999"), []),
    "another port": (
        changed("site-a", "Sql", HealthCheckPort="9998"),
        [
            (
                "the target group of port 9999, health check's request: TCP on 9998 (templates: "
                "TCP on each target's own port)"
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_difference_is_a_sentence(case: str) -> None:
    live, expected = CASES[case]
    assert drift(live)[0] == expected


def test_a_slower_check_names_its_cause() -> None:
    _, sentences = drift(CASES["health check"][0])
    lost = [text for text in sentences if text.startswith("node lost: site-a left, right")]
    assert len(lost) == 1
    assert (
        "worse for the deployed resources than for the templates (new connections: 40 s -> 310 s)"
        in lost[0]
    )
    assert lost[0].endswith(
        ": the target group of port 9999, health check: 30 s x 10 (templates: 10 s x 3)."
    )


def of_one_cluster(
    templates: Templates, region: str = "site-a", name: str = "site-a"
) -> DrillResult:
    stack = SynthesisedStack(name, region, "", templates["site-a"])
    return drill_model(build_model((stack,)))


def test_what_runs_does_not_survive_what_the_templates_do() -> None:
    base, new = of_one_cluster(OF_TEMPLATES), of_one_cluster(CASES["targets"][0])
    differences = model_differences(base.model, new.model)
    for before, after, words in (
        (
            base,
            new,
            (
                "the templates survive this failure, the deployed resources do not (new "
                "connections: 40 s -> only after a repair; 9999, 19997: unreachable; sets off the "
                "alarm NoneHealthy)"
            ),
        ),
        (new, base, "the deployed resources survive this failure, the templates do not"),
    ):
        sentences = drift_sentences(outcome_changes(before, after), differences, after.model)
        texts = [text for text in sentences if text.startswith("node lost: left")]
        assert any(words in text for text in texts), sentences
        assert all("the target group of port 9999, targets: left:9999" in text for text in texts)


def test_what_is_unknown_is_not_compared() -> None:
    base, live = drill(OF_TEMPLATES).model, drill(CASES["health check"][0]).model
    part = UnreadPart(
        "elasticloadbalancing:DescribeTargetHealth", "eu-west-1", "", frozenset({"node"})
    )
    assert model_differences(base, live, [part]) == ()


def test_a_site_that_no_template_made_is_compared_by_region() -> None:
    """The hand-made cluster has another name. Its health checks and alarms are not compared."""
    base = of_one_cluster(OF_TEMPLATES, "eu-west-1")
    new = of_one_cluster(CASES["health check"][0], "eu-west-1", "hand-made")
    assert [one.text for one in model_differences(base.model, new.model)] == CASES["health check"][
        1
    ]
