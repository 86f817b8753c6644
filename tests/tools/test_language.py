"""The checks of language and spelling find faults in texts, and ignore code."""

from pathlib import Path

import pytest

from tests.support.assembly import ROOT
from tools.language import __main__ as program
from tools.language import rules, texts

PAGE = """# Title

A node that nobody uses is made anew. There is no other; this is no node.

```
nobody anew mispeling
```

`nobody` is a value, and [a link](anew.md#nobody). A mispeling.
"""
MODULE = '''"""Whether a module has findings."""

NAME = "anew"
PATTERN = r"\\bgo on about it"


def run(name):
    """Return it."""
    # A comment that goes on.
    return f"{name} is no node of this cluster"


NUMBER = 1
"""How many there are."""
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project that has one page and one module."""
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "module.py").write_text(MODULE)
    for name in (".venv", "node_modules", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    return tmp_path


def test_words_of_a_page_are_found_outside_of_code(folder: Path) -> None:
    assert list(rules.findings(folder / "page.md")) == [
        "page.md:3: 'nobody': write name the caller, operator or node",
        "page.md:3: 'anew': write again",
        "page.md:3: 'is no': write is not a",
    ]


def test_words_across_lines_of_a_list(folder: Path) -> None:
    page = folder / "list.md"
    page.write_text("- Nodes that are no\n  longer used. There\n  is no other. It goes\n  on.\n")
    assert list(rules.findings(page)) == ["list.md:3: 'goes on': write continue"]


def test_docstrings_comments_and_messages_of_a_module_are_read(folder: Path) -> None:
    assert list(rules.findings(folder / "module.py")) == [
        "module.py:10: 'is no': write is not a",
        "module.py:9: 'goes on': write continue",
        "module.py:1: docstring begins with 'Whether': begin with a verb or a noun",
        "module.py:14: docstring begins with 'How': begin with a verb or a noun",
    ]


def test_spelling_is_checked_outside_of_code(folder: Path) -> None:
    found = program.misspelled([folder / "page.md", folder / "module.py"])
    assert found == ["page.md:9:36 - Unknown word (mispeling)"]


def test_a_missing_cspell_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_CSPELL", "node_modules/.bin/missing")
    with pytest.raises(SystemExit, match="make dev"):
        program.misspelled([folder / "page.md"])


def test_texts_of_all_pages_and_packages_are_checked() -> None:
    names = {str(file.relative_to(ROOT)) for file in texts.files()}
    assert {"README.md", "docs/README.md", "denodo_ha/cli/main.py", "hosts/archive.py"} <= names
    assert not any("node_modules" in name or ".venv" in name for name in names)


def test_lint_checks_the_language() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2]
    assert "$(python) -m tools.language" in recipe.partition("\n\n")[0]


def test_a_suppressed_rule_has_its_reason_beside_it(folder: Path) -> None:
    module = folder / "module.py"
    module.write_text("import a  # noqa: F401 - see above\nimport b  # noqa: F401 - for users\n")
    assert list(rules.findings(module)) == [
        "module.py:1: write the reason why the rule is suppressed"
    ]
