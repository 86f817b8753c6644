"""Recovery of instances whose host fails: by EC2 without an alarm, by an alarm, or none."""

import copy
from collections.abc import Mapping

import pytest

from denodo_ha.environment.facts.instance_recovery import Recovery, recovery_of
from denodo_ha.environment.loading.loader import load
from tests.drill.sample_templates import drill
from tests.support.assembly import ROOT, Template, synthesise

EXAMPLE = ROOT / "config/examples/active-active.yaml"
STACK = "denodo80-main"


@pytest.mark.parametrize(
    ("instance_type", "recovery"),
    [
        ("m7i.xlarge", Recovery.AUTOMATIC),
        ("m7i-flex.large", Recovery.AUTOMATIC),
        ("r8g.48xlarge", Recovery.AUTOMATIC),
        ("u-6tb1.112xlarge", Recovery.AUTOMATIC),
        ("u7in-16tb.224xlarge", Recovery.AUTOMATIC),
        ("m7i.metal-24xl", Recovery.ALARM),
        ("r5.metal", Recovery.ALARM),
        ("x2iedn.8xlarge", Recovery.ALARM),
        ("m5d.xlarge", Recovery.NONE),
        ("i4i.xlarge", Recovery.NONE),
        ("m7", Recovery.NONE),
    ],
)
def test_a_type_has_a_recovery(instance_type: str, recovery: Recovery) -> None:
    assert recovery_of(instance_type) is recovery


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Template]:
    """Return templates with a metal instance, and with an instance type without recovery."""
    folder = tmp_path_factory.mktemp("recovery")
    text = EXAMPLE.read_text()
    for node, type_ in (("node1", "m7i.metal-24xl"), ("node2", "m5d.xlarge")):
        old = f"{node}: {{zone: "
        assert old in text
        text = text.replace(old, f"{node}: {{instance: {{type: {type_}}}, zone: ")
    file = folder / "environment.yaml"
    file.write_text(text)
    return synthesise(load(file), folder / "out").templates


def alarms(template: Template) -> dict[str, Template]:
    """Return the alarms that recover an instance, by the instance's logical id."""
    return {
        resource["Properties"]["Dimensions"][0]["Value"]["Ref"]: resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and "ec2:recover" in str(resource["Properties"].get("AlarmActions"))
    }


def test_only_a_type_that_needs_it_gets_an_alarm(templates: Mapping[str, Template]) -> None:
    template = templates[STACK]
    (alarm,) = alarms(template).values()
    assert list(alarms(template)) == [template["Outputs"]["NodeIdnode1"]["Value"]["Ref"]]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/EC2", "StatusCheckFailed_System")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_the_drill_shows_what_ec2_does(templates: Mapping[str, Template]) -> None:
    notes = [note for note in drill(templates).model.notes if " another host" in note]
    assert len(notes) == 3
    assert "by simplified automatic recovery (node3)" in notes[0]
    assert "by a CloudWatch alarm with the recover action (node1)" in notes[1]
    assert "the instance type has no recovery (node2)" in notes[2]
    without = copy.deepcopy(dict(templates))
    for id_, resource in templates[STACK]["Resources"].items():
        if resource.get("Properties") in alarms(templates[STACK]).values():
            del without[STACK]["Resources"][id_]
    notes = [note for note in drill(without).model.notes if " another host" in note]
    assert "the instance type has no recovery (node1, node2)" in notes[1]
