"""The documentation has every finding with the command's text, and every finding can occur."""

import re

import pytest

from denodo_ha.verify.findings import FINDINGS, meaning
from tests.support.assembly import ROOT

DOCUMENT = (ROOT / "docs/reference/verify.md").read_text(encoding="utf-8")
SOURCES = {
    file.name: file.read_text(encoding="utf-8") for file in (ROOT / "denodo_ha/verify").glob("*.py")
}


@pytest.mark.parametrize("code", FINDINGS)
def test_documented(code: str) -> None:
    assert f"| `{code}` | {meaning(code)} |" in DOCUMENT


@pytest.mark.parametrize("code", FINDINGS)
def test_used(code: str) -> None:
    assert any(f'"{code}"' in text for name, text in SOURCES.items() if name != "findings.py")


def test_nothing_else_is_documented() -> None:
    table = DOCUMENT.partition("## Findings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert rows == list(FINDINGS)
