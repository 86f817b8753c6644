"""External inputs of the local AWS are pinned: schemas from AWS, packages from lock files."""

import re
import subprocess

from tests.support.assembly import ROOT
from tools.local_aws import published_schemas

LOCK = (ROOT / "tools/local_aws/requirements.lock").read_text()


def test_schemas_are_those_that_aws_publishes() -> None:
    """If this test fails, update the schemas with `python -m tools.local_aws.published_schemas`."""
    assert published_schemas.FILE.read_text() == published_schemas.text()


def test_every_type_of_a_template_is_checked() -> None:
    """Each resource type that the stacks use needs a schema, checks and a test."""
    used = set()
    for snapshot in (ROOT / "tests/__snapshots__").rglob("*.json"):
        used |= set(
            re.findall(r'"Type": "(AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)"', snapshot.read_text())
        )
    assert used <= set(published_schemas.TYPES)


def test_lock_names_no_registry_and_has_every_hash() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    entries = re.split(r"\n(?=\S)", LOCK)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_lock_follows_its_requirements() -> None:
    lines = (ROOT / "tools/local_aws/requirements.in").read_text()
    expected = re.findall(r"^[a-z0-9-]+==[^\s;]+", lines, re.MULTILINE)
    assert len(expected) == len([line for line in lines.splitlines() if line[:1] != "#"])
    assert set(expected) <= set(re.findall(r"^[a-z0-9-]+==[^\s;]+", LOCK, re.MULTILINE))


def test_a_set_up_that_is_current_does_nothing() -> None:
    done = subprocess.run(
        [str(ROOT / "tools/local_aws/setup")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
