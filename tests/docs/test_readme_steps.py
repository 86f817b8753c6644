"""README's steps, followed literally in a fresh clone, except the steps that need an account."""

import re
from pathlib import Path

import pytest

from tests.support.assembly import ROOT
from tests.support.fresh_clone import Shell, make_clone

pytestmark = pytest.mark.long

README = ROOT / "README.md"
NEEDS_AN_ACCOUNT = (
    *("npx cdk", "make deploy", "make destroy", "make review"),
    *("denodo-ha enable", "denodo-ha verify"),
)
"""Beginnings of README's commands that this test leaves out. `test_commands_in_docs.py` checks that
all commands of the documentation exist."""


def test_the_steps_that_need_no_account(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    steps = text[text.index("## From a file to a cluster") : text.index("## Commands")]
    steps = re.sub("<!--.*?-->", "", steps)
    pattern = r"(?<!`)`((?:make|denodo-ha|npx) [^`]+)`|^ *((?:make|denodo-ha|npx) .+)$"
    matches = re.finditer(pattern, steps, re.MULTILINE)
    commands = [" ".join((match[1] or match[2]).split()) for match in matches]
    run = [command for command in commands if not command.startswith(NEEDS_AN_ACCOUNT)]
    assert [command.split()[0:2] for command in run] == [
        ["make", "setup"],
        ["denodo-ha", "init"],
        ["denodo-ha", "check"],
        ["make", "synth"],
        ["make", "drill"],
    ]
    (tmp_path / "home").mkdir()
    with Shell(make_clone(tmp_path / "clone"), tmp_path / "home") as shell:
        for command in run:
            status, output = shell.run(command)
            assert status == 0, (command, output)
        status, output = shell.run("make")
        assert (status, "make local" in output) == (0, True), output
