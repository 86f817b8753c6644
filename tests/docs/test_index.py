"""The documentation's index leads to every page, and paths named in texts exist."""

import os
import re
from pathlib import Path

from tests.support.assembly import ROOT
from tests.support.repository import project_files

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
MOVED = re.compile(r"# .+\n\nThis page has moved: \[.+\]\(((?:how-to|reference)/.+\.md)\)\. .+\n")


def test_the_index_links_every_page() -> None:
    pages = [page for page in project_files(".md", under="docs") if _has_content(page)]
    listed = _linked(INDEX) | _linked(DOCS / "how-to/runbooks/README.md")
    listed |= _linked(DOCS / "decisions/README.md")
    assert [str(page) for page in pages if page not in listed | {INDEX}] == []


def test_moved_pages_lead_to_their_new_place() -> None:
    """Paths of moved pages still exist, as deployed user data, documents and alarms name them."""
    moved = [page for page in sorted(DOCS.glob("*.md")) if not _has_content(page)]
    assert [page.stem for page in moved] == [
        "alarms",
        "catalog",
        "haproxy-aws",
        "node",
        "solution-manager",
    ]
    for page in moved:
        match = MOVED.fullmatch(page.read_text(encoding="utf-8"))
        assert match, page
        assert (DOCS / match[1]).exists(), page


def test_every_link_in_the_documentation_has_a_target() -> None:
    missing = []
    for page in project_files(".md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, fragment = link.partition("#")
            if "://" in path:
                continue
            target = Path(os.path.normpath(page.parent / path)) if path else page
            if not target.exists() or (fragment and fragment not in _anchors(target)):
                missing.append(f"{page.relative_to(ROOT)}: {link}")
    assert missing == []


def test_every_page_that_code_names_exists() -> None:
    names = re.compile(r"(?<![\w/.])docs/[\w/-]+\.md(?:#[\w-]+)?")
    missing = []
    scripts = project_files(
        *("cluster", "failover", "haproxy", "run"), under="hosts/solution_manager"
    )
    for file in (*project_files(".py", ".yaml", ".json", "Makefile"), *scripts):
        for name in names.findall(file.read_text(encoding="utf-8")):
            path, _, fragment = name.partition("#")
            target = ROOT / path
            if not target.exists() or (fragment and fragment not in _anchors(target)):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert missing == []


def _has_content(page: Path) -> bool:
    return page.parent != DOCS or not MOVED.match(page.read_text(encoding="utf-8"))


def _linked(page: Path) -> set[Path]:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return {Path(os.path.normpath(page.parent / link)) for link in links if "://" not in link}


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them from headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w -]", "", plain).strip().replace(" ", "-")
        number = sum(1 for name in anchors if re.fullmatch(re.escape(anchor) + r"(-\d+)?", name))
        anchors.add(f"{anchor}-{number}" if number else anchor)
    return anchors
