"""The values of a template's expressions, as CloudFormation evaluates them."""

from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.reading import expressions
from denodo_ha.drill.reading.expressions import Resolver
from denodo_ha.drill.reading.values import as_integer, references
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
        # A part of a value that is known only after a deploy is shown as the resource's name and
        # the part's number.
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


def find_in_map(key: str) -> dict[str, Any]:
    return {"Fn::FindInMap": ["M", "a", key]}


def test_a_mapping_that_refers_to_itself_is_refused_at_once() -> None:
    mappings = {"M": {"a": {"b": [find_in_map("b")] * 2}}}
    with pytest.raises(UsageError, match=r"main: Mappings\.M\.a\.b refers to itself"):
        value(find_in_map("b"), Mappings=mappings)


def test_an_export_that_uses_itself_is_unknown() -> None:
    loop = {"Fn::ImportValue": "loop"}
    outputs = {"Loop": {"Value": [loop, loop], "Export": {"Name": "loop"}}}
    assert value(loop, Outputs=outputs) == ["${?/?}", "${?/?}"]
    of_own_name = {"Loop": {"Value": 1, "Export": {"Name": loop}}}
    assert value(loop, Outputs=of_own_name) == "${?/loop}"


@pytest.mark.parametrize(
    ("expression", "more"),
    [
        (
            find_in_map("b60"),
            {
                "Mappings": {
                    "M": {
                        "a": {
                            "b0": 1,
                            **{f"b{n}": [find_in_map(f"b{n - 1}")] * 4 for n in range(1, 61)},
                        }
                    }
                }
            },
        ),
        (
            {"Fn::If": ["C18", "a", "b"]},
            {
                "Conditions": {
                    "C0": {"Fn::Equals": [ref("Asked"), "a"]},
                    **{f"C{n}": {"Fn::Or": [{"Condition": f"C{n - 1}"}] * 5} for n in range(1, 19)},
                }
            },
        ),
        (
            {"Fn::Join": ["", [find_in_map("text")] * 5000]},
            {"Mappings": {"M": {"a": {"text": "x" * 100_000}}}},
        ),
    ],
)
def test_the_steps_of_expressions_that_multiply_are_limited(
    monkeypatch: pytest.MonkeyPatch, expression: Any, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(expressions, "_MAX_STEPS", 10_000)
    with pytest.raises(
        UsageError, match="main: the expressions of this template need more than 10000 steps"
    ):
        value(expression, **more)


def test_the_length_of_text_is_limited() -> None:
    long = {"Fn::Join": ["x" * 1000, ["a"] * 2000]}
    assert value(long) == "${?/Join}"
    parameters = {"P": {"Type": "String", "Default": "x" * 1000}}
    assert value({"Fn::Sub": "${P}" * 2000}, Parameters=parameters) == "${?/Sub}"


def test_sub_with_one_item_and_numbers_that_are_not_finite_are_unknown() -> None:
    assert value({"Fn::Sub": ["subnet-a"]}) == "${?/Sub}"
    assert [as_integer(text, 7) for text in (float("inf"), "1e999", ".inf", "1.0")] == [7, 7, 7, 1]


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
