"""The generated reference pages are current and complete."""

import re

from tests.support.assembly import ROOT
from tests.support.program_commands import command_functions
from tools.reference_pages import alarm_table, outputs_page, pages

SNAPSHOTS = ROOT / "tests/stacks/__snapshots__/test_examples"


def test_the_pages_are_current() -> None:
    for file, text in pages.generated_pages():
        assert file.read_text(encoding="utf-8") == text, f"{file} is stale: run `make reference`"


def test_every_command_has_a_section() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## denodo-ha (.+)$", page, re.MULTILINE)
    assert headings == [name for name, _ in command_functions()]


def test_the_page_has_every_output_of_the_examples() -> None:
    outputs = {
        output
        for snapshot in SNAPSHOTS.glob("*.txt")
        for output in re.findall(r"^output (\S+) = ", snapshot.read_text(), re.MULTILINE)
    }
    assert {"JdbcUrl", "NodeIdnode1", "ExportBucket"} <= outputs
    assert [output for output in sorted(outputs) if not outputs_page.is_documented(output)] == []


def test_every_alarm_is_in_the_table_and_has_a_section() -> None:
    page = (ROOT / "docs/reference/alarms.md").read_text(encoding="utf-8")
    sections = page.partition(pages.END)[2]
    names = [text.name for text in alarm_table.alarm_texts()]
    assert sorted(re.findall(r"^## (.+)$", sections, re.MULTILINE)) == sorted(names)
