"""Permissions that a change widens: statements of IAM policies, in templates of any origin."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.review.changes.policy_changes import policy_findings
from denodo_ha.review.stack_pair import StackPair
from tests.review.test_review import pair, resource
from tests.support.assembly import Assembly


def role(statement: Mapping[str, Any]) -> dict[str, Any]:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    return {"P": resource("IAM::ManagedPolicy", PolicyDocument=document)}


@pytest.mark.parametrize(
    ("change", "is_wider"),
    [
        ({"Action": "s3:GetObject"}, False),
        ({"Resource": "arn:aws:s3:::bucket/a"}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Action": ["s3:GetObject", "s3:PutObject"]}, True),
        ({"Resource": "*"}, True),
    ],
)
def test_statements_of_policies(change: dict[str, Any], *, is_wider: bool) -> None:
    base = {"Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket/*"}
    found = list(policy_findings(pair(role(base), role(base | change))))
    assert bool(found) is is_wider


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"NotAction": ["a:*", "b:*"]}, {"NotAction": "a:*"}, "allows all but a:* on *"),
        ({"NotAction": "a:*"}, {"NotAction": ["b:*", "A:*"]}, None),
        ({"NotAction": "a:*"}, {"Action": "b:Get"}, None),
        ({"NotAction": "a:Get"}, {"Action": "a:G*"}, "allows a:G* on *"),
        ({"NotAction": "a:*"}, {"Action": ["a:Get", "b:Get"]}, "allows a:Get on *"),
        ({"Action": "a:*"}, {"NotAction": "a:*"}, "allows all but a:* on *"),
        ({"Action": "*"}, {"NotAction": "iam:*"}, None),
        (
            {"Action": "a:b", "NotResource": ["arn:x/secret/*", "arn:y"]},
            {"Action": "a:b", "NotResource": "arn:x/*"},
            "allows a:b on all but arn:x/*",
        ),
        ({"Action": "a:b", "NotResource": "arn:x/*"}, {"Action": "a:b", "Resource": "r"}, None),
        (
            {"Action": "a:b", "NotResource": "arn:x/*"},
            {"Action": "a:b", "Resource": "arn:x/1"},
            "allows a:b on arn:x/1",
        ),
        (
            {"Action": "a:b", "Resource": "arn:x/[1]"},
            {"Action": "a:b", "Resource": "arn:x/1"},
            "allows a:b on arn:x/1",
        ),
    ],
)
def test_all_but_some_actions_and_resources(
    before: dict[str, Any], after: dict[str, Any], text: str | None
) -> None:
    base = {"Resource": "*"} if "NotResource" not in before and "Resource" not in before else {}
    new = {"Resource": "*"} if "NotResource" not in after and "Resource" not in after else {}
    found = policy_findings(pair(role(base | before), role(new | after)))
    assert [item.text for item in found] == ([text] if text else [])


def test_a_refusal_of_all_but_some_actions() -> None:
    before = {"Effect": "Deny", "NotAction": "a:*", "Resource": "*"}
    stricter = before | {"NotAction": "a:Get"}
    assert list(policy_findings(pair(role(before), role(stricter)))) == []
    (found,) = policy_findings(pair(role(stricter), role(before)))
    assert found.text == "no longer denies all but a:Get on *"


def test_a_principal_that_is_left_out() -> None:
    before = {"Action": "a:b", "Resource": "*", "Principal": {"AWS": "111122223333"}}
    after = {"Action": "a:b", "Resource": "*", "NotPrincipal": {"AWS": "111122223333"}}
    (found,) = policy_findings(pair(role(before), role(after)))
    assert found.text.startswith("allows a:b on * for all but ")


def test_a_condition_removed_and_a_refusal_removed() -> None:
    base = {"Action": "a:b", "Resource": "*", "Condition": {"Bool": {"x": "true"}}}
    after = {key: value for key, value in base.items() if key != "Condition"}
    (found,) = policy_findings(pair(role(base), role(after)))
    assert (found.name, found.text) == ("iam-widened", "allows a:b on *")
    denied, other = (
        base | {"Effect": "Deny"},
        {"Action": "c:d", "Effect": "Deny", "Resource": "*"},
    )
    (found,) = policy_findings(pair(role(denied), role(other)))
    assert found.text.startswith("no longer denies a:b")


def test_the_code_of_a_node_program_is_no_access(assembly_of: Callable[[str], Assembly]) -> None:
    """A new version of a program changes the hash in a policy's resource, and widens no access."""
    ((name, before), *_) = assembly_of("shared-catalog").templates.items()
    text = json.dumps(before)
    (program,) = {
        part[:64] for part in text.split("s3://cdk-hnb659fds-assets-111122223333-eu-west-1/")[1:]
    }
    after = json.loads(text.replace(program, "0" * 64))
    assert after != before
    both = StackPair(
        name,
        SynthesisedStack(name, "eu-west-1", "", before),
        SynthesisedStack(name, "eu-west-1", "", after),
    )
    assert list(policy_findings(both)) == []
