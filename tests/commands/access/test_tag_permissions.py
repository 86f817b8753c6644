"""Permissions to write tags: the drain tag of the cluster's own instances, and no other tag."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.names import DRAINED_TAG
from tests.support.assembly import EXAMPLES, Template
from tests.support.policy_simulator import allows

Policies = dict[str, list[dict[str, Any]]]
TAGGING = ("ec2:CreateTags", "ec2:DeleteTags")


def policies(templates: Mapping[str, Template]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield every policy of the templates, also of roles, with its name."""
    for stack, template in templates.items():
        for id_, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            documents = [properties.get("PolicyDocument")]
            documents += [one["PolicyDocument"] for one in properties.get("Policies", [])]
            for document in filter(None, documents):
                if resource["Type"].startswith("AWS::IAM::"):
                    yield f"{stack}/{id_}", document["Statement"]


def contexts(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ARN and condition keys: of a created and of each adopted instance of each cluster."""
    environment = load(file).environment
    for name, cluster in environment.clusters.items():
        arn = f"arn:aws:ec2:{cluster.region}:{cluster.account}:instance/"
        tags = {
            "aws:ResourceTag/denodo:environment": environment.name,
            "aws:ResourceTag/denodo:cluster": name,
        }
        yield f"{arn}i-00000000000000000", tags
        for node in cluster.nodes.values():
            if node.instance_id:
                yield f"{arn}{node.instance_id}", {}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_no_policy_writes_another_tag_or_all(
    file: Path, templates_of: Callable[[Path], Mapping[str, Template]]
) -> None:
    """`DeleteTags` without keys removes all tags (AWS, Amazon EC2 API, DeleteTags)."""
    writing = {
        name: statements
        for name, statements in policies(templates_of(file))
        if any(action in str(one["Action"]) for one in statements for action in TAGGING)
    }
    for instance, tags in contexts(file):
        for action in TAGGING:

            def admitted(*keys: str, of: tuple[str, Any] = (action, (instance, tags))) -> set[str]:
                verb, (arn, context) = of
                # A request without tag keys has no condition key (AWS, IAM, Set operators).
                given = {**context, **({"aws:TagKeys": keys} if keys else {})}
                return {
                    name for name, listed in writing.items() if allows(listed, verb, arn, given)
                }

            assert admitted() == set()
            assert admitted("Name") == admitted(DRAINED_TAG, "Name") == set()
            assert admitted(DRAINED_TAG) or not writing


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_quantified_condition_requires_its_key(
    file: Path, templates_of: Callable[[Path], Mapping[str, Template]]
) -> None:
    """`ForAllValues` is also true for a missing key, so a `Null` condition must demand the key."""
    for name, statements in policies(templates_of(file)):
        for one in statements:
            conditions = one.get("Condition", {})
            required = {
                key for key, value in conditions.get("Null", {}).items() if value == "false"
            }
            quantified = {
                key
                for operator, keys in conditions.items()
                if operator.startswith("ForAllValues:")
                for key in keys
            }
            assert quantified <= required, (name, one.get("Sid"))
