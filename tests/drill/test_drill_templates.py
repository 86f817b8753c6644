"""Templates are read as CloudFormation reads them, across files, stacks and regions."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.aws.template_document import read_template_file
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.drill.reading.expressions import Resolver, references
from denodo_ha.drill.reading.model_builder import build_model
from tests.drill.handmade import TEMPLATES, bare, cluster, got, ref, resource, site

FILES = [TEMPLATES / f"{name}.yaml" for name in ("site-a", "site-b", "names")]


def value(expression: Any, **more: Any) -> Any:
    template = {"Resources": {"Box": {"Type": "AWS::EC2::Instance"}}, **more}
    stack = SynthesisedStack("main", "eu-west-1", "111122223333", template)
    other = SynthesisedStack(
        "other",
        "eu-west-1",
        "",
        {
            "Resources": {"Far": {"Type": "AWS::EC2::Instance"}},
            "Outputs": {
                "Out": {"Value": ref("Far"), "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-x"}}}
            },
        },
    )
    return Resolver((stack, other)).value(stack, expression)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("text", "text"),
        (ref("Box"), "${main/Box}"),
        (got("Box", "PrivateIp"), "${main/Box.PrivateIp}"),
        ({"Fn::GetAtt": "Box.PrivateIp"}, "${main/Box.PrivateIp}"),
        (ref("AWS::Region"), "eu-west-1"),
        (ref("AWS::AccountId"), "111122223333"),
        (ref("AWS::StackName"), "main"),
        (ref("Given"), "yes"),
        (ref("Several"), ["a", "b"]),
        (ref("Asked"), "${main/Asked}"),
        ({"Fn::Join": ["-", ["a", ref("Box")]]}, "a-${main/Box}"),
        ({"Fn::Sub": "${Box}.${Box.Ip}.${!Kept}"}, "${main/Box}.${main/Box.Ip}.${Kept}"),
        ({"Fn::Sub": ["${X}-${AWS::Region}", {"X": ref("Box")}]}, "${main/Box}-eu-west-1"),
        ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
        ({"Fn::Select": [1, {"Fn::Split": ["/", "a/b"]}]}, "b"),
        # A piece of what only a deploy knows is still known to be of it.
        ({"Fn::Select": [5, {"Fn::Split": [":", ref("Box")]}]}, "${main/Box}"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "eu-west-1#0"),
        ({"Fn::FindInMap": ["Sizes", "big", "n"]}, 3),
        ({"Fn::ImportValue": "other-x"}, "${other/Far}"),
        ({"Fn::ImportValue": "nobody's"}, "${?/nobody's}"),
        ({"Fn::GetStackOutput": {"StackName": "other", "OutputName": "Out"}}, "${other/Far}"),
        ({"Fn::If": ["Yes", "a", "b"]}, "a"),
        ({"Fn::If": ["No", "a", "b"]}, "b"),
        ({"Fn::If": ["Maybe", "a", "b"]}, "a"),
        ({"Fn::If": ["Both", "a", "b"]}, "b"),
        ({"Fn::If": ["Either", "a", "b"]}, "a"),
        ({"k": {"Fn::If": ["No", "a", ref("AWS::NoValue")]}}, {}),
        (["a", {"Fn::If": ["No", "a", ref("AWS::NoValue")]}], ["a"]),
        ({"Fn::Unheard": "x"}, "${?/Unheard}"),
    ],
)  # fmt: skip
def test_expressions(expression: Any, expected: Any) -> None:
    known = {
        "Parameters": {
            "Given": {"Type": "String", "Default": "yes"},
            "Several": {"Type": "CommaDelimitedList", "Default": "a,b"},
            "Asked": {"Type": "String"},
        },
        "Mappings": {"Sizes": {"big": {"n": 3}}},
        "Conditions": {
            "Yes": {"Fn::Equals": [ref("Given"), "yes"]},
            "No": {"Fn::Not": [{"Condition": "Yes"}]},
            "Maybe": {"Fn::Equals": [ref("Asked"), "x"]},
            "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
            "Either": {"Fn::Or": [{"Condition": "Maybe"}, {"Condition": "Yes"}]},
        },
    }
    assert value(expression, **known) == expected


def test_marks_are_found_in_what_they_became_part_of() -> None:
    assert references("x${a/B.C}y${d/E}") == [("a", "B", "C"), ("d", "E", "")]
    assert references(7) == []


def test_expressions_that_lead_to_themselves_end() -> None:
    loop = {"Fn::GetStackOutput": {"StackName": "main", "OutputName": "Loop"}}
    assert "${?/?}" in str(value(loop, Outputs={"Loop": {"Value": loop}}))


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / f"{file.stem}.json").write_text(json.dumps(read_template_file(file)))
    as_json = [tmp_path / f"{file.stem}.json" for file in FILES]
    assert drill_paths(as_json).outcomes == drill_paths(FILES).outcomes


def test_the_order_of_files_does_not_matter() -> None:
    one, two = drill_paths(FILES), drill_paths(FILES[::-1])
    assert dict(one.by_failure) == dict(two.by_failure)


def test_an_assembly_within_an_assembly_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "assembly-Stage"
    inner.mkdir()
    (inner / "a.template.json").write_text(json.dumps(cluster("a")))
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://111122223333/eu-west-1",
        "properties": {"templateFile": "a.template.json", "stackName": "prod-a"},
    }
    _manifest(inner, {"Stage-a": artifact})
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Stage"}}
    _manifest(tmp_path, {"assembly-Stage": nested})
    (stack,) = read_stacks([tmp_path])
    assert (stack.name, stack.region, stack.account) == ("prod-a", "eu-west-1", "111122223333")


def _manifest(folder: Path, artifacts: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": artifacts}))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.json", "[]", "has no Resources"),
        ("a.yaml", "Resources: [", "the file must be JSON or YAML"),
        ("a.yaml", "a: b", "has no Resources, so it is not a template"),
        ("a.yaml", "", "has no Resources"),
        ("a.yaml", "Resources: {}", "nothing to lose"),
        ("a.yaml", "\x00", "the file must be JSON or YAML"),
    ],
)
def test_what_is_no_template_is_said_with_its_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        drill_paths([file])


def test_paths_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="so it is not a cdk"):
        drill_paths([tmp_path])
    with pytest.raises(UsageError, match="No such file"):
        drill_paths([tmp_path / "gone.json"])
    with pytest.raises(UsageError, match="two of the stacks have this name"):
        drill_paths([FILES[0], FILES[0]])
    (tmp_path / "manifest.json").write_text('{"artifacts": {"a": {"type": 1}}}')
    with pytest.raises(UsageError, match="there is no stack"):
        drill_paths([tmp_path])
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UsageError, match="not the manifest of a cloud assembly"):
        drill_paths([tmp_path])


def test_two_clusters_in_one_stack_are_told_apart() -> None:
    """By their balancers, as long as these share no node."""
    first, second = site("alarm")["site-a"], cluster("a")
    text = json.dumps(second)
    for id_ in second["Resources"]:
        text = text.replace(f'"{id_}"', f'"Other{id_}"')
    both = {"Resources": first["Resources"] | json.loads(text)["Resources"]}
    found = build_model((SynthesisedStack("all", "eu-west-1", "", both),))
    assert {name: len(one.nodes) for name, one in found.clusters.items()} == {
        "all-Front": 2,
        "all-OtherFront": 2,
    }


def test_nodes_without_a_balancer_are_a_cluster() -> None:
    (found,) = build_model(
        (SynthesisedStack("solo", "eu-west-1", "", bare("a")),)
    ).clusters.values()
    assert (found.name, len(found.nodes), found.balancers) == ("solo", 1, ())


def test_a_record_set_group_is_read() -> None:
    templates = site("alarm")
    of_names = templates["names"]["Resources"]
    records = [of_names.pop(id_)["Properties"] for id_ in ("First", "Second")]
    of_names["Records"] = resource("AWS::Route53::RecordSetGroup", RecordSets=records)
    found = build_model(
        tuple(SynthesisedStack(name, name, "", one) for name, one in templates.items())
    )
    assert [one.name for one in found.failover_names] == ["sql.example.org"]


def test_what_no_template_has_is_unknown() -> None:
    templates = site("alarm")
    del templates["site-b"]
    found = build_model(
        tuple(SynthesisedStack(name, name, "", one) for name, one in templates.items())
    )
    assert found.failover_names[0].secondary.cluster is None
    assert any("which none of these templates has" in note for note in found.notes)
