"""The generated list of a deploy's permissions is up to date, and covers every resource type."""

import re

from tests.support.assembly import ROOT
from tools import deploy_permissions
from tools.local_aws.published_schemas import TYPES


def test_the_page_is_the_present_one() -> None:
    assert deploy_permissions.FILE.read_text() == deploy_permissions.text()


def test_every_type_of_the_examples_is_in_it() -> None:
    """The list of permissions contains each resource type in the examples' snapshots."""
    used = set()
    for file in (ROOT / "tests/stacks/__snapshots__/test_examples").glob("*.txt"):
        used |= set(re.findall(r"^\w+ ([A-Z]\w+::\w+)", file.read_text(), re.MULTILINE))
    assert len(used) > 25
    assert {f"AWS::{kind}" for kind in used} <= {*TYPES, "AWS::CDK::Metadata"}


def test_every_type_has_actions_of_its_service() -> None:
    without = [kind for kind in TYPES if not deploy_permissions.actions(kind)]
    assert without == []
    assert "ec2:RunInstances" in deploy_permissions.actions("AWS::EC2::Instance")
