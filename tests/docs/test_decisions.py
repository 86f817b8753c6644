"""All decision records have the same form, and the index lists each record."""

import re

from tests.support.assembly import ROOT

RECORDS = sorted((ROOT / "docs/decisions").glob("0*.md"))


def test_every_record_has_its_parts() -> None:
    for record in RECORDS:
        text = record.read_text(encoding="utf-8")
        number = int(record.name.split("-")[0])
        status = (
            rf"# {number}\. .+\n\nStatus: (accepted|superseded by .+), \d{{4}}-\d\d-\d\d(; .+)?\n"
        )
        assert re.match(status, text), record.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings[:2] == ["Context", "Decision"], record.name
        assert set(headings[2:]) <= {"Alternatives", "Consequences"}, record.name
        assert len(text.splitlines()) <= 80, f"{record.name} is longer than a page"


def test_the_index_lists_every_record_with_its_title_and_status() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| (\w+).* \|$", index, re.MULTILINE)
    listed = []
    for record in RECORDS:
        lines = record.read_text(encoding="utf-8").splitlines()
        number, _, title = lines[0].removeprefix("# ").partition(". ")
        listed.append((number, title, record.name, lines[2].split()[1].rstrip(",")))
    assert rows == listed
