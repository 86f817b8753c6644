"""The prose of this project: pages without code, docstrings, comments and messages.

Each file's prose has the same lines as the file, so that a finding has the file's position.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "tools/local_aws/README.md")
PACKAGES: Final = ("app.py", "denodo_ha", "hosts", "stacks", "tools")

_CODE: Final = re.compile(r"^(```|~~~).*?^\1$|<!-- generated .*?<!-- end", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`[^`\n]*`|(?<=\])\([^)\s]+\)|<[^>\n]+>|https?://\S+|\\N\{[^}]*\}")
_LEAST_WORDS: Final = 3
"""Minimum number of words of a literal that counts as prose; shorter literals are names, keys or
formats."""


def files() -> Iterator[Path]:
    """Yield the pages and the Python modules to check."""
    for name in PAGES:
        path = ROOT / name
        yield from sorted(path.rglob("*.md")) if path.is_dir() else [path]
    for name in PACKAGES:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if not any(part.startswith(".") for part in file.relative_to(ROOT).parts):
                yield file


def prose(file: Path) -> str:
    """Return the prose of a file. All other lines are empty, so that line numbers remain."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return _without_code(text)
    lines = [""] * (text.count("\n") + 2)
    for line, words in sorted(_strings(text)):
        for offset, part in enumerate(_without_code(words).split("\n")):
            position = min(line - 1 + offset, len(lines) - 1)
            lines[position] = f"{lines[position]} {part.strip()}".strip()
    return "\n".join(lines)


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings of a module, its classes, functions and variables."""
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text.strip()


def _strings(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and words of the messages, docstrings and comments of a module."""
    tree = ast.parse(text)
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inner = {id(value) for node in parts for value in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr():
                words = "".join(
                    str(value.value) if isinstance(value, ast.Constant) else " X "
                    for value in node.values
                )
            case ast.Constant(value=str(words)) if id(node) not in inner:
                pass
            case _:
                continue
        if len(words.split()) >= _LEAST_WORDS:
            yield node.lineno, words
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(noqa|type:|ruff:)", token.string):
            yield token.start[0], re.sub(r"#\s*noqa.*", "", token.string.lstrip("# "))


def _without_code(text: str) -> str:
    """Return a text without code blocks, code within lines, and the addresses of links."""
    text = _CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return _INLINE.sub(" X ", text)
