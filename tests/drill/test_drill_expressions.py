"""The values of a template's expressions, as CloudFormation evaluates them."""

from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.reading.expressions import Resolver, references
from tests.drill.sample_templates import get_att, ref


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
        (get_att("Box", "PrivateIp"), "${main/Box.PrivateIp}"),
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
        ({"Fn::Select": [5, {"Fn::Split": [":", ref("Box")]}]}, "${main/Box.#5}"),
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
    template = {
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
    assert value(expression, **template) == expected


def test_references_are_found_anywhere_in_a_value() -> None:
    assert references("x${a/B.C}y${d/E}") == [("a", "B", "C"), ("d", "E", "")]
    assert references(7) == []


def test_an_expression_that_refers_to_itself_is_unknown() -> None:
    loop = {"Fn::GetStackOutput": {"StackName": "main", "OutputName": "Loop"}}
    assert "${?/?}" in str(value(loop, Outputs={"Loop": {"Value": loop}}))
    conditions = {"Loop": {"Fn::Not": [{"Condition": "Loop"}]}}
    assert value({"Fn::If": ["Loop", "a", "b"]}, Conditions=conditions) == "a"


def test_a_parameter_without_a_default_does_not_decide_a_condition() -> None:
    parameters = {"Asked": {"Type": "String"}, "Given": {"Type": "String", "Default": "yes"}}
    maybe = {"Fn::Equals": [ref("Asked"), "x"]}
    no = {"Fn::Equals": [ref("Given"), "no"]}
    for condition, expected in (
        ({"Fn::Not": [maybe]}, "a"),
        ({"Fn::And": [maybe, no]}, "b"),
        ({"Fn::And": [maybe, {"Fn::Not": [no]}]}, "a"),
        ({"Fn::Or": [maybe, no]}, "a"),
        ({"Fn::Or": [no, no]}, "b"),
    ):
        template = {"Parameters": parameters, "Conditions": {"It": condition}}
        assert value({"Fn::If": ["It", "a", "b"]}, **template) == expected, condition
