"""The node programs of both revisions read each other's desired states and records."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hosts.denodo.record import Record
from hosts.denodo.state_reader import parse
from tests.commands.account.expressions import Expressions
from tests.hosts.denodo.conftest import make_home
from tests.hosts.denodo.home import Home, Version
from tests.support.assembly import Template
from tests.upgrade.conftest import NewTemplates
from tests.upgrade.revision import EXAMPLES, Revision, known, python

__all__ = ["make_home"]

_READ_STATES = """
import json, sys
from {package}.state import parse
for text in json.load(sys.stdin):
    print(parse(text).hash)
"""
_WRITE_RECORDS = """
import sys
from pathlib import Path
from {package}.record import Record
from {package}.state import parse
from {package}.system import System
record = Record(System(folder=Path(sys.argv[1]), machine=Path(sys.argv[2])))
record.apply(parse(sys.stdin.read()), "a change")
record.drain("an operator", "a test")
record.confirm_metadata("an operator", "by a test")
record.know_logins({{"vdp": "a hash"}})
record.export(good="2026-01-01T00:00:00+00:00", reason="the bucket is full")
record.signalled()
"""
_READ_RECORDS = """
import json, sys
from pathlib import Path
from {package}.record import Record
from {package}.system import System
record = Record(System(folder=Path(sys.argv[1]), machine=Path(sys.argv[2])))
print(json.dumps([record.show(), record.applied.hash, record.metadata_confirmed,
                  record.logins, record.exported["reason"], record.was_signalled]))
"""
"""Two scripts, of which one writes records and the other one reads records. They import modules of
an archived revision, by the modules' names in the first archive."""


def _desired_states(templates: dict[str, Template]) -> Iterator[str]:
    """Yield the nodes' desired states; logical ids replace values that only a deploy determines."""
    expressions = Expressions({}, lambda id_, name: f"{id_}.{name}", lambda of: of["OutputName"])
    for template in templates.values():
        for resource in template["Resources"].values():
            value = resource.get("Properties", {}).get("Value")
            if resource["Type"] == "AWS::SSM::Parameter":
                text = str(expressions.value(value))
                if '"denodo"' in text and '"ready"' in text:
                    yield text


def _run(revision: Revision, script: str, *arguments: str, stdin: str = "") -> str:
    """Run a script with the modules of the revision's node program."""
    root, package = revision.node_module
    done = python(root, "-c", script.format(package=package), *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_programs_read_the_states_of_both_revisions(
    revision: Revision, new_templates: NewTemplates
) -> None:
    old = [text for name in EXAMPLES for text in _desired_states(revision.templates(name))]
    new = [text for name in EXAMPLES for text in _desired_states(new_templates(revision, name))]
    assert len(old) == len(new) > 20
    read = _run(revision, _READ_STATES, stdin=json.dumps([*old, *new])).split()
    # The hash of the desired state decides whether an apply restarts the servers.
    assert read == [parse(text).hash for text in [*old, *new]]


def _write_records(home: Home) -> None:
    record = Record(home.system)
    record.apply(home.state(), "a change")
    record.drain("an operator", "a test")
    record.confirm_metadata("an operator", "by a test")
    record.remember_logins({"vdp": "a hash"})
    record.export(good="2026-01-01T00:00:00+00:00", reason="the bucket is full")
    record.signalled()


def _read_records(home: Home) -> list[Any]:
    record = Record(home.system)
    applied = record.applied
    assert applied is not None
    values = [record.contents(), applied.hash, record.metadata_confirmed, record.logins]
    return [*values, record.exported["reason"], record.was_signalled]


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
def test_records_are_carried_over(
    revision: Revision, make_home: Callable[[Version], Home], *, back: bool
) -> None:
    if revision.command != "ops":
        pytest.skip("the scripts are for the first archive")
    home = make_home("8.0")
    folders = (str(home.system.folder), str(home.system.machine))
    if back:
        _write_records(home)
    else:
        _run(revision, _WRITE_RECORDS, *folders, stdin=json.dumps(home.data()))
    read_by_old = json.loads(_run(revision, _READ_RECORDS, *folders))
    contents, *values = _read_records(home)
    assert [known(contents, read_by_old[0]), *values] == read_by_old
    logins, reason = {"vdp": "a hash"}, "the bucket is full"
    assert read_by_old[1:] == [home.state().hash, True, logins, reason, True]
    assert read_by_old[0]["drained"]["who"] == "an operator"
