"""The page of a review in Markdown: short enough for a comment on a pull request."""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from denodo_ha.cli.output import markdown_table, markdown_text
from denodo_ha.environment.full_command import full_command, make_command
from denodo_ha.environment.loading.problem import printable
from denodo_ha.review.page.page_parts import (
    Block,
    Column,
    Drawing,
    Folded,
    Page,
    Paragraph,
    Section,
    Table,
    Verdict,
)
from denodo_ha.review.picture.graph import Picture
from denodo_ha.review.picture.mermaid import mermaid

MOST_CHARACTERS: Final = 65_000
"""Project limit: characters of the page, below the maximum of a comment on a pull request."""

_VERDICT: Final = 4_000
"""Project limit: characters of the verdict's line."""
_MERMAID_EDGES: Final = 500
"""Maximum number of edges that Mermaid draws by default (Mermaid Config Schema, maxEdges)."""
_MERMAID_CHARACTERS: Final = 50_000
"""Maximum number of characters of a picture that Mermaid draws by default (Mermaid Config Schema,
maxTextSize)."""


def _whole() -> str:
    """Return a text with the command that writes the whole page, for sections that were cut."""
    return f"`{full_command('review', '--html', 'FILE')}` writes the whole page"


def markdown_page(page: Page) -> str:
    """Return the page in Markdown; a section that is too long is cut, with a remark at the cut."""
    name = re.sub(r"[^A-Za-z0-9._-]+|--+", "-", page.environment)
    verdict = _cut_line(_verdict(page.verdict), _VERDICT)
    head = f"<!-- denodo-ha review: {name} -->\n{verdict}\n\n{_text(page.revisions)}\n"
    whole = [_section(section, sys.maxsize) for section in page.sections]
    shares = fair_shares([len(text) for text in whole], MOST_CHARACTERS - len(head))
    parts = [
        text if len(text) <= share else _section(section, share)
        for section, text, share in zip(page.sections, whole, shares, strict=True)
    ]
    return "".join((head, *parts))


def fair_shares(lengths: Sequence[int], total: int) -> list[int]:
    """Return the number of characters for each part, so that long parts leave room for others.

    A part that needs less than an equal share leaves the rest of its share to longer parts.
    """
    shares = [0] * len(lengths)
    left = total
    for rank, index in enumerate(sorted(range(len(lengths)), key=lambda item: lengths[item])):
        shares[index] = min(lengths[index], left // (len(lengths) - rank))
        left -= shares[index]
    return shares


def _verdict(verdict: Verdict) -> str:
    accepted = f"; accepted: {', '.join(map(_text, verdict.accepted))}" if verdict.accepted else ""
    if verdict.is_clear:
        beginning, _, rest = verdict.text.partition(":")
        return f"**{beginning}:**{rest}{accepted}"
    return f"**{verdict.text}:** {', '.join(map(_text, verdict.names))}{accepted}"


def _section(section: Section, most: int) -> str:
    """Return a section, cut to a maximum number of characters."""
    text = f"\n## {section.title}\n"
    lengths = [len(_block(block, sys.maxsize)) for block in section.blocks]
    shares = fair_shares(lengths, most - len(text))
    blocks = (_block(block, share) for block, share in zip(section.blocks, shares, strict=True))
    return text + "".join(blocks)


def _block(block: Block, most: int) -> str:
    """Return a block after an empty line, cut to a maximum number of characters."""
    match block:
        case Paragraph():
            text = _text(block.text)
            return f"\n{text if len(text) < most else _cut_text(text, most)}\n"
        case Table():
            return _table(block, most)
        case Drawing():
            return _drawing(block.picture, most)
        case Folded():
            return _folded(block, most)
        case _:
            assert_never(block)


def _table(table: Table, most: int) -> str:
    rows = [
        [
            f"`{cell}`" if column.kind == "code" and cell else cell
            for column, cell in zip(table.columns, row, strict=True)
        ]
        for row in table.rows
    ]
    text = f"\n{markdown_table(_titles(table.columns), rows)}\n"
    if len(text) <= most:
        return text
    note = f"\nAnd {len(rows)} more: {_whole()}.\n"
    kept = text[: max(most - len(note), 0)].rpartition("\n")[0]
    more = len(rows) - max(kept.count("\n") - 2, 0)
    return f"{kept}\n\nAnd {more} more: {_whole()}.\n"


def _titles(columns: Iterable[Column]) -> list[str]:
    return [column.title for column in columns]


def _drawing(picture: Picture, most: int) -> str:
    text = f"\n{_fenced(mermaid(picture), 'mermaid')}"
    is_drawn = len(text) <= _MERMAID_CHARACTERS and len(picture.edges) <= _MERMAID_EDGES
    if is_drawn and len(text) <= most:
        return text
    return f"\nThe picture is too large for this page: {_whole()}.\n"


def _folded(block: Folded, most: int) -> str:
    """Return a text in a folded block, cut to a number of characters."""
    begin, end = f"\n<details><summary>{_text(block.summary)}</summary>\n\n", "\n</details>\n"
    lines = "\n".join(printable(line) for line in block.text.split("\n"))
    fenced = _fenced(lines, "")
    room = most - len(begin) - len(end)
    if len(fenced) > room:
        note = f"\nThe rest is cut: `{make_command('diff')}` shows all differences.\n"
        spare = room - len(note) - 2 * len(_fenced("", "")) - _longest_run(lines) * 2
        kept = lines[: max(spare, 0)].rpartition("\n")[0]
        fenced = _fenced(kept, "") + note
    return f"{begin}{fenced}{end}"


def _fenced(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in its text."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _cut_line(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[:most].rpartition(', ')[0]} and more, below"


def _cut_text(text: str, most: int) -> str:
    note = f" … {_whole()}."
    return text[: max(most - len(note) - 2, 0)].rpartition(" ")[0] + note


def _text(text: str) -> str:
    """Return a text on one line, in which no character is Markdown or HTML."""
    return re.sub(r"([`*_\[\]#~])", r"\\\1", markdown_text(printable(text)))
